//! The end of a grant, and the look at an emergency afterwards.

use jit_ca_api::{ReviewCall, RevokeCall};
use jit_ca_core::{Action, GrantId, RequestId};

use super::access::{Right, change};
use super::{CallKey, Caller, Fault};
use crate::app::App;

/// Gives a grant of the caller's back.
///
/// # Errors
/// If there is no such grant that the caller may see, it is somebody else's, or it is over.
pub async fn give_back(
    app: &App,
    caller: &Caller,
    grant: GrantId,
    key: &CallKey,
) -> Result<(), Fault> {
    change(app, caller, request_of(app, grant)?, key, Right::Own, |change| {
        let event = change.access.give_back(&change.caller.person.id, change.now)?;
        Ok(vec![event])
    })
    .await
}

/// Takes a grant away from its holder.
///
/// # Errors
/// If there is no such grant that the caller may see, the policy does not let the caller, or it is over.
pub async fn revoke(
    app: &App,
    caller: &Caller,
    grant: GrantId,
    call: &RevokeCall,
    key: &CallKey,
) -> Result<(), Fault> {
    let (request, right) = (request_of(app, grant)?, Right::Policy(Action::Revoke));
    change(app, caller, request, key, right, |change| {
        let person = &change.caller.person;
        let (by, name, reason) = (person.id.clone(), person.name.clone(), call.reason.clone());
        let event = change.access.revoke(by, name, reason, change.decision, change.now)?;
        Ok(vec![event])
    })
    .await
}

/// Says what came of looking at an emergency.
///
/// # Errors
/// If there is none that the caller may see, the policy does not let the caller, it is not over, or it was reviewed.
pub async fn review(
    app: &App,
    caller: &Caller,
    request: RequestId,
    call: &ReviewCall,
    key: &CallKey,
) -> Result<(), Fault> {
    let right = Right::Policy(Action::Review);
    change(app, caller, request, key, right, |change| {
        let person = &change.caller.person;
        let (by, name, comment) = (person.id.clone(), person.name.clone(), call.comment.clone());
        let event = change.access.review(by, name, comment, change.decision, change.now)?;
        Ok(vec![event])
    })
    .await
}

/// The request that a grant came from; whether the caller may see it is asked of it.
fn request_of(app: &App, grant: GrantId) -> Result<RequestId, Fault> {
    app.store.read()?.request_of(grant)?.ok_or(Fault::NotFound("grant"))
}
