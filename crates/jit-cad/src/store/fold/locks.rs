//! Locks: what is stopped, and which entries they stop.

use jit_ca_core::event::{Event, Locked, Officer, Resetter};
use jit_ca_core::workflow::{Access, Approver};
use jit_ca_core::{ActorRef, RoleName, SubjectId};
use jit_ca_log::{Leaf, payload};
use redb::{ReadableTable, ReadableTableMetadata as _, TableDefinition};

use super::{Clash, Fold, host};
use crate::clock::Millis;
use crate::store::StoreError;
use crate::store::record::LockRecord;

/// What a lock is on, as [`key`] writes it, to [`LockRecord`].
pub(in crate::store) const LOCKS: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("fold.locks");

/// What a lock is on, as the table has it. No subject and no role holds a space.
pub(in crate::store) fn key(lock: &Locked) -> String {
    match lock {
        Locked::All => "all".to_owned(),
        Locked::Subject(subject) => format!("subject {subject}"),
        Locked::Role(role) => format!("role {role}"),
    }
}

/// The lock that stops one of these subjects, or this role, if there is one.
pub(in crate::store) fn stopping(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    subjects: &[&SubjectId],
    role: Option<&RoleName>,
) -> Result<Option<LockRecord>, StoreError> {
    let subjects = subjects.iter().map(|subject| Locked::Subject((*subject).clone()));
    let role = role.map(|role| Locked::Role(role.clone()));
    for lock in [Locked::All].into_iter().chain(subjects).chain(role) {
        if let Some(found) = table.get(key(&lock).as_str())? {
            return Ok(Some(payload::decode(found.value())?));
        }
    }
    Ok(None)
}

/// Who vouches for something with this entry, which nobody does who is locked.
fn vouches(event: &Event) -> Option<&SubjectId> {
    match event {
        Event::LockLifted(lifted) => match &lifted.by {
            Officer::Person { subject, .. } => Some(subject),
            Officer::Machine { .. } => None,
        },
        Event::BundleApproved(approved) => Some(&approved.by),
        Event::MfaResetAsked(asked) => Some(&asked.by),
        Event::MfaReset(reset) => match &reset.by {
            Resetter::Person { subject, .. } => Some(subject),
            Resetter::Machine { .. } => None,
        },
        Event::MfaEnrolled(enrolled) => Some(&enrolled.subject),
        Event::PasskeyAdded(added) => Some(&added.subject),
        Event::Reviewed(reviewed) => Some(&reviewed.by),
        Event::ErasureOrdered(order) => Some(&order.by),
        Event::HostTokenMade(made) => Some(&made.by),
        _ => None,
    }
}

