//! ssh-agent, as far as we need it: draft-ietf-sshm-ssh-agent.
//!
//! Each message is a length, a type and what belongs to it. We ask what the agent holds, give it a
//! certificate with its key for as long as the certificate lives, and take it away again.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use jit_ca_core::Span;
use ssh_encoding::{Decode as _, Encode as _};
use ssh_key::{Certificate, PublicKey};
use zeroize::Zeroizing;

use crate::ephemeral::EphemeralKey;

/// Why the agent did not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// The socket.
    #[error("its socket can't be used")]
    Socket(#[from] std::io::Error),
    /// An answer that the protocol does not know.
    #[error("it answered what is no answer")]
    Answer,
    /// A message that can't be written or read.
    #[error("its message can't be read")]
    Encoding(#[from] ssh_encoding::Error),
    /// A key that can't be read or written.
    #[error("its key can't be read")]
    Key(#[from] ssh_key::Error),
    /// A no.
    #[error("it refused")]
    Refused,
}

/// A connection to an agent.
#[derive(Debug)]
pub(crate) struct Agent(UnixStream);

/// What an agent holds the private half of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The public key or the certificate, in its wire form.
    pub(crate) blob: Vec<u8>,
    /// What the key's owner called it.
    pub(crate) comment: String,
}

impl Identity {
    /// The key, unless it is a certificate or of a kind that we don't know.
    pub(crate) fn plain_key(&self) -> Option<PublicKey> {
        let mut key = PublicKey::from_bytes(&self.blob).ok()?;
        key.set_comment(self.comment.as_str());
        Some(key)
    }
}

impl Agent {
    pub(crate) fn connect(socket: &Path) -> Result<Self, AgentError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// What the agent holds.
    pub(crate) fn identities(&mut self) -> Result<Vec<Identity>, AgentError> {
        let answer = self.call(&[REQUEST_IDENTITIES])?;
        let Some((&IDENTITIES_ANSWER, mut rest)) = answer.split_first() else {
            return Err(AgentError::Answer);
        };
        let count = u32::decode(&mut rest)?;
        (0..count)
            .map(|_| {
                Ok(Identity { blob: Vec::decode(&mut rest)?, comment: String::decode(&mut rest)? })
            })
            .collect()
    }

    /// Gives the agent a certificate with its key, for `lifetime`.
    pub(crate) fn add(
        &mut self,
        certificate: &Certificate,
        key: &EphemeralKey,
        comment: &str,
        lifetime: Span,
    ) -> Result<(), AgentError> {
        let mut message = Zeroizing::new(vec![ADD_ID_CONSTRAINED]);
        let kind = certificate.algorithm().to_certificate_type();
        kind.encode(&mut *message)?;
        certificate.to_bytes()?.encode(&mut *message)?;
        // Section 3.2.3: the public key, then the private key with the public one behind it.
        key.public_bytes().as_slice().encode(&mut *message)?;
        key.private_and_public_bytes().as_slice().encode(&mut *message)?;
        comment.encode(&mut *message)?;
        message.push(CONSTRAIN_LIFETIME);
        u32::try_from(lifetime.secs()).unwrap_or(u32::MAX).encode(&mut *message)?;
        self.order(&message)
    }

    /// Takes a key or a certificate away from the agent.
    pub(crate) fn remove(&mut self, blob: &[u8]) -> Result<(), AgentError> {
        let mut message = vec![REMOVE_IDENTITY];
        blob.encode(&mut message)?;
        self.order(&message)
    }

    fn order(&mut self, message: &[u8]) -> Result<(), AgentError> {
        match self.call(message)?.as_slice() {
            [SUCCESS] => Ok(()),
            [FAILURE, ..] => Err(AgentError::Refused),
            _ => Err(AgentError::Answer),
        }
    }

    fn call(&mut self, message: &[u8]) -> Result<Vec<u8>, AgentError> {
        let mut framed = Zeroizing::new(Vec::with_capacity(message.len().saturating_add(4)));
        message.encode(&mut *framed)?;
        self.0.write_all(&framed)?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > LONGEST_ANSWER {
            return Err(AgentError::Answer);
        }
        let mut answer = Vec::new();
        (&self.0).take(length.into()).read_to_end(&mut answer)?;
        if u32::try_from(answer.len()) == Ok(length) { Ok(answer) } else { Err(AgentError::Answer) }
    }
}

/// An agent may ask its owner before it answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// As in OpenSSH's authfd.c.
const LONGEST_ANSWER: u32 = 256 * 1024;

// Section 6.1: message numbers; section 6.2: constraints.
const FAILURE: u8 = 5;
const SUCCESS: u8 = 6;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const REMOVE_IDENTITY: u8 = 18;
const ADD_ID_CONSTRAINED: u8 = 25;
const CONSTRAIN_LIFETIME: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestAgent, TestCa};
    use std::time::Instant;

    #[test]
    fn a_real_agent_holds_a_certificate_until_its_time_is_over() {
        let home = tempfile::tempdir().unwrap();
        let running = TestAgent::start(home.path());
        let mut agent = Agent::connect(&running.socket).unwrap();
        assert_eq!(agent.identities().unwrap(), []);

        let ca = TestCa::new(home.path());
        let (kept, passing) =
            (EphemeralKey::generate().unwrap(), EphemeralKey::generate().unwrap());
        let certify = |key: &EphemeralKey, name| {
            ca.certify(&key.public_key(), &["-I", name, "-n", "x", "-V", "+1h"])
        };
        let (kept_certificate, passing_certificate) =
            (certify(&kept, "kept"), certify(&passing, "passing"));
        let minute = Span::from_secs(60);
        agent.add(&kept_certificate, &kept, "kept", minute).unwrap();
        agent.add(&passing_certificate, &passing, "passing", Span::from_secs(1)).unwrap();
        let listed = running.list();
        assert!(listed.contains("kept (ED25519-CERT)"), "{listed}");
        assert!(listed.contains("passing (ED25519-CERT)"), "{listed}");
        assert!(agent.identities().unwrap().iter().all(|held| held.plain_key().is_none()));

        let begun = Instant::now();
        while running.list().contains("passing") {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(running.list().contains("kept"));

        agent.remove(&kept_certificate.to_bytes().unwrap()).unwrap();
        assert_eq!(agent.identities().unwrap(), []);
        assert!(matches!(agent.remove(b"nothing"), Err(AgentError::Refused)));
    }
}
