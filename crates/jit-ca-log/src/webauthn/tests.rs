use jit_ca_core::event::{Assertion, Registration};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// Made and judged by PyPI's fido2: `tests/passkeys.py`.
const VECTORS: &str = include_str!("vectors.json");

#[derive(Clone, Deserialize)]
struct Vector {
    name: String,
    party: String,
    origin: String,
    counter: u32,
    registered: Registered,
    asserted: Asserted,
}

#[derive(Clone, Deserialize)]
struct Registered {
    challenge: Bytes,
    client_data: Bytes,
    authenticator_data: Bytes,
}

#[derive(Clone, Deserialize)]
struct Asserted {
    challenge: Bytes,
    passkey: Bytes,
    client_data: Bytes,
    authenticator_data: Bytes,
    signature: Bytes,
}

impl Vector {
    fn all() -> Vec<Self> {
        serde_json::from_str(VECTORS).unwrap()
    }

    fn named(name: &str) -> Self {
        Self::all().into_iter().find(|vector| vector.name == name).unwrap()
    }

    fn party(&self) -> Party<'_> {
        Party { id: &self.party, origin: Some(&self.origin) }
    }

    fn registered(&self) -> Result<Passkey, Fault> {
        let challenge = digest(&self.registered.challenge);
        registered(&self.party(), &challenge, &self.registration())
    }

    fn registration(&self) -> Registration {
        Registration {
            client_data: self.registered.client_data.clone(),
            authenticator_data: self.registered.authenticator_data.clone(),
        }
    }

    fn assertion(&self) -> Assertion {
        Assertion {
            passkey: self.asserted.passkey.clone(),
            client_data: self.asserted.client_data.clone(),
            authenticator_data: self.asserted.authenticator_data.clone(),
            signature: self.asserted.signature.clone(),
        }
    }

    fn verified(&self, passkey: &Passkey) -> Result<u32, Fault> {
        passkey.verify_next(&self.party(), &digest(&self.asserted.challenge), &self.assertion())
    }

    /// With other client data in the assertion. No signature is over it, but it is read first.
    fn asserting(&self, from: &str, to: &str) -> Result<u32, Fault> {
        let passkey = self.registered().unwrap();
        let mut other = self.clone();
        other.asserted.client_data = replaced(&self.asserted.client_data, from, to);
        other.verified(&passkey)
    }

    /// With another byte in the data that the authenticator made the passkey with.
    fn registering(&self, place: usize, byte: u8) -> Result<Passkey, Fault> {
        let mut other = self.clone();
        let mut data = other.registered.authenticator_data.into_vec();
        data[place] = byte;
        other.registered.authenticator_data = data.into();
        other.registered()
    }
}

fn digest(bytes: &Bytes) -> Digest {
    Digest::from_bytes(bytes.as_slice().try_into().unwrap())
}

fn replaced(bytes: &Bytes, from: &str, to: &str) -> Bytes {
    let text = str::from_utf8(bytes.as_slice()).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    text.replacen(from, to, 1).into_bytes().into()
}

#[test]
fn what_another_implementation_made_holds() {
    let vectors = Vector::all();
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let passkey = vector.registered().unwrap();
        assert_eq!(passkey.id, vector.asserted.passkey, "{}", vector.name);
        assert_eq!(passkey.is_backup_eligible, vector.name == "backed-up");
        assert_eq!(recorded(&vector.registration()).unwrap(), passkey);
        assert_eq!(vector.verified(&passkey), Ok(vector.counter), "{}", vector.name);
    }
}

#[test]
fn no_byte_of_an_assertion_may_be_another() {
    for vector in Vector::all() {
        let passkey = vector.registered().unwrap();
        let parts: [fn(&mut Vector) -> &mut Bytes; 4] = [
            |vector| &mut vector.asserted.challenge,
            |vector| &mut vector.asserted.client_data,
            |vector| &mut vector.asserted.authenticator_data,
            |vector| &mut vector.asserted.signature,
        ];
        for (nth, part) in parts.into_iter().enumerate() {
            for place in 0..part(&mut vector.clone()).as_slice().len() {
                for bit in 0..8 {
                    let mut other = vector.clone();
                    let mut bytes = part(&mut other).clone().into_vec();
                    bytes[place] ^= 1 << bit;
                    *part(&mut other) = bytes.into();
                    let refused = other.verified(&passkey).is_err();
                    assert!(refused, "{}: part {nth}, byte {place}, bit {bit}", vector.name);
                }
            }
        }
        for place in 0..passkey.key.as_slice().len() {
            let mut key = passkey.key.clone().into_vec();
            key[place] ^= 1;
            let other = Passkey { key: key.into(), ..passkey.clone() };
            assert!(vector.verified(&other).is_err(), "{}: key, byte {place}", vector.name);
        }
    }
}

