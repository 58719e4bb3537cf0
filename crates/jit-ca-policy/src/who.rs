//! The policy read the other way round: which roles a person may ask for, and who can approve.

use std::net::IpAddr;

use jit_ca_core::{Action, Facts, RefusalCode, SubjectId, UnixTime};

use crate::{Bundle, Person, Role, decide};

/// The roles that the subject may ask for at `now` from `address`, for their default
/// durations and on all of their hosts.
///
/// A second factor just given is assumed, and a missing ticket is overlooked: both can still be
/// given. A rule that looks at the reason sees none.
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
            role: Some(role.name.clone()),
            requester: None,
            hosts: None,
            duration: None,
            reason: None,
            ticket: None,
        };
        let decision = decide(bundle, &facts);
        let mut reasons = decision.reasons.iter();
        reasons.all(|reason| reason.code == RefusalCode::TicketRequired)
    };
    bundle.roles().filter(may).collect()
}

/// The people who can approve what `asked` asks for: the facts of a `request`, whose subject is
/// never among them.
///
/// A second factor just given is assumed. Where approvers will call from is not known, so that
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
        decide(bundle, &facts).allows()
    };
    let approvers = role.approvers();
    bundle.people().filter(|person| !person.groups.is_disjoint(&approvers)).filter(can).collect()
}
