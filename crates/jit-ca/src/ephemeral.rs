//! SSH keys that live as long as one certificate.

use jit_ca_core::Digest;
use jit_ca_core::statement::Kind;
use jit_ca_log::hash::sha256;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, Signature, SshSig};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// An ed25519 key that was made for one certificate.
pub(crate) struct EphemeralKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl EphemeralKey {
    pub(crate) fn generate() -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new()
            .fill(&mut *seed)
            .map_err(|_| Error::key("no key can be made")("the system gives no random bytes"))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed)
            .map_err(|rejected| Error::key("no key can be made")(rejected.to_string()))?;
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Ok(Self { seed, pair, public })
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::new(self.key_data(), "jit-ca")
    }

    /// Signs a statement as `ssh-keygen -Y sign` would (PROTOCOL.sshsig).
    pub(crate) fn sign(&self, kind: Kind, statement: &str) -> Result<String> {
        let namespace = kind.namespace();
        let hash = HashAlg::Sha512;
        SshSig::signed_data(&namespace, hash, statement.as_bytes())
            .and_then(|data| Signature::new(Algorithm::Ed25519, self.pair.sign(&data).as_ref()))
            .and_then(|signature| SshSig::new(self.key_data(), namespace, hash, signature))
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .map_err(Error::key("the statement can't be signed"))
    }

    /// The private key as OpenSSH keeps it in files.
    pub(crate) fn to_openssh(&self) -> Result<Zeroizing<String>> {
        let pair = Ed25519Keypair {
            public: Ed25519PublicKey(self.public),
            private: Ed25519PrivateKey::from_bytes(&self.seed),
        };
        PrivateKey::new(KeypairData::Ed25519(pair), "jit-ca")
            .and_then(|key| key.to_openssh(LineEnding::LF))
            .map_err(Error::key("the key can't be written"))
    }

    pub(crate) fn public_bytes(&self) -> [u8; 32] {
        self.public
    }

    pub(crate) fn private_and_public_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.seed.as_slice(), &self.public].concat())
    }

    fn key_data(&self) -> KeyData {
        KeyData::Ed25519(Ed25519PublicKey(self.public))
    }
}

impl std::fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EphemeralKey(hidden)")
    }
}

/// SHA-256 of a key in its wire form: what `ssh-keygen -l` prints.
pub(crate) fn fingerprint(key: &PublicKey) -> Result<Digest> {
    let bytes = key.to_bytes();
    bytes.map(|bytes| sha256(&bytes)).map_err(Error::key("the key can't be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ssh_keygen;

    #[test]
    fn ssh_keygen_accepts_our_signature_and_our_key_file() {
        let home = tempfile::tempdir().unwrap();
        let key = EphemeralKey::generate().unwrap();
        let signature = key.sign(Kind::Possession, "jit-ca possession v1\n").unwrap();
        let line = key.public_key().to_openssh().unwrap();
        let signers = home.path().join("signers");
        std::fs::write(&signers, format!("alice {line}\n")).unwrap();
        let signature_file = home.path().join("signature");
        std::fs::write(&signature_file, signature).unwrap();
        let verify = |statement: &str| {
            let arguments = ["-Y", "verify", "-I", "alice", "-n", "possession.v1@jit-ca"];
            ssh_keygen(
                arguments.iter().map(std::ffi::OsStr::new).chain([
                    "-f".as_ref(),
                    signers.as_os_str(),
                    "-s".as_ref(),
                    signature_file.as_os_str(),
                ]),
                statement,
            )
        };
        assert!(verify("jit-ca possession v1\n").contains("Good \"possession.v1@jit-ca\""));
        assert!(!verify("jit-ca possession v2\n").contains("Good"));

        let file = home.path().join("key");
        crate::files::write_private(&file, key.to_openssh().unwrap().as_bytes()).unwrap();
        let public = ssh_keygen(["-y".as_ref(), "-f".as_ref(), file.as_os_str()], "");
        assert_eq!(public.trim(), line);

        let listed = ssh_keygen(["-l".as_ref(), "-f".as_ref(), file.as_os_str()], "");
        let fingerprint = fingerprint(&key.public_key()).unwrap().to_string();
        assert_eq!(listed.split(' ').nth(1), Some(fingerprint.as_str()));
    }
}