/// Counter, make, id, key, extensions and whether it is backed up are what it says of itself, and no signature is over
/// them. All else of a registration is checked.
#[test]
fn no_byte_of_a_registration_may_be_another_but_of_what_it_registers() {
    for vector in Vector::all() {
        let passkey = vector.registered().unwrap();
        let data = vector.registered.authenticator_data.as_slice();
        for (place, byte) in data.iter().enumerate() {
            for bit in 0..8 {
                let is_backup = place == 32 && [3, 4].contains(&bit);
                let is_said = is_backup || (33..53).contains(&place) || place >= 55;
                let registered = vector.registering(place, byte ^ (1 << bit));
                let message = format!("{}: byte {place}, bit {bit}", vector.name);
                assert!(is_said || registered.is_err(), "{message}");
                let is_key = (55..55 + 32 + passkey.key.as_slice().len()).contains(&place);
                assert!(!is_key || registered.as_ref() != Ok(&passkey), "{message}");
            }
        }
        // Behind the origin stands what a browser may name otherwise one day, or leave out.
        let client_data = vector.registered.client_data.clone().into_vec();
        let text = str::from_utf8(&client_data).unwrap();
        for place in 0..text.find("crossOrigin").unwrap() {
            let mut other = vector.clone();
            let mut bytes = client_data.clone();
            bytes[place] ^= 1;
            other.registered.client_data = bytes.into();
            assert!(other.registered().is_err(), "{}: client data, byte {place}", vector.name);
        }
    }
}

#[test]
fn data_that_is_cut_or_lengthened_is_refused() {
    for vector in Vector::all() {
        let whole = vector.registered.authenticator_data.clone().into_vec();
        // Of extensions nothing is read but that they begin.
        let extensions = if vector.name == "extended" { 13 } else { 0 };
        for length in 0..whole.len() - extensions {
            let mut cut = vector.clone();
            cut.registered.authenticator_data = whole[..length].to_vec().into();
            assert!(cut.registered().is_err(), "{}: {length} bytes", vector.name);
        }
        let mut longer = vector.clone();
        longer.registered.authenticator_data = [whole.as_slice(), &[0xa0]].concat().into();
        assert_eq!(longer.registered().is_err(), vector.name != "extended");
    }
}

#[test]
fn it_is_for_one_page_and_one_call() {
    let vector = Vector::named("es256");
    let origin = "https://ca.example.org:8443";
    for other in [
        "https://ca.example.org",
        "https://ca.example.org:8444",
        "http://ca.example.org:8443",
        "https://ca.example.org.evil.example:8443",
        "https://evil.example",
        "",
    ] {
        assert_eq!(vector.asserting(origin, other), Err(Fault::Origin(other.into())));
    }
    assert_eq!(vector.asserting("webauthn.get", "webauthn.create"), Err(Fault::ClientData));
    assert_eq!(vector.asserting("webauthn.get", "payment.get"), Err(Fault::ClientData));
    assert_eq!(vector.asserting("false", "true"), Err(Fault::Framed));
    let framed = "false,\"topOrigin\":\"https://evil.example\"";
    assert_eq!(vector.asserting("false", framed), Err(Fault::Framed));
    let challenge = "\"challenge\":\"";
    assert_eq!(vector.asserting(challenge, "\"challenge\":\"A"), Err(Fault::Challenge));
    // A key that browsers add so that nobody compares the whole: it is read, and then the signature is not over it.
    let more = "false,\"other_keys_can_be_added_here\":\"do not compare\"";
    assert_eq!(vector.asserting("false", more), Err(Fault::Signature));
    assert_eq!(vector.asserting("{\"type\"", "{ \"type\""), Err(Fault::ClientData));
}

