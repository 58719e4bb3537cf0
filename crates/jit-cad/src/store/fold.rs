//! The fold: the tables that entries add up to, and the one place that changes them.

use jit_ca_core::event::{CertificateIntended, Event, Factor, LoggedIn};
use jit_ca_core::workflow::Access;
use jit_ca_core::{ActorRef, Digest, GrantId, RequestId, RoleName, UnixTime};
use jit_ca_log::{Leaf, payload};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::record::{AccessRecord, IssuanceRecord, LoginRecord, SubjectRecord};

/// Request to [`AccessRecord`].
pub(super) const ACCESSES: TableDefinition<'_, &[u8; 16], &[u8]> =
    TableDefinition::new("fold.accesses");
/// Grant to request.
pub(super) const GRANTS: TableDefinition<'_, &[u8; 16], &[u8; 16]> =
    TableDefinition::new("fold.grants");
/// When time alone will change a request, and the request: all that is not finished.
pub(super) const DUE: TableDefinition<'_, (u64, &[u8; 16]), ()> = TableDefinition::new("fold.due");
/// Subject to [`SubjectRecord`].
pub(super) const SUBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("fold.subjects");
/// Pseudonym to subject.
pub(super) const ACTORS: TableDefinition<'_, &[u8; 16], &str> = TableDefinition::new("fold.actors");
/// A login certificate's serial to [`LoginRecord`].
pub(super) const LOGINS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("fold.logins");
/// A challenge that was answered, until it is too old to be answered anyway, to when that is.
pub(super) const SPENT: TableDefinition<'_, &str, u64> = TableDefinition::new("fold.spent");
/// Issuance to [`IssuanceRecord`].
pub(super) const ISSUANCES: TableDefinition<'_, &[u8; 16], &[u8]> =
    TableDefinition::new("fold.issuances");
/// Serial of an SSH certificate to issuance. (An X.509 serial holds its issuance.)
pub(super) const SSH_SERIALS: TableDefinition<'_, u64, &[u8; 16]> =
    TableDefinition::new("fold.ssh_serials");
/// One byte for what is indexed, the key, and the entry's index: which entries concern what.
pub(super) const INDEX: TableDefinition<'_, &[u8], ()> = TableDefinition::new("fold.index");
/// The hash of the bundle in force: one row.
pub(super) const BUNDLE: TableDefinition<'_, (), &[u8; 32]> = TableDefinition::new("fold.bundle");

/// What an entry is found by.
#[derive(Clone, Copy, Debug)]
pub(super) enum IndexKey<'a> {
    /// Who acted, or whom it concerns.
    Subject(&'a ActorRef),
    /// The request, with its grant.
    Request(&'a RequestId),
    /// The role.
    Role(&'a RoleName),
}

impl IndexKey<'_> {
    /// The bytes before the entry's index in a key of [`INDEX`]; none is the beginning of another's.
    pub(super) fn prefix(self) -> Vec<u8> {
        match self {
            Self::Subject(actor) => [b"s", actor.as_bytes().as_slice()].concat(),
            Self::Request(request) => [b"r", request.as_bytes().as_slice()].concat(),
            Self::Role(role) => [b"o", role.as_str().as_bytes(), b"\0"].concat(),
        }
    }
}

/// Why entries can't be appended to the log as it is now: what they rest on has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// Another bundle is in force.
    #[error("the policy has changed")]
    Bundle,
    /// The request, or its grant, has changed.
    #[error("the request has changed")]
    Access,
    /// The login has ended.
    #[error("the login has ended")]
    Login,
    /// The challenge was answered before.
    #[error("the challenge has been answered before")]
    Challenge,
    /// The code was used before.
    #[error("the code has been used before")]
    Code,
    /// An id or a serial was used before.
    #[error("the id has been used before")]
    Taken,
    /// The same call was made before.
    #[error("the call has been made before")]
    Call,
    /// Too much time has passed since the decision.
    #[error("the decision is too old")]
    Late,
}

/// The tables, open for writing.
pub(super) struct Fold<'t> {
    accesses: Table<'t, &'static [u8; 16], &'static [u8]>,
    grants: Table<'t, &'static [u8; 16], &'static [u8; 16]>,
    due: Table<'t, (u64, &'static [u8; 16]), ()>,
    subjects: Table<'t, &'static str, &'static [u8]>,
    actors: Table<'t, &'static [u8; 16], &'static str>,
    logins: Table<'t, &'static [u8], &'static [u8]>,
    spent: Table<'t, &'static str, u64>,
    issuances: Table<'t, &'static [u8; 16], &'static [u8]>,
    ssh_serials: Table<'t, u64, &'static [u8; 16]>,
    index: Table<'t, &'static [u8], ()>,
    bundle: Table<'t, (), &'static [u8; 32]>,
}

