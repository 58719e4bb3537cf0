//! Asking for access: for the first time, for longer, and at once in an emergency.

use std::collections::BTreeSet;

use jit_ca_api::{BreakGlassCall, ExtendCall, RequestCall};
use jit_ca_core::event::{Decided, Event, RequestMade};
use jit_ca_core::statement;
use jit_ca_core::workflow::{Access, Approve, Approver, Refusal, Start, Today};
use jit_ca_core::{
    Action, ActorRef, Facts, GrantId, HostName, Hosts, RefusalCode, RequestId, RoleName, Row, Span,
    Text, UnixTime,
};
use jit_ca_log::hash::sha256;
use jit_ca_policy::{Role, Starts, decide};

use super::{ATTEMPTS, Again, CallKey, Caller, Fault, again, locking, repeated};
use crate::app::App;
use crate::clock::{self, Millis};
use crate::sequencer::{CommitError, Proposal};
use crate::store::{Exceeded, Limits, Most, Resource, Snapshot};

/// Asks for a role. Where a rule approves, the request is a grant at once.
///
/// # Errors
/// If the policy does not let the caller ask, a limit or a lock stands against it, or the role gives nothing on those
/// hosts.
pub async fn request(
    app: &App,
    caller: &Caller,
    call: &RequestCall,
    key: &CallKey,
) -> Result<RequestId, Fault> {
    ask(app, caller, key, |caller, _, now| {
        let role = role(app, caller, Action::Request, &call.role)?;
        let hosts = named(&call.hosts);
        let wish = Wish {
            action: Action::Request,
            duration: call.duration.unwrap_or(role.default),
            start: start(app, caller, role, call.start, now)?,
            rows: rows_on(role, &hosts),
            hosts,
            extends: None,
            reason: call.reason.clone(),
            ticket: call.ticket.clone(),
        };
        Ok((role.name.clone(), wish, None))
    })
    .await
}

/// Asks for more time after a grant of the caller's: for what it gives, from its end on.
///
/// # Errors
/// As [`request`]; or if there is no such grant, it is over or has not begun, or something follows on it already.
pub async fn extend(
    app: &App,
    caller: &Caller,
    grant: GrantId,
    call: &ExtendCall,
    key: &CallKey,
) -> Result<RequestId, Fault> {
    ask(app, caller, key, |caller, snapshot, now| {
        let record = snapshot.access_of(grant)?;
        let own = record.filter(|record| record.access.request.subject == caller.person.id);
        let record = own.ok_or(Fault::NotFound("grant"))?;
        let access = &record.access;
        let refuse = |refusal| app.refused(caller, Some(Action::Request), refusal, None);
        let follower = snapshot.follower(&caller.person.id, grant, now)?;
        let follower = follower.as_ref().map(|record| &record.access);
        let found = access.extendable(&caller.person.id, follower, now).map_err(refuse)?;
        let role = role(app, caller, Action::Request, &access.request.role)?;
        let given = |row: &&Row| role.gives(row, &found.grant.hosts);
        let wish = Wish {
            action: Action::Request,
            duration: call.duration.unwrap_or(role.default),
            start: Start::At(found.end),
            rows: found.grant.rows.iter().filter(given).cloned().collect(),
            hosts: found.grant.hosts.clone(),
            extends: Some(grant),
            reason: call.reason.clone(),
            ticket: call.ticket.clone().or_else(|| access.request.ticket.clone()),
        };
        let rests_on = (access.request.id, record.generation);
        Ok((role.name.clone(), wish, Some(rests_on)))
    })
    .await
}

/// Takes a role at once, without asking anybody.
///
/// # Errors
/// If the policy does not let the caller, the role knows no emergencies, or gives nothing on those hosts.
pub async fn break_glass(
    app: &App,
    caller: &Caller,
    call: &BreakGlassCall,
    key: &CallKey,
) -> Result<RequestId, Fault> {
    ask(app, caller, key, |caller, _, _| {
        let role = role(app, caller, Action::BreakGlass, &call.role)?;
        let longest = role.break_glass.as_ref().map_or(role.default, |it| it.longest);
        let hosts = named(&call.hosts);
        let wish = Wish {
            action: Action::BreakGlass,
            duration: call.duration.unwrap_or(role.default.min(longest)),
            start: Start::AtApproval,
            rows: rows_on(role, &hosts),
            hosts,
            extends: None,
            reason: call.reason.clone(),
            ticket: call.ticket.clone(),
        };
        Ok((role.name.clone(), wish, None))
    })
    .await
}

/// What somebody wants of a role.
struct Wish {
    /// To request it, or to break glass for it.
    action: Action,
    hosts: Hosts,
    rows: Vec<Row>,
    duration: Span,
    start: Start,
    extends: Option<GrantId>,
    reason: Text,
    ticket: Option<Text>,
}