impl Fold<'_> {
    /// Nobody logs in, asks, agrees or gets a certificate where a lock is; nothing begins that they agreed to, if that
    /// counts; and who is locked vouches for nothing: lifts no lock, brings no policy into force, enrols nothing, resets
    /// nobody's second factors, reviews nothing, has nothing erased, lets no host enrol.
    ///
    /// What takes access away goes on, also while everything is locked: to deny, cancel, end, revoke, log out, and to
    /// lock. (Whoever is locked alone has no login for it.) On the daemon's machine every lock can be lifted.
    pub(super) fn admit_by_locks(
        &self,
        (actor, event): (ActorRef, &Event),
    ) -> Result<Result<(), Clash>, StoreError> {
        let changes = match event {
            Event::LockSet(set) => Some((&set.lock, false)),
            Event::LockLifted(lifted) => Some((&lifted.lock, true)),
            _ => None,
        };
        if let Some((lock, is_there)) = changes {
            let found = self.locks.get(key(lock).as_str())?.is_some();
            if found != is_there {
                return Ok(Err(Clash::Lock));
            }
        }
        if self.locks.is_empty()? {
            return Ok(Ok(()));
        }
        let stopped = match event {
            Event::LoggedIn(login) => stopping(&self.locks, &[&login.subject], None)?,
            Event::LoggedInByToken(login) => stopping(&self.locks, &[&login.subject], None)?,
            Event::LoggedInByCertificate(login) => stopping(&self.locks, &[&login.subject], None)?,
            Event::PageLoggedIn(login) => stopping(&self.locks, &[&login.subject], None)?,
            Event::HostEnrolled(enrolled) => stopping(&self.locks, &[&enrolled.subject], None)?,
            Event::HostLoggedIn(login) => stopping(&self.locks, &[&login.subject], None)?,
            Event::LoginSteppedUp(stepped) => stopping(&self.locks, &[&stepped.subject], None)?,
            Event::RequestMade(made) => stopping(&self.locks, &[&made.subject], Some(&made.role))?,
            Event::ApprovalGiven(given) => match &given.by {
                Approver::Person { subject, .. } => self.stopped(event, &[subject])?,
                Approver::Rules(_) => self.stopped(event, &[])?,
            },
            Event::GlassBroken(_) | Event::GrantMade(_) => self.stopped(event, &[])?,
            Event::GrantStarted(started) => {
                let agreed = started.approvals.iter().map(|decided| &decided.facts.subject);
                self.stopped(event, &agreed.collect::<Vec<_>>())?
            }
            Event::CertificateIntended(intended) => match &intended.under {
                Some(under) => {
                    let record = self.access_of(&under.grant)?;
                    self.stops(record.as_ref().map(|record| &record.access), &[])?
                }
                None => match host(&self.hosts, actor)? {
                    Some(host) => stopping(&self.locks, &[&host.subject], None)?,
                    None => None,
                },
            },
            event => match vouches(event) {
                Some(subject) => stopping(&self.locks, &[subject], None)?,
                None => None,
            },
        };
        Ok(stopped.is_none().then_some(()).ok_or(Clash::Lock))
    }

    /// Whether something is locked that was not when the log had this size.
    pub(in crate::store) fn is_locked_since(&self, size: u64) -> Result<bool, StoreError> {
        for row in self.locks.iter()? {
            let lock: LockRecord = payload::decode(row?.1.value())?;
            if lock.entry >= size {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn stopped(&self, event: &Event, by: &[&SubjectId]) -> Result<Option<LockRecord>, StoreError> {
        let Some(request) = event.request() else { return Ok(None) };
        let record = self.accesses.get(request.as_bytes())?;
        self.stops(record.as_ref().map(|record| &record.access), by)
    }

    fn stops(
        &self,
        access: Option<&Access>,
        by: &[&SubjectId],
    ) -> Result<Option<LockRecord>, StoreError> {
        let request = access.map(|access| &access.request);
        let subjects: Vec<&SubjectId> =
            request.map(|request| &request.subject).into_iter().chain(by.iter().copied()).collect();
        stopping(&self.locks, &subjects, request.map(|request| &request.role))
    }

    pub(super) fn apply_lock(&mut self, leaf: &Leaf, event: &Event) -> Result<(), StoreError> {
        match event {
            Event::LockSet(set) => {
                let by = match &set.by {
                    Officer::Person { name, .. } => Some(name.clone()),
                    Officer::Machine { .. } => None,
                };
                let (lock, reason) = (set.lock.clone(), set.reason.clone());
                let since = Millis(leaf.ts_ms).time();
                let record = LockRecord { lock, by, reason, since, entry: leaf.idx };
                let record = payload::encode(&record)?;
                self.locks.insert(key(&set.lock).as_str(), record.as_slice())?;
                // Whoever holds them may be another: that is what locks are for. What is locked for everybody, or for a role,
                // is about no login, and people need theirs to take access away meanwhile.
                if let Locked::Subject(subject) = &set.lock {
                    self.end_logins_of(subject)?;
                    self.drop_asks_by(subject)?;
                }
            }
            Event::LockLifted(lifted) => {
                self.locks.remove(key(&lifted.lock).as_str())?;
            }
            _ => {}
        }
        Ok(())
    }
}
