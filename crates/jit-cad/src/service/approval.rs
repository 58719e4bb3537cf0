//! Saying yes or no to what somebody asks for.

use jit_ca_api::{ApproveCall, DenyCall};
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::workflow::{Access, Approve, Approver, Refusal, Today};
use jit_ca_core::{Action, RefusalCode, RequestId, SubjectId, UnixTime};
use jit_ca_policy::decide;

use super::access::{
    Change, Right, change, facts_about, no_longer_gives, still_gives, unseen, visible,
};
use super::{CallKey, Caller, Fault, signed_by};
use crate::app::App;

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
    let right = Right::Approve(call.duration, call.hosts.clone());
    change(app, caller, id, key, right, |change| {
        let Change { caller, access, decision, grant, now } = change;
        let statement = statement::Approval {
            origin: &app.config.origin,
            request: &call.hash,
            duration: call.duration,
            rows: &call.rows,
            hosts: &call.hosts,
        };
        let signed = |armoured: &String| {
            signed_by(&caller.person, Kind::Approval, &statement.text(), armoured)
        };
        let approval = Approve {
            by: Approver::Person {
                subject: caller.person.id.clone(),
                name: caller.person.name.clone(),
            },
            hash: call.hash,
            duration: Some(call.duration),
            rows: Some(call.rows.clone()),
            hosts: Some(call.hosts.clone()),
            comment: call.comment.clone(),
            signature: call.signature.as_ref().map(signed).transpose()?,
            decision,
            today: today(caller, access, now),
        };
        must_still_give(caller, access)?;
        access.approve(approval, grant, now)
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
    change(app, caller, id, key, Right::Deny, |change| {
        let person = &change.caller.person;
        let (by, name) = (person.id.clone(), person.name.clone());
        change.access.deny(by, name, call.reason.clone(), change.decision, change.now)
    })
    .await
}

/// Takes the caller's own request back.
///
/// # Errors
/// If there is no such request that the caller may see, it is somebody else's, or it is no longer pending.
pub async fn cancel(app: &App, caller: &Caller, id: RequestId, key: &CallKey) -> Result<(), Fault> {
    change(app, caller, id, key, Right::Own, |change| {
        change.access.cancel(&change.caller.person.id, change.now)
    })
    .await
}

/// Whom today's role asks for, and the groups of those who approve and have approved, as far as they still may.
fn today(caller: &Caller, access: &Access, now: UnixTime) -> Today {
    let bundle = &caller.policy.bundle;
    let role = bundle.role(&access.request.role);
    // With how old a factor was judged when it was given; who it is, is judged today.
    let may = |approver: &&SubjectId| {
        let mut facts = facts_about(access, caller.facts(Action::Approve, now));
        (facts.subject, facts.mfa_at) = ((*approver).clone(), Some(now));
        decide(bundle, &facts).allows()
    };
    let earlier = access.approvers().into_iter().filter(may);
    let people = earlier.chain([&caller.person.id]).filter_map(|id| bundle.person(id));
    Today {
        quorums: role.map(|role| role.approvals.clone()).unwrap_or_default(),
        groups: people.map(|person| (person.id.clone(), person.groups.clone())).collect(),
    }
}

/// What is asked for must be what the role gives today.
fn must_still_give(caller: &Caller, access: &Access) -> Result<(), Refusal> {
    match access.request.rows.iter().find(|row| !still_gives(caller, access, row)) {
        None => Ok(()),
        Some(row) => Err(no_longer_gives(access, row)),
    }
}
