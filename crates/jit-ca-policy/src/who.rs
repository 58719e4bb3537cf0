//! The policy read the other way round: which roles a person may ask for, and who can approve.

use std::net::IpAddr;

use jit_ca_core::{Action, Decision, Facts, Means, RefusalCode, SubjectId, UnixTime};

use crate::engine::concerns_a_role;
use crate::reach::{Looks, means};
use crate::{Bundle, Person, Role, decide};

/// The roles that the subject may ask for at `now` from `address`, for their default
/// durations and on all of their hosts.
///
/// A second factor just given is assumed, by whichever means the rules want, and a missing ticket is overlooked: both can
/// still be given. A rule that looks at the reason sees none.
pub fn may_request<'a>(
    bundle: &'a Bundle,
    subject: &SubjectId,
    now: UnixTime,
    address: IpAddr,
) -> Vec<&'a Role> {
    let may = |role: &&Role| {
        let facts = Facts {
            action: Action::Request,
            subject: subject.clone(),
            now,
            address,
            mfa_at: Some(now),
            means: Means::default(),
            role: Some(role.name.clone()),
            requester: None,
            hosts: None,
            duration: None,
            reason: None,
            ticket: None,
        };
        by_some_means(bundle, &facts, |decision| {
            let mut reasons = decision.reasons.iter();
            reasons.all(|reason| reason.code == RefusalCode::TicketRequired)
        })
    };
    bundle.roles().filter(may).collect()
}

/// The people who can approve what `asked` asks for: the facts of a `request`, whose subject is
/// never among them.
///
/// A second factor just given is assumed, by whichever means the rules want. Where approvers will call from is not known, so that
/// rules see the requester's address.
pub fn who_can_approve<'a>(bundle: &'a Bundle, asked: &Facts) -> Vec<&'a Person> {
    let role = asked.role.as_ref().and_then(|name| bundle.role(name));
    let Some(role) = role else {
        return Vec::new();
    };
    let can = |person: &&Person| {
        let facts = Facts {
            action: Action::Approve,
            subject: person.id.clone(),
            requester: Some(asked.subject.clone()),
            mfa_at: Some(asked.now),
            ..asked.clone()
        };
        can(bundle, &facts)
    };
    let approvers = role.approvers();
    bundle.people().filter(|person| !person.groups.is_disjoint(&approvers)).filter(can).collect()
}

/// Whether the facts' subject may do what they say, by whichever means of logging in: theirs are not looked at.
pub fn can(bundle: &Bundle, facts: &Facts) -> bool {
    by_some_means(bundle, facts, Decision::allows)
}

/// Whether by some means what comes of it is enough: of those that the rules mention, or the CA knows itself.
fn by_some_means(bundle: &Bundle, facts: &Facts, is_enough: impl Fn(&Decision) -> bool) -> bool {
    let role = facts.role.as_ref().filter(|_| concerns_a_role(facts.action));
    let engine = bundle.engine();
    let is_looked_at = |name| engine.looks_at(facts.action, role, name);
    let tried = match is_looked_at("acr") || is_looked_at("amr") {
        true => {
            let mut looks = Looks::default();
            let rules = engine.rules(facts.action, role).into_iter();
            let each = rules.flat_map(cedar_policy::PolicySet::policies).map(Looks::of);
            each.flatten().for_each(|own| looks.join(&own));
            means(&looks)
        }
        false => vec![Means::code()],
    };
    let mut tried = tried.into_iter();
    tried.any(|means| is_enough(&decide(bundle, &Facts { means, ..facts.clone() })))
}
