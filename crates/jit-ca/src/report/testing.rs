//! Entries made by hand, for the tests of the report.

use std::collections::BTreeMap;

use jit_ca_core::event::{
    Allowed, ApprovalGiven, Asker, BundleActivated, BundleChanges, CertificateIntended, Decided,
    Event, FileListed, GrantMade, IssuedUnder, PersonListed, ProofOfPossession, RequestMade, Scope,
    SubjectKnown, Validity,
};
use jit_ca_core::workflow::{Approver, Quorum, Start, Term};
use jit_ca_core::{
    Action, ActorRef, Bytes, Decision, Digest, Facts, GrantId, IssuanceId, Means, Outcome,
    RequestId, Span, SubjectId, UnixTime, Window,
};
use jit_ca_log::archive::{Entry, Payload};
use jit_ca_log::{Bundle, Checkpoint, Ids, Leaf, LogKey, SignedCheckpoint};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::fold::{self, Verified};
use super::model::{Period, Report};
use super::names::Names;
use super::survey::Survey;

/// The period of all tests begins here.
pub(super) const FROM: u64 = 1_795_000_000;
/// It ends here.
pub(super) const TO: u64 = FROM + 100_000;

pub(super) const ALICE: ActorRef = ActorRef::from_bytes([0xa1; 16]);
pub(super) const BOB: ActorRef = ActorRef::from_bytes([0xb0; 16]);
pub(super) const CAROL: ActorRef = ActorRef::from_bytes([0xca; 16]);

pub(super) const SHELL: &str = "ssh web-shell login=deploy hosts=web1,web2 extensions=permit-pty";
pub(super) const API: &str = "x509 orders-api";

/// A log, entry by entry.
#[derive(Default)]
pub(super) struct Script {
    pub(super) entries: Vec<Entry>,
    bundle: Option<Bundle>,
    names: BTreeMap<ActorRef, &'static str>,
    now: u64,
}

impl Script {
    /// What comes next is written then.
    pub(super) fn at(&mut self, seconds: u64) -> &mut Self {
        self.now = seconds;
        self
    }

    pub(super) fn push(&mut self, actor: ActorRef, ids: Ids, event: impl Into<Event>) -> &mut Self {
        let event = event.into();
        if let Some(bundle) = &mut self.bundle {
            bundle.apply(actor, &event);
        }
        let entry_type = event.entry_type().parse().unwrap();
        self.put(actor, ids, entry_type, Payload::Event(event))
    }

    pub(super) fn put(
        &mut self,
        actor: ActorRef,
        ids: Ids,
        entry_type: jit_ca_log::EntryType,
        payload: Payload,
    ) -> &mut Self {
        let leaf = Leaf {
            entry_type,
            idx: self.entries.len() as u64,
            ts_ms: self.now * 1_000 + 7,
            actor,
            ids,
            bundle: None,
            tbs: None,
            commit: Digest::from_bytes([0; 32]),
        };
        self.entries.push(Entry { leaf, payload });
        self
    }

    /// Somebody of this name, in these groups, is in the bundle from here on.
    pub(super) fn person(
        &mut self,
        actor: ActorRef,
        name: &'static str,
        groups: &[&str],
    ) -> &mut Self {
        self.bundle.get_or_insert_with(Bundle::empty);
        if self.names.insert(actor, name).is_none() {
            let known = SubjectKnown { subject: subject(name), name: name.parse().unwrap(), actor };
            self.push(actor, Ids::default(), known);
        }
        let groups = groups.iter().map(|group| group.parse().unwrap()).collect();
        let (subject, name) = (subject(name), name.parse().unwrap());
        self.push(
            actor,
            Ids::default(),
            PersonListed { subject, name, groups, ssh_keys: Vec::new() },
        )
    }

    pub(super) fn file(&mut self, path: &str, text: &str) -> &mut Self {
        self.bundle.get_or_insert_with(Bundle::empty);
        let file = FileListed { path: path.into(), text: text.into() };
        self.push(ActorRef::DAEMON, Ids::default(), file)
    }

