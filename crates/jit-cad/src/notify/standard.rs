//! The form of Standard Webhooks (www.standardwebhooks.com, version 1): what is sent, and how it is signed.

use base64ct::{Base64, Encoding as _};
use jit_ca_core::UnixTime;
use ring::hmac;
use serde_json::json;
use zeroize::Zeroizing;

use super::message::Message;

/// What a secret begins with when it is written down.
const PREFIX: &str = "whsec_";
/// How many bytes a secret has, at least and at most.
const BYTES: (usize, usize) = (24, 64);

/// A secret that is none.
#[derive(Debug, thiserror::Error)]
#[error("a secret is {PREFIX} and the base64 of 24 to 64 random bytes")]
pub(super) struct NoKey;

/// Reads a secret as it is written down.
pub(super) fn key(secret: &str) -> Result<hmac::Key, NoKey> {
    let encoded = secret.trim().strip_prefix(PREFIX).ok_or(NoKey)?;
    let bytes = Zeroizing::new(Base64::decode_vec(encoded).map_err(|_| NoKey)?);
    if bytes.len() < BYTES.0 || bytes.len() > BYTES.1 {
        return Err(NoKey);
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// The body.
pub(super) fn body(message: &Message) -> String {
    json!({
        "type": message.kind,
        "timestamp": message.time,
        "data": message.facts,
    })
    .to_string()
}

/// The signature over a message of this id, sent at this time: the header's value.
pub(super) fn signature(key: &hmac::Key, id: &str, at: UnixTime, body: &str) -> String {
    let signed = format!("{id}.{}.{body}", at.secs());
    let tag = hmac::sign(key, signed.as_bytes());
    format!("v1,{}", Base64::encode_string(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_comes_out() {
        // The example of the reference implementations' tests, at their secret.
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = UnixTime::from_secs(1_614_265_330);
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_its_form() {
        let secret = |bytes: usize| format!("whsec_{}", Base64::encode_string(&vec![7; bytes]));
        for right in [24, 32, 64] {
            assert!(key(&secret(right)).is_ok(), "{right}");
        }
        let bare = secret(32).replace("whsec_", "");
        for wrong in [&secret(23), &secret(65), &bare, "whsec_", "whsec_MfKQ9r8G*", "whsk_AAAA"] {
            let error = key(wrong).unwrap_err().to_string();
            assert!(!error.contains("AAAA") && !error.contains("MfKQ"), "{error}");
        }
    }
}
