//! What must hold before second factors are reset, and what is left when they are.

use std::net::{IpAddr, Ipv4Addr};

use jit_ca_core::event::{
    Decided, Event, Factor, LockLifted, LockSet, Locked, LoggedIn, MfaCodeMade, MfaEnrolled,
    MfaReset, MfaResetAsked, MfaResetWithdrawn, Officer, ResetCode, Resetter, SubjectKnown,
};
use jit_ca_core::{
    Action, ActorRef, Bytes, Decision, Digest, Facts, Outcome, Span, SubjectId, UnixTime, Window,
};
use jit_ca_log::{Ids, Leaf, entry, payload};

use crate::store::{Clash, Store};

const START: UnixTime = UnixTime::from_secs(1_800_000_000);
const DAY: Span = Span::from_secs(24 * 60 * 60);

/// Alice, who has a second factor, and Bob and Carol, who are logged in: so is she.
struct Lab {
    store: Store,
    size: u64,
}

fn actor(who: u8) -> ActorRef {
    ActorRef::from_bytes([who; 16])
}

fn subject(who: u8) -> SubjectId {
    format!("local/u-{who}").parse().unwrap()
}

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;

fn login(who: u8) -> Bytes {
    vec![who; 17].into()
}

impl Lab {
    fn new() -> Self {
        let mut lab = Self { store: Store::in_memory().unwrap(), size: 0 };
        for who in [ALICE, BOB, CAROL] {
            let name = format!("u-{who}").parse().unwrap();
            let known = SubjectKnown { subject: subject(who), name, actor: actor(who) };
            lab.write(who, known);
            lab.write(who, logged_in(who));
        }
        lab.write(ALICE, MfaEnrolled { subject: subject(ALICE), login: login(ALICE), step: 7 });
        lab
    }

    fn write(&mut self, who: u8, event: impl Into<Event>) -> u64 {
        let event = event.into();
        let bytes = payload::encode(&event).unwrap();
        let leaf = Leaf {
            entry_type: event.entry_type().parse().unwrap(),
            idx: self.size,
            ts_ms: START.secs() * 1_000,
            actor: actor(who),
            ids: Ids::of(&event),
            bundle: None,
            tbs: entry::tbs(&event),
            commit: entry::commit(&[0; 32], &bytes),
        };
        let write = self.store.write().unwrap();
        let mut tables = write.tables().unwrap();
        tables.append(&leaf, &[0; 32], &bytes, &event).unwrap();
        drop(tables);
        write.commit().unwrap();
        self.size += 1;
        leaf.idx
    }

    /// Whether it would be written, so long after the start.
    fn admits(&self, event: impl Into<Event>, after: Span) -> Result<(), Clash> {
        let write = self.store.write().unwrap();
        write
            .tables()
            .unwrap()
            .admit([(ActorRef::DAEMON, &event.into())], START.plus(after))
            .unwrap()
    }
}

fn logged_in(who: u8) -> LoggedIn {
    LoggedIn {
        subject: subject(who),
        name: format!("u-{who}").parse().unwrap(),
        key: Bytes::default(),
        challenge: format!("challenge {who}"),
        login_key: Digest::from_bytes([who; 32]),
        signature: Bytes::default(),
        factor: Factor::SecurityKey,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        serial: login(who),
        window: Window::starting(START, DAY).unwrap(),
    }
}

fn by_a_code(step: u64) -> LoggedIn {
    let (challenge, serial) = (format!("another {step}"), vec![9; 17].into());
    LoggedIn { challenge, serial, factor: Factor::Totp { step }, ..logged_in(ALICE) }
}

fn decision(who: u8) -> Decided {
    let facts = Facts {
        action: Action::Administer,
        subject: subject(who),
        now: START,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        mfa_at: None,
        means: Default::default(),
        role: None,
        requester: None,
        hosts: None,
        duration: None,
        reason: None,
        ticket: None,
    };
    let decision = Decision { outcome: Outcome::Allow, rules: vec![], reasons: vec![] };
    Decided { facts, decision }
}

fn asked(of: u8, by: u8) -> MfaResetAsked {
    MfaResetAsked {
        subject: subject(of),
        reason: "it is lost".parse().unwrap(),
        by: subject(by),
        name: format!("u-{by}").parse().unwrap(),
        login: login(by),
        decision: decision(by),
        lapses: START.plus(Span::from_secs(3_600)),
    }
}

fn withdrawn(asked: u64, by: u8) -> MfaResetWithdrawn {
    MfaResetWithdrawn {
        subject: subject(ALICE),
        asked,
        by: subject(by),
        name: format!("u-{by}").parse().unwrap(),
        login: login(by),
        decision: decision(by),
    }
}

fn reset(asked: u64, by: u8) -> MfaReset {
    let by = Resetter::Person {
        subject: subject(by),
        name: format!("u-{by}").parse().unwrap(),
        login: login(by),
        decision: Box::new(decision(by)),
        asked,
    };
    let code = ResetCode { code: Digest::from_bytes([5; 32]), expires: START.plus(DAY) };
    MfaReset { subject: subject(ALICE), by, code: Some(code) }
}

fn code_made(who: u8) -> MfaCodeMade {
    let expires = START.plus(DAY);
    MfaCodeMade { subject: subject(who), code: Digest::from_bytes([6; 32]), expires }
}

