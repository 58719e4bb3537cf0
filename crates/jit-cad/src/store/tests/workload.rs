//! A CA's day in short, as proposals: what the log holds of each kind of entry is in it.

use std::net::{IpAddr, Ipv4Addr};

use jit_ca_core::event::{
    Allowed, Asker, BundleActivated, BundleChanges, CertificateIntended, CertificateIssued,
    Decided, Erased, ErasureCause, Event, Factor, FileListed, IssuedUnder, LogInit, LoggedIn,
    MfaCodeMade, MfaEnrolled, ProofOfPossession, RequestMade, SubjectKnown, Validity,
};
use jit_ca_core::workflow::{Approve, Approver, Quorum, Start, Today};
use jit_ca_core::{
    Action, ActorRef, Bytes, CallId, Decision, Digest, Facts, GrantId, IssuanceId, Means, Outcome,
    RequestId, Span, UnixTime, Window,
};

use crate::clock;
use crate::sequencer::Proposal;
use crate::store::{KeyName, Reply, Resource, Store};

const ALICE: ActorRef = ActorRef::from_bytes([1; 16]);
const LOGIN: [u8; 17] = [1; 17];
const CODE: Digest = Digest::from_bytes([5; 32]);

/// What is done next.
pub(super) enum Step {
    /// One batch.
    Write(Box<dyn Fn(&Store) -> Proposal>),
    /// The file is written anew, and this is written in the meantime.
    Rewrite(Box<dyn Fn(&Store) -> Proposal>),
}

/// The whole of it.
pub(super) fn steps() -> Vec<Step> {
    let mut steps = vec![
        write(|_| vec![log_init(), subject(), bundle_file(), bundle()]),
        write(|_| vec![code_made("local/u-1")]),
        Step::Write(Box::new(|_| {
            let mut proposal = proposal(vec![login()]);
            proposal.secrets = vec![("local/u-1".into(), Some(vec![9; 60]))];
            proposal.last_uses = vec![(LOGIN.to_vec(), clock::now())];
            proposal
        })),
        write(|_| vec![mfa_enrolled()]),
    ];
    for access in 0..4 {
        steps.push(write(move |_| vec![request(access)]));
        steps.push(write(move |store| match access {
            3 => cancelled(store, access),
            _ => approved(store, access),
        }));
    }
    // Batches of all sizes: the load decides how large they are.
    for (round, size) in (0_u8..).zip([1, 1, 3, 1, 12, 1, 2, 24]) {
        let issuances = move || (0..size).map(move |nth| (round, nth));
        steps.push(Step::Write(Box::new(move |store| {
            let mut proposal = proposal(
                issuances().map(|issuance| intended(store, round % 3, issuance)).collect(),
            );
            proposal.reply = Some(reply(round));
            proposal
        })));
        steps.push(write(move |_| issuances().map(|of| issued(round % 3, of)).collect()));
    }
    steps.push(write(|_| vec![code_made("local/somebody-else")]));
    steps.push(write(erased));
    steps.push(Step::Rewrite(Box::new(|_| proposal(vec![code_made("local/u-2")]))));
    for round in 100..103 {
        steps.push(write(move |store| vec![intended(store, 0, (round, 0))]));
        steps.push(write(move |_| vec![issued(0, (round, 0))]));
    }
    steps
}

/// One more entry, for a log that goes on.
pub(super) fn one_more() -> Proposal {
    proposal(vec![code_made("local/u-2")])
}

fn write(events: impl Fn(&Store) -> Vec<Event> + 'static) -> Step {
    Step::Write(Box::new(move |store| proposal(events(store))))
}

fn proposal(events: Vec<Event>) -> Proposal {
    Proposal::decided_at(clock::now(), events.into_iter().map(|event| (ALICE, event)).collect())
}

fn log_init() -> Event {
    let origin = "ca.test/log".parse().unwrap();
    LogInit { origin, keys: Vec::new(), succeeds: None }.into()
}

fn subject() -> Event {
    let subject = "local/u-1".parse().unwrap();
    SubjectKnown { subject, name: "alice".parse().unwrap(), actor: ALICE }.into()
}

fn bundle_file() -> Event {
    // Longer than a page of the store.
    FileListed { path: "roles/web-shell.toml".into(), text: "# a role\n".repeat(700) }.into()
}

fn bundle() -> Event {
    let (changes, asked) = (BundleChanges::default(), Asker::Start);
    BundleActivated { hash: CODE, zone: "UTC".into(), changes, asked, approved: None }.into()
}

fn code_made(subject: &str) -> Event {
    let expires = clock::now().plus(Span::from_secs(600));
    MfaCodeMade { subject: subject.parse().unwrap(), code: CODE, expires }.into()
}

