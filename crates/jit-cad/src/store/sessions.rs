//! Sessions, and the certificates that opened them, as snapshots have them.

use jit_ca_core::event::{Event, SessionClosed, SessionOpened};
use jit_ca_core::{IssuanceId, SessionId};
use jit_ca_log::Leaf;

use super::fold::{self, SessionsOf};
use super::record::SessionRecord;
use super::{Snapshot, StoreError};

impl Snapshot {
    /// A session; none where no host told of it, or what did is erased.
    ///
    /// # Errors
    /// If redb fails.
    pub fn session(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        fold::session(&self.transaction.open_table(fold::SESSIONS)?, id)
    }

    /// Gives the sessions of a kind, the newest first, from `last` on, until `each` says that it is enough.
    ///
    /// # Errors
    /// If redb fails, or `each` does.
    pub fn newest_sessions(
        &self,
        of: SessionsOf<'_>,
        last: SessionId,
        mut each: impl FnMut(SessionRecord) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let sessions = self.transaction.open_table(fold::SESSIONS)?;
        let table = self.transaction.open_table(fold::SESSIONS_OF)?;
        fold::newest_sessions(&table, of, last, |id| {
            let found = fold::session(&sessions, id)?;
            let found = found.ok_or_else(|| StoreError::Damaged(format!("{id} is missing")))?;
            each(found)
        })
    }

    /// What opened a session, and what its host said of its end.
    ///
    /// # Errors
    /// If redb fails, or what the entries say is damaged.
    pub fn told_of(
        &self,
        session: &SessionRecord,
    ) -> Result<(Option<SessionOpened>, Option<SessionClosed>), StoreError> {
        let opened = match self.event_at(session.open)? {
            Some(Event::SessionOpened(opened)) => Some(*opened),
            _ => None,
        };
        let closed = match session.close.map(|close| self.event_at(close)).transpose()?.flatten() {
            Some(Event::SessionClosed(closed)) => Some(*closed),
            _ => None,
        };
        Ok((opened, closed))
    }

    /// The issuance of an SSH certificate with this serial.
    ///
    /// # Errors
    /// If redb fails.
    pub fn ssh_issuance(&self, serial: u64) -> Result<Option<IssuanceId>, StoreError> {
        let found = self.transaction.open_table(fold::SSH_SERIALS)?.get(serial)?;
        Ok(found.map(|issuance| IssuanceId::from_bytes(*issuance.value())))
    }

    /// The event at `index`; none if its payload is erased.
    ///
    /// # Errors
    /// If redb fails, or there is no such entry.
    pub fn event_at(&self, index: u64) -> Result<Option<Event>, StoreError> {
        let leaf = self.leaf(index)?;
        let leaf = leaf.ok_or_else(|| StoreError::Damaged(format!("entry {index} is missing")))?;
        self.event(&Leaf::decode(&leaf)?)
    }
}
