//! What lies beside the log and its fold: it can be lost without the log being any less true.

use jit_ca_core::{ActorRef, CallId, Digest, IssuanceId, RequestId, UnixTime};
use jit_ca_log::hash::{sha256, sha256_of};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::StoreError;

/// Subject to its TOTP secret, sealed.
pub(super) const SECRETS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("beside.secrets");
/// A login's serial to when it was last used.
pub(super) const LAST_USES: TableDefinition<'_, &[u8], u64> =
    TableDefinition::new("beside.last_uses");
/// Day, when the idempotency key says that it was made, and half of SHA-256 of actor and idempotency key, to what the
/// call made: SHA-256 of the call, what kind of resource, its id, and when.
///
/// The day stands first so that what is too old is found at the table's beginning, without reading the rest. The key's
/// time is the client's word: it makes rows that are written together lie side by side.
pub(super) const REPLIES: TableDefinition<'_, ReplyKey, ReplyRow> =
    TableDefinition::new("beside.replies");
/// The index of the last erasure: one row while the file still holds bytes of what was erased, and has to be written
/// anew.
pub(super) const ERASED: TableDefinition<'_, (), u64> = TableDefinition::new("beside.erased");
/// Which start of the machine it is, and what the clock says less the time since then, in microseconds: one row.
pub(super) const CLOCK: TableDefinition<'_, (), (&str, i64)> = TableDefinition::new("beside.clock");

type ReplyKey = (u32, u64, &'static [u8; 16]);
type ReplyRow = (&'static [u8; 32], u8, &'static [u8; 16], u64);

/// What a call with an idempotency key made, so that the same call again gives the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Who called.
    pub actor: ActorRef,
    /// The idempotency key.
    pub key: KeyName,
    /// SHA-256 of the method, path and body of the call.
    pub call: Digest,
    /// What it made or changed.
    pub resource: Resource,
    /// When.
    pub at: UnixTime,
}

/// An idempotency key, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// When it was made, in milliseconds since 1970, if it is a [`CallId`].
    made: Option<u64>,
    hash: Digest,
}

impl KeyName {
    /// The name of an idempotency key.
    pub fn new(key: &str) -> Self {
        let made = key.parse().ok().map(|id: CallId| id.milliseconds());
        Self { made, hash: sha256(key.as_bytes()) }
    }
}

/// What a call made or changed: the answer is made from it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A request.
    Request(RequestId),
    /// A certificate.
    Issuance(IssuanceId),
    /// The caller's own login.
    Login,
    /// A lock.
    Lock,
    /// A policy in force.
    Policy,
    /// A reset of second factors.
    Reset,
    /// A host, or a token of one.
    Host,
}

impl Resource {
    fn to_row(&self) -> (u8, [u8; 16]) {
        match self {
            Self::Request(id) => (0, *id.as_bytes()),
            Self::Issuance(id) => (1, *id.as_bytes()),
            Self::Login => (2, [0; 16]),
            Self::Lock => (3, [0; 16]),
            Self::Policy => (4, [0; 16]),
            Self::Reset => (5, [0; 16]),
            Self::Host => (6, [0; 16]),
        }
    }

    fn from_row(kind: u8, id: [u8; 16]) -> Result<Self, StoreError> {
        match kind {
            0 => Ok(Self::Request(RequestId::from_bytes(id))),
            1 => Ok(Self::Issuance(IssuanceId::from_bytes(id))),
            2 => Ok(Self::Login),
            3 => Ok(Self::Lock),
            4 => Ok(Self::Policy),
            5 => Ok(Self::Reset),
            6 => Ok(Self::Host),
            _ => Err(StoreError::Damaged(format!("a reply of kind {kind}"))),
        }
    }
}

/// The table of replies, open for writing.
pub(super) struct Replies<'t>(Table<'t, ReplyKey, ReplyRow>);

/// How many rows go at most for each that comes. More than one, so that a quiet day is caught up with after a busy one.
const FORGOTTEN_AT_ONCE: usize = 2;

impl<'t> Replies<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self(transaction.open_table(REPLIES)?))
    }

    pub(super) fn get(&self, actor: ActorRef, key: KeyName) -> Result<Option<Reply>, StoreError> {
        reply(&self.0, actor, key)
    }

    pub(super) fn put(&mut self, reply: &Reply) -> Result<(), StoreError> {
        let today = day(reply.at);
        for _ in 0..FORGOTTEN_AT_ONCE {
            let oldest = self.0.first()?.map(|(key, _)| key.value().0);
            if oldest.is_none_or(|day| day.saturating_add(1) >= today) {
                break;
            }
            self.0.pop_first()?;
        }
        let (kind, id) = reply.resource.to_row();
        let (made, name) = place(reply.actor, reply.key);
        self.0.insert((today, made, &name), (reply.call.as_bytes(), kind, &id, reply.at.secs()))?;
        Ok(())
    }
}

/// What an earlier call made, on any day that is still remembered: today and yesterday, and where a clock was put back or
/// forward, others.
pub(super) fn reply(
    table: &impl ReadableTable<ReplyKey, ReplyRow>,
    actor: ActorRef,
    key: KeyName,
) -> Result<Option<Reply>, StoreError> {
    let (made, name) = place(actor, key);
    let mut last = table.last()?.map(|(key, _)| key.value().0);
    while let Some(day) = last {
        if let Some(row) = table.get((day, made, &name))? {
            let (call, kind, id, at) = row.value();
            let (call, at) = (Digest::from_bytes(*call), UnixTime::from_secs(at));
            let resource = Resource::from_row(kind, *id)?;
            return Ok(Some(Reply { actor, key, call, resource, at }));
        }
        let before = table.range(..(day, 0, &[0; 16]))?.next_back().transpose()?;
        last = before.map(|(key, _)| key.value().0);
    }
    Ok(None)
}

/// Where the day has a reply.
fn place(actor: ActorRef, key: KeyName) -> (u64, [u8; 16]) {
    let hash = sha256_of(&[actor.as_bytes(), key.hash.as_bytes()]);
    let mut name = [0; 16];
    name.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
    (key.made.unwrap_or(0), name)
}

fn day(at: UnixTime) -> u32 {
    u32::try_from(at.secs() / (24 * 60 * 60)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use redb::{Database, ReadableDatabase as _, backends::InMemoryBackend};

    use super::*;

    const DAY: u64 = 24 * 60 * 60;
    const NOW: u64 = 20_000 * DAY;

    #[test]
    fn a_call_is_remembered_from_days_before_and_days_that_are_still_to_come() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let times = [NOW, NOW - DAY, NOW - 2 * DAY, NOW + DAY, NOW + 50 * 365 * DAY];
        let key = |at: u64| KeyName::new(&at.to_string());
        let (actor, call) = (ActorRef::from_bytes([1; 16]), Digest::from_bytes([2; 32]));
        let write = database.begin_write().unwrap();
        let mut replies = Replies::open(&write).unwrap();
        for at in times {
            let (made, name) = place(actor, key(at));
            let row = (call.as_bytes(), 2, &[0; 16], at);
            replies.0.insert((day(UnixTime::from_secs(at)), made, &name), row).unwrap();
        }
        drop(replies);
        write.commit().unwrap();

        let table = database.begin_read().unwrap().open_table(REPLIES).unwrap();
        let found = times.map(|at| reply(&table, actor, key(at)).unwrap().map(|it| it.at.secs()));
        assert_eq!(found, times.map(Some));
        assert_eq!(reply(&table, actor, key(1)).unwrap(), None);
    }
}
