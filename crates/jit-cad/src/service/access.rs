//! Asking for access, and saying yes or no to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jit_ca_api::{ApproveCall, DenyCall, RequestCall};
use jit_ca_core::event::{Decided, Event, RequestMade, Signature};
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::workflow::{Access, Approve, Approver, Refusal, Start};
use jit_ca_core::{
    Action, Facts, GrantId, Hosts, RefusalCode, RequestId, Row, RowName, Span, SubjectId, UnixTime,
};
use jit_ca_log::hash::sha256;
use jit_ca_log::sshsig;
use jit_ca_policy::{Person, Role, decide};

use super::{ATTEMPTS, Again, CallKey, Caller, Fault, again};
use crate::app::App;
use crate::clock;
use crate::sequencer::{CommitError, Proposal};
use crate::store::{AccessRecord, Clash, Resource, Whose};

/// Asks for a role. Where a rule approves, the request is a grant at once.
///
/// # Errors
/// If the policy does not let the caller ask, or the role gives nothing on those hosts.
pub async fn request(
    app: &App,
    caller: &Caller,
    call: &RequestCall,
    key: &CallKey,
) -> Result<RequestId, Fault> {
    for _ in 0..ATTEMPTS {
        if let Some(Resource::Request(id)) = app.repeated(caller, key)? {
            return Ok(id);
        }
        let caller = &*caller.today(app)?;
        let (id, proposal) = propose_request(app, caller, call, key)?;
        match again(app, caller, app.sequencer.commit(proposal).await).await? {
            Ok(_) => return Ok(id),
            Err(Again::Decide | Again::Repeated) => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Approves a request.
///
/// # Errors
/// If there is no such request that the caller may see, the policy does not let the caller approve it, the signature
/// is not over this approval by a key of the caller's, or the workflow refuses it.
pub async fn approve(
    app: &App,
    caller: &Caller,
    id: RequestId,
    call: &ApproveCall,
    key: &CallKey,
) -> Result<(), Fault> {
    let asked = (Action::Approve, Some(call.duration));
    change(app, caller, id, key, asked, |caller, record, decided, grant, now| {
        let statement = statement::Approval {
            origin: &app.config.origin,
            request: &call.hash,
            duration: call.duration,
            rows: &call.rows,
        };
        let signature =
            signed_by(&caller.person, Kind::Approval, &statement.text(), &call.signature)?;
        let approval = Approve {
            by: Approver::Person {
                subject: caller.person.id.clone(),
                name: caller.person.name.clone(),
            },
            hash: call.hash,
            duration: Some(call.duration),
            rows: Some(call.rows.clone()),
            comment: call.comment.clone(),
            signature: Some(signature),
            decision: decided,
            needed_today: caller
                .policy
                .bundle
                .role(&record.access.request.role)
                .map_or(1, |role| role.approvals),
            no_longer: no_longer(caller, &record.access, now),
        };
        must_still_give(caller, &record.access)?;
        record.access.approve(approval, grant, now)
    })
    .await
}

/// Denies a request.
///
/// # Errors
/// If there is no such request that the caller may see, the policy does not let the caller, or the workflow refuses it.
pub async fn deny(
    app: &App,
    caller: &Caller,
    id: RequestId,
    call: &DenyCall,
    key: &CallKey,
) -> Result<(), Fault> {
    let seen = visible(app, caller, id)
        .map_err(|fault| unseen(app, caller, Action::Approve, id, fault))?;
    if seen.access.request.subject == caller.person.id {
        let own =
            Refusal::new(RefusalCode::SelfApproval, "this is your own request; cancel it instead");
        return Err(app.refused(caller, Some(Action::Approve), own, None));
    }
    change(app, caller, id, key, (Action::Approve, None), |caller, record, decided, _, now| {
        let (by, name) = (caller.person.id.clone(), caller.person.name.clone());
        record.access.deny(by, name, call.reason.clone(), decided, now)
    })
    .await
}

/// Takes the caller's own request back.
///
/// # Errors
/// If there is no such request that the caller may see, it is somebody else's, or it is no longer pending.
pub async fn cancel(app: &App, caller: &Caller, id: RequestId, key: &CallKey) -> Result<(), Fault> {
    change(app, caller, id, key, (Action::Request, None), |caller, record, _, _, now| {
        record.access.cancel(&caller.person.id, now)
    })
    .await
}

/// A request, if the caller may see it: its requester, and who can approve it.
///
/// # Errors
/// If there is none, or none that the caller may see: the answer is the same.
pub fn visible(app: &App, caller: &Caller, id: RequestId) -> Result<Arc<AccessRecord>, Fault> {
    let record = app.store.read()?.access(id)?.ok_or(Fault::NotFound("request"))?;
    if may_see(caller, &record) { Ok(record) } else { Err(Fault::NotFound("request")) }
}

/// The requests, beside the caller's own, that the caller may see: those for each role that names the caller among its
/// approvers.
pub fn approvable_by(caller: &Caller) -> Vec<Whose<'_>> {
    let roles = caller.policy.bundle.roles().filter(|role| is_approver(&caller.person, role));
    roles.map(|role| Whose::Role(&role.name)).collect()
}

/// Whether the caller asked for it, or is among those that its role names as approvers.
pub fn may_see(caller: &Caller, record: &AccessRecord) -> bool {
    let request = &record.access.request;
    let role = caller.policy.bundle.role(&request.role);
    request.subject == caller.person.id
        || role.is_some_and(|role| is_approver(&caller.person, role))
}

fn is_approver(person: &Person, role: &Role) -> bool {
    !role.approvers.is_disjoint(&person.groups)
}

/// The facts of a request that was made, for who asks about it now.
pub fn facts_about(access: &Access, facts: Facts) -> Facts {
    let request = &access.request;
    Facts {
        role: Some(request.role.clone()),
        requester: Some(request.subject.clone()),
        hosts: Some(request.hosts.clone()),
        duration: Some(request.duration),
        reason: Some(request.reason.clone()),
        ticket: request.ticket.clone(),
        ..facts
    }
}

fn propose_request(
    app: &App,
    caller: &Caller,
    call: &RequestCall,
    key: &CallKey,
) -> Result<(RequestId, Proposal), Fault> {
    let now = clock::now_millis();
    let bundle = &caller.policy.bundle;
    let unknown =
        || Refusal::new(RefusalCode::UnknownRole, format!("there is no role {}", call.role));
    let role = bundle
        .role(&call.role)
        .ok_or_else(unknown)
        .map_err(|refusal| app.refused(caller, Some(Action::Request), refusal, None))?;
    let hosts = match call.hosts.as_slice() {
        [] => Hosts::All,
        named => Hosts::Named(named.iter().cloned().collect()),
    };
    let duration = call.duration.unwrap_or(role.default);

    // 1. The policy: may this person ask for this?
    let facts = Facts {
        role: Some(role.name.clone()),
        requester: Some(caller.person.id.clone()),
        hosts: Some(hosts.clone()),
        duration: Some(duration),
        reason: Some(call.reason.clone()),
        ticket: call.ticket.clone(),
        ..caller.facts(Action::Request, now.time())
    };
    let decided = app.ask(caller, facts.clone())?;
    let rows: Vec<Row> = role.rows.iter().filter(|row| gives_on(row, &hosts)).cloned().collect();
    if duration.is_zero() || rows.is_empty() {
        return Err(Fault::bad(
            "nothing is asked for",
            "name hosts of the role, and a duration longer than 0s",
        ));
    }

    // 2. The request, and the hash of its statement.
    let id = RequestId::new(now.0, clock::random()?);
    let statement = statement::Request {
        origin: &app.config.origin,
        id: &id,
        subject: &caller.person.id,
        role: &role.name,
        rows: &rows,
        hosts: &hosts,
        duration,
        start: &Start::AtApproval,
        reason: &call.reason,
        ticket: call.ticket.as_ref(),
        bundle: &caller.policy.hash,
    };
    let hash = sha256(statement.text().as_bytes());
    let made: Event = RequestMade {
        request: id,
        subject: caller.person.id.clone(),
        name: caller.person.name.clone(),
        role: role.name.clone(),
        rows,
        hosts,
        duration,
        start: Start::AtApproval,
        reason: call.reason.clone(),
        ticket: call.ticket.clone(),
        bundle: caller.policy.hash,
        hash,
        made: now.time(),
        lapses: now.time().plus(role.pending_for),
        approvals: role.approvals,
        decision: decided,
    }
    .into();

    // 3. Does a rule approve it?
    let mut entries = vec![(caller.actor, made.clone())];
    let skip = Facts { action: Action::SkipApproval, ..facts };
    let decision = decide(bundle, &skip);
    if decision.allows()
        && let Some(access) = Access::fold(None, &made)
    {
        let approval = Approve {
            by: Approver::Rules(decision.rules.clone()),
            hash,
            duration: None,
            rows: None,
            comment: None,
            signature: None,
            decision: Decided { facts: skip, decision },
            needed_today: role.approvals,
            no_longer: BTreeSet::new(),
        };
        let grant = GrantId::new(now.0, clock::random()?);
        let events = access.approve(approval, grant, now.time()).map_err(Fault::Refused)?;
        entries.extend(events.into_iter().map(|event| (jit_ca_core::ActorRef::DAEMON, event)));
    }

    let mut proposal = Proposal::decided_at(now.time(), entries);
    proposal.bundle = Some(caller.policy.hash);
    proposal.reply = Some(caller.reply(key, Resource::Request(id), now.time()));
    Ok((id, proposal))
}

fn gives_on(row: &Row, hosts: &Hosts) -> bool {
    match row {
        Row::Ssh(row) => row.principals(hosts).is_some(),
        Row::X509(_) => true,
    }
}

/// Changes a request: decides on what it is now, and again if it has changed meanwhile.
async fn change(
    app: &App,
    caller: &Caller,
    id: RequestId,
    key: &CallKey,
    (action, duration): (Action, Option<Span>),
    command: impl Fn(&Caller, &AccessRecord, Decided, GrantId, UnixTime) -> Result<Vec<Event>, Refusal>,
) -> Result<(), Fault> {
    for _ in 0..ATTEMPTS {
        if app.repeated(caller, key)?.is_some() {
            return Ok(());
        }
        let caller = &*caller.today(app)?;
        let now = clock::now_millis();
        let record =
            visible(app, caller, id).map_err(|fault| unseen(app, caller, action, id, fault))?;
        let mut facts = facts_about(&record.access, caller.facts(action, now.time()));
        facts.duration = duration.or(facts.duration);
        let grant = GrantId::new(now.0, clock::random()?);
        // Nobody needs a rule to take back what is theirs.
        let is_own = action == Action::Request;
        let decided = match is_own {
            true => Decided { decision: decide(&caller.policy.bundle, &facts), facts },
            false => app.ask(caller, facts)?,
        };
        let events = command(caller, &record, decided.clone(), grant, now.time());
        let events =
            events.map_err(|refusal| app.refused(caller, Some(action), refusal, Some(decided)))?;
        let mut proposal = Proposal::decided_at(
            now.time(),
            events.into_iter().map(|event| (caller.actor, event)).collect(),
        );
        proposal.bundle = Some(caller.policy.hash);
        proposal.access = Some((id, record.generation));
        proposal.reply = Some(caller.reply(key, Resource::Request(id), now.time()));
        match again(app, caller, app.sequencer.commit(proposal).await).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(Again::Decide | Again::Repeated))
            | Err(Fault::Commit(CommitError::Clash(Clash::Access))) => {}
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Acting on what one may not see is answered as if it were not there, and is an entry.
fn unseen(app: &App, caller: &Caller, action: Action, id: RequestId, fault: Fault) -> Fault {
    if !matches!(fault, Fault::NotFound(_)) {
        return fault;
    }
    let refusal = Refusal::new(RefusalCode::NotYours, format!("{id} is not for the caller to see"));
    match app.refused(caller, Some(action), refusal, None) {
        Fault::Refused(_) => fault,
        slow => slow,
    }
}

/// Who has approved before and may no longer, by today's policy.
fn no_longer(caller: &Caller, access: &Access, now: UnixTime) -> BTreeSet<SubjectId> {
    let may_not = |approver: &&SubjectId| {
        let facts = Facts {
            action: Action::Approve,
            subject: (*approver).clone(),
            now,
            // With how old a factor was judged when it was given; who it is, is judged today.
            address: caller.address,
            mfa_at: Some(now),
            role: None,
            requester: None,
            hosts: None,
            duration: None,
            reason: None,
            ticket: None,
        };
        !decide(&caller.policy.bundle, &facts_about(access, facts)).allows()
    };
    access.approvers().into_iter().filter(may_not).cloned().collect()
}

/// What is asked for must be what the role gives today.
fn must_still_give(caller: &Caller, access: &Access) -> Result<(), Refusal> {
    let role = caller.policy.bundle.role(&access.request.role);
    let gives =
        |row: &Row| role.is_some_and(|role| role.rows.iter().any(|today| row.is_within(today)));
    match access.request.rows.iter().find(|row| !gives(row)) {
        None => Ok(()),
        Some(row) => {
            let text = format!("the role {} no longer gives {row}", access.request.role);
            Err(Refusal::new(RefusalCode::RoleChanged, text))
        }
    }
}

/// The signature, if one of the person's keys made it over this statement.
///
/// # Errors
/// If none of them did.
pub fn signed_by(
    person: &Person,
    kind: Kind,
    statement: &str,
    armoured: &str,
) -> Result<Signature, Refusal> {
    let refuse = || {
        Refusal::new(
            RefusalCode::WrongStatement,
            "the signature is not over this statement by one of your SSH keys",
        )
    };
    for key in &person.ssh_keys {
        let Ok(key) = ssh_key::PublicKey::from_openssh(key.as_str()) else {
            continue;
        };
        if let Ok(blob) =
            sshsig::verify(key.key_data(), &kind.namespace(), statement.as_bytes(), armoured)
        {
            let wire = key.to_bytes().map_err(|_| refuse())?;
            return Ok(Signature { key: wire.into(), sshsig: blob.into() });
        }
    }
    Err(refuse())
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
