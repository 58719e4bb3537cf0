//! Whether a point lies on P-384 (FIPS 186-5, SP 800-186 3.2.1.4): `y² = x³ − 3x + b` modulo `p`.
//!
//! These keys are rare, so a library's arithmetic is fast enough; nothing here is secret.

use num_bigint::BigUint;

/// Whether `point`, uncompressed (SEC 1 2.3.3), is `0x04` and the coordinates of a point of the curve.
pub(super) fn is_on_curve(point: &[u8; 97]) -> bool {
    let [0x04, coordinates @ ..] = point else {
        return false;
    };
    let (x, y) = coordinates.split_at(48);
    let [x, y, p, b] = [x, y, &P, &B].map(BigUint::from_bytes_be);
    // Each coordinate has one form.
    if x >= p || y >= p {
        return false;
    }
    let minus_three = &p - 3_u32;
    let right = ((&x * &x + minus_three) * x + b) % &p;
    &y * &y % p == right
}

/// 2^384 − 2^128 − 2^96 + 2^32 − 1.
const P: [u8; 48] = *b"\
    \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
    \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\
    \xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff";
const B: [u8; 48] = *b"\
    \xb3\x31\x2f\xa7\xe2\x3e\xe7\xe4\x98\x8e\x05\x6b\xe3\xf8\x2d\x19\
    \x18\x1d\x9c\x6e\xfe\x81\x41\x12\x03\x14\x08\x8f\x50\x13\x87\x5a\
    \xc6\x56\x39\x8d\x8a\x2e\xd1\x9d\x2a\x85\xc8\xed\xd3\xec\x2a\xef";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::agreement::{ECDH_P384, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
    use ring::rand::SystemRandom;

    use super::*;

    fn own() -> EphemeralPrivateKey {
        EphemeralPrivateKey::generate(&ECDH_P384, &SystemRandom::new()).unwrap()
    }

    /// ring's word on it.
    fn agrees(point: &[u8; 97]) -> bool {
        agree_ephemeral(own(), &UnparsedPublicKey::new(&ECDH_P384, point), |_| ()).is_ok()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn says_what_ring_says(byte in 0_usize..97, flip in 1_u8..) {
            let mut point: [u8; 97] = own().compute_public_key().unwrap().as_ref().try_into().unwrap();
            prop_assert!(is_on_curve(&point));
            point[byte] ^= flip;
            prop_assert_eq!(is_on_curve(&point), agrees(&point));
        }
    }

    #[test]
    fn coordinates_have_one_form() {
        let mut point = [4; 97];
        point[1..49].copy_from_slice(&P);
        point[49..].copy_from_slice(&P);
        assert!(!is_on_curve(&point) && !agrees(&point));
        assert!(!is_on_curve(&[4; 97]) && !is_on_curve(&[0; 97]));
    }
}
