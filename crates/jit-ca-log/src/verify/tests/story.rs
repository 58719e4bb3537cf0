//! A small log in which everything happens once.

use std::collections::HashMap;

use jit_ca_core::event::*;
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::{
    Action, ActorRef, Bytes, Decision, Digest, Facts, IssuanceId, Means, Origin, Outcome, Row,
    Span, SubjectId, UnixTime, Window,
};

use super::keys::{Keys, SshKey, X509};
use crate::hash::sha256;
use crate::{Bundle, LogKey};

pub(super) const START: u64 = 1_795_338_000;
pub(super) const ALICE: ActorRef = ActorRef::from_bytes([0xa1; 16]);
pub(super) const BOB: ActorRef = ActorRef::from_bytes([0xb0; 16]);
pub(super) const CAROL: ActorRef = ActorRef::from_bytes([0xca; 16]);

/// Constants that count from 0.
macro_rules! places {
    (@ $at:expr;) => {};
    (@ $at:expr; $name:ident $($more:ident)*) => {
        pub(in crate::verify) const $name: usize = $at;
        places!(@ $at + 1; $($more)*);
    };
    ($($name:ident)*) => { places!(@ 0; $($name)*); };
}

/// Where the entries of the story stand.
#[expect(dead_code, reason = "not of each of them a lie is told")]
pub(super) mod at {
    places! {
        INIT FILE ALICE_KNOWN ALICE BOB_KNOWN BOB CAROL_KNOWN CAROL BUNDLE
        CODE LOGIN LOGIN_INTENT LOGIN_DONE ENROLLED
        REQUEST APPROVAL GRANT SSH SSH_DONE X509 X509_DONE
        PLANNED PLANNED_FIRST PLANNED_BY_BOB PLANNED_BY_CAROL PLANNED_GRANT
        FIRST FIRST_BY_BOB FIRST_GRANT
        REFUSED REFUSED_BY_BOB REFUSED_GRANT
        UNUSED UNUSED_BY_BOB UNUSED_GRANT
        EMERGENCY BROKEN EMERGENCY_GRANT
        TEN_MINUTES
        PLANNED_START SHORT SHORT_DONE
        FIRST_START FIRST_SSH FIRST_DONE
        WITHDRAWN CANCELLED EXTENSION
        REFUSED_END GIVEN_BACK REVIEW REVOKED LOCK UNLOCK
        LOGOUT
        HALF_AN_HOUR
        EXTENSION_LAPSED PLANNED_END UNUSED_END END
        SERVER ORDER ERASE
        SIZE
    }
}

/// What happens, with who acts.
pub(super) type Story = Vec<(ActorRef, Event)>;

pub(super) struct Teller {
    pub(super) keys: Keys,
    pub(super) alice: SshKey,
    pub(super) bob: SshKey,
    pub(super) carol: SshKey,
    pub(super) session: SshKey,
}

pub(super) fn subject(id: &str) -> SubjectId {
    format!("local/{id}").parse().unwrap()
}

pub(super) fn origin() -> Origin {
    "ca.test/jit-ca".parse().unwrap()
}

/// Strangers are counted: in these tests' logs time goes on to what that entry says.
pub(super) fn passed(seconds: u64) -> (ActorRef, Event) {
    let since = UnixTime::from_secs(START + seconds);
    (ActorRef::DAEMON, StrangersRefused { count: 1, since }.into())
}

/// The clock is wrong.
pub(super) fn faulted() -> (ActorRef, Event) {
    let [expected, found] = [START, START + 3_600].map(UnixTime::from_secs);
    (ActorRef::DAEMON, ClockFaulted { expected, found }.into())
}

/// Somebody says that it is right.
pub(super) fn acknowledged() -> (ActorRef, Event) {
    let reason = "chrony was set up anew".parse().unwrap();
    (ActorRef::DAEMON, ClockAcknowledged { reason, uid: 0 }.into())
}

