//! The fold: the tables that entries add up to, and the one place that changes them.

mod admit;
mod apply;
mod followers;
mod hosts;
mod index;
mod limits;
mod locks;
mod logins;
mod passkeys;
mod records;
mod requests;
mod resets;
mod sessions;
mod taken_back;

use jit_ca_core::Digest;
use jit_ca_core::event::{CertificateIntended, PersonListed, SubjectVouched};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use self::index::Index;
use self::records::Records;
use super::StoreError;
use super::decoded::Decoded;
use super::record::{AccessRecord, LoginRecord, PasskeyRecord, SubjectRecord};

pub(super) use admit::Before;
pub(super) use followers::follower;
pub(super) use hosts::{HOST_KEYS, HOST_NAMES, HOST_TOKENS, HOSTS, host, host_token};
pub(super) use index::{INDEX, IndexKey, first_within};
pub use limits::{Exceeded, Limits, Most};
pub(super) use locks::{LOCKS, stopping};
pub(super) use logins::open as open_logins;
pub(super) use passkeys::PASSKEYS;
pub(super) use records::read;
pub use requests::{Between, Phase, Whose};
pub(super) use requests::{REQUESTS, newest, roles};
pub(super) use resets::RESETS;
pub use sessions::SessionsOf;
pub(super) use sessions::{SESSIONS, SESSIONS_OF, newest_sessions, session};

/// Request to [`super::AccessRecord`].
pub(super) const ACCESSES: TableDefinition<'_, &[u8; 16], &[u8]> =
    TableDefinition::new("fold.accesses");
/// Grant to request, and how many certificates were issued under it.
pub(super) const GRANTS: TableDefinition<'_, &[u8; 16], (&[u8; 16], u32)> =
    TableDefinition::new("fold.grants");
/// The requests of emergencies that somebody still has to look at.
pub(super) const REVIEWS: TableDefinition<'_, &[u8; 16], ()> = TableDefinition::new("fold.reviews");
/// When time alone will change a request, and the request: all that is not finished.
pub(super) const DUE: TableDefinition<'_, (u64, &[u8; 16]), ()> = TableDefinition::new("fold.due");
/// Subject to its record.
pub(super) const SUBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("fold.subjects");
/// Pseudonym to subject.
pub(super) const ACTORS: TableDefinition<'_, &[u8; 16], &str> = TableDefinition::new("fold.actors");
/// A login certificate's serial to [`super::LoginRecord`].
pub(super) const LOGINS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("fold.logins");
/// The logins of each subject that have not ended: its text and the login's serial, to the second in which the window is
/// over. Rows of windows that are over stay until the subject logs in again.
pub(super) const OPEN_LOGINS: TableDefinition<'_, (&str, &[u8]), u64> =
    TableDefinition::new("fold.open_logins");
/// A challenge that was answered, or a token that was used, as `token <SHA-256>`: to when it is too old anyway.
pub(super) const SPENT: TableDefinition<'_, &str, u64> = TableDefinition::new("fold.spent");
/// Issuance to the grant that it is under, the index of the intent, and that of the outcome: [`super::IssuanceRecord`].
pub(super) const ISSUANCES: TableDefinition<'_, &[u8; 16], IssuanceRow> =
    TableDefinition::new("fold.issuances");

pub(super) type IssuanceRow = (Option<&'static [u8; 16]>, u64, Option<u64>);

/// Serial of an SSH certificate to issuance. (An X.509 serial holds its issuance.)
pub(super) const SSH_SERIALS: TableDefinition<'_, u64, &[u8; 16]> =
    TableDefinition::new("fold.ssh_serials");
/// Path to text: the files that bundles consist of now.
pub(super) const FILES: TableDefinition<'_, &str, &str> = TableDefinition::new("fold.files");
/// Pseudonym to [`jit_ca_core::event::PersonListed`]: the people that bundles consist of now.
pub(super) const PEOPLE: TableDefinition<'_, &[u8; 16], &[u8]> =
    TableDefinition::new("fold.people");
/// Subject to [`jit_ca_core::event::SubjectVouched`]: what issuers said last.
pub(super) const VOUCHED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("fold.vouched");
/// The index of the last entry that says of somebody for whom an issuer vouches: one row, or none.
pub(super) const VOUCHING: TableDefinition<'_, (), u64> = TableDefinition::new("fold.vouching");
/// The hash and the time zone of the bundle in force: one row.
pub(super) const BUNDLE: TableDefinition<'_, (), (&[u8; 32], &str)> =
    TableDefinition::new("fold.bundle");
/// The index of each `clock.fault` to that of its `clock.ack`, 0 while there is none. Between two of the latter time
/// does not go back.
pub(super) const CLOCK: TableDefinition<'_, u64, u64> = TableDefinition::new("fold.clock");

/// Why entries can't be appended to the log as it is now: what they rest on has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// Another bundle is in force.
    #[error("the policy has changed")]
    Bundle,
    /// The request, or its grant, has changed.
    #[error("the request has changed")]
    Access,
    /// Something is locked, or unlocked.
    #[error("a lock has changed")]
    Lock,
    /// As many certificates were issued under the grant as may be.
    #[error("the grant's certificates are used up")]
    UsedUp,
    /// The subject has as many requests or grants as it may.
    #[error("the subject's requests have changed")]
    Limit,
    /// The login has ended.
    #[error("the login has ended")]
    Login,
    /// The challenge was answered before.
    #[error("the challenge has been answered before")]
    Challenge,
    /// The passkey has been used since, removed or replaced.
    #[error("the passkey has been used meanwhile")]
    Passkey,
    /// A reset of second factors was asked for, withdrawn or made meanwhile, or there is nothing to reset.
    #[error("a second factor has changed")]
    Reset,
    /// The session was opened or closed before, or there is none.
    #[error("the session has changed")]
    Session,
    /// The host is revoked, or was, by another key; or one of its names is another host's by now.
    #[error("the host has changed")]
    Host,
    /// The code was used before.
    #[error("the code has been used before")]
    Code,
    /// The clock's fault is told already, or there is none.
    #[error("the clock has been acknowledged")]
    Clock,
    /// An id or a serial was used before.
    #[error("the id has been used before")]
    Taken,
    /// The issuance has an outcome.
    #[error("the outcome is in the log already")]
    Outcome,
    /// The same call was made before.
    #[error("the call has been made before")]
    Call,
    /// Too much time has passed since the decision.
    #[error("the decision is too old")]
    Late,
}

