//! Requests that there are: who may see them, and how they are changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use jit_ca_core::event::{Decided, Event};
use jit_ca_core::workflow::{Access, Over, Refusal};
use jit_ca_core::{
    Action, Facts, GrantId, GroupName, Hosts, RefusalCode, RequestId, RoleName, Row, RowName, Span,
    UnixTime,
};
use jit_ca_policy::{Bundle, Person, Role, decide};

use super::{ATTEMPTS, Again, CallKey, Caller, Fault, again, locking};
use crate::app::App;
use crate::clock;
use crate::sequencer::{CommitError, Proposal};
use crate::store::{AccessRecord, Clash, Resource, Snapshot, Whose};

/// A request, if the caller may see it.
///
/// # Errors
/// If there is none, or none that the caller may see: the answer is the same.
pub fn visible(app: &App, caller: &Caller, id: RequestId) -> Result<Arc<AccessRecord>, Fault> {
    let record = app.store.read()?.access(id)?.ok_or(Fault::NotFound("request"))?;
    match may_see(caller, &record, clock::now()) {
        true => Ok(record),
        false => Err(Fault::NotFound("request")),
    }
}

/// The requests, beside the caller's own, that the caller may see: those for each role that names the caller among its
/// approvers; all, for who may read the log. And those for others of these roles, of which each has to be judged alone
/// ([`may_act_on`]): roles that have left the policy are among them.
pub fn others_to_see<'a>(
    caller: &Caller,
    asked_for: &'a [RoleName],
    now: UnixTime,
) -> (Vec<Whose<'a>>, Vec<Whose<'a>>) {
    if allows(caller, &caller.facts(Action::ReadLog, now)) {
        return (vec![Whose::Anybody], Vec::new());
    }
    let bundle = &caller.policy.bundle;
    let is_theirs =
        |name: &&RoleName| bundle.role(name).is_some_and(|role| is_approver(&caller.person, role));
    let (seen, to_judge): (Vec<_>, Vec<_>) = asked_for.iter().partition(is_theirs);
    let those = |names: Vec<&'a RoleName>| names.into_iter().map(Whose::Role).collect();
    (those(seen), those(to_judge))
}

/// Whether the caller asked for it, is among those that its role names as approvers, was to be told of it, or may look
/// at it or end it by the rules.
pub fn may_see(caller: &Caller, record: &AccessRecord, now: UnixTime) -> bool {
    let request = &record.access.request;
    let role = caller.policy.bundle.role(&request.role);
    request.subject == caller.person.id
        || role.is_some_and(|role| is_approver(&caller.person, role))
        || allows(caller, &caller.facts(Action::ReadLog, now))
        || may_act_on(caller, record, now)
}

/// Whether the caller was to be told of this one, or may look at it or end it by the rules.
pub fn may_act_on(caller: &Caller, record: &AccessRecord, now: UnixTime) -> bool {
    let access = &record.access;
    let may = |action| allows(caller, &facts_about(access, caller.facts(action, now)));
    let is_told = |told: &BTreeSet<GroupName>| !told.is_disjoint(&caller.person.groups);
    access.emergency.as_ref().is_some_and(|it| is_told(&it.told) || may(Action::Review))
        || may(Action::Revoke)
}

/// Asks the policy where a no is no refusal.
fn allows(caller: &Caller, facts: &Facts) -> bool {
    decide(&caller.policy.bundle, facts).allows()
}

fn is_approver(person: &Person, role: &Role) -> bool {
    role.approvals.iter().any(|quorum| !quorum.from.is_disjoint(&person.groups))
}

/// The facts of a request that was made, for who asks about it now: once it is granted, of what was granted.
pub fn facts_about(access: &Access, facts: Facts) -> Facts {
    let (request, grant) = (&access.request, access.grant());
    let hosts = grant.map_or(&request.hosts, |grant| &grant.hosts);
    let duration = grant.map_or(request.duration, |grant| grant.term.duration());
    Facts {
        role: Some(request.role.clone()),
        requester: Some(request.subject.clone()),
        hosts: Some(hosts.clone()),
        duration: Some(duration),
        reason: Some(request.reason.clone()),
        ticket: request.ticket.clone(),
        ..facts
    }
}