pub(super) fn decided(action: Action, who: &str) -> Decided {
    let facts = Facts {
        action,
        subject: subject(who),
        now: UnixTime::from_secs(START),
        address: "192.0.2.7".parse().unwrap(),
        mfa_at: None,
        means: Means::default(),
        role: None,
        requester: None,
        hosts: None,
        duration: None,
        reason: None,
        ticket: None,
    };
    let decision = Decision { outcome: Outcome::Allow, rules: vec!["r".into()], reasons: vec![] };
    Decided { facts, decision }
}

impl Teller {
    pub(super) fn new() -> Self {
        Self {
            keys: Keys::new(),
            alice: SshKey::new(11),
            bob: SshKey::new(12),
            session: SshKey::new(13),
            carol: SshKey::new(14),
        }
    }

    pub(super) fn log_key(&self) -> LogKey {
        LogKey::new(origin(), self.keys.log.point())
    }

    /// The CA begins, and knows Alice, Bob and Carol.
    pub(super) fn beginning(&self) -> Story {
        let mut story: Story = Vec::new();
        let daemon = ActorRef::DAEMON;
        let init = LogInit { origin: origin(), keys: self.keys.public(), succeeds: None };
        story.push((daemon, init.into()));
        let file = FileListed { path: "roles/web.toml".into(), text: "role".into() };
        story.push((daemon, file.into()));
        for (id, name, actor, key, groups) in [
            ("u-1", "alice", ALICE, &self.alice, vec!["sre"]),
            ("u-2", "bob", BOB, &self.bob, vec!["security", "sre"]),
            ("u-3", "carol", CAROL, &self.carol, vec!["sre"]),
        ] {
            let name: jit_ca_core::PersonName = name.parse().unwrap();
            let known = SubjectKnown { subject: subject(id), name: name.clone(), actor };
            story.push((actor, known.into()));
            let person = PersonListed {
                subject: subject(id),
                name,
                groups: groups.into_iter().map(|group| group.parse().unwrap()).collect(),
                ssh_keys: vec![key.line()],
            };
            story.push((actor, person.into()));
        }
        let activated = activated(&story);
        story.push((daemon, activated.into()));
        story
    }

    /// Everything once.
    pub(super) fn story(&self) -> Story {
        let mut story = self.beginning();
        let code = sha256(b"code");
        let expires = UnixTime::from_secs(START + 3_600);
        story.push((
            ActorRef::DAEMON,
            MfaCodeMade { subject: subject("u-1"), code, expires }.into(),
        ));
        let login = IssuanceId::from_bytes([1; 16]);
        story.push((ALICE, self.login(login, Factor::EnrolmentCode { code }).into()));
        let (intent, done) = self.login_certificate(login);
        story.push((ALICE, intent.into()));
        story.push((ALICE, done.into()));
        let serial = x509_serial(login);
        let enrolled = MfaEnrolled { subject: subject("u-1"), login: serial.clone(), step: 100 };
        story.push((ALICE, enrolled.into()));
        let bundle = in_force(&story);
        story.extend(self.access(bundle, 2, &serial));
        let usual = self.granted(&story, at::REQUEST, at::GRANT);
        self.plans(&mut story, bundle);
        self.emergency(&mut story, bundle);
        story.push(passed(600));
        self.begins(&mut story, &serial);
        self.extends(&mut story, bundle);
        self.ends(&mut story);
        story.push((ALICE, LoggedOut { subject: subject("u-1"), login: serial }.into()));
        story.push(passed(1_800));
        self.is_over(&mut story);
        story.push((ActorRef::DAEMON, usual.ended(1_800, EndCause::Over).into()));
        story.push((ActorRef::DAEMON, self.server().into()));
        let reason = "she asked for it".parse().unwrap();
        let entries = vec![(at::CODE as u64, at::CODE as u64)];
        let statement = statement::Erasure {
            origin: &origin(),
            actor: &ALICE,
            reason: &reason,
            entries: &entries,
        };
        let order = ErasureOrdered {
            by: subject("u-2"),
            name: "bob".parse().unwrap(),
            signature: self.bob.signature(Kind::Erasure, &statement.text()),
            step: Some(200),
            decision: decided(Action::Erase, "u-2"),
        };
        story.push((BOB, order.into()));
        let erased = Erased { cause: ErasureCause::Subject(ALICE), reason, entries };
        story.push((BOB, erased.into()));
        story
    }