/// The tables, open for writing.
pub(super) struct Fold<'t> {
    accesses: Records<'t, &'static [u8; 16], AccessRecord>,
    grants: Table<'t, &'static [u8; 16], (&'static [u8; 16], u32)>,
    reviews: Table<'t, &'static [u8; 16], ()>,
    locks: Table<'t, &'static str, &'static [u8]>,
    due: Table<'t, (u64, &'static [u8; 16]), ()>,
    requests: Table<'t, &'static [u8], ()>,
    subjects: Records<'t, &'static str, SubjectRecord>,
    actors: Table<'t, &'static [u8; 16], &'static str>,
    logins: Records<'t, &'static [u8], LoginRecord>,
    passkeys: Records<'t, &'static [u8], PasskeyRecord>,
    resets: Table<'t, &'static str, &'static [u8]>,
    hosts: Table<'t, &'static [u8; 16], &'static [u8]>,
    host_names: Table<'t, &'static str, &'static [u8; 16]>,
    host_keys: Table<'t, &'static [u8], &'static [u8; 16]>,
    host_tokens: Table<'t, &'static [u8; 32], &'static [u8]>,
    open_logins: Table<'t, (&'static str, &'static [u8]), u64>,
    spent: Table<'t, &'static str, u64>,
    issuances: Table<'t, &'static [u8; 16], IssuanceRow>,
    ssh_serials: Table<'t, u64, &'static [u8; 16]>,
    sessions: Table<'t, &'static [u8; 16], &'static [u8]>,
    sessions_of: Table<'t, &'static [u8], ()>,
    index: Index<'t>,
    files: Table<'t, &'static str, &'static str>,
    people: Records<'t, &'static [u8; 16], PersonListed>,
    vouched: Records<'t, &'static str, SubjectVouched>,
    vouching: Table<'t, (), u64>,
    bundle: Table<'t, (), (&'static [u8; 32], &'static str)>,
    clock: Table<'t, u64, u64>,
}

impl<'t> Fold<'t> {
    pub(super) fn open(
        transaction: &'t WriteTransaction,
        decoded: &'t Decoded,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            accesses: Records::open(transaction, ACCESSES, &decoded.accesses)?,
            grants: transaction.open_table(GRANTS)?,
            reviews: transaction.open_table(REVIEWS)?,
            locks: transaction.open_table(LOCKS)?,
            due: transaction.open_table(DUE)?,
            requests: transaction.open_table(REQUESTS)?,
            subjects: Records::open(transaction, SUBJECTS, &decoded.subjects)?,
            actors: transaction.open_table(ACTORS)?,
            logins: Records::open(transaction, LOGINS, &decoded.logins)?,
            passkeys: Records::open(transaction, PASSKEYS, &decoded.passkeys)?,
            resets: transaction.open_table(RESETS)?,
            hosts: transaction.open_table(HOSTS)?,
            host_names: transaction.open_table(HOST_NAMES)?,
            host_keys: transaction.open_table(HOST_KEYS)?,
            host_tokens: transaction.open_table(HOST_TOKENS)?,
            open_logins: transaction.open_table(OPEN_LOGINS)?,
            spent: transaction.open_table(SPENT)?,
            issuances: transaction.open_table(ISSUANCES)?,
            ssh_serials: transaction.open_table(SSH_SERIALS)?,
            sessions: transaction.open_table(SESSIONS)?,
            sessions_of: transaction.open_table(SESSIONS_OF)?,
            index: Index::open(transaction)?,
            files: transaction.open_table(FILES)?,
            people: Records::open(transaction, PEOPLE, &decoded.people)?,
            vouched: Records::open(transaction, VOUCHED, &decoded.vouched)?,
            vouching: transaction.open_table(VOUCHING)?,
            bundle: transaction.open_table(BUNDLE)?,
            clock: transaction.open_table(CLOCK)?,
        })
    }

    /// Writes what is left to the end of a transaction.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        self.index.write()
    }
}

/// The index of the clock's fault that nobody has acknowledged: the last one, if any.
pub(super) fn unacknowledged(
    clock: &impl ReadableTable<u64, u64>,
) -> Result<Option<u64>, StoreError> {
    let last = clock.last()?.map(|(fault, ack)| (fault.value(), ack.value()));
    Ok(last.filter(|&(_, ack)| ack == 0).map(|(fault, _)| fault))
}

/// What of a token is remembered once it was used.
pub(super) fn spent_token(token: &Digest) -> String {
    format!("token {token}")
}

/// The serial of an SSH certificate, which is eight bytes long; X.509 serials are longer.
fn ssh_serial(intended: &CertificateIntended) -> Option<u64> {
    intended.serial.as_slice().try_into().ok().map(u64::from_be_bytes)
}
