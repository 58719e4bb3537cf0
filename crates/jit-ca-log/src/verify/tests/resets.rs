//! Resets of second factors, and what can be wrong with them: found by both verifiers.

use jit_ca_core::event::*;
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::{Action, ActorRef, Bytes, IssuanceId, UnixTime};

use super::lies::{Change, event, lock};
use super::passkeys::{self, first, page_login, step_up, with_challenge};
use super::story::*;
use super::told::Told;
use super::{SshKey, each_is_found, found_by_both, holds, id};
use crate::hash::sha256;
use crate::verify::Code;

/// Where the entries stand, behind Alice's login and her two passkeys.
mod at {
    use super::super::passkeys::at;

    pub(super) const BOB: usize = at::PAGE;
    pub(super) const CAROL: usize = BOB + 1;
    pub(super) const PAGE: usize = CAROL + 1;
    pub(super) const ASKED: usize = PAGE + 1;
    pub(super) const WITHDRAWN: usize = ASKED + 1;
    pub(super) const AGAIN: usize = WITHDRAWN + 1;
    pub(super) const RESET: usize = AGAIN + 1;
    pub(super) const LOGIN: usize = RESET + 1;
    pub(super) const ENROLLED: usize = LOGIN + 1;
    pub(super) const CODE: usize = ENROLLED + 1;
    pub(super) const PASSKEY: usize = CODE + 1;
    pub(super) use at::LOGIN as FIRST_LOGIN;
}

const DAY: u64 = 24 * 3_600;

fn login(
    teller: &Teller,
    (key, name, who): (&SshKey, &str, &str),
    (number, factor, from): (u64, Factor, u64),
) -> LoggedIn {
    let login = teller.login(IssuanceId::from_bytes(id(number)), factor);
    let pin = sha256(&teller.keys.root.spki());
    let name = name.parse().unwrap();
    let statement = statement::Login {
        origin: &origin(),
        pin: &pin,
        subject: &name,
        challenge: &login.challenge,
        login_key: &login.login_key,
    };
    let signature = key.sign(Kind::Login, &statement.text());
    let start = UnixTime::from_secs(START + from);
    let window = jit_ca_core::Window::starting(start, jit_ca_core::Span::from_secs(3_600)).unwrap();
    LoggedIn { subject: subject(who), name, key: key.wire().into(), signature, window, ..login }
}

fn asked(login: &Bytes) -> MfaResetAsked {
    MfaResetAsked {
        subject: subject("u-1"),
        reason: "the phone is lost".parse().unwrap(),
        by: subject("u-2"),
        name: "bob".parse().unwrap(),
        login: login.clone(),
        decision: decided(Action::Administer, "u-2"),
        lapses: UnixTime::from_secs(START + DAY),
    }
}

fn by_carol(login: &Bytes, asked: usize) -> Resetter {
    Resetter::Person {
        subject: subject("u-3"),
        name: "carol".parse().unwrap(),
        login: login.clone(),
        decision: Box::new(decided(Action::Administer, "u-3")),
        asked: asked as u64,
    }
}

fn by_the_machine() -> Resetter {
    Resetter::Machine { uid: 0, reason: "nobody else can log in".parse().unwrap() }
}

fn reset(by: Resetter) -> MfaReset {
    let expires = UnixTime::from_secs(START + DAY);
    let code = Some(ResetCode { code: sha256(b"another code"), expires });
    MfaReset { subject: subject("u-1"), by, code }
}

/// What Alice has is reset by Bob and Carol, after Bob has thought better of it once, and she comes back.
fn story(teller: &Teller) -> Story {
    let mut story = passkeys::story(teller);
    story.truncate(at::BOB);
    let code = |step| Factor::Totp { step };
    let bobs = login(teller, (&teller.bob, "bob", "u-2"), (50, code(1), 0));
    let carols = login(teller, (&teller.carol, "carol", "u-3"), (51, code(1), 0));
    let (bob, carol) = (bobs.serial.clone(), carols.serial.clone());
    story.push((BOB, bobs.into()));
    story.push((CAROL, carols.into()));
    story.push((ALICE, page_login(&first(), 3).into()));
    story.push((BOB, asked(&bob).into()));
    let withdrawn = MfaResetWithdrawn {
        subject: subject("u-1"),
        asked: at::ASKED as u64,
        by: subject("u-2"),
        name: "bob".parse().unwrap(),
        login: bob.clone(),
        decision: decided(Action::Administer, "u-2"),
    };
    story.push((BOB, withdrawn.into()));
    story.push((BOB, asked(&bob).into()));
    story.push((CAROL, reset(by_carol(&carol, at::AGAIN)).into()));
    let alice = (&teller.alice, "alice", "u-1");
    let by_code = Factor::EnrolmentCode { code: sha256(b"another code") };
    let alices = login(teller, alice, (52, by_code, 0));
    let serial = alices.serial.clone();
    story.push((ALICE, alices.into()));
    // Of another secret: whatever step the one before had come to.
    let enrolled = MfaEnrolled { subject: subject("u-1"), login: serial, step: 7 };
    story.push((ALICE, enrolled.into()));
    let alices = login(teller, alice, (53, code(8), 0));
    let serial = alices.serial.clone();
    story.push((ALICE, alices.into()));
    // It is the same one, and asks none for leave.
    story.push((ALICE, new_passkey(&serial).into()));
    story
}

