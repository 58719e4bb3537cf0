//! Signatures over statements as OpenSSH's PROTOCOL.sshsig has them, by a new ed25519 key.

use base64ct::{Base64, Encoding as _};
use ring::digest::{SHA512, digest};
use ring::signature::Ed25519KeyPair;

const MAGIC: &[u8] = b"SSHSIG";
const ARMOUR_WIDTH: usize = 70;

/// The armoured signature of a text by the key with this public half, in its wire form.
pub(crate) fn sign(key: &Ed25519KeyPair, public_key: &[u8], namespace: &str, text: &str) -> String {
    let hash = digest(&SHA512, text.as_bytes());
    let mut signed = MAGIC.to_vec();
    for part in [namespace.as_bytes(), b"", b"sha512", hash.as_ref()] {
        put_string(&mut signed, part);
    }
    let mut signature = Vec::with_capacity(83);
    put_string(&mut signature, b"ssh-ed25519");
    put_string(&mut signature, key.sign(&signed).as_ref());

    let mut blob = MAGIC.to_vec();
    blob.extend(1_u32.to_be_bytes());
    for part in [public_key, namespace.as_bytes(), b"", b"sha512", &signature] {
        put_string(&mut blob, part);
    }
    let mut armoured = String::from("-----BEGIN SSH SIGNATURE-----\n");
    for line in Base64::encode_string(&blob).as_bytes().chunks(ARMOUR_WIDTH) {
        armoured.extend(line.iter().map(|byte| char::from(*byte)));
        armoured.push('\n');
    }
    armoured + "-----END SSH SIGNATURE-----\n"
}

/// RFC 4251, 5: a string.
pub(crate) fn put_string(to: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a short string");
    to.extend(length.to_be_bytes());
    to.extend(bytes);
}
