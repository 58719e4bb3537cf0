//! What an entry changes.

use jit_ca_core::event::{Event, PersonListed, SubjectVouched};
use jit_ca_core::workflow::Access;
use jit_ca_core::{ActorRef, GrantId, Means, RequestId};
use jit_ca_log::Leaf;
use redb::ReadableTable as _;

use super::{Fold, IndexKey, requests, ssh_serial, unacknowledged};
use crate::clock::Millis;
use crate::store::StoreError;
use crate::store::record::{AccessRecord, EnrolmentCode, SubjectRecord};

impl Fold<'_> {
    /// Folds an entry in. What it changes depends on the tables, the leaf and the payload alone.
    pub(in crate::store) fn apply(&mut self, leaf: &Leaf, event: &Event) -> Result<(), StoreError> {
        let written = Millis(leaf.ts_ms);
        let at = written.time();
        match event {
            Event::BundleActivated(activated) => {
                self.bundle.insert((), (activated.hash.as_bytes(), activated.zone.as_str()))?;
            }
            Event::FileListed(file) => {
                self.files.insert(file.path.as_str(), file.text.as_str())?;
            }
            Event::FileRemoved(file) => {
                self.files.remove(file.path.as_str())?;
            }
            Event::PersonListed(person) => {
                self.subjects.change(person.subject.to_string().as_str(), |subject| {
                    subject.name = person.name.clone();
                })?;
                self.people.put(leaf.actor.as_bytes(), PersonListed::clone(person))?;
            }
            Event::PersonRemoved(person) => {
                self.people.remove(person.actor.as_bytes())?;
            }
            Event::ErasureOrdered(order) => {
                self.subjects.change(order.by.to_string().as_str(), |subject| {
                    subject.totp_step = subject.totp_step.map(|last| order.step.unwrap_or(last));
                })?;
            }
            Event::SubjectKnown(known) => {
                let record = SubjectRecord {
                    subject: known.subject.clone(),
                    name: known.name.clone(),
                    actor: known.actor,
                    enrolment_code: None,
                    totp_step: None,
                };
                let subject = known.subject.to_string();
                self.actors.insert(known.actor.as_bytes(), subject.as_str())?;
                self.subjects.put(subject.as_str(), record)?;
            }
            Event::MfaCodeMade(made) => {
                self.subjects.change(made.subject.to_string().as_str(), |subject| {
                    let (code, expires) = (made.code, made.expires);
                    subject.enrolment_code = Some(EnrolmentCode { code, made: written, expires });
                })?;
            }
            Event::MfaEnrolled(enrolled) => {
                self.subjects.change(enrolled.subject.to_string().as_str(), |subject| {
                    // Of a new secret: where the clock was ahead when the one before was used, this is the way back.
                    subject.totp_step = Some(enrolled.step);
                })?;
                self.logins.change(enrolled.login.as_slice(), |login| {
                    login.mfa_at = Some(at);
                    login.means = Means::code();
                })?;
            }
            Event::MfaKept(kept) => {
                self.subjects.change(kept.subject.to_string().as_str(), |subject| {
                    subject.totp_step = subject.totp_step.max(Some(kept.step));
                })?;
            }
            Event::SubjectVouched(said) => {
                let subject = said.subject.to_string();
                self.subjects.change(subject.as_str(), |subject| {
                    subject.name = said.name.clone();
                })?;
                self.vouched.put(subject.as_str(), SubjectVouched::clone(said))?;
                self.vouching.insert((), leaf.idx)?;
            }
            Event::LoggedIn(login) => self.apply_login(login, written)?,
            Event::LoggedInByToken(login) => self.apply_login_by_token(login, written)?,
            Event::LoggedInByCertificate(login) => {
                self.apply_login_by_certificate(login, written)?;
            }
            Event::LoginEnded(ended) => {
                self.end_login(ended.login.as_slice())?;
            }
            Event::LoggedOut(logout) => {
                self.end_login(logout.login.as_slice())?;
            }
            Event::LockSet(_) | Event::LockLifted(_) => self.apply_lock(leaf, event)?,
            Event::CertificateIntended(intended) => {
                let grant = intended.under.as_ref().map(|under| under.grant);
                self.issuances.insert(
                    intended.issuance.as_bytes(),
                    (grant.as_ref().map(GrantId::as_bytes), leaf.idx, None),
                )?;
                self.count_certificate(grant)?;
                if let Some(serial) = ssh_serial(intended) {
                    self.ssh_serials.insert(serial, intended.issuance.as_bytes())?;
                }
            }
            Event::CertificateIssued(issued) => {
                self.apply_outcome(issued.issuance.as_bytes(), leaf.idx)?;
            }
            Event::IssuanceFailed(failed) => {
                self.apply_outcome(failed.issuance.as_bytes(), leaf.idx)?;
            }
            event => {
                if let Some(request) = event.request() {
                    self.apply_access(request, leaf, event)?;
                }
            }
        }
        self.apply_passkeys(event, written)?;
        self.apply_resets(leaf, event)?;
        self.apply_sessions(leaf, event)?;
        self.apply_hosts(leaf, event)?;
        self.apply_clock(leaf)?;
        self.apply_index(leaf, Some(event))
    }

    /// Folds in an entry whose payload is erased, by what its leaf says openly.
    ///
    /// Of a request whose end or review is erased, nothing says any more how it stands: it goes as well, before it could
    /// lapse, be used or be reviewed a second time.
    pub(in crate::store) fn apply_erased(&mut self, leaf: &Leaf) -> Result<(), StoreError> {
        if let Some(request) = leaf.ids.request {
            let ends = ["denial", "lapse", "grant.end", "grant.revoke", "review"];
            if ends.contains(&leaf.entry_type.as_str()) {
                let record = self.accesses.get(request.as_bytes())?;
                self.place_access(request, record.as_ref().map(|record| &record.access), None)?;
                self.accesses.remove(request.as_bytes())?;
            }
            if let Some(grant) = leaf.ids.grant {
                self.place_grant(grant, request)?;
            }
        }
        if leaf.entry_type.as_str() == "host.revoked" {
            self.revoke_host(leaf)?;
        }
        self.apply_clock(leaf)?;
        // So that what is left of it is still found by its request, its grant and its actor.
        self.apply_index(leaf, None)
    }

    /// Leaves alone say how the clock stands.
    fn apply_clock(&mut self, leaf: &Leaf) -> Result<(), StoreError> {
        match leaf.entry_type.as_str() {
            "clock.fault" => {
                self.clock.insert(leaf.idx, 0)?;
            }
            "clock.ack" => {
                if let Some(fault) = self.clock_fault()? {
                    self.clock.insert(fault, leaf.idx)?;
                }
                self.take_back(leaf.idx, Millis(leaf.ts_ms))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The index of the clock's fault that nobody has acknowledged.
    pub(in crate::store) fn clock_fault(&self) -> Result<Option<u64>, StoreError> {
        unacknowledged(&self.clock)
    }

    fn apply_access(
        &mut self,
        request: RequestId,
        leaf: &Leaf,
        event: &Event,
    ) -> Result<(), StoreError> {
        let record = self.accesses.get(request.as_bytes())?;
        let began = match (&record, event) {
            (None, _) | (_, Event::GrantMade(_) | Event::GrantStarted(_)) => Millis(leaf.ts_ms),
            (Some(record), _) => record.began,
        };
        let before = record.map(|record| record.access.clone());
        let after = Access::fold(before.clone(), event);
        self.place_access(request, before.as_ref(), after.as_ref())?;
        let Some(access) = after else {
            return Ok(());
        };
        if let Event::GrantMade(made) = event {
            self.place_grant(made.grant, request)?;
        }
        self.accesses.put(request.as_bytes(), AccessRecord { generation: leaf.idx, began, access })
    }

    /// Moves a request in the tables that it is found by.
    pub(super) fn place_access(
        &mut self,
        request: RequestId,
        before: Option<&Access>,
        after: Option<&Access>,
    ) -> Result<(), StoreError> {
        if let Some(due) = before.and_then(Access::due) {
            self.due.remove((due.secs(), request.as_bytes()))?;
        }
        if let Some(due) = after.and_then(Access::due) {
            self.due.insert((due.secs(), request.as_bytes()), ())?;
        }
        let (was, is) =
            (before.is_some_and(Access::is_to_review), after.is_some_and(Access::is_to_review));
        match (was, is) {
            (false, true) => _ = self.reviews.insert(request.as_bytes(), ())?,
            (true, false) => _ = self.reviews.remove(request.as_bytes())?,
            _ => {}
        }
        requests::place(&mut self.requests, before, after)
    }

    /// A grant is found by its id, and its certificates are counted, also where its payload is erased.
    fn place_grant(&mut self, grant: GrantId, request: RequestId) -> Result<(), StoreError> {
        if self.grants.get(grant.as_bytes())?.is_none() {
            self.grants.insert(grant.as_bytes(), (request.as_bytes(), 0))?;
        }
        Ok(())
    }

    fn count_certificate(&mut self, grant: Option<GrantId>) -> Result<(), StoreError> {
        let Some(grant) = grant else { return Ok(()) };
        let row = self.grants.get(grant.as_bytes())?;
        let row = row.map(|row| (*row.value().0, row.value().1));
        if let Some((request, count)) = row {
            self.grants.insert(grant.as_bytes(), (&request, count.saturating_add(1)))?;
        }
        Ok(())
    }

    fn apply_outcome(&mut self, issuance: &[u8; 16], index: u64) -> Result<(), StoreError> {
        let record = self.issuances.get(issuance)?.map(|record| {
            let (grant, intent, _) = record.value();
            (grant.copied(), intent)
        });
        if let Some((grant, intent)) = record {
            self.issuances.insert(issuance, (grant.as_ref(), intent, Some(index)))?;
        }
        Ok(())
    }

    fn apply_index(&mut self, leaf: &Leaf, event: Option<&Event>) -> Result<(), StoreError> {
        let concerned = match event {
            Some(Event::MfaCodeMade(made)) => Some(&made.subject),
            Some(Event::MfaResetAsked(asked)) => Some(&asked.subject),
            Some(Event::MfaResetWithdrawn(withdrawn)) => Some(&withdrawn.subject),
            Some(Event::MfaReset(reset)) => Some(&reset.subject),
            Some(Event::LoginEnded(ended)) => Some(&ended.subject),
            Some(Event::HostRevoked(revoked)) => Some(&revoked.by),
            _ => None,
        };
        if let Some(concerned) = concerned
            && let Some(subject) = self.subjects.get(concerned.to_string().as_str())?
        {
            self.index.add(IndexKey::Subject(&subject.actor), leaf.idx);
        }
        if leaf.actor != ActorRef::DAEMON {
            self.index.add(IndexKey::Subject(&leaf.actor), leaf.idx);
        }
        let request = match leaf.ids.grant {
            Some(grant) => {
                self.grants.get(grant.as_bytes())?.map(|row| RequestId::from_bytes(*row.value().0))
            }
            None => leaf.ids.request,
        };
        let Some(request) = request else {
            return Ok(());
        };
        self.index.add(IndexKey::Request(&request), leaf.idx);
        if let Some(record) = self.accesses.get(request.as_bytes())? {
            self.index.add(IndexKey::Role(&record.access.request.role), leaf.idx);
            let requester = record.access.request.subject.to_string();
            if let Some(requester) = self.subjects.get(requester.as_str())? {
                self.index.add(IndexKey::Subject(&requester.actor), leaf.idx);
            }
        }
        Ok(())
    }
}
