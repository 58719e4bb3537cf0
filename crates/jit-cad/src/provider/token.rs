//! A token as it comes: a JWS in compact form (RFC 7515, section 7.1), taken apart and its signature verified.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_core::Digest;
use jit_ca_log::hash::sha256_of;
use serde_json::{Map, Value};

use super::fault::TokenFault;
use super::json;
use super::key::{Algorithm, KeySet};

/// The longest token, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;
/// The types that a token about somebody may say it is (RFC 7519, section 5.1; SPIFFE JWT-SVID, section 2.1). An access
/// token says `at+jwt` (RFC 9068) and a logout token `logout+jwt`, so that they are not taken for one.
const TYPES: [&str; 2] = ["JWT", "JOSE"];

/// A token that nobody has verified.
#[derive(Debug)]
pub(super) struct Token<'a> {
    alg: Algorithm,
    kid: Option<String>,
    /// What is signed: header and payload as they came.
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

/// What a token says whose signature was verified; none of its claims has been looked at.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) claims: Map<String, Value>,
    /// The hash of header and payload. A signature has several forms for the same key and text (of ECDSA, `s` and
    /// `n - s`), so that it is not part of what makes a token another one.
    pub(super) digest: Digest,
}

impl<'a> Token<'a> {
    /// Of the header `alg`, `kid`, `typ` and `crit` are read, and nothing else: `jwk`, `jku`, `x5c` and `x5u` would have
    /// the token say what it is verified with.
    pub(super) fn read(text: &'a str) -> Result<Self, TokenFault> {
        if text.len() > LONGEST {
            return Err(TokenFault::Long);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenFault::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Form)?;
        let header = json::object(&decode(header)?)?;
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(TokenFault::Form),
        };
        if header.contains_key("crit") {
            return Err(TokenFault::Critical);
        }
        let alg = text("alg")?.and_then(Algorithm::named).ok_or(TokenFault::Algorithm)?;
        if text("typ")?.is_some_and(|it| !TYPES.iter().any(|known| known.eq_ignore_ascii_case(it)))
        {
            return Err(TokenFault::Type);
        }
        let kid = text("kid")?.map(str::to_owned);
        Ok(Self { alg, kid, signed, payload, signature: decode(signature)? })
    }

    /// What it says, if one of the keys signed it.
    pub(super) fn verify(&self, keys: &KeySet) -> Result<Signed, TokenFault> {
        keys.verify(self.kid.as_deref(), self.alg, self.signed.as_bytes(), &self.signature)?;
        let claims = json::object(&decode(self.payload)?)?;
        Ok(Signed { claims, digest: sha256_of(&[self.signed.as_bytes()]) })
    }
}

/// base64url without padding, in its one canonical form (RFC 7515, section 2).
fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    Base64UrlUnpadded::decode_vec(part).map_err(|_| TokenFault::Form)
}
