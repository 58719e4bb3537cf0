//! Who reaches what: each action on each role, asked of everybody in a few situations.
//!
//! ```text
//! rules of an action and role ──Looks──> what they can tell apart: facts, groups, people
//!   ──kinds────────> people between whom they see no difference, so that one of each kind is asked about
//!   ──Situations──> the facts that they look at, around the constants that they compare with
//!   ──witnesses───> where these would be too many, for each rule one in which it may hold
//!   ──decide───────> Verdict: in which situations, by which rules
//! ```
//!
//! One bundle is surveyed to say who can and what somebody can; two at once, in the same situations, to say what
//! differs. Rules' conditions are sampled: what a rule says in situations that were not asked about is not known here.

mod crowd;
mod looks;
mod situations;
mod when;
mod witness;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::PolicySet;
use jit_ca_core::{Action, Facts, GroupName, Means, RefusalCode, RoleName, SubjectId, SubjectKind};
use serde::Serialize;

pub(crate) use self::crowd::Groups;
pub use self::crowd::{Crowd, GroupShare};
pub(crate) use self::looks::Looks;
use self::situations::usual;
pub(crate) use self::situations::{Fact, Situations, around, local, means, minutes_of_day, moment};
pub use self::when::When;
use self::witness::witnesses;
use crate::decide::question;
use crate::engine::{ACTIONS, Question, Unasked, concerns_a_role, concerns_anothers};
use crate::{Bundle, Role, decide};

/// Something that a policy may allow: an action, and the role that it concerns, if any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Deed {
    /// What is done.
    pub action: Action,
    /// With which role; `None` for what concerns the CA.
    pub role: Option<RoleName>,
}

impl Deed {
    /// All deeds that the bundles know, by action and then by role.
    pub(crate) fn all(bundles: &[&Bundle]) -> BTreeSet<Self> {
        let roles = bundles.iter().flat_map(|bundle| bundle.roles());
        let roles: BTreeSet<&RoleName> = roles.map(|role| &role.name).collect();
        let deeds = ACTIONS.into_iter().flat_map(|action| {
            let roles: Vec<Option<&RoleName>> = match concerns_a_role(action) {
                true => roles.iter().copied().map(Some).collect(),
                false => vec![None],
            };
            roles.into_iter().map(move |role| Self { action, role: role.cloned() })
        });
        deeds.collect()
    }
}

/// A bundle that is surveyed, and what each of its rules looks at.
pub(crate) struct Side<'b> {
    pub(crate) bundle: &'b Bundle,
    pub(crate) groups: Groups<'b>,
    looks: HashMap<&'b str, Looks>,
}

impl<'b> Side<'b> {
    pub(crate) fn new(bundle: &'b Bundle) -> Result<Self, Unasked> {
        let looks = bundle.rules().map(|rule| Ok((rule.id(), Looks::of(&rule.policy)?)));
        let looks = looks.collect::<Result<_, Unasked>>()?;
        Ok(Self { bundle, groups: Groups::of(bundle), looks })
    }

    pub(crate) fn role(&self, deed: &Deed) -> Option<&'b Role> {
        self.bundle.role(deed.role.as_ref()?)
    }

    /// What the rules of a deed look at, taken together.
    pub(crate) fn looks(&self, deed: &Deed) -> Looks {
        let mut all = Looks::default();
        let rules = self.bundle.engine().rules(deed.action, deed.role.as_ref());
        for rule in rules.into_iter().flat_map(PolicySet::policies) {
            let id: &str = rule.id().as_ref();
            if let Some(looks) = self.looks.get(id) {
                all.join(looks);
            }
        }
        all
    }
}

/// How many questions were asked, and about what not all combinations of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sampled {
    /// What was asked about.
    pub deeds: usize,
    /// The situations in which these were asked about, over all deeds.
    pub situations: usize,
    /// Deeds whose rules look at so many facts that these were combined two by two, and as each rule wants them.
    pub in_pairs: Vec<Deed>,
}

impl Sampled {
    pub(crate) fn add(&mut self, survey: &Survey) {
        self.deeds += 1;
        self.situations += survey.situations.chosen.len();
        if !survey.situations.are_all {
            self.in_pairs.push(survey.deed.clone());
        }
    }
}

/// What came of asking about one deed.
pub(crate) struct Survey {
    pub(crate) deed: Deed,
    pub(crate) situations: Situations,
    /// Those whose requests rules tell apart; the first of each kind is in the situations.
    pub(crate) requesters: Vec<Vec<SubjectId>>,
    pub(crate) kinds: Vec<Kind>,
}

