//! Whether a workload is who it says, from an X.509 certificate that it got here.
//!
//! ```text
//! token ──login──> grant ──> certificate ──TLS──> Shown ──of(policy)──> Authenticated
//! ```
//!
//! The certificate stands in for a token for as long as the issuer's file says, counted from the last token: what a
//! certificate made can be made again by certificates, and each of these remembers when that was.

use jit_ca_core::event::{Event, Validity};
use jit_ca_core::workflow::GrantState;
use jit_ca_core::{IssuanceId, Span, SubjectId, UnixTime};
use jit_ca_log::Leaf;
use jit_ca_policy::{Bundle, Vouches};

use super::{Authenticated, Proof};
use crate::store::{Snapshot, StoreError};

/// A certificate whose key somebody has shown to have.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Whose it is.
    pub subject: SubjectId,
    certificate: IssuanceId,
    since: UnixTime,
}

/// Why a certificate lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// Also where it is known, and is nobody's who logs in so.
    #[error("the certificate is none that a workload got under a grant that is open")]
    Unknown,
    /// The issuer's file has no `renew`, or the issuer is gone.
    #[error("the workload's issuer lets nobody in without a token")]
    NeedsToken,
    /// By the issuer's file.
    #[error("the last token is older than the issuer's file takes")]
    TooOld,
}

impl Shown {
    /// What the log has of a certificate that TLS has verified.
    ///
    /// # Errors
    /// If the store fails; or, inside, if it lets nobody in.
    pub fn find(
        snapshot: &Snapshot,
        certificate: IssuanceId,
        now: UnixTime,
    ) -> Result<Result<Self, NotShown>, StoreError> {
        let nothing = Ok(Err(NotShown::Unknown));
        let Some(record) = snapshot.issuance(certificate)? else { return nothing };
        let Some(leaf) = snapshot.leaf(record.intent)? else { return nothing };
        let event = snapshot.event(&Leaf::decode(&leaf)?)?;
        let Some(Event::CertificateIntended(intended)) = event else { return nothing };
        // The handshake may be a minute old.
        let Validity { from, until } = intended.validity;
        let is_valid = intended.purpose == "x509-clients" && from <= now && now < until;
        let Some(under) = intended.under.filter(|_| is_valid) else { return nothing };
        let access = snapshot.access_of(under.grant)?;
        let grant = access.as_ref().and_then(|record| record.access.grant());
        if grant.is_none_or(|grant| grant.state(now) != GrantState::Active) {
            return nothing;
        }
        let Some(login) = snapshot.login(under.login.as_slice())? else { return nothing };
        // A clock that was wrong may have made it later than now.
        let since = login.vouched_at.filter(|since| *since <= now);
        let Some(since) = since else { return nothing };
        Ok(Ok(Self { subject: login.subject.clone(), certificate, since }))
    }

    /// The subject as the policy has it, and for how long from now a login may last at most.
    ///
    /// # Errors
    /// If its issuer's file does not let it in any more.
    pub fn of<'b>(
        &self,
        bundle: &'b Bundle,
        now: UnixTime,
    ) -> Result<(Authenticated<'b>, Span), NotShown> {
        let issuer = self.subject.issuer().parse().ok().and_then(|name| bundle.issuer(&name));
        let renew = issuer.and_then(|issuer| match &issuer.vouches {
            Vouches::Workloads(workloads) => workloads.renew,
            Vouches::People(_) => None,
        });
        let renew = renew.ok_or(NotShown::NeedsToken)?;
        let person = bundle.person(&self.subject).ok_or(NotShown::NeedsToken)?;
        let left = self.since.plus(renew).since(now);
        if left.is_zero() {
            return Err(NotShown::TooOld);
        }
        let proof = Proof::Certificate { certificate: self.certificate, since: self.since };
        Ok((Authenticated::assertion(person, proof), left))
    }
}
