//! Passkeys, what they sign, and what can be wrong with that: found by both verifiers.

use jit_ca_core::event::*;
use jit_ca_core::workflow::Approver;
use jit_ca_core::{Action, ActorRef, Bytes, Digest, IssuanceId, RequestId, statement};

use super::lies::{Change, event, lock};
use super::story::*;
use super::told::Told;
use super::{SshKey, each_is_found, found_by_both, holds, request_hash};
use crate::hash::sha256;
use crate::verify::Code;

/// Where the entries stand, behind the story's beginning and Alice's login.
pub(super) mod at {
    use super::super::story::at;

    pub(in crate::verify::tests) const FIRST: usize = at::ENROLLED + 1;
    pub(in crate::verify::tests) const SECOND: usize = FIRST + 1;
    pub(in crate::verify::tests) const PAGE: usize = SECOND + 1;
    pub(in crate::verify::tests) const REQUEST: usize = PAGE + 1;
    pub(in crate::verify::tests) const APPROVAL: usize = REQUEST + 1;
    pub(in crate::verify::tests) const REMOVED: usize = APPROVAL + 1;
    pub(in crate::verify::tests) const LOGOUT: usize = REMOVED + 1;
    pub(in crate::verify::tests) const STEP_UP: usize = LOGOUT + 1;
    pub(in crate::verify::tests) const AGAIN: usize = STEP_UP + 1;
    pub(in crate::verify::tests) use at::{ALICE, ENROLLED, LOGIN};
}

const PARTY: &str = "ca.test";

/// An authenticator that holds one ed25519 key.
pub(super) struct Authenticator {
    key: SshKey,
    id: Bytes,
}

impl Authenticator {
    fn new(seed: u8) -> Self {
        Self { key: SshKey::new(seed), id: vec![seed; 16].into() }
    }

    fn data(&self, flags: u8, counter: u32, more: &[u8]) -> Bytes {
        let party = sha256(PARTY.as_bytes());
        [party.as_bytes().as_slice(), &[flags], &counter.to_be_bytes(), more].concat().into()
    }

