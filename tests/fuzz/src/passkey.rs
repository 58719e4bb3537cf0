//! Passkeys: what a browser and an authenticator say, when one is registered and when it signs. What lies behind the
//! signature is signed here. An input is the client data, a zero, and the authenticator data.

use std::sync::OnceLock;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_core::event::{Assertion, Registration};
use jit_ca_core::{Bytes, Digest};
use jit_ca_log::hash::sha256;
use jit_ca_log::webauthn::{self, Fault, Party, Passkey};
use minicbor::Decoder;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::Value;

const PARTY: Party<'static> =
    Party { id: "ca.example.org", origin: Some("https://ca.example.org:8443") };
/// Of WebAuthn section 6.1: the user was there, and verified; may be backed up; a passkey is in it; extensions are; what
/// is reserved.
const VERIFIED: u8 = 0x05;
const BACKUP_ELIGIBLE: u8 = 0x08;
const CREDENTIAL: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;
const RESERVED: u8 = 0x22;

fn challenge() -> Digest {
    sha256(b"what is answered")
}

/// Somebody's passkey, of which no fuzzer finds a signature.
fn pair() -> &'static Ed25519KeyPair {
    static PAIR: OnceLock<Ed25519KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| Ed25519KeyPair::from_seed_unchecked(&[9; 32]).expect("a seed of 32 bytes"))
}