/// Makes a request of a wish for a role, which may rest on an earlier request as its last entry left it. Where something
/// has changed meanwhile, it is of what the wish is by then.
async fn ask(
    app: &App,
    caller: &Caller,
    key: &CallKey,
    wish: impl Fn(
        &Caller,
        &Snapshot,
        UnixTime,
    ) -> Result<(RoleName, Wish, Option<(RequestId, u64)>), Fault>,
) -> Result<RequestId, Fault> {
    for _ in 0..ATTEMPTS {
        // One state for all: else what the same call has just made could stand against it.
        let snapshot = app.store.read()?;
        if let Some(Resource::Request(id)) = repeated(&snapshot, caller, key)? {
            return Ok(id);
        }
        let caller = &*caller.today(app)?;
        let now = clock::now_millis();
        let (role, wish, rests_on) = wish(caller, &snapshot, now.time())?;
        let role = self::role(app, caller, wish.action, &role)?;
        let (id, mut proposal) = propose(app, &snapshot, caller, role, wish, now, key)?;
        drop(snapshot);
        proposal.access = rests_on;
        match again(app, caller, app.sequencer.commit(proposal).await).await? {
            Ok(_) => return Ok(id),
            Err(Again::Decide | Again::Repeated) => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

fn propose(
    app: &App,
    snapshot: &Snapshot,
    caller: &Caller,
    role: &Role,
    wish: Wish,
    now: Millis,
    key: &CallKey,
) -> Result<(RequestId, Proposal), Fault> {
    let (action, at) = (wish.action, now.time());

    // 1. The policy: may this person have this? And does nothing else stand against it?
    let facts = Facts {
        role: Some(role.name.clone()),
        requester: Some(caller.person.id.clone()),
        hosts: Some(wish.hosts.clone()),
        duration: Some(wish.duration),
        reason: Some(wish.reason.clone()),
        ticket: wish.ticket.clone(),
        ..caller.facts(action, at)
    };
    let decided = app.ask(caller, facts.clone())?;
    locking::must_be_open(app, caller, Some(action), &[&caller.person.id], Some(&role.name))?;
    let limits = within_limits(app, snapshot, caller, action, role, at)?;
    if wish.duration.is_zero() || wish.rows.is_empty() {
        let hint = "name hosts of the role, and a duration longer than 0s";
        return Err(Fault::bad("nothing is asked for", hint));
    }

    // 2. The request, and the hash of its statement.
    let id = RequestId::new(now.0, clock::random()?);
    let made = Event::from(made(app, caller, role, (id, at), wish, decided.clone()));
    let mut entries = vec![(caller.actor, made.clone())];
    let damaged = || Fault::bad("nothing is asked for", "ask again");
    let access = Access::fold(None, &made).ok_or_else(damaged)?;

    // 3. In an emergency nobody is asked; else a rule may approve it.
    let grant = GrantId::new(now.0, clock::random()?);
    if action == Action::BreakGlass {
        let told = role.break_glass.as_ref().map(|it| it.tell.clone()).unwrap_or_default();
        let events = access.break_glass(told, decided, grant, at).map_err(Fault::Refused)?;
        entries.extend(events.into_iter().map(|event| (caller.actor, event)));
    } else if let Some(approve) = approved_by_rule(caller, &access, facts) {
        let events = access.approve(approve, grant, at).map_err(Fault::Refused)?;
        entries.extend(events.into_iter().map(|event| (ActorRef::DAEMON, event)));
    }

    let mut proposal = Proposal::decided_at(at, entries);
    proposal.rest_on(&caller.policy);
    proposal.limits = Some(limits);
    proposal.reply = Some(caller.reply(key, Resource::Request(id), at));
    Ok((id, proposal))
}

fn made(
    app: &App,
    caller: &Caller,
    role: &Role,
    (request, made): (RequestId, UnixTime),
    wish: Wish,
    decision: Decided,
) -> RequestMade {
    let statement = statement::Request {
        origin: &app.config.origin,
        id: &request,
        subject: &caller.person.id,
        role: &role.name,
        rows: &wish.rows,
        hosts: &wish.hosts,
        duration: wish.duration,
        start: &wish.start,
        extends: wish.extends.as_ref(),
        reason: &wish.reason,
        ticket: wish.ticket.as_ref(),
        bundle: &caller.policy.hash,
    };
    let hash = sha256(statement.text().as_bytes());
    let pending = made.plus(role.pending_for);
    let lapses = match wish.start {
        Start::At(start) => pending.min(start.plus(wish.duration)),
        Start::AtApproval | Start::FirstUse => pending,
    };
    let use_within = match (wish.start, role.starts) {
        (Start::FirstUse, Starts::AtFirstUse { within }) => Some(within),
        _ => None,
    };
    RequestMade {
        request,
        subject: caller.person.id.clone(),
        name: caller.person.name.clone(),
        role: role.name.clone(),
        rows: wish.rows,
        hosts: wish.hosts,
        duration: wish.duration,
        start: wish.start,
        extends: wish.extends,
        reason: wish.reason,
        ticket: wish.ticket,
        bundle: caller.policy.hash,
        hash,
        made,
        lapses,
        approvals: role.approvals.clone(),
        use_within,
        certificates: role.limits.certificates,
        decision,
    }
}

/// The approval by the rules that let this request skip people's.
fn approved_by_rule(caller: &Caller, access: &Access, asked: Facts) -> Option<Approve> {
    let facts = Facts { action: Action::SkipApproval, ..asked };
    let decision = decide(&caller.policy.bundle, &facts);
    decision.allows().then(|| Approve {
        by: Approver::Rules(decision.rules.clone()),
        hash: access.request.hash,
        duration: None,
        rows: None,
        hosts: None,
        comment: None,
        signature: None,
        decision: Decided { facts, decision },
        today: Today::default(),
    })
}

fn within_limits(
    app: &App,
    snapshot: &Snapshot,
    caller: &Caller,
    action: Action,
    role: &Role,
    now: UnixTime,
) -> Result<Limits, Fault> {
    let most = match action {
        // Nobody is kept from an emergency by what they asked for before.
        Action::BreakGlass => Most::OneEmergency,
        _ => {
            let grants_per_day = role.limits.grants_per_day;
            Most::Requests { open: app.config.open_requests, grants_per_day }
        }
    };
    let (subject, name) = (caller.person.id.clone(), role.name.clone());
    let limits = Limits { subject, role: name, now, most };
    let refusal = match snapshot.exceeded(&limits)? {
        None => return Ok(limits),
        Some(Exceeded::OpenRequests) => {
            let most = app.config.open_requests;
            let text = format!("{most} of your requests are pending, and no more may be");
            Refusal::new(RefusalCode::TooManyRequests, text)
        }
        Some(Exceeded::Emergency { grant, until }) => {
            let text = format!(
                "your emergency {grant} with {} goes on until {until}: use it, or end it before another",
                role.name
            );
            Refusal::new(RefusalCode::TooManyGrants, text)
        }
        Some(Exceeded::GrantsPerDay { begun, waiting, room }) => {
            let most = role.limits.grants_per_day.unwrap_or_default();
            let room = match room {
                Some(at) => format!("there is room again at {at}"),
                None => "there is room once enough of those are over that wait".to_owned(),
            };
            let text = format!(
                "{} may be had {most} times within 24h: yours are {begun} that began and {waiting} still \
                 waiting; {room}",
                role.name
            );
            Refusal::new(RefusalCode::TooManyGrants, text)
        }
    };
    Err(app.refused(caller, Some(action), refusal, None))
}

fn role<'c>(
    app: &App,
    caller: &'c Caller,
    action: Action,
    name: &RoleName,
) -> Result<&'c Role, Fault> {
    caller.policy.bundle.role(name).ok_or_else(|| {
        let refusal = Refusal::new(RefusalCode::UnknownRole, format!("there is no role {name}"));
        app.refused(caller, Some(action), refusal, None)
    })
}

/// When it is to start: at the time asked for, or as the role says.
fn start(
    app: &App,
    caller: &Caller,
    role: &Role,
    wanted: Option<UnixTime>,
    now: UnixTime,
) -> Result<Start, Fault> {
    let Some(at) = wanted else {
        return Ok(match role.starts {
            Starts::AtApproval => Start::AtApproval,
            Starts::AtFirstUse { .. } => Start::FirstUse,
        });
    };
    let refuse = |text: String| {
        let refusal = Refusal::new(RefusalCode::StartOutOfBounds, text);
        Err(app.refused(caller, Some(Action::Request), refusal, None))
    };
    match at.since(now) {
        ahead if ahead.is_zero() => refuse(format!("{at} is over")),
        ahead if ahead > role.schedule_ahead => {
            let most = role.schedule_ahead;
            refuse(format!("{} can be asked for {most} ahead, and {at} is later", role.name))
        }
        _ => Ok(Start::At(at)),
    }
}

fn named(hosts: &[HostName]) -> Hosts {
    match hosts {
        [] => Hosts::All,
        named => Hosts::Named(named.iter().cloned().collect::<BTreeSet<_>>()),
    }
}

fn rows_on(role: &Role, hosts: &Hosts) -> Vec<Row> {
    role.rows.iter().filter(|row| row.gives_on(hosts)).cloned().collect()
}
