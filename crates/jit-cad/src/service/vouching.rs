//! What issuers say of subjects, taken into the log.

use std::sync::Arc;

use jit_ca_core::event::{SubjectKnown, SubjectVouched};
use jit_ca_core::{ActorRef, SubjectId};
use jit_ca_policy::{Issuer, Vouched};

use super::{ATTEMPTS, Fault};
use crate::app::App;
use crate::clock;
use crate::policy::Policy;
use crate::sequencer::{CommitError, Proposal};
use crate::store::Clash;

/// Has the log say what an issuer says of a subject, where it says something else or nothing yet. Gives the policy that
/// has the subject so, and the subject's pseudonym.
///
/// # Errors
/// If the log can't be written.
pub async fn vouch(
    app: &App,
    issuer: &Issuer,
    (subject, followed): (&SubjectId, &Vouched),
) -> Result<(Arc<Policy>, ActorRef), Fault> {
    let no_name = || Fault::Internal("no name is left for a subject".into());
    for _ in 0..ATTEMPTS {
        let policy = app.policy_with_vouched()?;
        // What it said was read by a file that another one may have followed since: then it says something else, or nothing.
        if policy.bundle.issuer(&issuer.name) != Some(issuer) {
            let detail =
                format!("the policy has another file of the issuer {} by now", issuer.name);
            return Err(Fault::NotVouched { detail, hint: "log in again" });
        }
        let snapshot = app.store.read()?;
        let name = policy.bundle.name_for(&issuer.name, followed).ok_or_else(no_name)?;
        let (kind, groups) = (issuer.kind(), followed.groups.clone());
        let vouched = SubjectVouched { subject: subject.clone(), name, kind, groups };
        let known = snapshot.subject(subject)?.map(|known| known.actor);
        if let Some(actor) = known
            && snapshot.vouched_for(subject)?.as_deref() == Some(&vouched)
        {
            return Ok((policy, actor));
        }
        let actor = known.map_or_else(|| clock::random().map(ActorRef::from_bytes), Ok)?;
        let (subject, name) = (vouched.subject.clone(), vouched.name.clone());
        let entries = match known {
            Some(_) => vec![(actor, vouched.into())],
            None => {
                let known = SubjectKnown { subject, name, actor };
                vec![(actor, known.into()), (actor, vouched.into())]
            }
        };
        let mut proposal = Proposal::decided_at(clock::now(), entries);
        // Of two who would be called alike, one is first.
        proposal.rest_on(&policy);
        match app.sequencer.commit(proposal).await {
            Ok(_) | Err(CommitError::Clash(Clash::Taken | Clash::Late)) => {}
            Err(CommitError::Clash(Clash::Bundle)) => _ = app.policy_after(&policy).await?,
            Err(error) => return Err(Fault::Commit(error)),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}
