//! People, rows and hosts of the model's tests, as small numbers.

use std::net::{IpAddr, Ipv4Addr};

use crate::event::{Consent, Decided, Event, RequestMade, Signature};
use crate::workflow::{Approve, Approver, Quorum, Reconsidered, Start, Today};
use crate::{
    Action, Bytes, Decision, Digest, Facts, Hosts, Means, Outcome, RequestId, Row, Span, SubjectId,
    UnixTime,
};

/// The groups of each person, as bits. Person 0 is the requester.
pub(super) const GROUPS: [usize; 5] = [1, 1, 3, 2, 0];
pub(super) const PEOPLE: [usize; 5] = [0, 1, 2, 3, 4];
pub(super) const ROWS: [&str; 3] =
    ["ssh a login=x hosts=h1,h2", "ssh b login=y hosts=h1", "x509 c"];
/// The first is all hosts; of the others, the number's bits say which.
pub(super) const HOSTS: [&str; 4] = ["*", "h1", "h2", "h1,h2"];

/// How many, of which groups, and whether signed.
pub(super) type Seats = (usize, usize, bool);

/// When the grant starts: at its approval, so much after the request, or at its use within so much.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    AtApproval,
    At(u64),
    FirstUse(u64),
}

/// The hosts of both.
pub(super) fn both(one: usize, other: usize) -> Option<usize> {
    match (one, other) {
        (0, hosts) | (hosts, 0) => Some(hosts),
        _ => Some(one & other).filter(|&common| common != 0),
    }
}

/// Whether the row gives anything on the hosts.
pub(super) fn gives(row: usize, hosts: usize) -> bool {
    row != 1 || hosts != 2
}

pub(super) fn row(index: usize) -> Row {
    ROWS[index].parse().unwrap()
}

pub(super) fn hosts(index: usize) -> Hosts {
    HOSTS[index].parse().unwrap()
}

pub(super) fn subject(index: usize) -> SubjectId {
    format!("local/{index}").parse().unwrap()
}

pub(super) fn person(index: usize) -> Approver {
    Approver::Person { subject: subject(index), name: "p".parse().unwrap() }
}

fn groups<C: FromIterator<crate::GroupName>>(bits: usize) -> C {
    let names = [(1, "sre"), (2, "security")];
    let names = names.iter().filter(|(bit, _)| bits & bit != 0);
    names.map(|(_, name)| name.parse().unwrap()).collect()
}

fn quorums(seats: &[Seats]) -> Vec<Quorum> {
    let quorum = |&(count, from, signed): &Seats| Quorum {
        count: count.try_into().unwrap(),
        from: groups(from),
        signed,
    };
    seats.iter().map(quorum).collect()
}

pub(super) fn today(seats: &[Seats]) -> Today {
    let people = PEOPLE.iter().map(|&who| (subject(who), groups(GROUPS[who])));
    Today { quorums: quorums(seats), groups: people.collect() }
}

pub(super) fn approval(by: Approver, signed: bool, says_why: bool, today: Today) -> Approve {
    let nothing = Bytes::from(Vec::new());
    let signature = Consent::Ssh(Signature { key: nothing.clone(), sshsig: nothing });
    Approve {
        by,
        hash: Digest::from_bytes([0; 32]),
        duration: None,
        rows: None,
        hosts: None,
        comment: says_why.then(|| "less will do".parse().unwrap()),
        signature: signed.then_some(signature),
        decision: decided(),
        today,
    }
}

pub(super) fn decided() -> Decided {
    let facts = Facts {
        action: Action::Approve,
        subject: subject(0),
        now: UnixTime::from_secs(0),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
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

pub(super) fn again(allowed: bool) -> Reconsidered {
    let mut decision = decided();
    if !allowed {
        decision.decision.outcome = Outcome::Deny;
    }
    Reconsidered { decision, approvals: Vec::new() }
}

pub(super) fn made(seats: &[Seats], way: Way, asked: u64, now: UnixTime) -> Event {
    let later = |seconds| now.plus(Span::from_secs(seconds));
    let (start, lapses, use_within) = match way {
        Way::AtApproval => (Start::AtApproval, later(super::PATIENCE), None),
        Way::At(ahead) => {
            (Start::At(later(ahead)), later(super::PATIENCE.min(ahead + asked)), None)
        }
        Way::FirstUse(within) => {
            (Start::FirstUse, later(super::PATIENCE), Some(Span::from_secs(within)))
        }
    };
    let event = RequestMade {
        request: RequestId::from_bytes([1; 16]),
        subject: subject(0),
        name: "requester".parse().unwrap(),
        role: "role".parse().unwrap(),
        rows: (0..ROWS.len()).map(row).collect(),
        hosts: "*".parse().unwrap(),
        duration: Span::from_secs(asked),
        start,
        extends: None,
        reason: "why".parse().unwrap(),
        ticket: None,
        bundle: Digest::from_bytes([0; 32]),
        hash: Digest::from_bytes([0; 32]),
        made: now,
        lapses,
        approvals: quorums(seats),
        use_within,
        certificates: None,
        decision: decided(),
    };
    event.into()
}
