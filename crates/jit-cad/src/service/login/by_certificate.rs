//! Logging in with an X.509 certificate that a workload got here, in place of a token.

use std::net::IpAddr;

use jit_ca_api::CertificateLoginCall;
use jit_ca_core::IssuanceId;

use super::entry::Accepted;
use super::{
    Login, Written, again_by, login_key, login_refused, must_not_be_many, must_not_wait,
    refuse_locked, said_no, write,
};
use crate::app::App;
use crate::clock;
use crate::identity::{Network, NotShown, Shown};
use crate::sequencer::CommitError;
use crate::service::certificate::csr_der;
use crate::service::{ATTEMPTS, CallKey, Fault};

/// Logs a workload in whose certificate TLS has verified.
///
/// # Errors
/// If the certificate lets nobody in, or not any more; whose it is is told why.
pub async fn log_in_by_certificate(
    app: &App,
    call: &CertificateLoginCall,
    certificate: IssuanceId,
    address: IpAddr,
    key: &CallKey,
) -> Result<Login, Fault> {
    let arrived = clock::now();
    must_not_wait(app.failed_addresses.wait(&Network::of(address), arrived))?;
    let login_key = login_key(&csr_der(&call.csr)?)?;
    for _ in 0..ATTEMPTS {
        // Before the snapshot, which then knows everybody in it.
        let policy = app.policy_with_vouched()?;
        // The login begins at the time by which the certificate is judged.
        let (snapshot, begins) = (app.store.read()?, clock::now_millis());
        let now = begins.time();
        let shown = Shown::find(&snapshot, certificate, now)?;
        let shown = shown.map_err(|error| refuse(app, address, error))?;
        if let Some(login) = again_by(app, &shown.subject, address, key).await? {
            return Ok(login);
        }
        let (authenticated, most) =
            shown.of(&policy.bundle, now).map_err(|error| refuse(app, address, error))?;
        if let Some(lock) = snapshot.lock_on(&[&shown.subject], None)? {
            return Err(refuse_locked(app, &shown.subject, address, &lock)?);
        }
        must_not_be_many(app, &shown.subject)?;
        let known = snapshot.subject(&shown.subject)?.ok_or(Fault::NotFound("subject"))?;
        let accepted = Accepted::new(authenticated, &login_key, (known.actor, address));
        let (issuance, intent, mut proposal) = accepted.propose(app, (begins, most), key)?;
        proposal.rest_on(&policy);
        match write(app, &policy, (issuance, intent, proposal), address).await? {
            Written::Login(login) => return Ok(login),
            Written::Twice => {
                let again = again_by(app, &shown.subject, address, key).await?;
                return again.ok_or_else(login_refused);
            }
            Written::Used | Written::Anew => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

fn refuse(app: &App, address: IpAddr, error: NotShown) -> Fault {
    let now = clock::now();
    app.failed_addresses.failed(&Network::of(address), now);
    app.count_stranger(now);
    said_no(&error.to_string())
}