fn login() -> Event {
    let event = LoggedIn {
        subject: "local/u-1".parse().unwrap(),
        name: "alice".parse().unwrap(),
        key: Bytes::default(),
        challenge: "challenge".into(),
        login_key: CODE,
        signature: Bytes::default(),
        factor: Factor::EnrolmentCode { code: CODE },
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        serial: LOGIN.as_slice().into(),
        window: Window::starting(clock::now(), Span::from_secs(3600)).unwrap(),
    };
    event.into()
}

fn mfa_enrolled() -> Event {
    let subject = "local/u-1".parse().unwrap();
    MfaEnrolled { subject, login: LOGIN.as_slice().into(), step: 7 }.into()
}

fn request(access: u8) -> Event {
    let now = clock::now();
    let event = RequestMade {
        request: request_id(access),
        subject: "local/u-1".parse().unwrap(),
        name: "alice".parse().unwrap(),
        role: "web-shell".parse().unwrap(),
        rows: vec!["ssh web-shell login=deploy hosts=web1".parse().unwrap()],
        hosts: "*".parse().unwrap(),
        duration: Span::from_secs(3000),
        start: Start::AtApproval,
        extends: None,
        reason: "why".parse().unwrap(),
        ticket: None,
        bundle: CODE,
        hash: CODE,
        made: now,
        lapses: now.plus(Span::from_secs(3000)),
        approvals: vec![Quorum { count: 1, from: ["sre".parse().unwrap()].into(), signed: false }],
        use_within: None,
        certificates: Some(100),
        decision: decided(),
    };
    event.into()
}

fn approved(store: &Store, access: u8) -> Vec<Event> {
    let record = store.read().unwrap().access(request_id(access)).unwrap().unwrap();
    let approve = Approve {
        by: Approver::Rules(vec!["rule".into()]),
        hash: record.access.request.hash,
        duration: None,
        rows: None,
        hosts: None,
        comment: None,
        signature: None,
        decision: decided(),
        today: Today::default(),
    };
    record.access.approve(approve, grant_id(access), clock::now()).unwrap()
}

fn cancelled(store: &Store, access: u8) -> Vec<Event> {
    let record = store.read().unwrap().access(request_id(access)).unwrap().unwrap();
    record.access.cancel(&record.access.request.subject, clock::now()).unwrap()
}

fn intended(store: &Store, access: u8, (round, nth): (u8, u8)) -> Event {
    let record = store.read().unwrap().access(request_id(access)).unwrap().unwrap();
    let window = record.access.grant().unwrap().window().unwrap();
    let event = CertificateIntended {
        issuance: issuance_id(round, nth),
        purpose: "ssh-user".into(),
        serial: (u64::from(round) << 8 | u64::from(nth)).to_be_bytes().as_slice().into(),
        tbs: Bytes::from(vec![round; 400]),
        validity: Validity { from: window.start(), until: window.end() },
        under: Some(IssuedUnder {
            grant: grant_id(access),
            row: "web-shell".parse().unwrap(),
            login: LOGIN.as_slice().into(),
            idempotency_key: format!("k{round}-{nth}"),
            possession: ProofOfPossession::Sha512(Bytes::from(vec![nth; 64])),
            decision: Allowed {
                now: clock::now(),
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                mfa_at: None,
                rules: Vec::new(),
            },
        }),
    };
    event.into()
}

fn issued(access: u8, (round, nth): (u8, u8)) -> Event {
    let (issuance, grant) = (issuance_id(round, nth), Some(grant_id(access)));
    CertificateIssued { issuance, grant, signature: Bytes::from(vec![round; 64]) }.into()
}

/// The payload of the last entry.
fn erased(store: &Store) -> Vec<Event> {
    let last = store.read().unwrap().size().unwrap() - 1;
    let cause = ErasureCause::Retention(UnixTime::from_secs(7));
    let reason = "kept for long enough".parse().unwrap();
    vec![Erased { cause, reason, entries: vec![(last, last)] }.into()]
}

fn reply(round: u8) -> Reply {
    let resource = Resource::Issuance(issuance_id(round, 0));
    let key = KeyName::new(&CallId::new(round.into(), [round; 10]).to_string());
    Reply { actor: ALICE, key, call: CODE, resource, at: clock::now() }
}

fn request_id(access: u8) -> RequestId {
    RequestId::from_bytes([access; 16])
}

fn grant_id(access: u8) -> GrantId {
    GrantId::from_bytes([access; 16])
}

fn issuance_id(round: u8, nth: u8) -> IssuanceId {
    let mut bytes = [round; 16];
    bytes[15] = nth;
    IssuanceId::from_bytes(bytes)
}

fn decided() -> Decided {
    Decided {
        facts: Facts {
            action: Action::Issue,
            subject: "local/u-1".parse().unwrap(),
            now: clock::now(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mfa_at: None,
            means: Means::default(),
            role: None,
            requester: None,
            hosts: None,
            duration: None,
            reason: None,
            ticket: None,
        },
        decision: Decision { outcome: Outcome::Allow, rules: Vec::new(), reasons: Vec::new() },
    }
}
