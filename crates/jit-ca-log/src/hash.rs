//! SHA-256, the one hash of the log.

use jit_ca_core::Digest;
use ring::digest::{Context, SHA256};

/// The SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> Digest {
    sha256_of(&[bytes])
}

/// The SHA-256 of `parts`, one after the other.
///
/// Nothing marks where a part ends: the caller's parts must be told apart by their lengths.
pub fn sha256_of(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Digest::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sha256_and_the_cut_does_not_matter() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            sha256(b"abc").to_string(),
            "SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0"
        );
        assert_eq!(sha256_of(&[b"a", b"", b"bc"]), sha256(b"abc"));
    }
}
