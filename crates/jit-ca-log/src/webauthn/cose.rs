//! Public keys as authenticators write them: COSE_Key (RFC 9052 section 7) in CTAP2's canonical CBOR, which has one
//! encoding for each key. So what comes before the numbers of a key is a constant.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::Fault;

/// `{1: 2, 3: -7, -1: 1, -2: h'` — EC2, ES256, P-256, x (RFC 9053 sections 2.1 and 7.1).
const ES256: &[u8] = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20";
/// `', -3: h'` — y.
const ES256_Y: &[u8] = b"\x22\x58\x20";
/// `{1: 1, 3: -8, -1: 6, -2: h'` — OKP, EdDSA, Ed25519, x (RFC 9053 sections 2.2 and 7.2).
const EDDSA: &[u8] = b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20";
/// `{1: 3, 3: -257, -1: h'` — RSA, RS256, n (RFC 8230 section 4, RFC 8812 section 2), behind it the length in 2 bytes.
const RS256: &[u8] = b"\xa4\x01\x03\x03\x39\x01\x00\x20\x59";
/// `', -2: h'010001'}` — e, as every key has it.
const RS256_E: &[u8] = b"\x21\x43\x01\x00\x01";
const EXPONENT: [u8; 3] = [1, 0, 1];
/// 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

enum Key<'a> {
    Es256 { x: &'a [u8; 32], y: &'a [u8; 32] },
    Eddsa(&'a [u8; 32]),
    Rs256(&'a [u8]),
}

/// How long the key is that stands at the beginning; none if it is none that is accepted.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    read(bytes).map(|(_, rest)| bytes.len() - rest.len())
}

/// Checks a signature by the key over these bytes.
pub(super) fn verify(key: &[u8], signed: &[u8], signature: &[u8]) -> Result<(), Fault> {
    let verified = match read(key) {
        Some((Key::Es256 { x, y }, [])) => {
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            // Section 6.5.5: a signature of ECDSA is DER.
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(signed, signature)
        }
        Some((Key::Eddsa(x), [])) => UnparsedPublicKey::new(&ED25519, x).verify(signed, signature),
        Some((Key::Rs256(n), [])) => {
            let key = RsaPublicKeyComponents { n, e: EXPONENT.as_slice() };
            key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
        }
        _ => return Err(Fault::Key),
    };
    verified.map_err(|_| Fault::Signature)
}

/// The key at the beginning, and what follows it.
fn read(bytes: &[u8]) -> Option<(Key<'_>, &[u8])> {
    if let Some(rest) = bytes.strip_prefix(ES256) {
        let (x, rest) = rest.split_first_chunk()?;
        let (y, rest) = rest.strip_prefix(ES256_Y)?.split_first_chunk()?;
        return Some((Key::Es256 { x, y }, rest));
    }
    if let Some(rest) = bytes.strip_prefix(EDDSA) {
        let (x, rest) = rest.split_first_chunk()?;
        return Some((Key::Eddsa(x), rest));
    }
    let (length, rest) = bytes.strip_prefix(RS256)?.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (n, rest) = rest.split_at_checked(length).filter(|_| MODULUS.contains(&length))?;
    let rest = rest.strip_prefix(RS256_E)?;
    let is_full = n.first().is_some_and(|first| first & 0x80 != 0);
    is_full.then_some((Key::Rs256(n), rest))
}