fn own(is_backup_eligible: bool) -> Passkey {
    // RFC 9053, section 7.2.
    let key = [b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20", pair().public_key().as_ref()].concat();
    Passkey { id: vec![1; 16].into(), key: key.into(), counter: 0, is_backup_eligible }
}

fn halves(bytes: &[u8]) -> (Bytes, Bytes) {
    let at = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (client_data, rest) = bytes.split_at(at);
    (client_data.to_vec().into(), rest.get(1..).unwrap_or_default().to_vec().into())
}

/// A passkey that is registered.
pub(crate) fn registration(bytes: &[u8]) {
    let (client_data, authenticator_data) = halves(bytes);
    let registration = Registration { client_data, authenticator_data };
    let recorded = webauthn::recorded(&registration);
    let Ok(passkey) = webauthn::registered(&PARTY, &challenge(), &registration) else { return };
    // What the log has is what was looked at.
    assert_eq!(recorded.as_ref(), Ok(&passkey));
    must_be_said(registration.client_data.as_slice(), "webauthn.create");
    let data = registration.authenticator_data.as_slice();
    must_be_verified(data);
    assert!(data[32] & CREDENTIAL != 0);
    assert_eq!(passkey.is_backup_eligible, data[32] & BACKUP_ELIGIBLE != 0);
    assert_eq!(passkey.counter.to_be_bytes(), data[33..37]);
    // As another reader has it: 16 bytes of a make, the id behind its length, and one item of CBOR.
    let length = usize::from(u16::from_be_bytes([data[53], data[54]]));
    let (id, rest) = data[55..].split_at(length);
    assert_eq!(passkey.id.as_slice(), id);
    let mut item = Decoder::new(rest);
    item.skip().expect("CBOR");
    let (key, rest) = rest.split_at(item.position());
    assert_eq!(passkey.key.as_slice(), key);
    assert_eq!(rest.is_empty(), data[32] & EXTENSIONS == 0);
    must_be_a_key(key);
    // Whatever key it is, nothing is signed by it that is not an answer.
    let assertion = Assertion {
        passkey: passkey.id.clone(),
        client_data: registration.client_data.clone(),
        authenticator_data: registration.authenticator_data.clone(),
        signature: vec![0; 64].into(),
    };
    assert!(passkey.verify(&PARTY, &challenge(), &assertion).is_err());
}

#[cfg(test)]
pub(crate) fn accepts_registration(bytes: &[u8]) -> bool {
    let (client_data, authenticator_data) = halves(bytes);
    let registration = Registration { client_data, authenticator_data };
    webauthn::registered(&PARTY, &challenge(), &registration).is_ok()
}

/// What a passkey of ours signs.
pub(crate) fn assertion(bytes: &[u8]) {
    let Some((assertion, passkey)) = accepted(bytes) else { return };
    must_be_said(assertion.client_data.as_slice(), "webauthn.get");
    let data = assertion.authenticator_data.as_slice();
    must_be_verified(data);
    assert!(data[32] & CREDENTIAL == 0);
    assert!(data.len() == 37 || data[32] & EXTENSIONS != 0);
    let counter = u32::from_be_bytes([data[33], data[34], data[35], data[36]]);
    assert_eq!(webauthn::counter(&assertion), Ok(counter));
    let after = |last: u32| {
        let passkey = Passkey { counter: last, ..passkey.clone() };
        passkey.verify_next(&PARTY, &challenge(), &assertion)
    };
    assert_eq!(after(0), Ok(counter));
    if counter > 0 {
        assert_eq!(after(counter), Err(Fault::Counter { last: counter, found: counter }));
    }
    // For another page, another answer or another passkey it is nothing, and so it is where a bit of it is another.
    let elsewhere = Party { id: "ca.example.com", origin: PARTY.origin };
    assert!(passkey.verify(&elsewhere, &challenge(), &assertion).is_err());
    assert!(passkey.verify(&PARTY, &sha256(b"another"), &assertion).is_err());
    let other = Passkey { is_backup_eligible: !passkey.is_backup_eligible, ..passkey.clone() };
    assert_eq!(other.verify(&PARTY, &challenge(), &assertion), Err(Fault::Backup));
    let mut signature = assertion.signature.as_slice().to_vec();
    signature[counter as usize % 64] ^= 1;
    let changed = Assertion { signature: signature.into(), ..assertion };
    assert_eq!(passkey.verify(&PARTY, &challenge(), &changed), Err(Fault::Signature));
}

#[cfg(test)]
pub(crate) fn accepts_assertion(bytes: &[u8]) -> bool {
    accepted(bytes).is_some()
}

fn accepted(bytes: &[u8]) -> Option<(Assertion, Passkey)> {
    let (client_data, authenticator_data) = halves(bytes);
    let said = sha256(client_data.as_slice());
    let signed = [authenticator_data.as_slice(), said.as_bytes()].concat();
    let signature = pair().sign(&signed).as_ref().to_vec().into();
    let passkey = vec![1; 16].into();
    let assertion = Assertion { passkey, client_data, authenticator_data, signature };
    let flags = assertion.authenticator_data.as_slice().get(32).copied().unwrap_or_default();
    let passkey = own(flags & BACKUP_ELIGIBLE != 0);
    passkey.verify(&PARTY, &challenge(), &assertion).ok().map(|()| (assertion, passkey))
}

/// As another reader of JSON has it. Of what a browser may add behind it none is read here (section 5.8.1.2), so that it
/// may be what it likes; where a member could stand there twice, two readers differ.
fn must_be_said(client_data: &[u8], kind: &str) {
    let Ok(read) = serde_json::from_slice::<Value>(client_data) else { return };
    let text = String::from_utf8_lossy(client_data);
    let is_once = |name: &str| text.matches(name).count() == 1;
    if text.contains('\\') || !["\"type\"", "\"challenge\"", "\"origin\""].into_iter().all(is_once)
    {
        return;
    }
    assert_eq!(read["type"], kind);
    assert_eq!(read["challenge"], Base64UrlUnpadded::encode_string(challenge().as_bytes()));
    assert_eq!(read["origin"].as_str(), PARTY.origin);
    assert!(read.get("crossOrigin").is_none_or(|it| *it == false));
    assert!(read.get("topOrigin").is_none());
}

fn must_be_verified(data: &[u8]) {
    assert_eq!(data[..32], *sha256(PARTY.id.as_bytes()).as_bytes());
    assert_eq!(data[32] & VERIFIED, VERIFIED);
    assert_eq!(data[32] & RESERVED, 0);
}

/// COSE_Key (RFC 9052, section 7): its type, and the algorithm that goes with it.
fn must_be_a_key(bytes: &[u8]) {
    let mut key = Decoder::new(bytes);
    let count = key.map().expect("a map").expect("a length");
    let (mut kind, mut algorithm) = (0, 0);
    for _ in 0..count {
        match key.i64().expect("a label") {
            1 => kind = key.i64().expect("a type"),
            3 => algorithm = key.i64().expect("an algorithm"),
            _ => key.skip().expect("a value"),
        }
    }
    // EC2 with ES256, OKP with EdDSA, RSA with RS256.
    assert!([(2, -7), (1, -8), (3, -257)].contains(&(kind, algorithm)));
}