    pub(super) fn login(&self, issuance: IssuanceId, factor: Factor) -> LoggedIn {
        let challenge = format!("challenge {issuance}");
        let login_key = sha256(&self.keys.clients.spki());
        let pin = sha256(&self.keys.root.spki());
        let statement = statement::Login {
            origin: &origin(),
            pin: &pin,
            subject: &"alice".parse().unwrap(),
            challenge: &challenge,
            login_key: &login_key,
        };
        LoggedIn {
            subject: subject("u-1"),
            name: "alice".parse().unwrap(),
            key: self.alice.wire().into(),
            signature: self.alice.sign(Kind::Login, &statement.text()),
            challenge,
            login_key,
            factor,
            address: "192.0.2.7".parse().unwrap(),
            serial: x509_serial(issuance),
            window: window(12 * 3_600),
        }
    }

    fn login_certificate(&self, id: IssuanceId) -> (CertificateIntended, CertificateIssued) {
        let uri = "spiffe://example.org/login/x".to_owned();
        let intent = self.x509(id, "x509-logins", 12 * 3_600, vec![], uri, None);
        let signature = self.keys.logins.sign(intent.tbs.as_slice()).into();
        (intent, CertificateIssued { issuance: id, grant: None, signature })
    }

    fn server(&self) -> CertificateIntended {
        let id = IssuanceId::from_bytes([9; 16]);
        self.x509(id, "x509-servers", 24 * 3_600, vec![], "spiffe://x".into(), None)
    }

    pub(super) fn x509(
        &self,
        issuance: IssuanceId,
        purpose: &str,
        length: u64,
        subject: Vec<(u8, String)>,
        uri: String,
        under: Option<IssuedUnder>,
    ) -> CertificateIntended {
        let validity = validity(length);
        let (serial, spki) = (x509_serial(issuance), self.keys.clients.spki());
        let key_id = self.keys.clients.key_id();
        let (serial_bytes, is_ca, more) = (serial.as_slice().to_vec(), false, vec![]);
        let certificate =
            X509 { serial: serial_bytes, validity, subject, spki, is_ca, uri, key_id, more };
        let (tbs, purpose) = (certificate.tbs(), purpose.to_owned());
        CertificateIntended { issuance, purpose, serial, tbs, validity, under }
    }
}

/// The id of this number.
pub(super) fn id(number: u64) -> [u8; 16] {
    let mut id = [7; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

/// The activation of what a story has come to list, by the daemon's start.
pub(super) fn activated(story: &Story) -> BundleActivated {
    let fold = |events: &[(ActorRef, Event)]| {
        let mut bundle = Bundle::empty();
        events.iter().for_each(|(actor, event)| bundle.apply(*actor, event));
        bundle
    };
    let last = story.iter().rposition(|(_, event)| matches!(event, Event::BundleActivated(_)));
    let (before, now) = (fold(&story[..last.map_or(0, |last| last + 1)]), fold(story));
    let actors: HashMap<_, _> = before.actors().chain(now.actors()).collect();
    BundleActivated {
        hash: now.hash(),
        zone: now.zone.clone(),
        changes: before.changes_to(&now, |subject| actors.get(subject).copied()),
        asked: Asker::Start,
        approved: None,
    }
}

/// The bundle in force at the end of a story.
pub(super) fn in_force(story: &Story) -> Digest {
    let activated = story.iter().rev().find_map(|(_, event)| match event {
        Event::BundleActivated(activated) => Some(activated.hash),
        _ => None,
    });
    activated.unwrap()
}

pub(super) fn x509_serial(issuance: IssuanceId) -> Bytes {
    [[1].as_slice(), issuance.as_bytes()].concat().into()
}

pub(super) fn window(seconds: u64) -> Window {
    Window::starting(UnixTime::from_secs(START), Span::from_secs(seconds)).unwrap()
}

pub(super) fn validity(seconds: u64) -> Validity {
    Validity { from: UnixTime::from_secs(START - 60), until: UnixTime::from_secs(START + seconds) }
}

pub(super) fn row(text: &str) -> Row {
    text.parse().unwrap()
}
