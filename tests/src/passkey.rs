//! A passkey without a browser: an ed25519 key, and by hand what an authenticator and a page do with it.

use std::process::Command;

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::{Ca, Output, run, sha256};

/// The user was there, and verified; and a passkey is in it.
const VERIFIED: u8 = 0x05;
const HAS_PASSKEY: u8 = 0x40;

/// A passkey of somebody's.
#[derive(Debug)]
pub struct SoftPasskey {
    key: Ed25519KeyPair,
    id: [u8; 16],
    /// Whose it is, as the page had said.
    user: String,
}

impl SoftPasskey {
    /// Follows the link of somebody who has no passkey yet.
    pub fn enrol(ca: &Ca, link: &str) -> Self {
        let random = SystemRandom::new();
        let (mut seed, mut id) = ([0; 32], [0; 16]);
        random.fill(&mut seed).and_then(|()| random.fill(&mut id)).expect("random bytes");
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key");
        let (_, link) = link.split_once("#enrol=").expect("a link");
        let begun = call(ca, "/page/enrol/begin", &json!({"link": link})).ok().json();
        let passkey = Self { key, id, user: begun["user"].as_str().expect("whose").to_owned() };
        let registration = passkey.register(ca, &begun);
        let finish = json!({"link": link, "registration": registration, "consent": null});
        assert_eq!(call(ca, "/page/enrol/finish", &finish).ok().stdout, "");
        passkey
    }

    /// Logs in to the page: what its server says to that.
    pub fn log_in(&self, ca: &Ca) -> Output {
        let begun = call(ca, "/page/login/begin", &json!({})).ok().json();
        let host = begun["host"].as_str().expect("a host");
        let client_data = client_data(ca, "webauthn.get", &begun);
        let mut data = sha256(host.as_bytes()).to_vec();
        data.extend([VERIFIED, 0, 0, 0, 0]);
        let signed = [data.as_slice(), &sha256(client_data.as_bytes())].concat();
        let assertion = json!({
            "passkey": Base64Unpadded::encode_string(&self.id),
            "client_data": Base64Unpadded::encode_string(client_data.as_bytes()),
            "authenticator_data": Base64Unpadded::encode_string(&data),
            "signature": Base64Unpadded::encode_string(self.key.sign(&signed).as_ref()),
        });
        let finish =
            json!({"challenge": begun["challenge"], "assertion": assertion, "user": self.user});
        call(ca, "/page/login/finish", &finish)
    }

    /// Its id, as the API writes it.
    pub fn id(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.id)
    }

    /// WebAuthn sections 5.8.1 and 6.1, with a key of RFC 9053 section 7.2.
    fn register(&self, ca: &Ca, begun: &Value) -> Value {
        let host = begun["host"].as_str().expect("a host");
        let client_data = client_data(ca, "webauthn.create", begun);
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

/// Section 5.8.1.1, in answer to what the page was sent.
fn client_data(ca: &Ca, kind: &str, begun: &Value) -> String {
    let challenge = sha256(begun["statement"].as_str().expect("a statement").as_bytes());
    let challenge = Base64UrlUnpadded::encode_string(&challenge);
    format!(
        r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{}","crossOrigin":false}}"#,
        ca.page()
    )
}

/// A call of the page's script.
fn call(ca: &Ca, path: &str, body: &Value) -> Output {
    let page = ca.page();
    let (host, port) =
        page.trim_start_matches("https://").split_once(':').expect("a host and a port");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail-with-body", "--insecure", "--max-time", "20"]);
    curl.args(["--resolve", &format!("{host}:{port}:127.0.0.1")]);
    curl.args(["-H", "content-type: application/json", "-H", "idempotency-key: k"]);
    curl.args(["-H", &format!("origin: {page}"), "-d", &body.to_string()]);
    run(curl.arg(format!("{page}{path}")))
}
