//! The same call again: the certificate that it made before.

use jit_ca_api::{SshCertificate, X509Certificate};
use jit_ca_cert::SubjectKey;
use jit_ca_cert::ssh::UserCertificate;
use jit_ca_cert::x509::ClientCertificate;
use jit_ca_core::{IssuanceId, RowName};

use super::super::past::{must_not_be_held, past};
use super::super::{Caller, Fault};
use super::{Given, own_grant, ssh_answer, x509_answer};
use crate::app::App;
use crate::clock;
use crate::issuer::PastIntent;

/// Nobody has a certificate yet that was not signed before a daemon died. What a new call would be told, this one is,
/// before it is signed after all: it is locked by now, revoked, over, or not the policy's will any more.
fn must_be_given_still(
    app: &App,
    caller: &Caller,
    past: &PastIntent,
    row: &RowName,
    key: &SubjectKey,
) -> Result<(), Fault> {
    if past.signature.is_some() {
        return Ok(());
    }
    let caller = &*caller.today(app)?;
    let record = own_grant(app, caller, past.issuance.grant.ok_or(Fault::NotFound("grant"))?)?;
    Given::new(app, caller, &record.access, row, None, key, clock::now())?;
    must_not_be_held(app)
}

/// The SSH certificate that the same call made before.
///
/// # Errors
/// If it is still to be signed, and a new one would be refused.
pub(super) async fn ssh_again(
    app: &App,
    caller: &Caller,
    issuance: IssuanceId,
    key: &SubjectKey,
) -> Result<SshCertificate, Fault> {
    let (past, row) = past(app, caller.actor, issuance)?;
    let row = row.ok_or(Fault::NotFound("row"))?;
    must_be_given_still(app, caller, &past, &row, key)?;
    let issuer = (&app.keys.ssh_user, app.keys.ssh_user.public());
    let (signed, proof) = app.issuer.issue_again::<UserCertificate>(past, issuer).await?;
    Ok(ssh_answer(&signed, row, &proof))
}

/// The X.509 certificate that the same call made before.
///
/// # Errors
/// As [`ssh_again`].
pub(super) async fn x509_again(
    app: &App,
    caller: &Caller,
    issuance: IssuanceId,
    key: &SubjectKey,
) -> Result<X509Certificate, Fault> {
    let (past, row) = past(app, caller.actor, issuance)?;
    let row = row.ok_or(Fault::NotFound("row"))?;
    must_be_given_still(app, caller, &past, &row, key)?;
    let issuer = (&app.keys.clients, &app.authorities.clients);
    let (signed, proof) = app.issuer.issue_again::<ClientCertificate>(past, issuer).await?;
    Ok(x509_answer(app, &signed, row, &proof))
}
