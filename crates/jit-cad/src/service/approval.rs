//! Saying yes or no to what somebody asks for.

use jit_ca_api::{ApproveCall, DenyCall};
use jit_ca_core::event::{Assertion, Consent, Event};
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::workflow::{Access, Approve, Approver, Refusal};
use jit_ca_core::{Action, Hosts, RefusalCode, RequestId, Row};
use jit_ca_log::hash::sha256;
use jit_ca_log::sshsig;
use jit_ca_policy::Person;

use super::access::{
    Approving, Change, Right, change, no_longer_gives, still_gives, unseen, visible,
};
use super::standing::Standing;
use super::{CallKey, Caller, Fault, passkeys, signed_by};
use crate::app::App;

/// What an approval is signed with.
#[derive(Clone, Copy, Debug)]
pub enum SignedWith<'a> {
    /// The SSHSIG of the call, if it has one.
    SshKey,
    /// A passkey, on the page.
    Passkey(&'a Assertion),
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
    with: SignedWith<'_>,
    key: &CallKey,
) -> Result<(), Fault> {
    let statement = statement::Approval {
        origin: &app.config.origin,
        request: &call.hash,
        duration: call.duration,
        rows: &call.rows,
        hosts: &call.hosts,
    }
    .text();
    let signed = |person: &Person| {
        let signature = call.signature.as_ref();
        signature.map(|it| signed_by(person, Kind::Approval, &statement, it)).transpose()
    };
    // Where the signature does not hold, the policy is asked as if there were none, and then the approval is refused.
    let signature = signed(&caller.person).ok().flatten();
    let is_user_verified = match with {
        SignedWith::SshKey => {
            signature.is_some_and(|it| sshsig::says_user_verified(it.sshsig.as_slice()))
        }
        // Nothing else is taken of one.
        SignedWith::Passkey(_) => true,
    };
    let (duration, hosts) = (call.duration, call.hosts.clone());
    let right = Right::Approve(Approving { duration, hosts, is_user_verified });
    change(app, caller, id, key, right, |change| {
        let Change { caller, snapshot, access, decision, grant, now } = change;
        let signature = match with {
            SignedWith::SshKey => signed(&caller.person)?.map(Consent::Ssh),
            SignedWith::Passkey(assertion) => {
                let challenge = sha256(statement.as_bytes());
                passkeys::must_hold(app, snapshot, caller, &challenge, assertion)?;
                Some(Consent::Passkey(assertion.clone()))
            }
        };
        let standing = Standing::read(snapshot, &caller.policy.bundle, access, now)?;
        let mut today = standing.today()?;
        today.groups.insert(caller.person.id.clone(), caller.person.groups.clone());
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
            signature,
            decision,
            today,
        };
        must_still_give(caller, access, &call.rows, &call.hosts)?;
        let events = access.approve(approval, grant, now)?;
        // What was forbidden since is not granted.
        let made = |event: &'_ Event| match event {
            Event::GrantMade(made) => standing.must_be_permitted(made),
            _ => Ok(()),
        };
        events.iter().try_for_each(made)?;
        Ok(events)
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
        Ok(change.access.deny(by, name, call.reason.clone(), change.decision, change.now)?)
    })
    .await
}

/// Takes the caller's own request back.
///
/// # Errors
/// If there is no such request that the caller may see, it is somebody else's, or it is no longer pending.
pub async fn cancel(app: &App, caller: &Caller, id: RequestId, key: &CallKey) -> Result<(), Fault> {
    change(app, caller, id, key, Right::Own, |change| {
        Ok(change.access.cancel(&change.caller.person.id, change.now)?)
    })
    .await
}

/// What is approved of the request must be what the role gives today.
fn must_still_give(
    caller: &Caller,
    access: &Access,
    rows: &[Row],
    hosts: &Hosts,
) -> Result<(), Refusal> {
    let asked = rows.iter().filter(|row| access.request.rows.contains(row) && row.gives_on(hosts));
    match asked.into_iter().find(|row| !still_gives(caller, access, row, hosts)) {
        None => Ok(()),
        Some(row) => Err(no_longer_gives(access, row)),
    }
}