    fn register(&self, challenge: &Digest) -> Registration {
        let cose = [b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20".as_slice(), &self.key.point()];
        let id = self.id.as_slice();
        let length = u16::try_from(id.len()).unwrap().to_be_bytes();
        let more = [[0; 16].as_slice(), &length, id, &cose.concat()].concat();
        let client_data = client_data("webauthn.create", challenge);
        Registration { client_data, authenticator_data: self.data(0x45, 1, &more) }
    }

    fn assert(&self, challenge: &Digest, counter: u32) -> Assertion {
        let client_data = client_data("webauthn.get", challenge);
        let authenticator_data = self.data(0x05, counter, &[]);
        let hash = sha256(client_data.as_slice());
        let signed = [authenticator_data.as_slice(), hash.as_bytes()].concat();
        let signature = self.key.raw(&signed).to_vec().into();
        Assertion { passkey: self.id.clone(), client_data, authenticator_data, signature }
    }
}

fn client_data(kind: &str, challenge: &Digest) -> Bytes {
    use base64ct::{Base64UrlUnpadded, Encoding as _};
    let challenge = Base64UrlUnpadded::encode_string(challenge.as_bytes());
    let text = format!(
        r#"{{"type":"{kind}","challenge":"{challenge}","origin":"https://ca.test:8441","crossOrigin":false}}"#
    );
    text.into_bytes().into()
}

pub(super) fn first() -> Authenticator {
    Authenticator::new(31)
}

fn second() -> Authenticator {
    Authenticator::new(32)
}

/// Alice adds a passkey by the leave of another, if she has one.
fn added(login: &Bytes, of: &Authenticator, by: Option<(&Authenticator, u32)>) -> PasskeyAdded {
    with_challenge(&format!("challenge of {}", of.id), login, of, by)
}

/// The same, in answer to this challenge.
pub(super) fn with_challenge(
    challenge: &str,
    login: &Bytes,
    of: &Authenticator,
    by: Option<(&Authenticator, u32)>,
) -> PasskeyAdded {
    let (label, challenge) = ("a key".parse().unwrap(), challenge.to_owned());
    let hex: String = login.as_slice().iter().map(|byte| format!("{byte:02x}")).collect();
    let statement = statement::Passkey {
        origin: &origin(),
        subject: &subject("u-1"),
        label: &label,
        login: &hex,
        challenge: &challenge,
    };
    let answered = sha256(statement.text().as_bytes());
    PasskeyAdded {
        subject: subject("u-1"),
        label,
        party: PARTY.into(),
        login: login.clone(),
        challenge,
        registration: of.register(&answered),
        consent: by.map(|(by, counter)| by.assert(&answered, counter)),
    }
}

pub(super) fn page_login(by: &Authenticator, counter: u32) -> PageLoggedIn {
    let challenge = "page".to_owned();
    let statement = statement::PageLogin { origin: &origin(), challenge: &challenge }.text();
    PageLoggedIn {
        subject: subject("u-1"),
        name: "alice".parse().unwrap(),
        assertion: by.assert(&sha256(statement.as_bytes()), counter),
        challenge,
        address: "192.0.2.7".parse().unwrap(),
        serial: vec![5; 32].into(),
        window: window(3_600),
    }
}

fn approval(made: &RequestMade, by: &Authenticator, counter: u32) -> ApprovalGiven {
    let statement = statement::Approval {
        origin: &origin(),
        request: &made.hash,
        duration: made.duration,
        rows: &made.rows,
        hosts: &made.hosts,
    };
    let answered = sha256(statement.text().as_bytes());
    ApprovalGiven {
        request: made.request,
        hash: made.hash,
        by: Approver::Person { subject: subject("u-1"), name: "alice".parse().unwrap() },
        groups: ["sre".parse().unwrap()].into(),
        duration: made.duration,
        rows: made.rows.clone(),
        hosts: made.hosts.clone(),
        comment: None,
        signature: Some(Consent::Passkey(by.assert(&answered, counter))),
        decision: decided(Action::Approve, "u-1"),
    }
}

pub(super) fn step_up(login: &Bytes, by: &Authenticator, counter: u32) -> LoginSteppedUp {
    let (challenge, who) = ("step up".to_owned(), subject("u-1"));
    let hex: String = login.as_slice().iter().map(|byte| format!("{byte:02x}")).collect();
    let origin = origin();
    let statement =
        statement::StepUp { origin: &origin, subject: &who, login: &hex, challenge: &challenge };
    let assertion = by.assert(&sha256(statement.text().as_bytes()), counter);
    LoginSteppedUp { subject: who, login: login.clone(), challenge, assertion }
}

/// A login with an SSH key and a passkey.
pub(super) fn login(teller: &Teller, by: &Authenticator, counter: u32) -> LoggedIn {
    let mut login = teller.login(IssuanceId::from_bytes(id(70)), Factor::SecurityKey);
    let statement = statement::Login {
        origin: &origin(),
        pin: &sha256(&teller.keys.root.spki()),
        subject: &login.name,
        challenge: &login.challenge,
        login_key: &login.login_key,
    };
    login.factor = Factor::Passkey(by.assert(&sha256(statement.text().as_bytes()), counter));
    login
}

/// Alice gets two passkeys, logs in to the page, approves what Bob asks for, and gives the second one up. With the first
/// one she steps her login up, and logs in again.
pub(super) fn story(teller: &Teller) -> Story {
    let mut story = teller.story();
    story.truncate(at::FIRST);
    let login = event!(story, at::LOGIN, LoggedIn).serial.clone();
    story.push((ALICE, added(&login, &first(), None).into()));
    story.push((ALICE, added(&login, &second(), Some((&first(), 2))).into()));
    story.push((ALICE, page_login(&first(), 3).into()));
    let bundle = in_force(&story);
    let mut made = teller.request(RequestId::from_bytes(id(40)), bundle);
    (made.subject, made.name) = (subject("u-2"), "bob".parse().unwrap());
    made.decision = decided(Action::Request, "u-2");
    made.approvals[0].signed = true;
    made.hash = request_hash(&made);
    let given = approval(&made, &first(), 4);
    story.push((BOB, made.into()));
    story.push((ALICE, given.into()));
    let (who, passkey) = (subject("u-1"), second().id);
    let step_up = step_up(&login, &first(), 5);
    story.push((ALICE, PasskeyRemoved { subject: who.clone(), passkey, login }.into()));
    story.push((ALICE, LoggedOut { subject: who, login: vec![5; 32].into() }.into()));
    story.push((ALICE, step_up.into()));
    story.push((ALICE, self::login(teller, &first(), 6).into()));
    story
}

#[test]
fn what_passkeys_sign_holds_and_lies_about_it_are_found() {
    let teller = Teller::new();
    holds(&Told::of(&story(&teller)), &teller);
    let lies: [(Code, usize, Change); 41] = [
        (Code::Subject, at::FIRST, |_, s| s[at::FIRST].0 = BOB),
        (Code::Subject, at::PAGE, |_, s| s[at::PAGE].0 = BOB),
        // Whose passkey it is, and what it answers.
        (Code::Signature, at::FIRST, |_, s| {
            event!(s, at::FIRST, PasskeyAdded).label = "another".parse().unwrap();
        }),
        (Code::Signature, at::FIRST, |_, s| {
            event!(s, at::FIRST, PasskeyAdded).party = "ca.tes".into();
        }),
        (Code::Signature, at::FIRST, |_, s| {
            event!(s, at::FIRST, PasskeyAdded).registration.authenticator_data = vec![0].into();
        }),
        (Code::Signature, at::SECOND, |_, s| {
            let first = event!(s, at::FIRST, PasskeyAdded).registration.clone();
            event!(s, at::SECOND, PasskeyAdded).registration = first;
        }),
        (Code::Under, at::FIRST - 1, |_, s| drop(s.remove(at::ENROLLED))),
        (Code::Login, at::SECOND, |_, s| {
            let challenge = event!(s, at::FIRST, PasskeyAdded).challenge.clone();
            event!(s, at::SECOND, PasskeyAdded).challenge = challenge;
        }),
        // A second one comes by the first one's leave.
        (Code::Login, at::SECOND, |_, s| event!(s, at::SECOND, PasskeyAdded).consent = None),
        (Code::Login, at::SECOND, |_, s| {
            let login = event!(s, at::LOGIN, LoggedIn).serial.clone();
            let by_itself = added(&login, &second(), Some((&second(), 2)));
            s[at::SECOND].1 = by_itself.into();
        }),
        (Code::Login, at::SECOND, |_, s| {
            let login = event!(s, at::LOGIN, LoggedIn).serial.clone();
            s[at::SECOND].1 = added(&login, &second(), Some((&first(), 1))).into();
        }),
        (Code::Signature, at::SECOND, |_, s| {
            let consent = event!(s, at::SECOND, PasskeyAdded).consent.as_mut().unwrap();
            consent.signature = vec![0; 64].into();
        }),
        (Code::Lock, at::FIRST + 1, |_, s| lock(s, at::FIRST, Locked::All)),
        (Code::Lock, at::PAGE + 1, |_, s| lock(s, at::PAGE, Locked::Subject(subject("u-1")))),
        // Logins to the page.
        (Code::Login, at::PAGE, |_, s| {
            event!(s, at::PAGE, PageLoggedIn).name = "alicia".parse().unwrap();
        }),
        (Code::Login, at::PAGE + 1, |_, s| s.insert(at::PAGE, s[at::PAGE].clone())),
        (Code::Login, at::PAGE, |_, s| s[at::PAGE].1 = page_login(&first(), 2).into()),
        (Code::Login, at::PAGE, |_, s| {
            s[at::PAGE].1 = page_login(&Authenticator::new(33), 3).into();
        }),
        (Code::Login, at::PAGE, |_, s| {
            event!(s, at::PAGE, PageLoggedIn).window = window(43_201);
        }),
        (Code::Signature, at::PAGE, |_, s| {
            event!(s, at::PAGE, PageLoggedIn).challenge = "another".into();
        }),
        // Approvals.
        (Code::Signature, at::APPROVAL, |_, s| {
            let given = event!(s, at::APPROVAL, ApprovalGiven);
            given.comment = Some("less".parse().unwrap());
            given.duration = jit_ca_core::Span::from_secs(60);
        }),
        (Code::Approval, at::APPROVAL, |_, s| {
            let made = event!(s, at::REQUEST, RequestMade).clone();
            s[at::APPROVAL].1 = approval(&made, &first(), 3).into();
        }),
        (Code::Approval, at::APPROVAL, |_, s| {
            let made = event!(s, at::REQUEST, RequestMade).clone();
            s[at::APPROVAL].1 = approval(&made, &Authenticator::new(33), 9).into();
        }),
        (Code::Approval, at::APPROVAL, |_, s| {
            event!(s, at::APPROVAL, ApprovalGiven).signature = None;
        }),
        // One that is gone.
        (Code::Login, at::REMOVED, |_, s| {
            event!(s, at::REMOVED, PasskeyRemoved).passkey = vec![1].into();
        }),
        (Code::Login, at::REMOVED + 1, |_, s| s.insert(at::REMOVED, s[at::REMOVED].clone())),
        (Code::State, at::LOGOUT + 1, |_, s| s.insert(at::LOGOUT, s[at::LOGOUT].clone())),
        // Second factors of logins that are open.
        (Code::Subject, at::STEP_UP, |_, s| s[at::STEP_UP].0 = BOB),
        (Code::Login, at::STEP_UP + 1, |_, s| s.insert(at::STEP_UP, s[at::STEP_UP].clone())),
        (Code::Login, at::STEP_UP, |_, s| {
            event!(s, at::STEP_UP, LoginSteppedUp).login = vec![9].into();
        }),
        (Code::Login, at::STEP_UP, |_, s| {
            s[at::STEP_UP].1 = step_up(&vec![5; 32].into(), &first(), 5).into();
        }),
        (Code::Login, at::STEP_UP - 1, |_, s| {
            // Before the login to the page has ended.
            s[at::LOGOUT].1 = step_up(&vec![5; 32].into(), &first(), 5).into();
        }),
        (Code::Login, at::STEP_UP, |_, s| {
            let login = event!(s, at::LOGIN, LoggedIn).serial.clone();
            s[at::STEP_UP].1 = step_up(&login, &first(), 4).into();
        }),
        (Code::Login, at::STEP_UP, |_, s| {
            let login = event!(s, at::LOGIN, LoggedIn).serial.clone();
            s[at::STEP_UP].1 = step_up(&login, &second(), 5).into();
        }),
        (Code::Signature, at::STEP_UP, |_, s| {
            event!(s, at::STEP_UP, LoginSteppedUp).challenge = "another".into();
        }),
        (Code::Login, at::STEP_UP + 1, |_, s| {
            let login = event!(s, at::LOGIN, LoggedIn).serial.clone();
            let out = LoggedOut { subject: subject("u-1"), login };
            s.insert(at::STEP_UP, (ALICE, out.into()));
        }),
        (Code::Lock, at::STEP_UP + 1, |_, s| lock(s, at::STEP_UP, Locked::All)),
        (Code::Login, at::AGAIN, |t, s| s[at::AGAIN].1 = login(t, &first(), 5).into()),
        (Code::Login, at::AGAIN, |t, s| s[at::AGAIN].1 = login(t, &second(), 6).into()),
        (Code::Signature, at::AGAIN, |_, s| {
            let approval = event!(s, at::APPROVAL, ApprovalGiven).signature.clone();
            let Some(Consent::Passkey(mut other)) = approval else { panic!("no passkey") };
            let factor = &mut event!(s, at::AGAIN, LoggedIn).factor;
            let Factor::Passkey(given) = factor else { panic!("no passkey") };
            // What else the passkey has signed, with a counter that goes up.
            other.authenticator_data = given.authenticator_data.clone();
            *factor = Factor::Passkey(other);
        }),
        (Code::Lock, at::AGAIN + 1, |_, s| lock(s, at::AGAIN, Locked::Subject(subject("u-1")))),
    ];
    each_is_found(&teller, &story(&teller), &lies);
}

#[test]
fn no_certificate_rests_on_a_login_to_the_page() {
    let teller = Teller::new();
    let mut story = story(&teller);
    story.truncate(at::REQUEST);
    let bundle = in_force(&story);
    story.extend(teller.access(bundle, 2, &vec![5; 32].into()));
    let first = u64::try_from(at::REQUEST + 3).unwrap();
    // Also where it is not known any more which SSH keys the person has.
    let mut erased = story.clone();
    erase(&mut erased, &[at::ALICE]);
    let exports = [story, erased].map(|story| Told::of(&story).export(&teller));
    assert_eq!(found_by_both(exports.into()), [Some((Code::Under, Some(first))); 2]);
}

/// Has the payloads of these entries erased, as they are a year old.
fn erase(story: &mut Story, entries: &[usize]) {
    let cause = ErasureCause::Retention(jit_ca_core::UnixTime::from_secs(START + 1));
    let entries = entries.iter().map(|at| u64::try_from(*at).unwrap());
    let entries = entries.map(|at| (at, at)).collect();
    let reason = "kept for a year".parse().unwrap();
    story.push((ActorRef::DAEMON, Erased { cause, reason, entries }.into()));
}

#[test]
fn a_login_that_is_to_enrol_steps_up_by_no_passkey() {
    let teller = Teller::new();
    let mut story = story(&teller);
    let code = MfaCodeMade {
        subject: subject("u-1"),
        code: Digest::from_bytes([8; 32]),
        expires: window(3_600).end(),
    };
    let enrols =
        teller.login(IssuanceId::from_bytes(id(51)), Factor::EnrolmentCode { code: code.code });
    let serial = enrols.serial.clone();
    story.truncate(at::STEP_UP);
    // Made while she had no second factor, and used when she has.
    story.insert(at::ENROLLED, (ActorRef::DAEMON, code.into()));
    story.push((ALICE, enrols.into()));
    story.push((ALICE, step_up(&serial, &first(), 5).into()));
    let index = u64::try_from(story.len() - 1).unwrap();
    let found = found_by_both(vec![Told::of(&story).export(&teller)]);
    assert_eq!(found, [Some((Code::Login, Some(index)))]);
}

#[test]
fn of_passkeys_that_are_erased_what_they_sign_is_not_checked() {
    let teller = Teller::new();
    let mut exports = Vec::new();
    for gone in [vec![at::FIRST], vec![at::SECOND], vec![at::FIRST, at::SECOND, at::PAGE]] {
        let mut story = story(&teller);
        erase(&mut story, &gone);
        exports.push(Told::of(&story).export(&teller));
    }
    // Of what is left, the counter still goes up.
    let mut story = story(&teller);
    let made = event!(story, at::REQUEST, RequestMade).clone();
    story[at::APPROVAL].1 = approval(&made, &first(), 3).into();
    erase(&mut story, &[at::SECOND]);
    exports.push(Told::of(&story).export(&teller));
    let index = Some(u64::try_from(at::APPROVAL).unwrap());
    assert_eq!(found_by_both(exports), [None, None, None, Some((Code::Approval, index))]);
}
