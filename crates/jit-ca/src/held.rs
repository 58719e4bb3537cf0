//! SSH certificates that we hold: with their key in ssh-agent, or in a file beside them.

use std::path::{Path, PathBuf};

use jit_ca_api::SshCertificate;
use jit_ca_core::{GrantId, IssuanceId, KeyId, UnixTime};
use ssh_key::Certificate;

use crate::agent::Agent;
use crate::certify::proof_beside;
use crate::error::Result;
use crate::files;
use crate::places::Places;

/// A certificate that we hold the key of.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) grant: GrantId,
    pub(crate) issuance: IssuanceId,
    pub(crate) certificate: Certificate,
    folder: PathBuf,
}

impl Held {
    /// Keeps a certificate, with the proof that the log holds it; with its key, unless that is in the agent.
    pub(crate) fn keep(
        places: &Places,
        certificate: Certificate,
        reply: &SshCertificate,
        key: Option<&str>,
    ) -> Result<Self> {
        let id = KeyId::parse(certificate.key_id()).ok_or_else(|| {
            crate::error::Error::unverified("the SSH certificate's key id names no grant")
        })?;
        let folder = places.certificates().join(id.issuance.to_string());
        files::private_folder(&places.runtime)?;
        files::private_folder(&folder)?;
        if let Some(key) = key {
            files::write_private(&folder.join(KEY), key.as_bytes())?;
        }
        let file = folder.join(CERTIFICATE);
        files::write_private(&proof_beside(&file), reply.proof.as_bytes())?;
        let line = format!("{}\n", reply.certificate.trim_end());
        files::write_private(&file, line.as_bytes())?;
        Ok(Self { grant: id.grant, issuance: id.issuance, certificate, folder })
    }

    /// The certificates that are valid now. Those that are over are removed on the way.
    pub(crate) fn list(places: &Places, now: UnixTime) -> Result<Vec<Self>> {
        let folder = places.certificates();
        let Ok(entries) = std::fs::read_dir(&folder) else {
            return Ok(Vec::new());
        };
        let mut held = Vec::new();
        for entry in entries.flatten() {
            match Self::at(&entry.path())? {
                Some(found) if now < found.expires() => held.push(found),
                Some(_) => files::remove(&entry.path())?,
                // Another process may be about to write it.
                None => {}
            }
        }
        held.sort_by_key(|found| found.issuance);
        Ok(held)
    }

    /// The first second in which the certificate is no longer valid.
    pub(crate) fn expires(&self) -> UnixTime {
        UnixTime::from_secs(self.certificate.valid_before())
    }

    /// The certificate's file.
    pub(crate) fn certificate_file(&self) -> PathBuf {
        self.folder.join(CERTIFICATE)
    }

    /// Where the certificate lies, with its key unless the agent holds that.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it serves from some addresses alone.
    pub(crate) fn is_bound_to_addresses(&self) -> bool {
        self.certificate.critical_options().contains_key("source-address")
    }

    /// The private key's file; none where the agent holds it.
    pub(crate) fn key_file(&self) -> Option<PathBuf> {
        let file = self.folder.join(KEY);
        file.is_file().then_some(file)
    }

    /// Whether the key is still there: agents are restarted, and forget.
    pub(crate) fn is_usable(&self, places: &Places) -> bool {
        let in_agent = || {
            let blob = self.certificate.to_bytes().ok()?;
            let mut agent = Agent::connect(places.agent.as_ref()?).ok()?;
            let held = agent.identities().ok()?;
            Some(held.iter().any(|identity| identity.blob == blob))
        };
        self.key_file().is_some() || in_agent() == Some(true)
    }

    /// Lets go of the certificate and its key.
    pub(crate) fn remove(&self, places: &Places) -> Result<()> {
        if let (Some(socket), Ok(blob)) = (&places.agent, self.certificate.to_bytes()) {
            // An agent that has gone, or has forgotten it, holds it no more.
            let _ = Agent::connect(socket).and_then(|mut agent| agent.remove(&blob));
        }
        files::remove(&self.folder)
    }

    /// The certificate that lies in a folder, if one does.
    pub(crate) fn at(folder: &Path) -> Result<Option<Self>> {
        let Some(text) = files::read(&folder.join(CERTIFICATE))? else {
            return Ok(None);
        };
        let Ok(certificate) = Certificate::from_openssh(text.trim_end()) else {
            return Ok(None);
        };
        let id = KeyId::parse(certificate.key_id());
        Ok(id.map(|id| Self {
            grant: id.grant,
            issuance: id.issuance,
            certificate,
            folder: folder.to_owned(),
        }))
    }
}

const KEY: &str = "key";
const CERTIFICATE: &str = "key-cert.pub";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ephemeral::EphemeralKey;
    use crate::testing::TestCa;

    #[test]
    fn what_is_over_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let places = Places {
            home: home.path().to_owned(),
            config: home.path().join("config"),
            runtime: home.path().join("runtime"),
            agent: None,
            user: None,
        };
        let (ca, key) = (TestCa::new(home.path()), EphemeralKey::generate().unwrap());
        let id = "jit-ca:g-01m3250v000w3ge1r70w3ge1r7:i-01m3250v000w3ge1r70w3ge1r7:alice";
        let certificate = ca.certify(&key.public_key(), &["-I", id, "-n", "x", "-V", "+1h"]);
        let reply = SshCertificate {
            issuance: "i-01m3250v000w3ge1r70w3ge1r7".parse().unwrap(),
            grant: "g-01m3250v000w3ge1r70w3ge1r7".parse().unwrap(),
            row: "web-shell".parse().unwrap(),
            certificate: certificate.to_openssh().unwrap(),
            serial: "1".to_owned(),
            expires: UnixTime::from_secs(certificate.valid_before()),
            entry: 1,
            proof: "its proof\n".to_owned(),
        };
        let secret = key.to_openssh().unwrap();
        let held = Held::keep(&places, certificate, &reply, Some(&secret)).unwrap();
        assert!(held.is_usable(&places));
        let proof = proof_beside(&held.certificate_file());
        assert_eq!(std::fs::read_to_string(&proof).unwrap(), reply.proof);
        let before = held.expires().minus(jit_ca_core::Span::from_secs(1));
        assert_eq!(Held::list(&places, before).unwrap().len(), 1);
        assert_eq!(Held::list(&places, held.expires()).unwrap().len(), 0);
        assert_eq!(held.key_file(), None, "the key is removed with its certificate");
        assert!(!proof.exists());
    }
}