impl<'t> Fold<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            accesses: transaction.open_table(ACCESSES)?,
            grants: transaction.open_table(GRANTS)?,
            due: transaction.open_table(DUE)?,
            subjects: transaction.open_table(SUBJECTS)?,
            actors: transaction.open_table(ACTORS)?,
            logins: transaction.open_table(LOGINS)?,
            spent: transaction.open_table(SPENT)?,
            issuances: transaction.open_table(ISSUANCES)?,
            ssh_serials: transaction.open_table(SSH_SERIALS)?,
            index: transaction.open_table(INDEX)?,
            bundle: transaction.open_table(BUNDLE)?,
        })
    }

    // === what must hold before an entry is appended ===

    /// The index of the last entry that changed the request.
    pub(super) fn generation(&self, request: RequestId) -> Result<Option<u64>, StoreError> {
        let record: Option<AccessRecord> = read(&self.accesses, request.as_bytes())?;
        Ok(record.map(|record| record.generation))
    }

    /// The bundle in force.
    pub(super) fn bundle(&self) -> Result<Option<Digest>, StoreError> {
        Ok(self.bundle.get(())?.map(|hash| Digest::from_bytes(*hash.value())))
    }

    /// Whether the event may follow on what the tables hold: whatever is used once has not been used, whatever is
    /// new is new, and a grant that is issued under is open. It holds for every entry, whoever proposes it.
    pub(super) fn admit(
        &self,
        event: &Event,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        let admitted = match event {
            Event::SubjectKnown(known) => self
                .subjects
                .get(known.subject.to_string().as_str())?
                .is_none()
                .then_some(())
                .ok_or(Clash::Taken),
            Event::LoggedIn(login) => self.admit_login(login, now)?,
            Event::LoggedOut(logout) => self.admit_open_login(logout.login.as_slice(), now)?,
            Event::MfaEnrolled(enrolled) => {
                self.admit_open_login(enrolled.login.as_slice(), now)?
            }
            Event::RequestMade(made) => self
                .accesses
                .get(made.request.as_bytes())?
                .is_none()
                .then_some(())
                .ok_or(Clash::Taken),
            Event::GrantMade(made) => {
                let is_new = self.grants.get(made.grant.as_bytes())?.is_none();
                is_new.then_some(()).ok_or(Clash::Taken)
            }
            Event::CertificateIntended(intended) => self.admit_intent(intended, now)?,
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
        let Some(subject) =
            read::<_, SubjectRecord>(&self.subjects, login.subject.to_string().as_str())?
        else {
            return Ok(Err(Clash::Login));
        };
        let unused = match login.factor {
            Factor::Totp { step } => subject.totp_step.is_some_and(|last| step > last),
            Factor::EnrolmentCode { code } => subject
                .enrolment_code
                .is_some_and(|(expected, expires)| code == expected && now < expires),
        };
        Ok(unused.then_some(()).ok_or(Clash::Code))
    }

    fn admit_open_login(
        &self,
        serial: &[u8],
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        let login: Option<LoginRecord> = read(&self.logins, serial)?;
        let open = login.is_some_and(|login| !login.ended && login.window.contains(now));
        Ok(open.then_some(()).ok_or(Clash::Login))
    }

    fn admit_intent(
        &self,
        intended: &CertificateIntended,
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
        let grant = access.as_ref().and_then(Access::grant);
        let open = grant.is_some_and(|grant| {
            grant.window.contains(now) && intended.validity.until <= grant.window.end()
        });
        Ok(open.then_some(()).ok_or(Clash::Access))
    }

    fn access_of(&self, grant: &GrantId) -> Result<Option<Access>, StoreError> {
        let Some(request) = self.grants.get(grant.as_bytes())?.map(|request| *request.value())
        else {
            return Ok(None);
        };
        Ok(read::<_, AccessRecord>(&self.accesses, &request)?.map(|record| record.access))
    }

    // === what an entry changes ===

    /// Folds an entry in. What it changes depends on the tables, the leaf and the payload alone.
    pub(super) fn apply(&mut self, leaf: &Leaf, event: &Event) -> Result<(), StoreError> {
        let at = UnixTime::from_secs(leaf.ts_ms / 1_000);
        match event {
            Event::BundleActivated(activated) => {
                self.bundle.insert((), activated.hash.as_bytes())?;
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
                write(&mut self.subjects, subject.as_str(), &record)?;
            }
            Event::MfaCodeMade(made) => {
                self.change_subject(&made.subject.to_string(), |subject| {
                    subject.enrolment_code = Some((made.code, made.expires));
                })?;
            }
            Event::MfaEnrolled(enrolled) => {
                self.change_subject(&enrolled.subject.to_string(), |subject| {
                    subject.totp_step = Some(enrolled.step);
                })?;
                self.change_login(enrolled.login.as_slice(), |login| login.mfa_at = Some(at))?;
            }
            Event::LoggedIn(login) => self.apply_login(login, at)?,
            Event::LoggedOut(logout) => {
                self.change_login(logout.login.as_slice(), |login| login.ended = true)?;
            }
            Event::CertificateIntended(intended) => {
                let grant = intended.under.as_ref().map(|under| under.grant);
                let record = IssuanceRecord { grant, intent: leaf.idx, outcome: None };
                write(&mut self.issuances, intended.issuance.as_bytes(), &record)?;
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
                    self.apply_access(request, leaf.idx, event)?;
                }
            }
        }
        self.apply_index(leaf, event)
    }

    fn apply_login(&mut self, login: &LoggedIn, at: UnixTime) -> Result<(), StoreError> {
        // A challenge is answered within its 120 s or not at all; what is older needs no remembering.
        self.spent.retain(|_, expires| expires > at.secs())?;
        self.spent
            .insert(login.challenge.as_str(), at.secs() + crate::identity::CHALLENGE_LIFE.secs())?;

        let mut mfa_at = None;
        self.change_subject(&login.subject.to_string(), |subject| match login.factor {
            Factor::Totp { step } => {
                subject.totp_step = Some(step);
                mfa_at = Some(at);
            }
            Factor::EnrolmentCode { .. } => subject.enrolment_code = None,
        })?;
        let record = LoginRecord {
            subject: login.subject.clone(),
            window: login.window,
            mfa_at,
            ended: false,
        };
        write(&mut self.logins, login.serial.as_slice(), &record)
    }

    fn apply_access(
        &mut self,
        request: RequestId,
        generation: u64,
        event: &Event,
    ) -> Result<(), StoreError> {
        let before: Option<AccessRecord> = read(&self.accesses, request.as_bytes())?;
        let before = before.map(|record| record.access);
        if let Some(due) = before.as_ref().and_then(Access::due) {
            self.due.remove((due.secs(), request.as_bytes()))?;
        }
        let Some(access) = Access::fold(before, event) else {
            return Ok(());
        };
        if let Some(due) = access.due() {
            self.due.insert((due.secs(), request.as_bytes()), ())?;
        }
        if let Event::GrantMade(made) = event {
            self.grants.insert(made.grant.as_bytes(), request.as_bytes())?;
        }
        write(&mut self.accesses, request.as_bytes(), &AccessRecord { generation, access })
    }

    fn apply_outcome(&mut self, issuance: &[u8; 16], index: u64) -> Result<(), StoreError> {
        let Some(mut record) = read::<_, IssuanceRecord>(&self.issuances, issuance)? else {
            return Ok(());
        };
        record.outcome = Some(index);
        write(&mut self.issuances, issuance, &record)
    }

    fn apply_index(&mut self, leaf: &Leaf, event: &Event) -> Result<(), StoreError> {
        let mut prefixes = Vec::new();
        if leaf.actor != ActorRef::DAEMON {
            prefixes.push(IndexKey::Subject(&leaf.actor).prefix());
        }
        let request = match leaf.ids.grant {
            Some(grant) => self
                .grants
                .get(grant.as_bytes())?
                .map(|request| RequestId::from_bytes(*request.value())),
            None => event.request(),
        };
        if let Some(request) = request {
            prefixes.push(IndexKey::Request(&request).prefix());
            if let Some(record) = read::<_, AccessRecord>(&self.accesses, request.as_bytes())? {
                prefixes.push(IndexKey::Role(&record.access.request.role).prefix());
                let requester = record.access.request.subject.to_string();
                if let Some(requester) =
                    read::<_, SubjectRecord>(&self.subjects, requester.as_str())?
                {
                    prefixes.push(IndexKey::Subject(&requester.actor).prefix());
                }
            }
        }
        for mut key in prefixes {
            key.extend(leaf.idx.to_be_bytes());
            self.index.insert(key.as_slice(), ())?;
        }
        Ok(())
    }

    fn change_subject(
        &mut self,
        subject: &str,
        change: impl FnOnce(&mut SubjectRecord),
    ) -> Result<(), StoreError> {
        let Some(mut record) = read::<_, SubjectRecord>(&self.subjects, subject)? else {
            return Ok(());
        };
        change(&mut record);
        write(&mut self.subjects, subject, &record)
    }

    fn change_login(
        &mut self,
        serial: &[u8],
        change: impl FnOnce(&mut LoginRecord),
    ) -> Result<(), StoreError> {
        let Some(mut record) = read::<_, LoginRecord>(&self.logins, serial)? else {
            return Ok(());
        };
        change(&mut record);
        write(&mut self.logins, serial, &record)
    }
}

/// The serial of an SSH certificate, which is eight bytes long; X.509 serials are longer.
fn ssh_serial(intended: &CertificateIntended) -> Option<u64> {
    intended.serial.as_slice().try_into().ok().map(u64::from_be_bytes)
}

/// The record at `key`.
pub(super) fn read<'k, K, T>(
    table: &impl ReadableTable<K, &'static [u8]>,
    key: K::SelfType<'k>,
) -> Result<Option<T>, StoreError>
where
    K: redb::Key + 'static,
    T: DeserializeOwned,
{
    let bytes = table.get(key)?;
    Ok(bytes.map(|bytes| payload::decode(bytes.value())).transpose()?)
}

fn write<'k, K, T>(
    table: &mut Table<'_, K, &'static [u8]>,
    key: K::SelfType<'k>,
    record: &T,
) -> Result<(), StoreError>
where
    K: redb::Key + 'static,
    T: Serialize,
{
    table.insert(key, payload::encode(record)?.as_slice())?;
    Ok(())
}