/// People between whom the rules see no difference.
pub(crate) struct Kind {
    pub(crate) people: Vec<SubjectId>,
    /// One for each side.
    pub(crate) verdicts: Vec<Verdict>,
}

/// What one kind of people may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// For each situation, whether it is allowed; `None` where the role's requirements leave no room for it.
    pub(crate) allowed: Vec<Option<bool>>,
    /// The rules that permit it in some situation.
    pub(crate) permits: BTreeSet<String>,
    /// The rules that forbid it in some situation, or could not be evaluated.
    pub(crate) stops: BTreeSet<String>,
}

impl Verdict {
    pub(crate) fn is_never(&self) -> bool {
        !self.allowed.contains(&Some(true))
    }
}

/// Asks the sides about a deed, all in the same situations.
///
/// With `only`, about one person alone.
///
/// # Errors
/// If the rules can't be asked.
pub(crate) fn survey(
    sides: &[Side<'_>],
    deed: &Deed,
    only: Option<&SubjectId>,
) -> Result<Survey, Unasked> {
    let mut looks = Looks::default();
    sides.iter().for_each(|side| looks.join(&side.looks(deed)));
    let roles: Vec<&Role> = sides.iter().filter_map(|side| side.role(deed)).collect();
    let requesters = match concerns_anothers(deed.action) && looks.at_requesters() {
        true => kinds(sides, &looks.groups, &looks.people),
        false => Vec::new(),
    };
    let first = requesters.iter().filter_map(|kind| kind.first().cloned()).collect();
    // Where the zones differ, hours are those of the new one.
    let zone = sides.last().map_or(jiff::tz::TimeZone::UTC, |side| side.bundle.zone().clone());
    let mut situations = Situations::new(&looks, &roles, first, &zone);
    if !situations.are_all {
        for side in sides {
            let witnesses = witnesses(side, deed, &situations)?;
            situations.chosen.extend(witnesses);
        }
    }

    let mut groups = looks.groups.clone();
    groups.extend(roles.iter().flat_map(|role| role.approvers()));
    let kinds = match only {
        Some(person) => vec![vec![person.clone()]],
        None => kinds(sides, &groups, &looks.people),
    };
    let kinds = kinds.into_iter().map(|people| {
        let ask = |side| {
            let asking = Asking { side, deed, situations: &situations, requesters: &requesters };
            asking.verdict(people.first()?)
        };
        let verdicts = sides.iter().map(|side| ask(side).unwrap_or_default()).collect();
        Kind { people, verdicts }
    });
    let kinds = kinds.collect();
    Ok(Survey { deed: deed.clone(), situations, requesters, kinds })
}

/// People, by which of these groups they are in on each side, if they are there at all. Whom a rule names is a kind
/// of their own.
fn kinds(
    sides: &[Side<'_>],
    groups: &BTreeSet<GroupName>,
    named: &BTreeSet<SubjectId>,
) -> Vec<Vec<SubjectId>> {
    let all = sides.iter().flat_map(|side| side.bundle.people());
    let all: BTreeSet<&SubjectId> = all.map(|person| &person.id).collect();
    let mut kinds: BTreeMap<_, Vec<SubjectId>> = BTreeMap::new();
    for id in all {
        let groups_of = |side: &Side<'_>| {
            let person = side.bundle.person(id)?;
            Some((person.kind, person.groups.intersection(groups).cloned().collect::<Vec<_>>()))
        };
        let on_sides: Vec<_> = sides.iter().map(groups_of).collect();
        kinds.entry((named.get(id), on_sides)).or_default().push(id.clone());
    }
    kinds.into_values().collect()
}

/// One side, asked about one deed.
struct Asking<'a, 'b> {
    side: &'a Side<'b>,
    deed: &'a Deed,
    situations: &'a Situations,
    requesters: &'a [Vec<SubjectId>],
}

impl Asking<'_, '_> {
    /// What somebody may; `None` if they, or the role, are not there.
    fn verdict(&self, subject: &SubjectId) -> Option<Verdict> {
        let bundle = self.side.bundle;
        let person = bundle.person(subject)?;
        if self.deed.role.is_some() {
            self.side.role(self.deed)?;
        }
        let mut verdict = Verdict::default();
        if !bundle.engine().may_permit(self.deed.action, self.deed.role.as_ref(), person) {
            verdict.allowed = vec![Some(false); self.situations.chosen.len()];
            return Some(verdict);
        }
        for chosen in &self.situations.chosen {
            let mut facts = usual(self.deed.action, subject);
            facts.role.clone_from(&self.deed.role);
            self.situations.put(chosen, &mut facts);
            if person.kind == SubjectKind::Workload {
                // By a token, of whose means nothing is kept; or by a certificate, whose key was proven.
                let is_by_key = facts.means.amr.iter().any(|method| method.as_str() == "pop");
                let means = if is_by_key { Means::key() } else { Means::default() };
                (facts.mfa_at, facts.means) = (None, means);
            }
            let has_requester = self.put_requester(&mut facts);
            let question = question(bundle, &facts).ok().filter(|_| has_requester);
            let allowed = question.and_then(|question| self.ask(&question, &mut verdict));
            verdict.allowed.push(allowed);
        }
        Some(verdict)
    }

    /// Puts a requester into the facts of who judges somebody else's, other than themselves; `false` if nobody else is
    /// like the one who is to request.
    fn put_requester(&self, facts: &mut Facts) -> bool {
        if !concerns_anothers(facts.action) {
            return true;
        }
        let kind = self.requesters.iter().find(|kind| kind.first() == facts.requester.as_ref());
        let other = match kind {
            Some(kind) => kind.iter().find(|id| **id != facts.subject).cloned(),
            None => {
                let others = self.side.bundle.people().map(|person| person.id.clone());
                others.into_iter().find(|id| *id != facts.subject)
            }
        };
        facts.requester = other;
        facts.requester.is_some()
    }

    /// Whether it is allowed; `None` if the situation is one that the role leaves no room for.
    fn ask(&self, question: &Question<'_>, verdict: &mut Verdict) -> Option<bool> {
        let decision = decide(self.side.bundle, question.facts);
        let hurdles: Vec<Hurdle> =
            decision.reasons.iter().map(|reason| Hurdle::of(reason.code)).collect();
        if hurdles.contains(&Hurdle::Circumstances) {
            return None;
        }
        // The answer is known by now: the engine keeps it. A ticket that is missing hides which rules permit.
        if let Ok(answer) = self.side.bundle.engine().ask(question) {
            verdict.stops.extend(answer.forbids.iter().chain(answer.errors.keys()).cloned());
            if hurdles.iter().all(|hurdle| *hurdle == Hurdle::Ticket) {
                verdict.permits.extend(answer.permits.iter().cloned());
            }
        }
        Some(hurdles.iter().all(|hurdle| *hurdle == Hurdle::Ticket))
    }
}

/// What a reason for a denial means for a question that is asked to find out who can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hurdle {
    /// The rules, or who it is: no.
    No,
    /// The role wants other circumstances; the sample is not one of what it offers.
    Circumstances,
    /// A ticket is missing, or not one that the role takes: one can be given.
    Ticket,
}