#[test]
fn whoever_reads_a_log_takes_any_port_of_the_host() {
    let vector = Vector::named("es256");
    let passkey = vector.registered().unwrap();
    let challenge = digest(&vector.asserted.challenge);
    let verify =
        |id: &str| passkey.verify(&Party { id, origin: None }, &challenge, &vector.assertion());
    assert_eq!(verify("ca.example.org"), Ok(()));
    for other in ["ca.example.or", "example.org", "a.example.org", ""] {
        assert!(matches!(verify(other), Err(Fault::Origin(_))), "{other}");
    }
    let party = Party { id: "ca.example.org", origin: None };
    for (port, is_one) in
        [("", true), (":1", true), (":0443", false), (":99999", false), (":", false), ("/", false)]
    {
        let origin = format!("https://ca.example.org{port}");
        let client_data = replaced(&vector.asserted.client_data, &vector.origin, &origin);
        let assertion = Assertion { client_data, ..vector.assertion() };
        let expected = if is_one { Fault::Signature } else { Fault::Origin(origin) };
        assert_eq!(passkey.verify(&party, &challenge, &assertion), Err(expected));
    }
}

#[test]
fn the_user_must_have_been_verified_and_flags_must_agree() {
    let vector = Vector::named("es256");
    for (flags, fault) in [
        (0x41, Fault::Unverified),
        (0x44, Fault::Unverified),
        (0x55, Fault::Backup),
        (0x47, Fault::AuthenticatorData("flags are set that are reserved")),
        (0x65, Fault::AuthenticatorData("flags are set that are reserved")),
        (0x05, Fault::AuthenticatorData("it does not end where it should")),
    ] {
        assert_eq!(vector.registering(32, flags), Err(fault), "{flags:x}");
    }
    let passkey = vector.registered().unwrap();
    let other = Passkey { is_backup_eligible: true, ..passkey };
    assert_eq!(vector.verified(&other), Err(Fault::Backup));
}

#[test]
fn a_counter_goes_up_or_stays_at_nothing() {
    let vector = Vector::named("eddsa");
    let passkey = vector.registered().unwrap();
    assert_eq!(passkey.counter, 7);
    for (last, holds) in [(0, true), (8, true), (9, false), (10, false), (u32::MAX, false)] {
        let known = Passkey { counter: last, ..passkey.clone() };
        let expected = if holds { Ok(9) } else { Err(Fault::Counter { last, found: 9 }) };
        assert_eq!(vector.verified(&known), expected);
    }
    let without = Vector::named("rs256");
    let passkey = without.registered().unwrap();
    assert_eq!(without.verified(&passkey), Ok(0));
    // A copy that begins to count anew.
    let known = Passkey { counter: 3, ..passkey };
    assert_eq!(without.verified(&known), Err(Fault::Counter { last: 3, found: 0 }));
}

proptest! {
    /// Whatever a stranger sends is a passkey, or none; and what is none signs nothing.
    #[test]
    fn whatever_comes_is_read_without_a_panic(
        data in proptest::collection::vec(any::<u8>(), 0..300),
        flags in any::<u8>(),
        client_data in proptest::collection::vec(any::<u8>(), 0..300),
        tail in "[,\"{}:a-z]{0,40}",
    ) {
        let vector = Vector::named("es256");
        let passkey = vector.registered().unwrap();
        // Also what begins as it should.
        let begins = [sha256(vector.party.as_bytes()).as_bytes(), [flags].as_slice(), &data].concat();
        let mut other = vector.clone();
        for data in [data, begins] {
            other.registered.authenticator_data = data.clone().into();
            other.asserted.authenticator_data = data.into();
            let _ = (other.registered(), recorded(&other.registration()));
            prop_assert!(other.verified(&passkey).is_err());
        }
        let mut other = vector.clone();
        let text = str::from_utf8(vector.asserted.client_data.as_slice()).unwrap();
        let begins = [text.trim_end_matches('}'), &tail].concat();
        for client_data in [client_data, begins.into_bytes()] {
            let is_it = client_data == vector.asserted.client_data.as_slice();
            other.asserted.client_data = client_data.into();
            prop_assert_eq!(other.verified(&passkey).is_ok(), is_it);
        }
    }
}
