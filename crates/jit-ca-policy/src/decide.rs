//! The decision: what the role requires, and then what the rules say. Both must hold.

use std::collections::BTreeSet;

use jit_ca_core::{
    Action, Decision, Facts, Hosts, Outcome, Reason, RefusalCode, RoleName, SubjectKind,
};

use crate::engine::{Answer, Question, concerns_a_role, concerns_anothers, gives_nothing};
use crate::{Bundle, Role};

/// Whether the facts' subject may do what the facts say.
///
/// Denies unless the role's requirements are met, a rule permits it, no rule forbids it, and every
/// rule that was looked at could be evaluated. Of a denial's reasons the requirements come first:
/// they say what would help.
///
/// A second factor is required of people whatever is to be done; workloads have none, and decide nothing over others. Where the facts name no duration or no
/// hosts, the role's default and all of its hosts are meant.
///
/// What was given can be looked at and taken away also where the role, or whoever has it, has left the bundle: the
/// rules then see a role of that name that gives nothing, and somebody of that id who is in no group.
pub fn decide(bundle: &Bundle, facts: &Facts) -> Decision {
    let question = match question(bundle, facts) {
        Ok(question) => question,
        Err(reason) => return deny(BTreeSet::new(), vec![reason]),
    };
    let mut reasons = Vec::new();
    if question.subject.kind == SubjectKind::Workload && !a_workload_may(facts.action) {
        let text =
            format!("{} is a workload, and only people {}", question.subject.name, facts.action);
        return deny(BTreeSet::new(), vec![reason(RefusalCode::NotAPerson, text)]);
    }
    anothers_required(&question, &mut reasons);
    // What the role gives by now, and for how long, is nothing to whoever looks at what was given, or takes it away.
    if let Some(role) = question.role.filter(|_| !gives_nothing(facts.action)) {
        role_requires(&question, role, &mut reasons);
    }
    mfa_required(&question, &mut reasons);

    let answer = match bundle.engine().ask(&question) {
        Ok(answer) => answer,
        Err(error) => {
            let text = format!("the rules could not be asked: {error}");
            reasons.push(reason(RefusalCode::RuleError, text));
            return deny(BTreeSet::new(), reasons);
        }
    };
    rules_allow(bundle, &question, &answer, &mut reasons);
    if reasons.is_empty() {
        Decision {
            outcome: Outcome::Allow,
            rules: answer.permits.iter().cloned().collect(),
            reasons,
        }
    } else {
        let mut rules = answer.forbids.clone();
        rules.extend(answer.errors.keys().cloned());
        deny(rules, reasons)
    }
}

/// The facts with their names looked up; a reason if one of them is unknown or out of place.
pub(crate) fn question<'a>(bundle: &'a Bundle, facts: &'a Facts) -> Result<Question<'a>, Reason> {
    let may_be_gone = gives_nothing(facts.action);
    let person = |id| {
        bundle.person(id).ok_or_else(|| {
            let text = match id.is_local() {
                true => format!("{id} is not in users.toml"),
                false => format!("no issuer vouches for {id}"),
            };
            reason(RefusalCode::NotPermitted, text)
        })
    };
    let subject = person(&facts.subject)?;
    let (requester_id, requester) = match &facts.requester {
        Some(id) if may_be_gone => (id, bundle.person(id)),
        Some(id) => (id, Some(person(id)?)),
        None if concerns_anothers(facts.action) => {
            let text = format!("`{}` needs a requester", facts.action);
            return Err(reason(RefusalCode::NotPermitted, text));
        }
        None => (&subject.id, Some(subject)),
    };
    if let Some(other) = requester.filter(|it| it.id != subject.id)
        && !concerns_anothers(facts.action)
    {
        let text = format!("only {} may do that", other.name);
        return Err(reason(RefusalCode::NotYours, text));
    }
    let (role_name, role) = match &facts.role {
        _ if !concerns_a_role(facts.action) => (None, None),
        Some(name) => (Some(name), bundle.role(name)),
        None => {
            let text = format!("`{}` needs a role", facts.action);
            return Err(reason(RefusalCode::UnknownRole, text));
        }
    };
    if let (Some(name), None, false) = (role_name, role, may_be_gone) {
        return Err(reason(RefusalCode::UnknownRole, format!("there is no role {name}")));
    }
    let zone = bundle.zone();
    Ok(Question { facts, subject, role_name, role, requester_id, requester, zone })
}

/// INVARIANT (workloads decide nothing): what a workload may do at all, if the rules agree. The others of Cedar's schema
/// have no workload as principal.
fn a_workload_may(action: Action) -> bool {
    match action {
        Action::Request | Action::SkipApproval | Action::Issue | Action::EnrolHost => true,
        Action::Approve
        | Action::BreakGlass
        | Action::Review
        | Action::Revoke
        | Action::Watch
        | Action::Lock
        | Action::ReadLog
        | Action::Erase
        | Action::Administer => false,
    }
}

/// INVARIANT (no self approval): core enforces it as well; no rule can permit it.
fn anothers_required(question: &Question<'_>, reasons: &mut Vec<Reason>) {
    let own = match question.facts.action {
        Action::Approve => "nobody approves their own request",
        Action::Review => "nobody reviews their own emergency",
        _ => return,
    };
    if *question.requester_id == question.subject.id {
        reasons.push(reason(RefusalCode::SelfApproval, own));
    }
}

