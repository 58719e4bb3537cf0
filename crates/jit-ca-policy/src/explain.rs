//! Why: a decision with the rules that made it, and, where it is a no, what would have to be different.

mod changes;
mod ticket;
mod ways;

use cedar_policy::Policy;
use jit_ca_core::{Decision, Facts};
use serde::Serialize;

use self::ways::ways;
use crate::decide::question;
use crate::engine::{Part, Unasked};
use crate::{Bundle, Faults, Rule, decide};

/// A decision, and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What is decided, and why not.
    pub decision: Decision,
    /// The rules that made it so: the permits of an allow, the forbids of a denial.
    pub rules: Vec<ToldRule>,
    /// Where it is denied: what would make it an allow, the fewest changes first. Empty if nothing that can be asked
    /// otherwise would.
    pub ways: Vec<WayOut>,
    /// Where it is denied: the rules that would permit it if more held, those first that lack least.
    pub would_permit: Vec<UnmetRule>,
}

/// A rule, for somebody who has not got the files at hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToldRule {
    /// Its `@id`.
    pub id: String,
    /// The file that it stands in.
    pub path: String,
    /// Its line.
    pub line: usize,
    /// What it is for, in its author's words.
    pub description: Option<String>,
}

/// A rule, and what of it does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnmetRule {
    /// The rule.
    #[serde(flatten)]
    pub rule: ToldRule,
    /// The parts of its scope and conditions that do not hold, in Cedar's words.
    pub lacks: Vec<String>,
}

/// Changes of what is asked that together make it an allow, and none of which can be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WayOut {
    /// What would have to be different: `ask for at most 1h`.
    pub changes: Vec<String>,
    /// The rules that would permit it then.
    pub rules: Vec<String>,
}

impl From<&Rule> for ToldRule {
    fn from(rule: &Rule) -> Self {
        Self {
            id: rule.id().to_owned(),
            path: rule.path().to_owned(),
            line: rule.line(),
            description: rule.description().map(ToOwned::to_owned),
        }
    }
}

/// Explains what [`decide`] answers.
///
/// What it tries to change is what somebody can change who asks: the second factor, duration, hosts, ticket, reason,
/// time and address; each to values around those that the rules mention. Who they are and what they ask for stays.
///
/// # Errors
/// If the rules can't be asked, which is a fault of this crate's.
pub fn explain(bundle: &Bundle, facts: &Facts) -> Result<Explanation, Faults> {
    let decision = decide(bundle, facts);
    let rules = decision.rules.iter().filter_map(|id| bundle.rule(id));
    let rules = rules.map(ToldRule::from).collect();
    let (mut ways_out, mut would_permit) = (Vec::new(), Vec::new());
    if !decision.allows() {
        let found = ways(bundle, facts).and_then(|ways| Ok((ways, unmet(bundle, facts)?)));
        (ways_out, would_permit) =
            found.map_err(|error: Unasked| Faults::of_engine(error.as_ref()))?;
    }
    Ok(Explanation { decision, rules, ways: ways_out, would_permit })
}

/// The permits of this action and role that do not hold, and why.
fn unmet(bundle: &Bundle, facts: &Facts) -> Result<Vec<UnmetRule>, Unasked> {
    let Ok(question) = question(bundle, facts) else {
        return Ok(Vec::new());
    };
    let ids = bundle.engine().rules(facts.action, question.role_name);
    let ids = ids.into_iter().flat_map(|rules| rules.policies().map(Policy::id));
    let rules = ids.filter_map(|id| bundle.rule(id.as_ref())).filter(|rule| rule.permits());
    let mut unmet = Vec::new();
    for rule in rules {
        let mut lacks: Vec<Part> = Vec::new();
        for part in Part::all(&rule.policy)? {
            match bundle.engine().holds(&question, &part)? {
                Some(true) => {}
                // What comes after `context has ticket` can't be looked at without one.
                None if !lacks.is_empty() => {}
                Some(false) | None => lacks.push(part),
            }
        }
        // One that is for other roles would not permit this one with any facts.
        if !lacks.is_empty() && !lacks.iter().any(|part| part.is_of_role) {
            let lacks = lacks.into_iter().map(|part| part.text).collect();
            unmet.push(UnmetRule { rule: rule.into(), lacks });
        }
    }
    unmet.sort_by(|a, b| (a.lacks.len(), &a.rule.id).cmp(&(b.lacks.len(), &b.rule.id)));
    Ok(unmet)
}