/// Whether today's role gives all that the row does on these hosts.
pub fn still_gives(caller: &Caller, access: &Access, row: &Row, hosts: &Hosts) -> bool {
    let role = caller.policy.bundle.role(&access.request.role);
    role.is_some_and(|role| role.gives(row, hosts))
}

/// What the row is no longer given by.
pub fn no_longer_gives(access: &Access, row: &Row) -> Refusal {
    let text = format!("the role {} no longer gives {row}", access.request.role);
    Refusal::new(RefusalCode::RoleChanged, text)
}

/// What a change of a request needs.
pub(super) enum Right {
    /// To be the requester, which the workflow looks at.
    Own,
    /// The policy's leave.
    Policy(Action),
    /// Its leave to approve the request. It gives access: a lock stops it.
    Approve(Approving),
    /// Its leave to approve as much of the request as the role still gives; to revoke where nobody can approve it any
    /// more, as the requester or the role has left the policy.
    Deny,
}

/// What of an approval the policy is asked about.
pub(super) struct Approving {
    /// For so long.
    pub(super) duration: Span,
    /// On these hosts.
    pub(super) hosts: Hosts,
    /// Whether the signature over it is a second factor, given for this approval.
    pub(super) is_user_verified: bool,
}

/// What a change is made of.
pub(super) struct Change<'a> {
    /// Who changes it, by the policy in force.
    pub(super) caller: &'a Caller,
    /// The store, as it was then or a moment later.
    pub(super) snapshot: &'a Snapshot,
    /// The request.
    pub(super) access: &'a Access,
    /// What the policy was asked and said.
    pub(super) decision: Decided,
    /// The id that a grant would get.
    pub(super) grant: GrantId,
    /// When.
    pub(super) now: UnixTime,
}

