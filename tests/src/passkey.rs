//! A passkey without a browser: an ed25519 key, and by hand what an authenticator and a page do with it.

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::{Ca, sha256};

/// The user was there, and verified; and a passkey is in it.
const VERIFIED: u8 = 0x05;
const HAS_PASSKEY: u8 = 0x40;

/// A passkey of somebody's.
#[derive(Debug)]
pub struct SoftPasskey {
    key: Ed25519KeyPair,
    id: [u8; 16],
}

impl SoftPasskey {
    /// Follows the link of somebody who has no passkey yet.
    pub fn enrol(ca: &Ca, link: &str) -> Self {
        let random = SystemRandom::new();
        let (mut seed, mut id) = ([0; 32], [0; 16]);
        random.fill(&mut seed).and_then(|()| random.fill(&mut id)).expect("random bytes");
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key");
        let passkey = Self { key, id };
        let (_, link) = link.split_once("#enrol=").expect("a link");
        let begun = ca.page_call("/page/enrol/begin", &json!({"link": link})).ok().stdout;
        let begun: Value = serde_json::from_str(&begun).expect("JSON");
        let registration = passkey.register(ca, &begun);
        let finish = json!({"link": link, "registration": registration, "consent": null});
        assert_eq!(ca.page_call("/page/enrol/finish", &finish).ok().stdout, "");
        passkey
    }

    /// Its id, as the API writes it.
    pub fn id(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.id)
    }

    /// WebAuthn sections 5.8.1 and 6.1, with a key of RFC 9053 section 7.2.
    fn register(&self, ca: &Ca, begun: &Value) -> Value {
        let host = begun["host"].as_str().expect("a host");
        let challenge = sha256(begun["statement"].as_str().expect("a statement").as_bytes());
        let challenge = Base64UrlUnpadded::encode_string(&challenge);
        let client_data = format!(
            r#"{{"type":"webauthn.create","challenge":"{challenge}","origin":"{}","crossOrigin":false}}"#,
            ca.page()
        );
        let mut data = sha256(host.as_bytes()).to_vec();
        data.extend([VERIFIED | HAS_PASSKEY, 0, 0, 0, 0]);
        data.extend([0; 16]);
        data.extend([0, 16]);
        data.extend(self.id);
        data.extend(b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20");
        data.extend(self.key.public_key().as_ref());
        json!({
            "client_data": Base64Unpadded::encode_string(client_data.as_bytes()),
            "authenticator_data": Base64Unpadded::encode_string(&data),
        })
    }
}