/// Alice's passkey once more.
fn new_passkey(login: &Bytes) -> PasskeyAdded {
    with_challenge("once more", login, &first(), None)
}

/// Who has asked is somebody else.
fn asked_by_carol(story: &mut Story) {
    let login = event!(story, at::CAROL, LoggedIn).serial.clone();
    story[at::AGAIN].0 = CAROL;
    let asked = event!(story, at::AGAIN, MfaResetAsked);
    (asked.by, asked.name, asked.login) = (subject("u-3"), "carol".parse().unwrap(), login);
    asked.decision = decided(Action::Administer, "u-3");
}

#[test]
fn a_reset_by_two_holds_and_lies_about_it_are_found() {
    let teller = Teller::new();
    holds(&Told::of(&story(&teller)), &teller);
    let lies: [(Code, usize, Change); 31] = [
        // Who: two, of whom neither is whose second factors they are.
        (Code::Reset, at::RESET, |_, s| asked_by_carol(s)),
        (Code::Reset, at::AGAIN, |_, s| {
            event!(s, at::AGAIN, MfaResetAsked).subject = subject("u-2");
        }),
        (Code::Reset, at::RESET, |_, s| {
            event!(s, at::AGAIN, MfaResetAsked).subject = subject("u-3");
            event!(s, at::RESET, MfaReset).subject = subject("u-3");
        }),
        (Code::Reset, at::RESET, |_, s| {
            event!(s, at::RESET, MfaReset).by = by_the_machine();
        }),
        (Code::Subject, at::AGAIN, |_, s| s[at::AGAIN].0 = CAROL),
        (Code::Reset, at::AGAIN, |_, s| {
            event!(s, at::AGAIN, MfaResetAsked).name = "bobby".parse().unwrap();
        }),
        (Code::Decision, at::AGAIN, |_, s| {
            event!(s, at::AGAIN, MfaResetAsked).decision = decided(Action::Lock, "u-2");
        }),
        (Code::Decision, at::WITHDRAWN, |_, s| {
            let withdrawn = event!(s, at::WITHDRAWN, MfaResetWithdrawn);
            withdrawn.decision = decided(Action::Administer, "u-1");
        }),
        (Code::Under, at::AGAIN, |_, s| {
            event!(s, at::AGAIN, MfaResetAsked).login = vec![2; 17].into();
        }),
        (Code::Under, at::RESET, |_, s| {
            let login = event!(s, at::BOB, LoggedIn).serial.clone();
            event!(s, at::RESET, MfaReset).by = by_carol(&login, at::AGAIN);
        }),
        (Code::Lock, at::RESET + 1, |_, s| lock(s, at::RESET, Locked::All)),
        // Who is locked, or reset, has asked for nothing.
        (Code::Reset, at::RESET + 1, |_, s| lock(s, at::RESET, Locked::Subject(subject("u-2")))),
        (Code::Reset, at::RESET + 2, |_, s| {
            let (what, by) = (Locked::Subject(subject("u-2")), Officer::Machine { uid: 0 });
            let reason = "it is back".parse().unwrap();
            let lifted = LockLifted { lock: what.clone(), by, reason };
            s.insert(at::RESET, (ActorRef::DAEMON, lifted.into()));
            lock(s, at::RESET, what);
        }),
        (Code::Reset, at::RESET + 1, |_, s| {
            let of_bob = MfaReset { subject: subject("u-2"), ..reset(by_the_machine()) };
            s.insert(at::RESET, (ActorRef::DAEMON, of_bob.into()));
        }),
        // What was asked for, and waits still.
        (Code::Reset, at::RESET - 1, |_, s| drop(s.remove(at::AGAIN))),
        (Code::Reset, at::RESET, |_, s| {
            let login = event!(s, at::CAROL, LoggedIn).serial.clone();
            event!(s, at::RESET, MfaReset).by = by_carol(&login, at::ASKED);
        }),
        (Code::Reset, at::RESET + 1, |_, s| s.insert(at::RESET, s[at::RESET].clone())),
        (Code::Reset, at::WITHDRAWN + 1, |_, s| {
            s.insert(at::WITHDRAWN, s[at::WITHDRAWN].clone());
        }),
        (Code::Reset, at::AGAIN, |_, s| {
            event!(s, at::AGAIN, MfaResetAsked).lapses = UnixTime::from_secs(START + 2 * DAY);
        }),
        (Code::Reset, at::RESET + 2, |t, s| {
            let again = (99, Factor::Totp { step: 2 }, DAY);
            let again = login(t, (&t.carol, "carol", "u-3"), again);
            let expires = UnixTime::from_secs(START + 2 * DAY);
            let late = event!(s, at::RESET, MfaReset);
            late.by = by_carol(&again.serial, at::AGAIN);
            late.code = late.code.map(|code| ResetCode { expires, ..code });
            s.insert(at::RESET, (CAROL, again.into()));
            s.insert(at::RESET, passed(DAY));
        }),
        // The code.
        (Code::Reset, at::RESET, |_, s| event!(s, at::RESET, MfaReset).code = None),
        (Code::Login, at::LOGIN, |_, s| {
            let code = &mut event!(s, at::RESET, MfaReset).code;
            *code = code.map(|code| ResetCode { code: sha256(b"code"), ..code });
        }),
        (Code::Reset, at::ASKED, |_, s| {
            let (code, expires) = (sha256(b"mine"), UnixTime::from_secs(START + 60));
            let made = MfaCodeMade { subject: subject("u-1"), code, expires };
            s.insert(at::ASKED, (ActorRef::DAEMON, made.into()));
        }),
        (Code::Reset, at::LOGIN, |_, s| {
            let (code, expires) = (sha256(b"mine"), UnixTime::from_secs(START + 60));
            let made = MfaCodeMade { subject: subject("u-1"), code, expires };
            s.insert(at::LOGIN, (ActorRef::DAEMON, made.into()));
        }),
        // What there was.
        (Code::Login, at::LOGIN, |t, s| {
            let by_old = (99, Factor::Totp { step: 101 }, 0);
            s[at::LOGIN].1 = login(t, (&t.alice, "alice", "u-1"), by_old).into();
        }),
        (Code::Login, at::LOGIN, |_, s| {
            let mut by_passkey = page_login(&first(), 9);
            by_passkey.challenge = "another".into();
            s[at::LOGIN].1 = by_passkey.into();
        }),
        (Code::Login, at::LOGIN, |t, s| {
            s[at::LOGIN].1 = passkeys::login(t, &first(), 9).into();
        }),
        (Code::Login, at::LOGIN, |_, s| {
            let old = event!(s, at::FIRST_LOGIN, LoggedIn).serial.clone();
            s[at::LOGIN].1 = step_up(&old, &first(), 9).into();
        }),
        (Code::Login, at::ENROLLED, |_, s| {
            let old = event!(s, at::FIRST_LOGIN, LoggedIn).serial.clone();
            event!(s, at::ENROLLED, MfaEnrolled).login = old;
        }),
        (Code::State, at::LOGIN, |_, s| {
            let logout = LoggedOut { subject: subject("u-1"), login: vec![5; 32].into() };
            s[at::LOGIN].1 = logout.into();
        }),
        (Code::Under, at::PASSKEY, |_, s| {
            let old = event!(s, at::FIRST_LOGIN, LoggedIn).serial.clone();
            s[at::PASSKEY].1 = new_passkey(&old).into();
        }),
    ];
    each_is_found(&teller, &story(&teller), &lies);
}

