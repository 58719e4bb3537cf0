//! What ssh-keygen writes.

use jit_ca_cert::SubjectKey;
use jit_ca_log::sshsig::{verify, verify_blob};
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

/// Whose signatures those of the corpus are.
const SIGNER: &str = include_str!("signer.pub");
const NAMESPACE: &str = "login.v1@jit-ca";
const MESSAGE: &[u8] = b"jit-ca login v1\n";

fn signer() -> KeyData {
    PublicKey::from_openssh(SIGNER).expect("a key").key_data().clone()
}

/// A public key in a line. What is taken is written in one way, and read again as the same.
pub(crate) fn key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = SubjectKey::from_openssh(text) {
        let again = SubjectKey::from_openssh(&key.to_openssh("again")).expect("a key's own line");
        assert_eq!(again.ssh_blob(), key.ssh_blob());
        let from_blob = SubjectKey::from_ssh_blob(&key.ssh_blob()).expect("a key's own blob");
        assert_eq!(from_blob.spki(), key.spki());
    }
}

#[cfg(test)]
pub(crate) fn accepts_key(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| SubjectKey::from_openssh(text).is_ok())
}

/// A signature with its armour. Nobody can make another one for the same key and message.
pub(crate) fn signature(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(blob) = verify(&signer(), NAMESPACE, MESSAGE, text) {
        verify_blob(&signer(), NAMESPACE, MESSAGE, &blob).expect("the same without its armour");
        assert!(verify(&signer(), "another@jit-ca", MESSAGE, text).is_err());
        assert!(verify(&signer(), NAMESPACE, b"another", text).is_err());
    }
    // Without its armour, as bytes.
    let _ = verify_blob(&signer(), NAMESPACE, MESSAGE, bytes);
}

#[cfg(test)]
pub(crate) fn accepts_signature(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    verify(&signer(), NAMESPACE, MESSAGE, text).is_ok()
}