fn role_requires(question: &Question<'_>, role: &Role, reasons: &mut Vec<Reason>) {
    let Question { facts, subject, .. } = question;
    let mut refuse = |code, text: String| reasons.push(reason(code, text));
    let approvers = role.approvers();
    if facts.action == Action::Approve && subject.groups.is_disjoint(&approvers) {
        let (approvers, name) = (list(&approvers, "or"), &subject.name);
        let text =
            format!("{} is approved by {approvers}, and {name} is in none of them", role.name);
        refuse(RefusalCode::NotAnApprover, text);
    }
    let longest = match (facts.action, &role.break_glass) {
        (Action::BreakGlass, None) => {
            let text = format!("there are no emergencies for {}", role.name);
            refuse(RefusalCode::NoBreakGlass, text);
            role.longest
        }
        (Action::BreakGlass, Some(break_glass)) => break_glass.longest,
        _ => role.longest,
    };
    if let Some(duration) = facts.duration
        && duration > longest
    {
        let what = match facts.action {
            Action::BreakGlass => "an emergency with",
            _ => "the longest duration of",
        };
        let text = format!("{what} {} is {longest}", role.name);
        refuse(RefusalCode::TooLong, text);
    }
    if let Some(Hosts::Named(hosts)) = &facts.hosts {
        let known = role.hosts();
        let unknown: BTreeSet<_> = hosts.iter().filter(|host| !known.contains(host)).collect();
        if !unknown.is_empty() {
            let text = format!(
                "{} does not give {}; its hosts are {}",
                role.name,
                list(&unknown, "or"),
                if known.is_empty() { "none".to_owned() } else { list(&known, "and") }
            );
            refuse(RefusalCode::UnknownHost, text);
        }
    }
    // In an emergency there may be no ticket yet.
    if let (Some(pattern), Action::Request) = (&role.ticket, facts.action) {
        match &facts.ticket {
            None => {
                let text = format!("{} wants a ticket, such as {pattern} matches", role.name);
                refuse(RefusalCode::TicketRequired, text);
            }
            Some(ticket) if !pattern.matches(ticket) => {
                let text = format!("{} wants a ticket that {pattern} matches, whole", role.name);
                refuse(RefusalCode::TicketRefused, text);
            }
            Some(_) => {}
        }
    }
}

fn mfa_required(question: &Question<'_>, reasons: &mut Vec<Reason>) {
    let Question { facts, subject, role, .. } = question;
    if subject.kind == SubjectKind::Workload {
        return;
    }
    let Some(at) = facts.mfa_at else {
        let text = "the login has no second factor";
        reasons.push(reason(RefusalCode::MfaRequired, text));
        return;
    };
    let age = facts.now.since(at);
    if let Some(role) = role
        && let Some(longest) = role.mfa_max_age
        && !gives_nothing(facts.action)
        && age > longest
    {
        let text =
            format!("the second factor was given {age} ago, and {} accepts {longest}", role.name);
        reasons.push(reason(RefusalCode::MfaTooOld, text));
    }
}

/// An error in any rule denies: Cedar would skip a forbid that fails, and allow.
fn rules_allow(
    bundle: &Bundle,
    question: &Question<'_>,
    answer: &Answer,
    reasons: &mut Vec<Reason>,
) {
    for (rule, error) in &answer.errors {
        let text = format!("the rule {rule} could not be evaluated: {error}");
        reasons.push(reason(RefusalCode::RuleError, text));
    }
    for rule in &answer.forbids {
        let text = match bundle.engine().description(rule) {
            Some(description) => format!("the rule {rule} forbids it: {description}"),
            None => format!("the rule {rule} forbids it"),
        };
        reasons.push(reason(RefusalCode::Forbidden, text));
    }
    // A rule that fails may be the permit that is missing; then its error is the reason.
    if answer.permits.is_empty() && answer.forbids.is_empty() && answer.errors.is_empty() {
        let text = format!("no rule lets {} {}", question.subject.name, deed(question));
        reasons.push(reason(RefusalCode::NotPermitted, text));
    }
}

/// What is to be done, after "no rule lets alice".
fn deed(question: &Question<'_>) -> String {
    let role = question.role_name.map_or("", RoleName::as_str);
    let id = || question.requester_id.to_string();
    let name = question.requester.map_or_else(id, |requester| requester.name.to_string());
    match question.facts.action {
        Action::Request => format!("request {role}"),
        Action::SkipApproval => format!("have {role} without a person's approval"),
        Action::Approve => format!("approve {role} for {name}"),
        Action::Issue => format!("take certificates for {role}"),
        Action::BreakGlass => format!("break glass for {role}"),
        Action::Review => format!("review the emergency of {name} with {role}"),
        Action::Revoke => format!("revoke {role} of {name}"),
        Action::Watch => format!("watch what {name} did with {role}"),
        Action::Lock => "lock or unlock".to_owned(),
        Action::ReadLog => "read the log".to_owned(),
        Action::Erase => "erase a subject from the log".to_owned(),
        Action::Administer => "bring a policy into force".to_owned(),
        Action::EnrolHost => "have a host enrol".to_owned(),
    }
}

fn deny(rules: BTreeSet<String>, reasons: Vec<Reason>) -> Decision {
    Decision { outcome: Outcome::Deny, rules: rules.into_iter().collect(), reasons }
}

fn reason(code: RefusalCode, text: impl Into<String>) -> Reason {
    Reason { code, text: text.into() }
}

/// `a, b or c`.
fn list<T: ToString>(items: &BTreeSet<T>, word: &str) -> String {
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    match texts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {word} {last}", rest.join(", ")),
        _ => texts.concat(),
    }
}