impl Hurdle {
    fn of(code: RefusalCode) -> Self {
        match code {
            RefusalCode::MfaRequired
            | RefusalCode::MfaTooOld
            | RefusalCode::TooLong
            | RefusalCode::StartOutOfBounds
            | RefusalCode::ReasonRequired
            | RefusalCode::UnknownHost => Self::Circumstances,
            RefusalCode::TicketRequired | RefusalCode::TicketRefused => Self::Ticket,
            RefusalCode::NotPermitted
            | RefusalCode::Forbidden
            | RefusalCode::RuleError
            | RefusalCode::UnknownRole
            | RefusalCode::NoBreakGlass
            | RefusalCode::TooManyRequests
            | RefusalCode::TooManyGrants
            | RefusalCode::TooManyCertificates
            | RefusalCode::Locked
            | RefusalCode::SelfApproval
            | RefusalCode::NotAnApprover
            | RefusalCode::Widening
            | RefusalCode::SignatureRequired
            | RefusalCode::WrongStatement
            | RefusalCode::NotPending
            | RefusalCode::AlreadyApproved
            | RefusalCode::TooFewApprovals
            | RefusalCode::NoLongerPermitted
            | RefusalCode::NotYours
            | RefusalCode::GrantEnded
            | RefusalCode::GrantWaiting
            | RefusalCode::GrantRevoked
            | RefusalCode::AlreadyExtended
            | RefusalCode::NotToReview
            | RefusalCode::LockUnchanged
            | RefusalCode::ResetUnchanged
            | RefusalCode::HostRefused
            | RefusalCode::HostUnchanged
            | RefusalCode::NotProposed
            | RefusalCode::UnknownRow
            | RefusalCode::RoleChanged
            | RefusalCode::KeyRefused
            | RefusalCode::NoPossession
            | RefusalCode::NotAPerson
            | RefusalCode::LoginRefused
            | RefusalCode::TooManyAttempts => Self::No,
        }
    }
}