#[test]
fn only_another_administrator_confirms_what_was_asked_for_and_waits() {
    let mut lab = Lab::new();
    let (now, late) = (Span::from_secs(1), Span::from_secs(3_600));
    // Of whom, and by whom.
    assert_eq!(lab.admits(asked(BOB, BOB), now), Err(Clash::Reset));
    assert_eq!(lab.admits(asked(CAROL, BOB), now), Err(Clash::Reset), "she has none");
    assert_eq!(lab.admits(reset(0, CAROL), now), Err(Clash::Reset));
    assert_eq!(lab.admits(asked(ALICE, BOB), now), Ok(()));
    assert_eq!(lab.admits(asked(ALICE, BOB), DAY), Err(Clash::Login));
    let entry = lab.write(BOB, asked(ALICE, BOB));
    assert_eq!(lab.admits(asked(ALICE, CAROL), now), Err(Clash::Reset), "it waits already");
    assert_eq!(lab.admits(reset(entry, BOB), now), Err(Clash::Reset));
    assert_eq!(lab.admits(reset(entry, ALICE), now), Err(Clash::Reset));
    assert_eq!(lab.admits(reset(entry - 1, CAROL), now), Err(Clash::Reset));
    assert_eq!(lab.admits(withdrawn(entry, ALICE), now), Err(Clash::Reset));
    assert_eq!(lab.admits(withdrawn(entry, BOB), now), Ok(()));
    assert_eq!(lab.admits(reset(entry, CAROL), now), Ok(()));
    // It lapses, and may be asked for anew.
    assert_eq!(lab.admits(reset(entry, CAROL), late), Err(Clash::Reset));
    assert_eq!(lab.admits(withdrawn(entry, BOB), late), Err(Clash::Reset));
    assert_eq!(lab.admits(asked(ALICE, CAROL), late), Ok(()));
    lab.write(CAROL, withdrawn(entry, CAROL));
    assert_eq!(lab.admits(reset(entry, CAROL), now), Err(Clash::Reset));
}

#[test]
fn who_is_locked_or_reset_has_asked_for_nothing() {
    let now = Span::from_secs(1);
    let lock = || Locked::Subject(subject(BOB));
    let by = || Officer::Machine { uid: 0 };
    let reason = || "INC-9".parse().unwrap();
    let mut lab = Lab::new();
    let entry = lab.write(BOB, asked(ALICE, BOB));
    lab.write(CAROL, LockSet { lock: Locked::All, by: by(), reason: reason() });
    lab.write(CAROL, LockLifted { lock: Locked::All, by: by(), reason: reason() });
    assert_eq!(lab.admits(reset(entry, CAROL), now), Ok(()), "that is about nobody");
    lab.write(CAROL, LockSet { lock: lock(), by: by(), reason: reason() });
    assert_eq!(lab.admits(reset(entry, CAROL), now), Err(Clash::Reset));
    lab.write(CAROL, LockLifted { lock: lock(), by: by(), reason: reason() });
    assert_eq!(lab.admits(reset(entry, CAROL), now), Err(Clash::Reset));
    assert_eq!(lab.admits(asked(ALICE, CAROL), now), Ok(()));

    let mut lab = Lab::new();
    let entry = lab.write(BOB, asked(ALICE, BOB));
    let by = Resetter::Machine { uid: 0, reason: reason() };
    lab.write(0, MfaReset { subject: subject(BOB), by, ..reset(entry, CAROL) });
    assert_eq!(lab.admits(reset(entry, CAROL), now), Err(Clash::Reset));
}

#[test]
fn what_was_on_its_way_when_it_was_reset_is_sent_back() {
    let mut lab = Lab::new();
    let now = Span::from_secs(1);
    assert_eq!(lab.admits(by_a_code(8), now), Ok(()));
    assert_eq!(lab.admits(code_made(ALICE), now), Err(Clash::Reset));
    let enrolled = MfaEnrolled { subject: subject(ALICE), login: login(ALICE), step: 9 };
    let entry = lab.write(BOB, asked(ALICE, BOB));
    lab.write(CAROL, reset(entry, CAROL));
    assert_eq!(lab.admits(by_a_code(8), now), Err(Clash::Code));
    assert!(lab.admits(enrolled, now).is_err());
    assert_eq!(lab.admits(reset(entry, CAROL), now), Err(Clash::Reset));
    assert_eq!(lab.admits(withdrawn(entry, BOB), now), Err(Clash::Reset));
    assert_eq!(lab.admits(code_made(ALICE), now), Err(Clash::Reset), "hers is the reset's");
    let snapshot = lab.store.read().unwrap();
    assert!(snapshot.open_logins(&subject(ALICE)).unwrap().is_empty());
    assert_eq!(snapshot.open_logins(&subject(BOB)).unwrap().len(), 1);
    drop(snapshot);
    // The code may be lost: once more, until another second factor is there.
    assert_eq!(lab.admits(asked(ALICE, CAROL), now), Ok(()));
    let code = Factor::EnrolmentCode { code: Digest::from_bytes([5; 32]) };
    let by_its_code = LoggedIn { factor: code, ..by_a_code(8) };
    assert_eq!(lab.admits(by_its_code.clone(), now), Ok(()));
    lab.write(ALICE, by_its_code);
    let login = vec![9; 17].into();
    lab.write(ALICE, MfaEnrolled { subject: subject(ALICE), login, step: 8 });
    assert_eq!(lab.store.read().unwrap().resets().unwrap(), []);
    assert_eq!(lab.admits(by_a_code(9), now), Ok(()));
}

#[test]
fn a_login_by_a_code_alone_makes_nobody_have_an_authenticator() {
    let mut lab = Lab::new();
    // What had been enrolled, and its reset, are erased: the login is what is left.
    let (serial, challenge) = (vec![9; 17].into(), "another".to_owned());
    let factor = Factor::Totp { step: 8 };
    lab.write(BOB, LoggedIn { serial, challenge, factor, ..logged_in(BOB) });
    assert_eq!(lab.admits(code_made(BOB), Span::from_secs(1)), Ok(()));
}
