//! The workflow against a model small enough to be seen to be right.

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;

use self::support::{
    GROUPS, HOSTS, PEOPLE, ROWS, Way, again, approval, decided, hosts, made, person, row, subject,
    today,
};
use crate::event::{EndCause, Event};
use crate::workflow::{Access, Approver, GrantState, RequestState, Term};
use crate::{Digest, GrantId, RefusalCode, Span, UnixTime};

#[derive(Clone, Debug)]
enum Step {
    Approve {
        by: usize,
        duration: Option<u64>,
        rows: Option<Vec<usize>>,
        hosts: Option<usize>,
        signed: bool,
        says_why: bool,
    },
    ApproveByRule,
    BreakGlass,
    Deny {
        by: usize,
    },
    Cancel {
        by: usize,
    },
    Start {
        allowed: bool,
    },
    Use {
        by: usize,
        allowed: bool,
    },
    GiveBack {
        by: usize,
    },
    Revoke {
        by: usize,
    },
    Review {
        by: usize,
    },
    TakeBack,
    Wait {
        seconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let rows = prop::option::of(prop::collection::vec(0..ROWS.len(), 0..3));
    let by = || 0..PEOPLE.len();
    let narrow = (prop::option::of(0u64..200), rows, prop::option::of(0..HOSTS.len()));
    prop_oneof![
        6 => (by(), narrow, any::<bool>(), prop::bool::weighted(0.8)).prop_map(
            |(by, (duration, rows, hosts), signed, says_why)| Step::Approve { by, duration, rows, hosts, signed, says_why }),
        5 => (by(), any::<bool>()).prop_map(|(by, signed)| Step::Approve { by, duration: None, rows: None, hosts: None, signed, says_why: false }),
        1 => Just(Step::ApproveByRule),
        1 => Just(Step::BreakGlass),
        1 => by().prop_map(|by| Step::Deny { by }),
        1 => by().prop_map(|by| Step::Cancel { by }),
        2 => prop::bool::weighted(0.8).prop_map(|allowed| Step::Start { allowed }),
        3 => (prop::bool::weighted(0.8), prop::bool::weighted(0.8)).prop_map(
            |(own, allowed)| Step::Use { by: usize::from(!own), allowed }),
        1 => by().prop_map(|by| Step::GiveBack { by }),
        1 => by().prop_map(|by| Step::Revoke { by }),
        2 => by().prop_map(|by| Step::Review { by }),
        1 => Just(Step::TakeBack),
        5 => (0u64..120).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn the_workflow_agrees_with_the_model(
        quorums in prop::sample::select(vec![vec![(1, 1, false)], vec![(2, 3, false)], vec![(1, 1, false), (1, 2, false)], vec![(1, 1, true)], vec![(1, 3, true), (2, 1, false)]]),
        way in prop_oneof![2 => Just(Way::AtApproval), 2 => (0u64..200).prop_map(Way::At), 1 => (1u64..100).prop_map(Way::FirstUse)],
        asked in 1u64..150,
        steps in prop::collection::vec(step(), 0..16),
    ) {
        let mut now = START;
        let mut log = vec![made(&quorums, way, asked, UnixTime::from_secs(now))];
        let mut access = log.iter().fold(None, Access::fold).unwrap();
        let mut model = Model::new(&quorums, way, asked);

        for step in steps {
            if let Step::Wait { seconds } = step {
                now += seconds;
            }
            let at = UnixTime::from_secs(now);
            let events = carried_out(&access, &step, &quorums, at);
            if matches!(step, Step::TakeBack) {
                access = access.taken_back();
                log.clear();
            }
            prop_assert_eq!(events.is_ok(), model.step(&step, now), "{:?} at {}: {:?}", step, now, events);

            for event in events.unwrap_or_default() {
                access = Access::fold(Some(access), &event).unwrap();
                log.push(event);
            }
            // State is the fold of the events, and of nothing else.
            if let Some(Event::RequestMade(_)) = log.first() {
                let folded = log.iter().fold(None, Access::fold);
                prop_assert_eq!(Some(&access), folded.as_ref());
            }
            // INVARIANT (no self approval)
            prop_assert!(!access.approvers().contains(&subject(0)));
            agree(&access, &model, now)?;
        }
    }
}

fn carried_out(
    access: &Access,
    step: &Step,
    quorums: &[support::Seats],
    at: UnixTime,
) -> Result<Vec<Event>, crate::workflow::Refusal> {
    let grant = GrantId::from_bytes([9; 16]);
    let one = |event: Result<Event, _>| event.map(|event| vec![event]);
    let name = || "p".parse().unwrap();
    match step.clone() {
        Step::Wait { .. } => Ok(access.passage(at).into_iter().collect()),
        Step::Approve { by, duration, rows, hosts: kept, signed, says_why } => {
            let mut approve = approval(person(by), signed, says_why, today(quorums));
            approve.duration = duration.map(Span::from_secs);
            approve.rows = rows.map(|rows| rows.into_iter().map(row).collect());
            approve.hosts = kept.map(hosts);
            access.approve(approve, grant, at)
        }
        Step::ApproveByRule => {
            let by = Approver::Rules(vec!["r".into()]);
            access.approve(approval(by, false, false, today(quorums)), grant, at)
        }
        Step::BreakGlass => access.break_glass(BTreeSet::new(), decided(), grant, at),
        Step::Deny { by } => access.deny(subject(by), name(), None, decided(), at),
        Step::Cancel { by } => access.cancel(&subject(by), at),
        Step::Start { allowed } => one(access.start(again(allowed), at)),
        Step::Use { by, allowed } => {
            // The row that all grants of this test have, if they have any.
            let first = access.grant().map_or_else(|| row(0).name(), |grant| grant.rows[0].name());
            let waits = access.grant().is_some_and(|it| matches!(it.term, Term::FirstUse { .. }));
            let begun = access.start(again(allowed), at).ok().filter(|_| waits && by == 0);
            match begun {
                Some(Event::GrantStarted(start)) => {
                    access.usable(&subject(by), &first, Some(&start), at)?;
                    Ok(vec![Event::GrantStarted(start)])
                }
                Some(ended) => Ok(vec![ended]),
                None => access.usable(&subject(by), &first, None, at).map(|_| Vec::new()),
            }
        }
        Step::GiveBack { by } => one(access.give_back(&subject(by), at)),
        Step::Revoke { by } => {
            one(access.revoke(subject(by), name(), "why".parse().unwrap(), decided(), at))
        }
        Step::Review { by } => {
            one(access.review(subject(by), name(), "fine".parse().unwrap(), decided(), at))
        }
        Step::TakeBack => Ok(Vec::new()),
    }
}

fn agree(access: &Access, model: &Model, now: u64) -> Result<(), TestCaseError> {
    let at = UnixTime::from_secs(now);
    let Some(grant) = access.grant() else {
        prop_assert!(model.grant.is_none());
        return Ok(());
    };
    let Some(expected) = &model.grant else { panic!("a grant that the model has not") };
    let window = grant.window().map(|window| (window.start().secs(), window.end().secs()));
    prop_assert_eq!(window, expected.window);
    let rows: Vec<_> = expected.rows.iter().copied().map(row).collect();
    prop_assert_eq!(&grant.rows, &rows);
    prop_assert_eq!(&grant.hosts, &hosts(expected.hosts));
    prop_assert_eq!(grant.state(at), expected.state(now));
    let usable = access.usable(&subject(0), &grant.rows[0].name(), None, at);
    if let Ok(usable) = &usable {
        // INVARIANT (window within grant), and no longer than was asked for or approved.
        let length = usable.window.end().since(usable.window.start()).secs();
        prop_assert!(usable.window.contains(at) && length <= expected.longest);
    }
    prop_assert_eq!(
        access.usable(&subject(1), &grant.rows[0].name(), None, at).unwrap_err().code,
        RefusalCode::NotYours
    );
    prop_assert_eq!(access.is_to_review(), model.is_broken && !model.is_reviewed);
    Ok(())
}

const START: u64 = 1_000;
/// How long the requests of these tests wait.
const PATIENCE: u64 = 300;

struct Model {
    quorums: Vec<support::Seats>,
    way: Way,
    asked: u64,
    given: Vec<Given>,
    is_over: bool,
    is_broken: bool,
    is_reviewed: bool,
    grant: Option<ModelGrant>,
}

/// What somebody approved.
#[derive(Clone)]
struct Given {
    by: usize,
    signed: bool,
    left: u64,
    rows: BTreeSet<usize>,
    hosts: usize,
}

struct ModelGrant {
    window: Option<(u64, u64)>,
    /// Whether its window counts; else a policy or a first use has to begin it.
    has_begun: bool,
    /// Of a first use: by when.
    by: u64,
    longest: u64,
    rows: BTreeSet<usize>,
    hosts: usize,
    over: Option<GrantState>,
}

impl ModelGrant {
    fn state(&self, now: u64) -> GrantState {
        let end = self.window.map_or(self.by, |(_, end)| end);
        match self.over {
            Some(over) => over,
            None if now >= end => GrantState::Ended,
            None if self.has_begun => GrantState::Active,
            None => GrantState::Waiting,
        }
    }

    fn is_open(&self, now: u64) -> bool {
        matches!(self.state(now), GrantState::Active | GrantState::Waiting)
    }
}

impl Model {
    fn new(quorums: &[support::Seats], way: Way, asked: u64) -> Self {
        Self {
            quorums: quorums.to_vec(),
            way,
            asked,
            given: Vec::new(),
            is_over: false,
            is_broken: false,
            is_reviewed: false,
            grant: None,
        }
    }

    fn lapses(&self) -> u64 {
        START
            + match self.way {
                Way::At(ahead) => PATIENCE.min(ahead + self.asked),
                Way::AtApproval | Way::FirstUse(_) => PATIENCE,
            }
    }

    /// Whether the step is carried out.
    fn step(&mut self, step: &Step, now: u64) -> bool {
        let pending = !self.is_over && self.grant.is_none() && now < self.lapses();
        match step {
            Step::Wait { .. } => {
                self.is_over |= self.grant.is_none() && !pending;
                if let Some(grant) = &mut self.grant
                    && grant.over.is_none()
                    && grant.state(now) == GrantState::Ended
                {
                    grant.over = Some(GrantState::Ended);
                }
                true
            }
            Step::Deny { by } => pending && *by != 0 && self.end(),
            Step::Cancel { by } => *by == 0 && pending && self.end(),
            Step::ApproveByRule => pending && self.grant(now),
            Step::BreakGlass => {
                let done = pending && self.grant(now);
                self.is_broken |= done;
                done
            }
            Step::Approve { .. } => pending && self.approve(step, now),
            Step::Start { allowed } => self.start(*allowed, now),
            Step::Use { by, allowed } => *by == 0 && self.make_use(*allowed, now),
            Step::GiveBack { by } => *by == 0 && self.finish(GrantState::Ended, now),
            Step::Revoke { .. } => self.finish(GrantState::Revoked, now),
            Step::Review { by } => {
                let is_over = self.grant.as_ref().is_some_and(|grant| !grant.is_open(now));
                let done = self.is_broken && !self.is_reviewed && *by != 0 && is_over;
                self.is_reviewed |= done;
                done
            }
            Step::TakeBack => {
                self.is_over = true;
                if let Some(grant) = &mut self.grant {
                    grant.over = grant.over.or(Some(GrantState::Ended));
                }
                true
            }
        }
    }

    fn approve(&mut self, step: &Step, now: u64) -> bool {
        let Step::Approve { by, duration, rows, hosts, signed, says_why } = step else {
            return false;
        };
        let in_order = rows.as_ref().is_none_or(|rows| rows.is_sorted_by(|a, b| a < b));
        let kept: BTreeSet<usize> = match rows {
            Some(rows) => rows.iter().copied().collect(),
            None => (0..ROWS.len()).collect(),
        };
        let host = hosts.unwrap_or(0);
        let is_all =
            kept.len() == ROWS.len() && host == 0 && duration.is_none_or(|d| d == self.asked);
        let fits = duration.is_none_or(|duration| duration > 0 && duration <= self.asked)
            && !kept.is_empty()
            && in_order
            && (is_all || *says_why);
        let counts = self
            .quorums
            .iter()
            .any(|&(_, groups, wants)| groups & GROUPS[*by] != 0 && (*signed || !wants));
        if *by == 0 || !counts || !fits {
            return false;
        }
        let before = self.given.clone();
        let is_anew = before.iter().any(|given| given.by == *by);
        self.given.retain(|given| given.by != *by);
        let left = duration.unwrap_or(self.asked);
        self.given.push(Given { by: *by, signed: *signed, left, rows: kept, hosts: host });
        let seats: Vec<(usize, bool)> = self
            .quorums
            .iter()
            .flat_map(|&(count, groups, signed)| vec![(groups, signed); count])
            .collect();
        let people: Vec<_> = self.given.iter().map(|given| (given.by, given.signed)).collect();
        // A window that a late approval shortens to nothing is none, and the approval is not taken. Nor is one that was
        // given before and changes nothing.
        let is_taken = match (self.kept(), fill(&seats, &people)) {
            (None, _) => false,
            (Some(_), true) => self.grant(now),
            (Some(_), false) => !is_anew,
        };
        if !is_taken {
            self.given = before;
        }
        is_taken
    }

    /// The rows and hosts that all kept, if there are any.
    fn kept(&self) -> Option<(BTreeSet<usize>, usize)> {
        let hosts =
            self.given.iter().try_fold(0, |hosts, given| support::both(hosts, given.hosts))?;
        let is_kept = |row: &usize| {
            support::gives(*row, hosts) && self.given.iter().all(|it| it.rows.contains(row))
        };
        let rows: BTreeSet<usize> = (0..ROWS.len()).filter(is_kept).collect();
        (!rows.is_empty()).then_some((rows, hosts))
    }

    fn end(&mut self) -> bool {
        self.is_over = true;
        true
    }

    fn grant(&mut self, now: u64) -> bool {
        let Some((rows, hosts)) = self.kept() else { return false };
        let left = self.given.iter().map(|given| given.left).min().unwrap_or(self.asked);
        let (window, has_begun, by) = match self.way {
            Way::AtApproval => (Some((now, now + left)), true, 0),
            Way::At(ahead) => {
                let start = START + ahead;
                (Some((start.max(now), start + left)), now >= start, 0)
            }
            Way::FirstUse(within) => (None, false, now + within),
        };
        if window.is_some_and(|(start, end)| start >= end) {
            return false;
        }
        let longest = left;
        self.grant = Some(ModelGrant { window, has_begun, by, longest, rows, hosts, over: None });
        true
    }

    fn start(&mut self, allowed: bool, now: u64) -> bool {
        let Some(grant) = &mut self.grant else { return false };
        let has_come = grant.window.is_none_or(|(start, end)| start <= now && now < end);
        if !grant.is_open(now) || grant.has_begun || !has_come {
            return false;
        }
        match allowed {
            true => {
                let window = grant.window.unwrap_or((now, now + grant.longest));
                (grant.window, grant.has_begun) = (Some(window), true);
            }
            false => grant.over = Some(GrantState::Ended),
        }
        true
    }

    fn make_use(&mut self, allowed: bool, now: u64) -> bool {
        let waits = self.grant.as_ref().is_some_and(|grant| grant.window.is_none());
        if waits && self.start(allowed, now) {
            return true;
        }
        self.grant.as_ref().is_some_and(|grant| grant.state(now) == GrantState::Active)
    }

    fn finish(&mut self, state: GrantState, now: u64) -> bool {
        match &mut self.grant {
            Some(grant) if grant.is_open(now) => {
                grant.over = Some(state);
                true
            }
            _ => false,
        }
    }
}

/// Whether these people can sit on these seats, by trying everything.
fn fill(seats: &[(usize, bool)], people: &[(usize, bool)]) -> bool {
    let Some(((groups, wants), rest)) = seats.split_first() else { return true };
    (0..people.len()).any(|number| {
        let (who, signed) = people[number];
        let others = [&people[..number], &people[number + 1..]].concat();
        groups & GROUPS[who] != 0 && (signed || !wants) && fill(rest, &others)
    })
}

#[test]
fn a_policy_that_was_tightened_holds_for_what_is_pending() {
    let (now, grant) = (UnixTime::from_secs(START), GrantId::from_bytes([9; 16]));
    let two = [(2, 1, false)];
    let access = Access::fold(None, &made(&two, Way::AtApproval, 60, now)).unwrap();
    let first = approval(person(1), false, false, today(&two));
    let first = access.approve(first, grant, now).unwrap();
    let access = first.iter().fold(Some(access), Access::fold).unwrap();
    let by_today =
        |access: &Access, by, signed, quorums: &[support::Seats], no_longer: &[usize]| {
            let mut today = today(quorums);
            today.groups.retain(|who, _| !no_longer.iter().any(|&other| subject(other) == *who));
            access.approve(approval(person(by), signed, false, today), grant, now)
        };
    let second = |quorums: &[support::Seats], no_longer: &[usize]| {
        by_today(&access, 2, true, quorums, no_longer).unwrap().len()
    };
    assert_eq!(second(&two, &[]), 2, "approval and grant");
    assert_eq!(second(&[(1, 1, false)], &[]), 2, "fewer today is no fewer for this");
    assert_eq!(second(&[(3, 1, false)], &[]), 1, "one more is needed today");
    assert_eq!(second(&[(2, 1, true)], &[]), 1, "today they have to be signed");
    assert_eq!(second(&two, &[1]), 1, "the first may no longer approve");

    let refused = |by, signed, quorums: &[support::Seats]| {
        by_today(&access, by, signed, quorums, &[]).unwrap_err().code
    };
    assert_eq!(refused(2, false, &[(2, 1, true)]), RefusalCode::SignatureRequired);
    assert_eq!(refused(1, true, &two), RefusalCode::AlreadyApproved, "and it counts");
    // What no longer counts is given anew; and so is what counts again, where that is the last one.
    assert_eq!(by_today(&access, 1, true, &[(2, 1, true)], &[]).unwrap().len(), 1);
    let events = by_today(&access, 2, false, &two, &[1]).unwrap();
    let both = events.iter().fold(Some(access.clone()), Access::fold).unwrap();
    assert_eq!(both.still_needed(&today(&two)), 0);
    let events = by_today(&both, 1, false, &two, &[]).unwrap();
    assert_eq!(events.len(), 2, "approval and grant");
    let granted = events.iter().fold(Some(both), Access::fold).unwrap();
    assert_eq!((granted.approvals.len(), granted.grant().is_some()), (2, true), "each counts once");
}

#[test]
fn an_approval_of_another_request_is_none() {
    let (one, now) = ([(1, 1, false)], UnixTime::from_secs(START));
    let access = Access::fold(None, &made(&one, Way::AtApproval, 60, now)).unwrap();
    let mut other = approval(person(1), false, false, today(&one));
    other.hash = Digest::from_bytes([1; 32]);
    let refusal = access.approve(other, GrantId::from_bytes([9; 16]), now).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::WrongStatement);
    assert_eq!(access.state, RequestState::Pending);
}

#[test]
fn an_end_tells_all_that_it_was_about() {
    let (one, now) = ([(1, 1, false)], UnixTime::from_secs(START));
    let access = Access::fold(None, &made(&one, Way::FirstUse(60), 60, now)).unwrap();
    let granted = approval(person(1), false, false, today(&one));
    let granted = access.approve(granted, GrantId::from_bytes([9; 16]), now).unwrap();
    let access = granted.iter().fold(Some(access), Access::fold).unwrap();
    let Some(Event::GrantEnded(ended)) = access.passage(now.plus(Span::from_secs(61))) else {
        panic!("it has not ended")
    };
    assert_eq!((ended.cause, ended.ended), (EndCause::Unused, now.plus(Span::from_secs(60))));
    assert_eq!((ended.scope.rows, ended.scope.subject), (access.request.rows, subject(0)));
    assert_eq!((ended.scope.window, ended.scope.reason.as_str()), (None, "why"));
}
