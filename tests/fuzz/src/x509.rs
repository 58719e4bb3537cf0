//! Certificate requests.

use jit_ca_cert::{SubjectKey, pkcs10::public_key};

/// A PKCS#10 request in DER. The key that is taken out of it is a key by itself, the same one.
pub(crate) fn pkcs10(bytes: &[u8]) {
    if let Ok(key) = public_key(bytes) {
        let again = SubjectKey::from_spki(&key.spki()).expect("a key that was written");
        assert_eq!(again.spki(), key.spki());
        assert!(bytes.windows(key.spki().len()).any(|part| part == key.spki()), "another key");
    }
}