    pub(super) fn activate(&mut self) -> &mut Self {
        self.activate_for(Asker::Start, None)
    }

    /// The same, asked for by somebody and perhaps approved.
    pub(super) fn activate_for(&mut self, asked: Asker, approved: Option<ActorRef>) -> &mut Self {
        let hash = self.bundle.as_ref().unwrap().hash();
        let changes = BundleChanges::default();
        let activated = BundleActivated { hash, zone: "UTC".into(), changes, asked, approved };
        self.push(ActorRef::DAEMON, Ids::default(), activated)
    }

    pub(super) fn request(&mut self, n: u8, actor: ActorRef, reason: &str) -> &mut Self {
        let (name, made) = (self.names[&actor], UnixTime::from_secs(self.now));
        let request = RequestMade {
            request: request(n),
            subject: subject(name),
            name: name.parse().unwrap(),
            role: "web-shell".parse().unwrap(),
            rows: [SHELL, API].map(|row| row.parse().unwrap()).into(),
            hosts: "web1,web2".parse().unwrap(),
            duration: Span::from_secs(3_600),
            start: Start::AtApproval,
            extends: None,
            reason: reason.parse().unwrap(),
            ticket: Some("INC-42".parse().unwrap()),
            bundle: Digest::from_bytes([0; 32]),
            hash: Digest::from_bytes([n; 32]),
            made,
            lapses: made.plus(Span::from_secs(3_600)),
            approvals: vec![sre()],
            use_within: None,
            certificates: None,
            decision: decided(Action::Request, subject(name)),
        };
        self.push(actor, of_request(n), request)
    }

    pub(super) fn approval(
        &mut self,
        n: u8,
        by: Result<ActorRef, &str>,
        comment: Option<&str>,
    ) -> &mut Self {
        let (actor, by) = match by {
            Ok(actor) => {
                let name = self.names[&actor];
                (actor, Approver::Person { subject: subject(name), name: name.parse().unwrap() })
            }
            Err(rule) => (ActorRef::DAEMON, Approver::Rules(vec![rule.into()])),
        };
        let approval = ApprovalGiven {
            request: request(n),
            hash: Digest::from_bytes([n; 32]),
            by,
            groups: ["sre".parse().unwrap()].into(),
            duration: Span::from_secs(1_800),
            rows: vec![SHELL.parse().unwrap()],
            hosts: "web1".parse().unwrap(),
            comment: comment.map(|comment| comment.parse().unwrap()),
            signature: None,
            decision: decided(Action::Approve, subject("bob")),
        };
        self.push(actor, of_request(n), approval)
    }

    /// A grant of so many seconds from now on.
    pub(super) fn grant(&mut self, n: u8, by: ActorRef, seconds: u64) -> &mut Self {
        let start = UnixTime::from_secs(self.now);
        let made = GrantMade {
            grant: grant(n),
            request: request(n),
            subject: subject("alice"),
            role: "web-shell".parse().unwrap(),
            rows: vec![SHELL.parse().unwrap()],
            hosts: "web1".parse().unwrap(),
            term: Term::Open(Window::starting(start, Span::from_secs(seconds)).unwrap()),
            certificates: None,
        };
        self.push(by, Ids { grant: Some(grant(n)), ..of_request(n) }, made)
    }

