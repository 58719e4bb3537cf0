//! A passkey without a browser: an ed25519 key, and by hand what an authenticator and a page do with it.

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::{Ca, Output, sha256};

/// The user was there, and verified; and a passkey is in it.
const VERIFIED: u8 = 0x05;
const HAS_PASSKEY: u8 = 0x40;

/// A passkey of somebody's.
#[derive(Debug)]
pub struct SoftPasskey {
    key: Ed25519KeyPair,
    id: [u8; 16],
    /// Whose it is, as an authenticator keeps it.
    user: Value,
}

impl SoftPasskey {
    /// Follows the link of somebody who has no passkey yet.
    pub fn enrol(ca: &Ca, link: &str) -> Self {
        let random = SystemRandom::new();
        let (mut seed, mut id) = ([0; 32], [0; 16]);
        random.fill(&mut seed).and_then(|()| random.fill(&mut id)).expect("random bytes");
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key");
        let (_, link) = link.split_once("#enrol=").expect("a link");
        let begun = ca.page_call("/page/enrol/begin", &json!({"link": link})).ok().stdout;
        let begun: Value = serde_json::from_str(&begun).expect("JSON");
        let passkey = Self { key, id, user: begun["user"].clone() };
        let registration = passkey.register(ca, &begun);
        let finish = json!({"link": link, "registration": registration, "consent": null});
        assert_eq!(ca.page_call("/page/enrol/finish", &finish).ok().stdout, "");
        passkey
    }

    /// Its id, as the API writes it.
    pub fn id(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.id)
    }

    /// Answers a statement: WebAuthn section 6.3.3.
    pub fn answer(&self, ca: &Ca, statement: &str) -> Value {
        let client_data = client_data(ca, "get", &statement.into());
        let host = ca.page().trim_start_matches("https://").split(':').next().expect("a host");
        let mut data = sha256(host.as_bytes()).to_vec();
        data.extend([VERIFIED, 0, 0, 0, 0]);
        // Step 11.
        let signed = [data.as_slice(), &sha256(client_data.as_bytes())].concat();
        json!({
            "passkey": Base64Unpadded::encode_string(&self.id),
            "client_data": Base64Unpadded::encode_string(client_data.as_bytes()),
            "authenticator_data": Base64Unpadded::encode_string(&data),
            "signature": Base64Unpadded::encode_string(self.key.sign(&signed).as_ref()),
        })
    }

    /// Logs in to the page; gives the cookie, `NAME=SECRET`.
    pub fn log_in(&self, ca: &Ca) -> String {
        let answer = self.tries_to_log_in(ca).ok().stdout;
        let mut lines = answer.lines();
        let cookie = lines.find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        cookie.split(';').next().expect("a cookie").to_owned()
    }

    /// Tries to log in to the page; gives what is answered, head and body, or that it is no.
    pub fn tries_to_log_in(&self, ca: &Ca) -> Output {
        let begun = ca.page_call("/page/login/begin", &json!({})).ok().stdout;
        let begun: Value = serde_json::from_str(&begun).expect("JSON");
        let assertion = self.answer(ca, begun["statement"].as_str().expect("a statement"));
        let finish =
            json!({"challenge": begun["challenge"], "assertion": assertion, "user": self.user});
        ca.page_call_by(&["--include"], "/page/login/finish", &finish)
    }

    /// WebAuthn sections 5.8.1 and 6.1, with a key of RFC 9053 section 7.2.
    fn register(&self, ca: &Ca, begun: &Value) -> Value {
        let host = begun["host"].as_str().expect("a host");
        let client_data = client_data(ca, "create", &begun["statement"]);
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

/// What a browser says of an answer to a statement (WebAuthn section 5.8.1).
fn client_data(ca: &Ca, kind: &str, statement: &Value) -> String {
    let challenge = sha256(statement.as_str().expect("a statement").as_bytes());
    let challenge = Base64UrlUnpadded::encode_string(&challenge);
    format!(
        r#"{{"type":"webauthn.{kind}","challenge":"{challenge}","origin":"{}","crossOrigin":false}}"#,
        ca.page()
    )
}
