//! How what was asked for stands today: by the policy of today, on the facts of then.
//!
//! A second factor was given then, and is asked for again with each certificate; who called from where is known from
//! then.

use std::collections::BTreeMap;

use jit_ca_core::event::{Decided, Event, GrantMade};
use jit_ca_core::workflow::{Access, Approval, Approver, Reconsidered, Refusal, Term, Today};
use jit_ca_core::{
    Action, Decision, Facts, Hosts, Outcome, Reason, RefusalCode, Row, SubjectId, UnixTime,
};
use jit_ca_policy::{Bundle, Role, decide};

use super::Fault;
use crate::store::{Filter, Snapshot, StoreError};

/// The most entries that are read: those of a request are the first ones, and certificates come behind them.
const MOST: usize = 10_000;

/// A request, with what it and its approvals were decided on.
pub struct Standing<'a> {
    snapshot: &'a Snapshot,
    bundle: &'a Bundle,
    access: &'a Access,
    now: UnixTime,
    /// None where the entry that says it is erased.
    asked: Option<Facts>,
    /// By who gave them; rules by nobody.
    given: BTreeMap<Option<SubjectId>, Facts>,
}

impl<'a> Standing<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// If the store fails.
    pub fn read(
        snapshot: &'a Snapshot,
        bundle: &'a Bundle,
        access: &'a Access,
        now: UnixTime,
    ) -> Result<Self, Fault> {
        let request = Some(access.request.id);
        let filter = Filter { request, end: u64::MAX, limit: MOST, ..Filter::default() };
        let (mut asked, mut given) = (None, BTreeMap::new());
        for (leaf, _) in snapshot.find(&filter)? {
            match snapshot.event(&leaf)? {
                Some(Event::RequestMade(made)) => asked = Some(made.decision.facts),
                Some(Event::ApprovalGiven(approval)) => {
                    given.insert(who(&approval.by).cloned(), approval.decision.facts);
                }
                _ => {}
            }
        }
        Ok(Self { snapshot, bundle, access, now, asked, given })
    }

    /// Whom the role asks for today, and the groups of those who have approved, as far as they may today and are not
    /// locked.
    ///
    /// # Errors
    /// If the store fails.
    pub fn today(&self) -> Result<Today, Fault> {
        let mut today = self.today_of(&self.approvals(Facts::clone));
        self.leave_out_locked(&mut today)?;
        Ok(today)
    }

    /// The requester must be one who may ask today for what they would be granted.
    ///
    /// # Errors
    /// A refusal, if not.
    pub fn must_be_permitted(&self, made: &GrantMade) -> Result<(), Fault> {
        let Decided { decision, .. } = self.request(&made.rows, &made.hosts, made.term)?;
        if decision.allows() {
            return Ok(());
        }
        let why = decision.reasons.first().map_or("no rule permits it", |reason| &reason.text);
        let text = format!("{} may no longer have it: {why}", self.access.request.name);
        Err(Refusal::new(RefusalCode::NoLongerPermitted, text).into())
    }

    /// What the policy says of a grant that is to begin now: of the request, and of those who agreed to it. Nothing, as
    /// long as it is because of a lock that too few of them count.
    ///
    /// # Errors
    /// If the store fails.
    pub fn reconsidered(&self) -> Result<Option<Reconsidered>, Fault> {
        let alone = |decision| Ok(Some(Reconsidered { decision, approvals: Vec::new() }));
        let Some(grant) = self.access.grant() else { return Ok(None) };
        let decision = self.request(&grant.rows, &grant.hosts, grant.term)?;
        if !decision.decision.allows() {
            return alone(decision);
        }
        if let Some(facts) = self.given.get(&None) {
            let by_rules = self.again(facts);
            return match by_rules.decision.allows() {
                true => Ok(Some(Reconsidered { decision, approvals: vec![by_rules] })),
                false => alone(by_rules),
            };
        }
        let mut approvals = self.approvals(|given| about(given, &grant.hosts, grant.term));
        let mut today = self.today_of(&approvals);
        if !self.access.is_agreed_today(&today) {
            return alone(Decided { decision: self.too_few(&today), ..decision });
        }
        self.leave_out_locked(&mut today)?;
        if !self.access.is_agreed_today(&today) {
            return Ok(None);
        }
        approvals.retain(|decided| today.groups.contains_key(&decided.facts.subject));
        Ok(Some(Reconsidered { decision, approvals }))
    }

    /// Whether the requester may ask for so much today; and the role gives these rows.
    fn request(&self, rows: &[Row], hosts: &Hosts, term: Term) -> Result<Decided, Fault> {
        let missing =
            || StoreError::Damaged("a request is pending or granted that is missing".into());
        let asked = self.asked.as_ref().ok_or_else(missing)?;
        let facts = Facts { action: Action::Request, ..about(asked, hosts, term) };
        let mut decided = self.again(&facts);
        let gives = |row: &Row| self.role().is_some_and(|role| role.gives(row, hosts));
        if let (Some(row), true) = (rows.iter().find(|row| !gives(row)), decided.decision.allows())
        {
            let text = format!("the role {} no longer gives {row}", self.access.request.role);
            decided.decision = denied(RefusalCode::RoleChanged, text);
        }
        Ok(decided)
    }

    /// What the policy says of those who have approved and may today, in their order.
    fn approvals(&self, of: impl Fn(&Facts) -> Facts) -> Vec<Decided> {
        let facts = |given: &Approval| self.given.get(&Some(who(&given.by)?.clone()));
        let approvals = self.access.approvals.iter().filter_map(facts);
        let approvals = approvals.map(|facts| self.again(&of(facts)));
        approvals.filter(|decided| decided.decision.allows()).collect()
    }

    fn today_of(&self, approvals: &[Decided]) -> Today {
        let people =
            approvals.iter().filter_map(|decided| self.bundle.person(&decided.facts.subject));
        Today {
            quorums: self.role().map(|role| role.approvals.clone()).unwrap_or_default(),
            groups: people.map(|person| (person.id.clone(), person.groups.clone())).collect(),
        }
    }

    fn leave_out_locked(&self, today: &mut Today) -> Result<(), Fault> {
        for who in today.groups.keys().cloned().collect::<Vec<_>>() {
            if self.snapshot.lock_on(&[&who], None)?.is_some() {
                today.groups.remove(&who);
            }
        }
        Ok(())
    }

    fn too_few(&self, today: &Today) -> Decision {
        let quorums: Vec<String> = today.quorums.iter().map(ToString::to_string).collect();
        let (role, asked) = (&self.access.request.role, quorums.join(", and "));
        let text = format!("{role} asks for {asked}, and too few of them approve it today");
        denied(RefusalCode::TooFewApprovals, text)
    }

    fn role(&self) -> Option<&Role> {
        self.bundle.role(&self.access.request.role)
    }

    fn again(&self, facts: &Facts) -> Decided {
        let facts = Facts { now: self.now, mfa_at: Some(self.now), ..facts.clone() };
        Decided { decision: decide(self.bundle, &facts), facts }
    }
}

/// What was granted may be less than was asked for, or than one of them agreed to.
fn about(facts: &Facts, hosts: &Hosts, term: Term) -> Facts {
    let (hosts, duration) = (Some(hosts.clone()), Some(term.duration()));
    Facts { hosts, duration, ..facts.clone() }
}

fn who(by: &Approver) -> Option<&SubjectId> {
    match by {
        Approver::Person { subject, .. } => Some(subject),
        Approver::Rules(_) => None,
    }
}

/// That it comes to nothing, for a reason that no rule has.
fn denied(code: RefusalCode, text: String) -> Decision {
    let reasons = vec![Reason { code, text }];
    Decision { outcome: Outcome::Deny, rules: Vec::new(), reasons }
}
