//! Sessions: which there are, and by whom, for which role and on which host they are found.

use jit_ca_core::event::{Event, SessionClosed, SessionOpened};
use jit_ca_core::{RoleName, SessionId, SubjectId, UnixTime};
use jit_ca_log::{Leaf, payload};
use redb::{ReadableTable, TableDefinition};

use super::{Clash, Fold};
use crate::store::StoreError;
use crate::store::record::SessionRecord;

/// Session to [`SessionRecord`].
pub(in crate::store) const SESSIONS: TableDefinition<'_, &[u8; 16], &[u8]> =
    TableDefinition::new("fold.sessions");

/// Each session under whose it is, under its role, under its host, and, while it goes on, among those that do, in the order of
/// time:
///
/// ```text
/// "s" subject, "r" role, "h" host, or "o" | 0 | session
/// ```
pub(in crate::store) const SESSIONS_OF: TableDefinition<'_, &[u8], ()> =
    TableDefinition::new("fold.sessions_of");

/// Which sessions.
#[derive(Clone, Copy, Debug)]
pub enum SessionsOf<'a> {
    /// Those of grants of this subject.
    Subject(&'a SubjectId),
    /// Those of grants of this role.
    Role(&'a RoleName),
    /// Those on this host.
    Host(&'a SubjectId),
    /// Those that have not ended, as far as hosts have said.
    Open,
    /// All.
    Any,
}

impl SessionsOf<'_> {
    fn key(self, session: &[u8; 16]) -> Vec<u8> {
        let whose = match self {
            Self::Subject(subject) => format!("s{subject}"),
            Self::Role(role) => format!("r{role}"),
            Self::Host(host) => format!("h{host}"),
            Self::Open => "o".to_owned(),
            Self::Any => "a".to_owned(),
        };
        [whose.as_bytes(), &[0], session].concat()
    }
}

/// The sessions of a kind whose ids are not behind `last`, the newest first.
pub(in crate::store) fn newest_sessions(
    table: &impl ReadableTable<&'static [u8], ()>,
    of: SessionsOf<'_>,
    last: SessionId,
    mut each: impl FnMut(SessionId) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let (first, last) = (of.key(&[0; 16]), of.key(last.as_bytes()));
    for row in table.range(first.as_slice()..=last.as_slice())?.rev() {
        let (key, _) = row?;
        let id = key.value().last_chunk::<16>().copied();
        let id = id.ok_or_else(|| StoreError::Damaged("a session has no id".to_owned()))?;
        if !each(SessionId::from_bytes(id))? {
            break;
        }
    }
    Ok(())
}

/// A session.
pub(in crate::store) fn session(
    table: &impl ReadableTable<&'static [u8; 16], &'static [u8]>,
    id: SessionId,
) -> Result<Option<SessionRecord>, StoreError> {
    let found = table.get(id.as_bytes())?;
    Ok(found.map(|found| payload::decode(found.value())).transpose()?)
}

impl Fold<'_> {
    /// A session is opened once, and closed once after that; what is watched is there, by somebody who is logged in.
    pub(super) fn admit_sessions(
        &self,
        event: &Event,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        let ok = |is_so: bool| Ok(is_so.then_some(()).ok_or(Clash::Session));
        match event {
            Event::SessionOpened(opened) => ok(session(&self.sessions, opened.session)?.is_none()),
            Event::SessionClosed(closed) => {
                let known = session(&self.sessions, closed.session)?;
                ok(known.is_some_and(|known| {
                    known.close.is_none()
                        && known.host == closed.subject
                        && known.grant == closed.grant
                }))
            }
            Event::SessionWatched(watched) => match session(&self.sessions, watched.session)? {
                Some(_) => self.admit_open_login(watched.login.as_slice(), now),
                None => ok(false),
            },
            _ => Ok(Ok(())),
        }
    }

    pub(super) fn apply_sessions(&mut self, leaf: &Leaf, event: &Event) -> Result<(), StoreError> {
        match event {
            Event::SessionOpened(opened) => self.apply_opened(leaf, opened),
            Event::SessionClosed(closed) => self.apply_closed(leaf, closed),
            _ => Ok(()),
        }
    }

    fn apply_opened(&mut self, leaf: &Leaf, opened: &SessionOpened) -> Result<(), StoreError> {
        let id = opened.session;
        let access = opened.grant.map(|grant| self.access_of(&grant)).transpose()?.flatten();
        let request = access.as_ref().map(|record| &record.access.request);
        let record = SessionRecord {
            session: id,
            host: opened.subject.clone(),
            grant: opened.grant,
            open: leaf.idx,
            close: None,
        };
        let whose = request.map(|request| SessionsOf::Subject(&request.subject));
        let role = request.map(|request| SessionsOf::Role(&request.role));
        let always = [SessionsOf::Host(&opened.subject), SessionsOf::Open, SessionsOf::Any];
        for of in always.into_iter().chain(whose).chain(role) {
            self.sessions_of.insert(of.key(id.as_bytes()).as_slice(), ())?;
        }
        self.sessions.insert(id.as_bytes(), payload::encode(&record)?.as_slice())?;
        Ok(())
    }

    fn apply_closed(&mut self, leaf: &Leaf, closed: &SessionClosed) -> Result<(), StoreError> {
        // Where what opened it is erased, nothing is known of it.
        let Some(record) = session(&self.sessions, closed.session)? else { return Ok(()) };
        let id = closed.session;
        self.sessions_of.remove(SessionsOf::Open.key(id.as_bytes()).as_slice())?;
        let record = SessionRecord { close: Some(leaf.idx), ..record };
        self.sessions.insert(id.as_bytes(), payload::encode(&record)?.as_slice())?;
        Ok(())
    }
}