#[test]
fn on_the_machine_one_resets() {
    let teller = Teller::new();
    let mut story = story(&teller);
    story[at::RESET] = (ActorRef::DAEMON, reset(by_the_machine()).into());
    let index = Some(u64::try_from(at::LOGIN).unwrap());
    let mut old = story.clone();
    let by_old = (99, Factor::Totp { step: 101 }, 0);
    old[at::LOGIN].1 = login(&teller, (&teller.alice, "alice", "u-1"), by_old).into();
    let exports = [story, old].map(|story| Told::of(&story).export(&teller));
    assert_eq!(found_by_both(exports.to_vec()), [None, Some((Code::Login, index))]);
}

#[test]
fn of_a_reset_that_is_erased_its_leaf_still_counts() {
    let teller = Teller::new();
    let erased = |mut story: Story, entries: &[usize]| {
        let cause = ErasureCause::Retention(UnixTime::from_secs(START + 1));
        let entries = entries.iter().map(|at| u64::try_from(*at).unwrap());
        let entries = entries.map(|at| (at, at)).collect();
        let reason = "kept for a year".parse().unwrap();
        story.push((ActorRef::DAEMON, Erased { cause, reason, entries }.into()));
        Told::of(&story).export(&teller)
    };
    let mut alone = story(&teller);
    asked_by_carol(&mut alone);
    let exports = vec![
        erased(story(&teller), &[at::ASKED]),
        erased(story(&teller), &[at::WITHDRAWN]),
        erased(story(&teller), &[at::AGAIN]),
        erased(story(&teller), &[at::RESET]),
        erased(story(&teller), &[at::ENROLLED]),
        erased(story(&teller), &[at::ASKED, at::WITHDRAWN, at::AGAIN, at::RESET]),
        // Who asked is known still.
        erased(alone, &[at::AGAIN]),
    ];
    let index = Some(u64::try_from(at::RESET).unwrap());
    let found = found_by_both(exports);
    assert_eq!(found[..6], [None; 6]);
    assert_eq!(found[6], Some((Code::Reset, index)));
}