    /// A certificate under a grant is about to be signed.
    pub(super) fn intent(&mut self, n: u8, of: u8, purpose: &str, actor: ActorRef) -> &mut Self {
        let from = UnixTime::from_secs(self.now);
        let intended = CertificateIntended {
            issuance: issuance(n),
            purpose: purpose.into(),
            serial: Bytes::from(vec![0, 0, 0, 0, 0, 0, 1, n]),
            tbs: Bytes::default(),
            validity: Validity { from, until: from.plus(Span::from_secs(600)) },
            under: Some(IssuedUnder {
                grant: grant(of),
                row: "web-shell".parse().unwrap(),
                login: Bytes::default(),
                idempotency_key: "k".into(),
                possession: ProofOfPossession::Pkcs10(Bytes::default()),
                decision: Allowed {
                    now: from,
                    address: [127, 0, 0, 1].into(),
                    mfa_at: None,
                    rules: Vec::new(),
                },
            }),
        };
        let ids = Ids { grant: Some(grant(of)), issuance: Some(issuance(n)), request: None };
        self.push(actor, ids, intended)
    }

    /// What has been written is erased again, as far as it can be.
    pub(super) fn erase(&mut self, index: usize) -> &mut Self {
        self.entries[index].payload = Payload::Erased;
        self
    }

    pub(super) fn last(&self) -> usize {
        self.entries.len() - 1
    }

    /// The report on these entries, under a checkpoint of this size or of exactly theirs.
    pub(super) fn report(&self, size: Option<u64>) -> Report {
        let period = period();
        let origin: jit_ca_core::Origin = "ca.example.org/jit-ca".parse().unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let log_key = LogKey::new(origin.clone(), pair.public_key().as_ref().try_into().unwrap());
        let root = Digest::from_bytes([9; 32]);
        let own = self.entries.len() as u64;
        let checkpoint = Checkpoint { origin, size: size.unwrap_or(own), root };
        let signature = pair.sign(checkpoint.to_string().as_bytes());
        let note: SignedCheckpoint =
            checkpoint.with_signature(&log_key, signature.as_ref().try_into().unwrap()).unwrap();
        let names = Names::of(self.entries.iter().cloned());
        let survey = Survey { size: own, root, last: None, is_complete: true, names };
        let verified = Verified { log_key, note, checkpoint };
        fold::report(period, &verified, &survey, self.entries.iter().cloned())
    }
}

pub(super) fn period() -> Period {
    Period { from: UnixTime::from_secs(FROM), to: UnixTime::from_secs(TO) }
}

pub(super) fn request(n: u8) -> RequestId {
    RequestId::from_bytes([n; 16])
}

pub(super) fn grant(n: u8) -> GrantId {
    GrantId::from_bytes([n; 16])
}

pub(super) fn issuance(n: u8) -> IssuanceId {
    IssuanceId::from_bytes([n; 16])
}

pub(super) fn of_request(n: u8) -> Ids {
    Ids { request: Some(request(n)), ..Ids::default() }
}

pub(super) fn of_issuance(n: u8, of: u8) -> Ids {
    Ids { issuance: Some(issuance(n)), grant: Some(grant(of)), request: None }
}

pub(super) fn subject(name: &str) -> SubjectId {
    format!("local/u-{name}").parse().unwrap()
}

pub(super) fn decided(action: Action, subject: SubjectId) -> Decided {
    let facts = Facts {
        action,
        subject,
        now: UnixTime::from_secs(FROM),
        address: [127, 0, 0, 1].into(),
        mfa_at: None,
        means: Means::default(),
        role: None,
        requester: None,
        hosts: None,
        duration: None,
        reason: None,
        ticket: None,
    };
    let decision = Decision { outcome: Outcome::Allow, rules: Vec::new(), reasons: Vec::new() };
    Decided { facts, decision }
}

/// One of the SREs.
fn sre() -> Quorum {
    Quorum { count: 1, from: ["sre".parse().unwrap()].into(), signed: false }
}

/// What an entry says that ends a grant.
pub(super) fn scope(reason: &str) -> Scope {
    Scope {
        subject: subject("alice"),
        name: "alice".parse().unwrap(),
        role: "web-shell".parse().unwrap(),
        rows: vec![SHELL.parse().unwrap()],
        hosts: "web1".parse().unwrap(),
        window: None,
        duration: Span::from_secs(3_600),
        reason: reason.parse().unwrap(),
        ticket: None,
    }
}
