//! A second factor for a login that is open: a passkey, used on the page.

use jit_ca_api::StepUpCall;
use jit_ca_core::event::LoginSteppedUp;
use jit_ca_core::statement;
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{RefusalCode, SubjectKind};
use jit_ca_log::hash::sha256;

use super::login::must_not_be_many;
use super::passkeys::{self, must_hold, written};
use super::{ATTEMPTS, CallKey, Caller, Fault, locking};
use crate::app::App;
use crate::clock;
use crate::sequencer::{CommitError, Proposal};
use crate::store::Resource;

/// Gives the caller's login a second factor, of now.
///
/// # Errors
/// If no page is served, what was signed does not hold, the challenge is over, the caller is locked, or the login is one
/// that can't have it.
pub async fn step_up(
    app: &App,
    caller: &Caller,
    call: &StepUpCall,
    key: &CallKey,
) -> Result<(), Fault> {
    passkeys::page(app)?;
    for _ in 0..ATTEMPTS {
        if app.repeated(caller, key)?.is_some() {
            return Ok(());
        }
        let caller = &*caller.today(app)?;
        locking::must_not_be_locked(app, caller, None)?;
        must_be_for_more(caller)?;
        let (snapshot, now) = (app.store.read()?, clock::now());
        if !app.challenges.knows(&call.challenge, now) || snapshot.is_spent(&call.challenge)? {
            let text = "the challenge is too old, or was answered before";
            return Err(Fault::Refused(Refusal::new(RefusalCode::WrongStatement, text)));
        }
        let statement = statement::StepUp {
            origin: &app.config.origin,
            subject: &caller.person.id,
            login: &caller.serial_hex(),
            challenge: &call.challenge,
        };
        let answered = sha256(statement.text().as_bytes());
        must_not_be_many(app, &caller.person.id)?;
        must_hold(app, &snapshot, caller, &answered, &call.assertion)?;
        let stepped = LoginSteppedUp {
            subject: caller.person.id.clone(),
            login: caller.serial.clone().into(),
            challenge: call.challenge.clone(),
            assertion: call.assertion.clone(),
        };
        let mut proposal = Proposal::decided_at(now, vec![(caller.actor, stepped.into())]);
        proposal.rest_on(&caller.policy);
        proposal.reply = Some(caller.reply(key, Resource::Login, now));
        let result = app.sequencer.commit(proposal).await;
        if written(app, caller, result).await? {
            return Ok(());
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// A workload has no second factor, and a login by an enrolment code is for enrolling one.
fn must_be_for_more(caller: &Caller) -> Result<(), Fault> {
    let text = match caller.person.kind {
        SubjectKind::Workload => "a workload has no second factor",
        SubjectKind::Person if caller.login.mfa_at.is_none() && caller.login.key.is_some() => {
            "this login can only enrol a second factor"
        }
        SubjectKind::Person => return Ok(()),
    };
    Err(Fault::Refused(Refusal::new(RefusalCode::NotPermitted, text)))
}
