//! Whether a point lies on P-256 (FIPS 186-5, SP 800-186 3.2.1.3): `y² = x³ − 3x + b` modulo `p`.
//!
//! ring tells only when it agrees on a secret with the point, which takes as long as to verify a signature, and a
//! key is read several times on its way into a certificate. Nothing here is secret, so nothing need take the same time
//! for every point. A number is four limbs of 64 bits, the least first.

/// Whether `point`, uncompressed (SEC 1 2.3.3), is `0x04` and the coordinates of a point of the curve.
pub(super) fn is_on_curve(point: &[u8; 65]) -> bool {
    let [0x04, coordinates @ ..] = point else {
        return false;
    };
    let (x, y) = coordinates.split_at(32);
    let (Some(x), Some(y)) = (number(x), number(y)) else {
        return false;
    };
    // Each as a multiple of R = 2^256, which `times` takes one of away.
    let [x, y, three, b] = [x, y, [3, 0, 0, 0], B].map(|number| times(&number, &R_SQUARED));
    let x_squared = times(&x, &x);
    let right = plus(&times(&minus(&x_squared, &three), &x), &b);
    times(&y, &y) == right
}

type Number = [u64; 4];

/// A big-endian number below `p`: each coordinate has one form.
fn number(bytes: &[u8]) -> Option<Number> {
    let mut number = Number::default();
    let limbs = bytes.chunks_exact(8).rev();
    for (limb, bytes) in number.iter_mut().zip(limbs) {
        *limb = u64::from_be_bytes(bytes.try_into().ok()?);
    }
    below_p(&number).then_some(number)
}

fn below_p(number: &Number) -> bool {
    number.iter().rev().lt(P.iter().rev())
}

/// `a·b/R` modulo `p` (Montgomery's product, limb by limb).
fn times(a: &Number, b: &Number) -> Number {
    let mut sum = Number::default();
    let mut above = 0_u64;
    for limb in a {
        let mut carry = 0;
        for (sum, other) in sum.iter_mut().zip(b) {
            (*sum, carry) = limb.carrying_mul_add(*other, *sum, carry);
        }
        let (high, over) = above.overflowing_add(carry);
        // `p` is −1 modulo 2^64, so that adding `p` times the lowest limb makes that limb zero; it is dropped.
        let [lowest, s1, s2, s3] = sum;
        let [p0, p1, p2, p3] = P;
        let (_, carry) = lowest.carrying_mul_add(p0, lowest, 0);
        let (s1, carry) = lowest.carrying_mul_add(p1, s1, carry);
        let (s2, carry) = lowest.carrying_mul_add(p2, s2, carry);
        let (s3, carry) = lowest.carrying_mul_add(p3, s3, carry);
        let (s4, over_again) = high.overflowing_add(carry);
        sum = [s1, s2, s3, s4];
        above = u64::from(over) + u64::from(over_again);
    }
    reduced(sum, above != 0)
}

fn plus(a: &Number, b: &Number) -> Number {
    let (sum, carry) = zip(a, b, u64::carrying_add);
    reduced(sum, carry)
}

fn minus(a: &Number, b: &Number) -> Number {
    match zip(a, b, u64::borrowing_sub) {
        (difference, false) => difference,
        (below_zero, true) => zip(&below_zero, &P, u64::carrying_add).0,
    }
}

/// `number`, and 2^256 if it has `carried`, less `p` unless it is below `p`. It is below `2p`.
fn reduced(number: Number, carried: bool) -> Number {
    if carried || !below_p(&number) { zip(&number, &P, u64::borrowing_sub).0 } else { number }
}

fn zip(a: &Number, b: &Number, with: fn(u64, u64, bool) -> (u64, bool)) -> (Number, bool) {
    let mut carry = false;
    let mut result = *a;
    for (a, b) in result.iter_mut().zip(b) {
        (*a, carry) = with(*a, *b, carry);
    }
    (result, carry)
}

/// 2^256 − 2^224 + 2^192 + 2^96 − 1.
const P: Number =
    [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0x0000_0000_0000_0000, 0xffff_ffff_0000_0001];
const B: Number =
    [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7];
/// R² modulo `p`.
const R_SQUARED: Number =
    [0x0000_0000_0000_0003, 0xffff_fffb_ffff_ffff, 0xffff_ffff_ffff_fffe, 0x0000_0004_ffff_fffd];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
    use ring::rand::SystemRandom;

    use super::*;

    /// ring's word on it.
    fn agrees(point: &[u8; 65]) -> bool {
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        agree_ephemeral(own, &UnparsedPublicKey::new(&ECDH_P256, point), |_| ()).is_ok()
    }

    fn any_point() -> [u8; 65] {
        let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        key.compute_public_key().unwrap().as_ref().try_into().unwrap()
    }

    fn point(x: &Number, y: &Number) -> [u8; 65] {
        let mut point = [4; 65];
        let limbs = x.iter().rev().chain(y.iter().rev()).flat_map(|limb| limb.to_be_bytes());
        point.iter_mut().skip(1).zip(limbs).for_each(|(to, from)| *to = from);
        point
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn says_what_ring_says(byte in 0_usize..65, flip in 1_u8..) {
            let mut point = any_point();
            prop_assert!(is_on_curve(&point));
            // Its negative lies there as well; a changed one as good as never.
            let negative = minus(&[0; 4], &number(&point[33..]).unwrap());
            let mut negated = point;
            negated[33..].copy_from_slice(&self::point(&[0; 4], &negative)[33..]);
            prop_assert!(is_on_curve(&negated) && agrees(&negated));
            point[byte] ^= flip;
            prop_assert_eq!(is_on_curve(&point), agrees(&point));
        }

        #[test]
        fn numbers_are_what_they_are_modulo_p(a in any::<Number>(), b in any::<Number>()) {
            let [a, b] = [a, b].map(|number| reduced(number, false));
            prop_assert_eq!(minus(&plus(&a, &b), &b), a);
            let one = times(&[1, 0, 0, 0], &R_SQUARED);
            prop_assert_eq!(times(&a, &one), a);
            prop_assert_eq!(times(&a, &b), times(&b, &a));
            let both = plus(&times(&a, &a), &times(&a, &b));
            prop_assert_eq!(times(&a, &plus(&a, &b)), both);
        }
    }

    #[test]
    fn edges() {
        // With x = 0, y is a root of b. x + p is another way to write x, which nobody may.
        let root: Number = [
            0x28bf_856a_174f_93f4,
            0x541c_2af3_1dae_8717,
            0x2433_bd5d_84a0_6bb6,
            0x6648_5c78_0e2f_83d7,
        ];
        assert!(is_on_curve(&point(&[0; 4], &root)) && agrees(&point(&[0; 4], &root)));
        let less = minus(&[0; 4], &[1, 0, 0, 0]);
        for x in [[0; 4], [1, 0, 0, 0], less, P, [u64::MAX; 4]] {
            for y in [root, [0; 4], [1, 0, 0, 0], less, P, [u64::MAX; 4]] {
                let point = point(&x, &y);
                assert_eq!(is_on_curve(&point), agrees(&point), "{x:x?} {y:x?}");
            }
        }
    }
}
