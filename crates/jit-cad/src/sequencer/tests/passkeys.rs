//! What stands against passkeys, and what they sign, at the moment of writing. Signatures are not checked here: who
//! proposes an entry has done so.

use jit_ca_core::SubjectId;
use jit_ca_core::event::{
    Assertion, LockSet, Locked, MfaCodeMade, Officer, PageLoggedIn, PasskeyAdded, PasskeyRemoved,
    Registration,
};

use super::*;

const PAGE: [u8; 32] = [8; 32];

fn alice() -> SubjectId {
    "local/u-1".parse().unwrap()
}

fn id(number: u8) -> Bytes {
    vec![number; 16].into()
}

/// Authenticator data, of an assertion or with a passkey of this number in it.
fn data(counter: u32, passkey: Option<u8>) -> Bytes {
    let flags = if passkey.is_some() { 0x45 } else { 0x05 };
    let mut data = [&[0; 32], [flags].as_slice(), &counter.to_be_bytes()].concat();
    if let Some(number) = passkey {
        data.extend([0; 16]);
        data.extend([0, 16]);
        data.extend([number; 16]);
        data.extend(b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20");
        data.extend([number; 32]);
    }
    data.into()
}

fn signed(number: u8, counter: u32) -> Assertion {
    Assertion {
        passkey: id(number),
        client_data: Bytes::default(),
        authenticator_data: data(counter, None),
        signature: Bytes::default(),
    }
}

fn added(number: u8, challenge: &str, consent: Option<Assertion>) -> Event {
    let authenticator_data = data(1, Some(number));
    PasskeyAdded {
        subject: alice(),
        label: "a key".parse().unwrap(),
        party: "ca.test".into(),
        login: LOGIN.as_slice().into(),
        challenge: challenge.into(),
        registration: Registration { client_data: Bytes::default(), authenticator_data },
        consent,
    }
    .into()
}

fn page_login(challenge: &str, serial: [u8; 32], assertion: Assertion) -> Event {
    let now = clock::now();
    PageLoggedIn {
        subject: alice(),
        name: "alice".parse().unwrap(),
        challenge: challenge.into(),
        assertion,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        serial: serial.as_slice().into(),
        window: Window::new(now, now.plus(Span::from_secs(600))).unwrap(),
    }
    .into()
}

fn removed(number: u8) -> Event {
    let (subject, login) = (alice(), LOGIN.as_slice().into());
    PasskeyRemoved { subject, passkey: id(number), login }.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_passkey_and_all_that_they_sign_rest_on_the_first_as_it_is() {
    let lab = Lab::new().await;
    // Without a login there is none.
    assert_eq!(lab.clash(vec![added(1, "a", None)]).await, Clash::Login);
    let code = Digest::from_bytes([5; 32]);
    let expires = clock::now().plus(Span::from_secs(60));
    lab.write(vec![MfaCodeMade { subject: alice(), code, expires }.into()]).await.unwrap();
    lab.write(vec![login("a", Factor::EnrolmentCode { code })]).await.unwrap();

    assert_eq!(lab.clash(vec![added(1, "b", Some(signed(1, 2)))]).await, Clash::Passkey);
    assert_eq!(lab.clash(vec![added(1, "a", None)]).await, Clash::Challenge);
    lab.write(vec![added(1, "b", None)]).await.unwrap();
    for (event, clash) in [
        (added(2, "c", None), Clash::Passkey),
        (added(2, "b", Some(signed(1, 2))), Clash::Challenge),
        (added(2, "c", Some(signed(1, 1))), Clash::Passkey),
        (added(2, "c", Some(signed(2, 2))), Clash::Passkey),
        (added(1, "c", Some(signed(1, 2))), Clash::Taken),
    ] {
        assert_eq!(lab.clash(vec![event]).await, clash);
    }
    lab.write(vec![added(2, "c", Some(signed(1, 2)))]).await.unwrap();

    // What is signed counts on, also within a batch; and a challenge is answered once.
    assert_eq!(lab.clash(vec![page_login("d", PAGE, signed(1, 2))]).await, Clash::Passkey);
    assert_eq!(lab.clash(vec![page_login("d", PAGE, signed(3, 3))]).await, Clash::Passkey);
    lab.write(vec![page_login("d", PAGE, signed(1, 3))]).await.unwrap();
    assert_eq!(lab.clash(vec![page_login("d", [9; 32], signed(1, 4))]).await, Clash::Challenge);
    assert_eq!(lab.clash(vec![page_login("e", PAGE, signed(1, 4))]).await, Clash::Taken);
    let snapshot = lab.store.read().unwrap();
    let known = snapshot.passkey(id(1).as_slice()).unwrap().unwrap();
    assert_eq!((known.passkey.counter, known.subject.clone()), (3, alice()));
    assert!(snapshot.login(&PAGE).unwrap().unwrap().mfa_at.is_some());

    // One that was given up is none.
    lab.write(vec![removed(2)]).await.unwrap();
    assert_eq!(lab.clash(vec![removed(2)]).await, Clash::Passkey);
    let others = lab.store.read().unwrap().passkeys(&alice()).unwrap();
    assert_eq!(others.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [id(1)]);
    let out = LoggedOut { subject: alice(), login: PAGE.as_slice().into() };
    lab.write(vec![out.clone().into()]).await.unwrap();
    assert_eq!(lab.clash(vec![out.into()]).await, Clash::Login);

    // Who is locked logs in nowhere, and adds nothing.
    let by = Officer::Machine { uid: 0 };
    let lock = LockSet { lock: Locked::Subject(alice()), by, reason: "lost".parse().unwrap() };
    lab.write(vec![lock.into()]).await.unwrap();
    assert_eq!(lab.clash(vec![page_login("f", [9; 32], signed(1, 4))]).await, Clash::Lock);
    assert_eq!(lab.clash(vec![added(3, "f", Some(signed(1, 4)))]).await, Clash::Lock);
    lab.store.check().unwrap();
}
