//! What must hold before an entry is appended.

use std::sync::Arc;

use jit_ca_core::event::{
    CertificateIntended, Event, Factor, GrantMade, GrantStarted, HostEnrolled, LoggedIn,
    LoggedInByCertificate, LoggedInByToken, RequestMade,
};
use jit_ca_core::workflow::{Grant, GrantState, Over, Term};
use jit_ca_core::{ActorRef, Digest, GrantId, RequestId, UnixTime, Window};
use redb::ReadableTable as _;

use super::{Clash, Fold, follower, spent_token, ssh_serial};
use crate::store::StoreError;
use crate::store::record::{AccessRecord, PolicyVersion};

/// What comes before an event in the same commit, and lets it follow.
#[derive(Debug, Default)]
pub(in crate::store) struct Before<'e> {
    pub(in crate::store) started: Option<&'e GrantStarted>,
    pub(in crate::store) enrolled: Option<&'e HostEnrolled>,
}

impl Fold<'_> {
    /// The index of the last entry that changed the request.
    pub(in crate::store) fn generation(
        &self,
        request: RequestId,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.accesses.get(request.as_bytes())?.map(|record| record.generation))
    }

    /// The bundle in force, and whom issuers vouch for.
    pub(in crate::store) fn policy(&self) -> Result<PolicyVersion, StoreError> {
        let bundle = self.bundle.get(())?.map(|row| Digest::from_bytes(*row.value().0));
        let vouching = self.vouching.get(())?.map_or(0, |row| row.value());
        Ok(PolicyVersion { bundle, vouching })
    }

    /// Whether the event may follow on what the tables hold: whatever is used once has not been used, whatever is
    /// new is new, and a grant that is issued under is open, or started with it. It holds for every entry, whoever
    /// proposes it.
    pub(in crate::store) fn admit(
        &self,
        (actor, event): (ActorRef, &Event),
        before: &Before<'_>,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        if let Err(clash) = self.admit_by_locks((actor, event))? {
            return Ok(Err(clash));
        }
        if let Err(clash) = self.admit_hosts((actor, event), before.enrolled, now)? {
            return Ok(Err(clash));
        }
        if let Err(clash) = self.admit_passkeys(event, now)? {
            return Ok(Err(clash));
        }
        if let Err(clash) = self.admit_by_resets(event, now)? {
            return Ok(Err(clash));
        }
        if let Err(clash) = self.admit_sessions(event, now)? {
            return Ok(Err(clash));
        }
        let admitted = match event {
            Event::SubjectKnown(known) => self
                .subjects
                .get(known.subject.to_string().as_str())?
                .is_none()
                .then_some(())
                .ok_or(Clash::Taken),
            Event::LoggedIn(login) => self.admit_login(login, now)?,
            Event::LoggedInByToken(login) => self.admit_login_by_token(login)?,
            Event::LoggedInByCertificate(login) => self.admit_login_by_certificate(login, now)?,
            Event::LoginEnded(ended) => self.admit_open_login(ended.login.as_slice(), now)?,
            Event::LoggedOut(logout) => self.admit_open_login(logout.login.as_slice(), now)?,
            Event::MfaEnrolled(enrolled) => {
                let login = self.logins.get(enrolled.login.as_slice())?;
                match login.is_some_and(|login| login.mfa_at.is_some()) {
                    true => Err(Clash::Code),
                    false => self.admit_open_login(enrolled.login.as_slice(), now)?,
                }
            }
            Event::ErasureOrdered(order) => {
                let subject = self.subjects.get(order.by.to_string().as_str())?;
                let last = subject.and_then(|subject| subject.totp_step);
                let is_unused = order.step.is_none_or(|step| last.is_some_and(|last| step > last));
                is_unused.then_some(()).ok_or(Clash::Code)
            }
            Event::BundleApproved(approved) => {
                self.admit_open_login(approved.login.as_slice(), now)?
            }
            Event::CertificateIssued(issued) => self.admit_outcome(issued.issuance.as_bytes())?,
            Event::IssuanceFailed(failed) => self.admit_outcome(failed.issuance.as_bytes())?,
            Event::RequestMade(made) => self.admit_request(made, now)?,
            Event::GrantMade(made) => self.admit_grant(made)?,
            Event::GrantStarted(started) => {
                let record = self.access_of(&started.grant)?;
                let grant = record.as_ref().and_then(|record| record.access.grant());
                let waits = grant.is_some_and(|grant| grant.can_begin(now));
                waits.then_some(()).ok_or(Clash::Access)
            }
            Event::ClockFaulted(_) => {
                self.clock_fault()?.is_none().then_some(()).ok_or(Clash::Clock)
            }
            Event::ClockAcknowledged(_) => self.clock_fault()?.map(drop).ok_or(Clash::Clock),
            Event::CertificateIntended(intended) => {
                self.admit_intent(intended, before.started, now)?
            }
            _ => Ok(()),
        };
        Ok(admitted)
    }

    fn admit_login(
        &self,
        login: &LoggedIn,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        if self.spent.get(login.challenge.as_str())?.is_some() {
            return Ok(Err(Clash::Challenge));
        }
        let Some(subject) = self.subjects.get(login.subject.to_string().as_str())? else {
            return Ok(Err(Clash::Login));
        };
        let unused = match &login.factor {
            Factor::Totp { step } => subject.totp_step.is_some_and(|last| *step > last),
            // As new as the challenge that its signature is over.
            Factor::SecurityKey | Factor::Passkey(_) => true,
            Factor::EnrolmentCode { code } => subject
                .enrolment_code
                .is_some_and(|expected| *code == expected.code && now < expected.expires),
        };
        Ok(unused.then_some(()).ok_or(Clash::Code))
    }

    /// Each token is used once, and so is what it answers; and an issuer vouches for whose it is.
    fn admit_login_by_token(
        &self,
        login: &LoggedInByToken,
    ) -> Result<Result<(), Clash>, StoreError> {
        let answered = login.challenge.iter().cloned().chain([spent_token(&login.token)]);
        for spent in answered {
            if self.spent.get(spent.as_str())?.is_some() {
                return Ok(Err(Clash::Challenge));
            }
        }
        let subject = login.subject.to_string();
        let is_known = self.subjects.get(subject.as_str())?.is_some()
            && self.vouched.get(subject.as_str())?.is_some();
        Ok(is_known.then_some(()).ok_or(Clash::Login))
    }

    /// The certificate's grant is open, and an issuer vouches for whose it is.
    fn admit_login_by_certificate(
        &self,
        login: &LoggedInByCertificate,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        let issuance = self.issuances.get(login.certificate.as_bytes())?;
        let grant = issuance.and_then(|row| row.value().0.map(|id| GrantId::from_bytes(*id)));
        let access = grant.map(|grant| self.access_of(&grant)).transpose()?.flatten();
        let is_open = access.is_some_and(|record| {
            let subject = &record.access.request.subject;
            let grant = record.access.grant();
            *subject == login.subject && grant.is_some_and(|it| it.state(now) == GrantState::Active)
        });
        let is_vouched_for = self.vouched.get(login.subject.to_string().as_str())?.is_some();
        Ok(match (is_open, is_vouched_for) {
            (true, true) => Ok(()),
            (false, _) => Err(Clash::Access),
            (true, false) => Err(Clash::Login),
        })
    }

    pub(super) fn admit_open_login(
        &self,
        serial: &[u8],
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        let login = self.logins.get(serial)?;
        let open = login.is_some_and(|login| !login.ended && login.window.contains(now));
        Ok(open.then_some(()).ok_or(Clash::Login))
    }

    /// What asks for more time after a grant is given only while nobody has taken that one away.
    fn admit_grant(&self, made: &GrantMade) -> Result<Result<(), Clash>, StoreError> {
        if self.grants.get(made.grant.as_bytes())?.is_some() {
            return Ok(Err(Clash::Taken));
        }
        let asked = self.accesses.get(made.request.as_bytes())?;
        let extended = asked.and_then(|record| record.access.request.extends);
        let Some(extended) = extended else { return Ok(Ok(())) };
        let record = self.access_of(&extended)?;
        let over = record.as_ref().and_then(|record| record.access.grant()?.over.as_ref());
        let is_revoked = matches!(over, Some(Over::Revoked { .. }));
        Ok((!is_revoked).then_some(()).ok_or(Clash::Access))
    }

    /// Of what asks for more time after a grant, one at a time is in force.
    fn admit_request(
        &self,
        made: &RequestMade,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        if self.accesses.get(made.request.as_bytes())?.is_some() {
            return Ok(Err(Clash::Taken));
        }
        let Some(grant) = made.extends else { return Ok(Ok(())) };
        let access = |id: RequestId| self.accesses.get(id.as_bytes());
        let follower = follower(&self.requests, access, &made.subject, grant, now)?;
        Ok(follower.is_none().then_some(()).ok_or(Clash::Access))
    }

    fn admit_intent(
        &self,
        intended: &CertificateIntended,
        started: Option<&GrantStarted>,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        if self.issuances.get(intended.issuance.as_bytes())?.is_some() {
            return Ok(Err(Clash::Taken));
        }
        if let Some(serial) = ssh_serial(intended)
            && self.ssh_serials.get(serial)?.is_some()
        {
            return Ok(Err(Clash::Taken));
        }
        let Some(under) = &intended.under else {
            return Ok(Ok(()));
        };
        if let Err(clash) = self.admit_open_login(under.login.as_slice(), now)? {
            return Ok(Err(clash));
        }
        // INVARIANT (window within grant): held again here, at the moment of recording.
        let access = self.access_of(&under.grant)?;
        let grant = access.as_ref().and_then(|record| record.access.grant()).cloned();
        let started = started.filter(|started| started.grant == under.grant);
        let grant = grant.map(|grant| match started {
            Some(started) => Grant { term: Term::Open(started.window), ..grant },
            None => grant,
        });
        let open = grant.filter(|grant| {
            let end = grant.window().map(Window::end);
            let is_open = grant.state(now) == GrantState::Active;
            is_open && end.is_some_and(|end| intended.validity.until <= end)
        });
        let Some(grant) = open else { return Ok(Err(Clash::Access)) };
        let issued = self.grants.get(grant.id.as_bytes())?.map_or(0, |row| row.value().1);
        let is_left = grant.certificates.is_none_or(|most| issued < most);
        Ok(is_left.then_some(()).ok_or(Clash::UsedUp))
    }

    /// One outcome for each intent.
    fn admit_outcome(&self, issuance: &[u8; 16]) -> Result<Result<(), Clash>, StoreError> {
        Ok(match self.issuances.get(issuance)?.map(|record| record.value().2) {
            Some(None) => Ok(()),
            Some(Some(_)) => Err(Clash::Outcome),
            None => Err(Clash::Taken),
        })
    }

    pub(super) fn access_of(
        &self,
        grant: &GrantId,
    ) -> Result<Option<Arc<AccessRecord>>, StoreError> {
        let request = self.grants.get(grant.as_bytes())?.map(|row| *row.value().0);
        request.map_or(Ok(None), |request| self.accesses.get(&request))
    }
}
