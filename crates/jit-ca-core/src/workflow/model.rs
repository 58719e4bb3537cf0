//! The workflow against a model small enough to be seen to be right.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use crate::event::{Decided, Event, RequestMade};
use crate::workflow::{Access, Approve, Approver, GrantState, RequestState, Start};
use crate::{
    Action, Decision, Digest, Facts, GrantId, Outcome, RefusalCode, RequestId, Row, Span,
    SubjectId, UnixTime,
};

/// The requester is person 0.
const PEOPLE: usize = 4;
const ROWS: [&str; 3] = ["ssh a login=x hosts=h1,h2", "ssh b login=y hosts=h1", "x509 c"];

#[derive(Clone, Debug)]
enum Step {
    Approve { by: usize, duration: Option<u64>, rows: Option<Vec<usize>> },
    ApproveByRule,
    Deny { by: usize },
    Cancel { by: usize },
    Wait { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let rows = prop::option::of(prop::collection::vec(0..ROWS.len(), 0..3));
    prop_oneof![
        4 => (0..PEOPLE, prop::option::of(0u64..200), rows).prop_map(|(by, duration, rows)| Step::Approve { by, duration, rows }),
        1 => Just(Step::ApproveByRule),
        1 => (0..PEOPLE).prop_map(|by| Step::Deny { by }),
        1 => (0..PEOPLE).prop_map(|by| Step::Cancel { by }),
        3 => (0u64..120).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn the_workflow_agrees_with_the_model(needed in 1u8..=3, asked in 1u64..150, steps in prop::collection::vec(step(), 0..12)) {
        let mut now = UnixTime::from_secs(1_000);
        let mut log = vec![made(needed, asked, now)];
        let mut access = log.iter().fold(None, Access::fold).unwrap();
        let mut model = Model { needed: needed.into(), asked, left: asked, rows: (0..ROWS.len()).collect(), approvers: BTreeSet::new(), over: None };

        for step in steps {
            let events = match step.clone() {
                Step::Wait { seconds } => {
                    now = now.plus(Span::from_secs(seconds));
                    Ok(access.passage(now))
                }
                Step::Approve { by, duration, rows } => {
                    let rows = rows.map(|rows| rows.into_iter().map(row).collect());
                    access.approve(approval(person(by), duration, rows), GrantId::from_bytes([9; 16]), now)
                }
                Step::ApproveByRule => {
                    access.approve(approval(Approver::Rules(vec!["r".into()]), None, None), GrantId::from_bytes([9; 16]), now)
                }
                Step::Deny { by } => access.deny(subject(by), "d".parse().unwrap(), None, decided(), now),
                Step::Cancel { by } => access.cancel(&subject(by), now),
            };
            let expected = model.step(&step, now.secs());
            prop_assert_eq!(events.is_ok(), expected, "{:?} at {}: {:?}", step, now, events);

            for event in events.unwrap_or_default() {
                access = Access::fold(Some(access), &event).unwrap();
                log.push(event);
            }
            // State is the fold of the events, and of nothing else.
            let folded = log.iter().fold(None, Access::fold);
            prop_assert_eq!(Some(&access), folded.as_ref());
            // INVARIANT (no self approval)
            prop_assert!(!access.approvers().contains(&subject(0)));
            if let Some(grant) = access.grant() {
                let Some(Over::Granted { from, until, rows }) = &model.over else { panic!("a grant that the model has not") };
                prop_assert_eq!((grant.window.start().secs(), grant.window.end().secs()), (*from, *until));
                prop_assert_eq!(&grant.rows, &rows.iter().copied().map(row).collect::<Vec<_>>());
                prop_assert_eq!(grant.state(now) == GrantState::Active, now.secs() < *until);
                let usable = access.usable(&subject(0), &grant.rows[0].name(), now);
                prop_assert_eq!(usable.is_ok(), now.secs() < *until);
                prop_assert_eq!(access.usable(&subject(1), &grant.rows[0].name(), now).unwrap_err().code, RefusalCode::NotYours);
            }
        }
    }
}

/// How long the requests of these tests wait.
const PATIENCE: u64 = 300;

struct Model {
    needed: usize,
    asked: u64,
    left: u64,
    rows: BTreeSet<usize>,
    approvers: BTreeSet<usize>,
    over: Option<Over>,
}

enum Over {
    Granted { from: u64, until: u64, rows: BTreeSet<usize> },
    Otherwise,
}

impl Model {
    /// Whether the step is carried out.
    fn step(&mut self, step: &Step, now: u64) -> bool {
        let pending = self.over.is_none() && now < 1_000 + PATIENCE;
        match step {
            Step::Wait { .. } => {
                if self.over.is_none() && !pending {
                    self.over = Some(Over::Otherwise);
                }
                true
            }
            Step::Deny { by } => pending && *by != 0 && self.end(),
            Step::Cancel { by } => *by == 0 && pending && self.end(),
            Step::ApproveByRule => {
                pending && {
                    self.grant(now);
                    true
                }
            }
            Step::Approve { by, duration, rows } => {
                let in_order = rows.as_ref().is_none_or(|rows| rows.is_sorted_by(|a, b| a < b));
                let rows: BTreeSet<usize> = rows
                    .as_ref()
                    .map_or((0..ROWS.len()).collect(), |rows| rows.iter().copied().collect());
                let kept: BTreeSet<usize> = self.rows.intersection(&rows).copied().collect();
                let last = self.approvers.len() + 1 >= self.needed;
                let fits = duration.is_none_or(|duration| duration > 0 && duration <= self.asked)
                    && !rows.is_empty()
                    && in_order;
                if !pending || *by == 0 || self.approvers.contains(by) || !fits || kept.is_empty() {
                    return false;
                }
                self.approvers.insert(*by);
                self.left = self.left.min(duration.unwrap_or(u64::MAX));
                self.rows = kept;
                if last {
                    self.grant(now);
                }
                true
            }
        }
    }

    fn end(&mut self) -> bool {
        self.over = Some(Over::Otherwise);
        true
    }

    fn grant(&mut self, now: u64) {
        self.over =
            Some(Over::Granted { from: now, until: now + self.left, rows: self.rows.clone() });
    }
}

#[test]
fn a_policy_that_was_tightened_holds_for_what_is_pending() {
    let now = UnixTime::from_secs(1_000);
    let access = Access::fold(None, &made(2, 60, now)).unwrap();
    let first =
        access.approve(approval(person(1), None, None), GrantId::from_bytes([9; 16]), now).unwrap();
    let access = first.iter().fold(Some(access), Access::fold).unwrap();
    let second = |needed_today, no_longer: &[usize]| {
        let mut approve = approval(person(2), None, None);
        approve.needed_today = needed_today;
        approve.no_longer = no_longer.iter().copied().map(subject).collect();
        access.approve(approve, GrantId::from_bytes([9; 16]), now).unwrap().len()
    };
    assert_eq!(second(2, &[]), 2, "approval and grant");
    assert_eq!(second(1, &[]), 2, "fewer today is no fewer for this");
    assert_eq!(second(3, &[]), 1, "one more is needed today");
    assert_eq!(second(2, &[1]), 1, "the first may no longer approve");
}

#[test]
fn an_approval_of_another_request_is_none() {
    let access = Access::fold(None, &made(1, 60, UnixTime::from_secs(1_000))).unwrap();
    let mut other = approval(person(1), None, None);
    other.hash = Digest::from_bytes([1; 32]);
    let refusal = access
        .approve(other, GrantId::from_bytes([9; 16]), UnixTime::from_secs(1_001))
        .unwrap_err();
    assert_eq!(refusal.code, RefusalCode::WrongStatement);
    assert_eq!(access.state, RequestState::Pending);
}

fn row(index: usize) -> Row {
    ROWS[index].parse().unwrap()
}

fn subject(index: usize) -> SubjectId {
    format!("local/{index}").parse().unwrap()
}

fn person(index: usize) -> Approver {
    Approver::Person { subject: subject(index), name: "p".parse().unwrap() }
}

fn approval(by: Approver, duration: Option<u64>, rows: Option<Vec<Row>>) -> Approve {
    let hash = Digest::from_bytes([0; 32]);
    Approve {
        by,
        hash,
        duration: duration.map(Span::from_secs),
        rows,
        comment: None,
        signature: None,
        decision: decided(),
        needed_today: 1,
        no_longer: BTreeSet::new(),
    }
}

fn decided() -> Decided {
    Decided {
        facts: Facts {
            action: Action::Approve,
            subject: subject(0),
            now: UnixTime::from_secs(0),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mfa_at: None,
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

fn made(needed: u8, asked: u64, now: UnixTime) -> Event {
    let event = RequestMade {
        request: RequestId::from_bytes([1; 16]),
        subject: subject(0),
        name: "requester".parse().unwrap(),
        role: "role".parse().unwrap(),
        rows: (0..ROWS.len()).map(row).collect(),
        hosts: "*".parse().unwrap(),
        duration: Span::from_secs(asked),
        start: Start::AtApproval,
        reason: "why".parse().unwrap(),
        ticket: None,
        bundle: Digest::from_bytes([0; 32]),
        hash: Digest::from_bytes([0; 32]),
        made: now,
        lapses: now.plus(Span::from_secs(PATIENCE)),
        approvals: needed,
        decision: decided(),
    };
    event.into()
}