/// Changes a request: decides on what it is now, and again if it has changed meanwhile.
pub(super) async fn change(
    app: &App,
    caller: &Caller,
    id: RequestId,
    key: &CallKey,
    right: Right,
    command: impl Fn(Change<'_>) -> Result<Vec<Event>, Fault>,
) -> Result<(), Fault> {
    let action = match right {
        Right::Own => Action::Request,
        Right::Policy(action) => action,
        Right::Approve(..) | Right::Deny => Action::Approve,
    };
    for _ in 0..ATTEMPTS {
        if app.repeated(caller, key)?.is_some() {
            return Ok(());
        }
        let caller = &*caller.today(app)?;
        let now = clock::now_millis();
        let record =
            visible(app, caller, id).map_err(|fault| unseen(app, caller, action, id, fault))?;
        let (access, snapshot) = (&record.access, app.store.read()?);
        let action = match right {
            Right::Deny if !is_known(&caller.policy.bundle, access) => Action::Revoke,
            _ => action,
        };
        let mut facts = facts_about(access, caller.facts(action, now.time()));
        match &right {
            Right::Own | Right::Policy(_) => {}
            Right::Approve(Approving { duration, hosts, is_user_verified }) => {
                (facts.duration, facts.hosts) = (Some(*duration), Some(hosts.clone()));
                if *is_user_verified {
                    facts.mfa_at = Some(facts.now);
                }
            }
            Right::Deny => leave_what_is_given(&caller.policy.bundle, &mut facts),
        }
        let grant = GrantId::new(now.0, clock::random()?);
        let decided = match action {
            // Nobody needs a rule to take back what is theirs.
            Action::Request => Decided { decision: decide(&caller.policy.bundle, &facts), facts },
            _ => app.ask(caller, facts)?,
        };
        if matches!(right, Right::Approve(..)) {
            let subjects = [&caller.person.id, &access.request.subject];
            let role = Some(&access.request.role);
            locking::must_be_open(app, caller, Some(action), &subjects, role)?;
            must_not_extend_what_was_revoked(app, caller, access)?;
        }
        if matches!(right, Right::Policy(Action::Review)) {
            locking::must_not_be_locked(app, caller, Some(action))?;
        }
        let (decision, now) = (decided.clone(), now.time());
        let change = Change { caller, snapshot: &snapshot, access, decision, grant, now };
        let events = command(change).map_err(|fault| match fault {
            Fault::Refused(refusal) => app.refused(caller, Some(action), refusal, Some(decided)),
            fault => fault,
        })?;
        let mut proposal = Proposal::decided_at(
            now,
            events.into_iter().map(|event| (caller.actor, event)).collect(),
        );
        proposal.rest_on(&caller.policy);
        proposal.access = Some((id, record.generation));
        if let Right::Approve(..) = right {
            proposal.locks = Some(snapshot.size()?);
        }
        drop(snapshot);
        proposal.reply = Some(caller.reply(key, Resource::Request(id), now));
        match again(app, caller, app.sequencer.commit(proposal).await).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(Again::Decide | Again::Repeated))
            | Err(Fault::Commit(CommitError::Clash(Clash::Access))) => {}
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Nobody is given more time after a grant that was taken away: that it was, is for the approver to know.
fn must_not_extend_what_was_revoked(
    app: &App,
    caller: &Caller,
    access: &Access,
) -> Result<(), Fault> {
    let Some(extended) = access.request.extends else { return Ok(()) };
    let record = app.store.read()?.access_of(extended)?;
    let over = record.as_ref().and_then(|record| record.access.grant()?.over.as_ref());
    let Some(Over::Revoked { name, reason, .. }) = over else { return Ok(()) };
    let text = format!("it extends {extended}, which {name} revoked: {reason}");
    let refusal = Refusal::new(RefusalCode::GrantRevoked, text);
    Err(app.refused(caller, Some(Action::Approve), refusal, None))
}

/// Whether who asked, and the role asked for, are in the policy.
fn is_known(bundle: &Bundle, access: &Access) -> bool {
    let request = &access.request;
    bundle.person(&request.subject).is_some() && bundle.role(&request.role).is_some()
}

/// Leaves of what was asked for what the role gives today: that it gives less by now keeps nobody from saying no.
pub fn leave_what_is_given(bundle: &Bundle, facts: &mut Facts) {
    let Some(role) = facts.role.as_ref().and_then(|name| bundle.role(name)) else { return };
    facts.duration = facts.duration.map(|asked| asked.min(role.longest));
    if let Some(Hosts::Named(hosts)) = &mut facts.hosts {
        let given = role.hosts();
        hosts.retain(|host| given.contains(host));
        if hosts.is_empty() {
            facts.hosts = None;
        }
    }
}

/// Acting on what one may not see is answered as if it were not there, and is an entry.
pub(super) fn unseen(
    app: &App,
    caller: &Caller,
    action: Action,
    id: RequestId,
    fault: Fault,
) -> Fault {
    if !matches!(fault, Fault::NotFound(_)) {
        return fault;
    }
    let refusal = Refusal::new(RefusalCode::NotYours, format!("{id} is not for the caller to see"));
    match app.refused(caller, Some(action), refusal, None) {
        Fault::Refused(_) => fault,
        slow => slow,
    }
}

/// The row that a call names, or the only one of its kind.
///
/// # Errors
/// If there are several to choose from, or none.
pub fn choose_row(
    rows: &[Row],
    named: Option<&RowName>,
    is_kind: fn(&Row) -> bool,
) -> Result<RowName, Fault> {
    if let Some(name) = named {
        return Ok(name.clone());
    }
    let names: Vec<RowName> = rows.iter().filter(|row| is_kind(row)).map(Row::name).collect();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Fault::Refused(Refusal::new(
            RefusalCode::UnknownRow,
            "the grant has no row of this kind",
        ))),
        several => {
            let several: Vec<&str> = several.iter().map(RowName::as_str).collect();
            Err(Fault::bad(
                format!("the grant has several rows: {}", several.join(", ")),
                "name one of them",
            ))
        }
    }
}
