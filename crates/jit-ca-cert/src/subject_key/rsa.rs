//! RSA keys (RFC 8017 3.1): long enough, with the usual exponent, and none that anybody could factor at a desk.
//!
//! What is looked for is what the CA/Browser Forum's Baseline Requirements 6.1.1.3 have public CAs look for: small
//! factors, factors close to each other (Fermat), and the moduli of a chip card's faulty library (ROCA, CVE-2017-15361).

use jit_ca_core::KeyType;
use num_bigint::BigUint;

use crate::Error;
use crate::public_key::ssh_name;
use crate::ssh::wire::strings;

/// A subject's RSA key. Its exponent is [`EXPONENT`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RsaKey {
    /// Big-endian, without leading zeros.
    modulus: Vec<u8>,
    /// The RSAPublicKey (RFC 8017 A.1.1) of it.
    der: Vec<u8>,
}

impl RsaKey {
    /// Takes modulus and exponent, big-endian without leading zeros.
    ///
    /// # Errors
    /// If the modulus is too short, too long, or known to be weak, or the exponent is another than 65537.
    pub(super) fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        let n = BigUint::from_bytes_be(modulus);
        let bits = n.bits();
        if !(KeyType::SHORTEST_RSA..=KeyType::LONGEST_RSA).contains(&bits) {
            return Err(Error::KeyType { kind: format!("RSA of {bits} bits") });
        }
        let refuse = |reason| Err(Error::MalformedKey(reason));
        if exponent != EXPONENT {
            return refuse("its exponent is not 65537");
        }
        if modulus.first() == Some(&0) {
            return refuse("its modulus has a leading zero");
        }
        if has_small_factor(&n) || is_of_roca(&n) || has_close_factors(&n) {
            return refuse("its modulus can be factored: make another key");
        }
        let der = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_bigint_bytes(modulus, true);
                writer.next().write_bigint_bytes(exponent, true);
            });
        });
        Ok(Self { modulus: modulus.to_vec(), der })
    }

    /// The DER SubjectPublicKeyInfo (RFC 3279 2.3.1: the parameters are NULL).
    pub(super) fn spki(&self) -> Vec<u8> {
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_der(RSA_ENCRYPTION);
                writer.next().write_bitvec_bytes(&self.der, self.der.len() * 8);
            });
        })
    }

    /// The key as SSH carries it (RFC 4253 6.6).
    pub(super) fn ssh_blob(&self) -> Vec<u8> {
        // An mpint is signed, as DER's INTEGER is (RFC 4251 5).
        let positive = |number: &[u8]| match number.first() {
            Some(0x80..) => [&[0], number].concat(),
            _ => number.to_vec(),
        };
        strings(&[ssh_name(KeyType::Rsa).as_bytes(), &positive(EXPONENT), &positive(&self.modulus)])
    }

    /// The RSAPublicKey.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }
}

impl std::fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RSA of {} bytes", self.modulus.len())
    }
}

fn has_small_factor(n: &BigUint) -> bool {
    primes_below(752).any(|prime| remainder(n, prime) == 0)
}

/// Whether `n` has the fingerprint of the faulty library: modulo each of these primes it is a power of 65537, as one
/// of 2^154 sound moduli is (Nemec et al., "The Return of Coppersmith's Attack", 2017, 2.3).
fn is_of_roca(n: &BigUint) -> bool {
    let is_power = |prime: u32| {
        let (target, base) = (remainder(n, prime), 65_537 % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * base % prime));
        powers.take(prime as usize).any(|power| power == target)
    };
    primes_below(168).skip(1).all(is_power)
}

/// Fermat's method: `n = a² − b²` for an `a` just above its root, if its factors are close to each other.
fn has_close_factors(n: &BigUint) -> bool {
    let root = n.sqrt();
    let first = if &root * &root == *n { root } else { root + 1_u32 };
    (0..FERMAT_ROUNDS).any(|step| {
        let a = &first + step;
        is_square(&(&a * &a - n))
    })
}

fn is_square(number: &BigUint) -> bool {
    // Of four numbers, three end in bits that no square ends in.
    let may_be = matches!(remainder(number, 16), 0 | 1 | 4 | 9);
    may_be && {
        let root = number.sqrt();
        &root * &root == *number
    }
}

fn remainder(number: &BigUint, by: u32) -> u32 {
    u32::try_from(number % by).unwrap_or_default()
}

fn primes_below(end: u32) -> impl Iterator<Item = u32> {
    (2..end).filter(|number| (2..*number).all(|divisor| number % divisor != 0))
}

/// 65537, the fourth Fermat number: the only exponent in use.
const EXPONENT: &[u8] = &[1, 0, 1];
/// As many as the Baseline Requirements ask for.
const FERMAT_ROUNDS: u32 = 100;
/// `AlgorithmIdentifier` of rsaEncryption, 1.2.840.113549.1.1.1.
const RSA_ENCRYPTION: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of 1,600 bits that no small prime divides.
    fn large() -> BigUint {
        let start = (BigUint::from(1_u32) << 1599) + 0x5eed_u32;
        (0_u32..).map(|step| &start + step).find(|number| !has_small_factor(number)).unwrap()
    }

    #[test]
    fn close_factors_are_found() {
        let a = large();
        for apart in [0_u32, 2, 200, 40_000] {
            let b = (0_u32..).map(|step| &a + apart + step).find(|b| !has_small_factor(b)).unwrap();
            let n = &a * b;
            assert!(has_close_factors(&n) && !has_small_factor(&n) && !is_of_roca(&n), "{apart}");
        }
        let far = &a * ((&a << 1_u32) + 1_u32);
        assert!(!has_close_factors(&far));
    }

    #[test]
    fn the_faulty_librarys_moduli_are_found() {
        // Its primes are k·M + (65537^a mod M), with M the product of the first primes.
        let product: BigUint = primes_below(702).map(BigUint::from).product();
        let prime = |k: u32, a: u32| {
            &product * (BigUint::from(k) << 600)
                + BigUint::from(65_537_u32).modpow(&a.into(), &product)
        };
        let n = prime(77, 1_234_567) * prime(78, 7_654_321);
        assert!(is_of_roca(&n) && !has_small_factor(&n) && !has_close_factors(&n));
        assert!(!is_of_roca(&(n + 2_u32)));
    }

    #[test]
    fn weak_keys_are_refused_with_the_reason() {
        let why = |modulus: &[u8], exponent: &[u8]| {
            RsaKey::new(modulus, exponent).unwrap_err().to_string()
        };
        let (a, one) = (large(), BigUint::from(1_u32));
        let sound = (&a * ((&a << 1_u32) + &one)).to_bytes_be();
        assert!(why(&sound, &[3]).contains("65537"));
        assert!(why(&[&[0], sound.as_slice()].concat(), EXPONENT).contains("leading zero"));
        assert!(why(&(&a * &a).to_bytes_be(), EXPONENT).contains("can be factored"));
        assert!(why(&(&a * &a * 7_u32).to_bytes_be(), EXPONENT).contains("can be factored"));
        assert!(why(&(&one << 3070_u32).to_bytes_be(), EXPONENT).contains("RSA of 3071 bits"));
        assert!(why(&(&one << 8192_u32).to_bytes_be(), EXPONENT).contains("RSA of 8193 bits"));
        assert!(why(&[], EXPONENT).contains("RSA of 0 bits"));
    }
}
