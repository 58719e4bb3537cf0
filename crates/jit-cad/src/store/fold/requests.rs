//! Whose requests there are: what lists are made of, without reading anybody else's.

use jit_ca_core::workflow::Access;
use jit_ca_core::{RequestId, RoleName, SubjectId, UnixTime};
use redb::{ReadableTable, Table, TableDefinition};

use crate::store::StoreError;

/// Each request under its requester, under its role, and under all, in the order of time:
///
/// ```text
/// its phase | "s" subject, "o" role, or "a" | 0 | request
/// ```
pub(in crate::store) const REQUESTS: TableDefinition<'_, &[u8], ()> =
    TableDefinition::new("fold.requests");

/// The requests of a subject, or for a role.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Those that it made.
    Subject(&'a SubjectId),
    /// Those for it, whoever made them.
    Role(&'a RoleName),
    /// All.
    Anybody,
}

impl<'a> Whose<'a> {
    /// The role, if it is those for one.
    pub fn role(&self) -> Option<&'a RoleName> {
        match self {
            Self::Role(role) => Some(role),
            Self::Subject(_) | Self::Anybody => None,
        }
    }
}

/// How far a request has come. Of those whose time is over, the entry that says so may be still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits to be decided.
    Pending = 0,
    /// It became a grant, which goes on or is to begin.
    Granted = 1,
    /// It is over, whatever became of it.
    Over = 2,
}

impl Phase {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Pending, Self::Granted, Self::Over];

    fn of(access: &Access) -> Self {
        match (access.due(), access.grant()) {
            (None, _) => Self::Over,
            (Some(_), None) => Self::Pending,
            (Some(_), Some(_)) => Self::Granted,
        }
    }
}

/// Requests of a time: an id begins with when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Between {
    /// The first of them.
    pub from: RequestId,
    /// The last of them.
    pub last: RequestId,
}

impl Between {
    /// Of all times.
    pub const ALL: Self =
        Self { from: RequestId::from_bytes([0; 16]), last: RequestId::from_bytes([0xff; 16]) };

    /// Those made at or after a time.
    pub fn since(from: UnixTime) -> Self {
        Self { from: first_at(from), ..Self::ALL }
    }

    /// Those of them made before a time.
    #[must_use]
    pub fn until(self, to: UnixTime) -> Self {
        self.before(first_at(to))
    }

    /// Those of them made before another.
    #[must_use]
    pub fn before(self, id: RequestId) -> Self {
        let before = u128::from_be_bytes(*id.as_bytes()).saturating_sub(1);
        Self { last: RequestId::from_bytes(before.to_be_bytes()).min(self.last), ..self }
    }
}

/// The least id that a request of this time can have.
fn first_at(time: UnixTime) -> RequestId {
    RequestId::new(time.secs().saturating_mul(1_000), [0; 10])
}

/// Moves a request to where it stands now, from where it stood before.
pub(super) fn place(
    table: &mut Table<'_, &'static [u8], ()>,
    before: Option<&Access>,
    after: Option<&Access>,
) -> Result<(), StoreError> {
    if before.map(Phase::of) == after.map(Phase::of) {
        return Ok(());
    }
    for row in before.into_iter().flat_map(rows) {
        table.remove(row.as_slice())?;
    }
    for row in after.into_iter().flat_map(rows) {
        table.insert(row.as_slice(), ())?;
    }
    Ok(())
}

/// The newest, newest first, of those in a phase.
pub(in crate::store) fn newest(
    table: &impl ReadableTable<&'static [u8], ()>,
    whose: Whose<'_>,
    phase: Phase,
    between: Between,
    most: usize,
) -> Result<Vec<RequestId>, StoreError> {
    if between.from > between.last {
        return Ok(Vec::new());
    }
    let first = row(phase, whose, &between.from);
    let last = row(phase, whose, &between.last);
    let rows = table.range(first.as_slice()..=last.as_slice())?.rev().take(most);
    let id = |row: &[u8]| row.last_chunk().copied().map(RequestId::from_bytes);
    let damaged = || StoreError::Damaged("a row of requests without a request".into());
    rows.map(|row| id(row?.0.value()).ok_or_else(damaged)).collect()
}

/// The roles of which there are any in a phase, by a look at one of each.
pub(in crate::store) fn roles(
    table: &impl ReadableTable<&'static [u8], ()>,
    phase: Phase,
) -> Result<Vec<RoleName>, StoreError> {
    let damaged = || StoreError::Damaged("a row of requests without a role".into());
    let (mut roles, prefix) = (Vec::new(), [phase as u8, b'o']);
    let mut from = prefix.to_vec();
    while let Some(row) = table.range(from.as_slice()..)?.next() {
        let row = row?.0;
        let Some(rest) = row.value().strip_prefix(prefix.as_slice()) else { break };
        let name = rest.split(|byte| *byte == 0).next().and_then(|name| str::from_utf8(name).ok());
        let name = name.ok_or_else(damaged)?;
        roles.push(name.parse().map_err(|_| damaged())?);
        from = [prefix.as_slice(), name.as_bytes(), &[1]].concat();
    }
    Ok(roles)
}

fn rows(access: &Access) -> [Vec<u8>; 3] {
    let (request, phase) = (&access.request, Phase::of(access));
    [Whose::Subject(&request.subject), Whose::Role(&request.role), Whose::Anybody]
        .map(|whose| row(phase, whose, &request.id))
}

/// No subject and no role has a zero byte in it.
fn row(phase: Phase, whose: Whose<'_>, id: &RequestId) -> Vec<u8> {
    let (kind, name) = match whose {
        Whose::Subject(subject) => (b"s", subject.to_string()),
        Whose::Role(role) => (b"o", role.to_string()),
        Whose::Anybody => (b"a", String::new()),
    };
    [&[phase as u8], kind.as_slice(), name.as_bytes(), &[0], id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use redb::{Database, ReadableDatabase as _};

    use super::*;

    #[test]
    fn nobodys_many_hide_anothers_few() {
        let backend = redb::backends::InMemoryBackend::new();
        let database = Database::builder().create_with_backend(backend).unwrap();
        let id = |number: u64| RequestId::new(number, [0; 10]);
        let (alice, bob): (SubjectId, SubjectId) =
            ("local/alice".parse().unwrap(), "local/bob".parse().unwrap());
        let (web, web2): (RoleName, RoleName) = ("web".parse().unwrap(), "web2".parse().unwrap());
        let write = database.begin_write().unwrap();
        let mut table = write.open_table(REQUESTS).unwrap();
        let mut insert = |phase, whose, number| {
            table.insert(row(phase, whose, &id(number)).as_slice(), ()).unwrap();
        };
        insert(Phase::Pending, Whose::Subject(&alice), 1);
        insert(Phase::Over, Whose::Subject(&alice), 2);
        insert(Phase::Pending, Whose::Role(&web), 1);
        for number in 10..1_000 {
            insert(Phase::Pending, Whose::Subject(&bob), number);
            insert(Phase::Pending, Whose::Role(&web2), number);
        }
        drop(table);
        write.commit().unwrap();
        let table = database.begin_read().unwrap().open_table(REQUESTS).unwrap();
        let found = |whose, phase| newest(&table, whose, phase, Between::ALL, 3).unwrap();
        assert_eq!(found(Whose::Subject(&alice), Phase::Pending), [id(1)]);
        assert_eq!(found(Whose::Subject(&alice), Phase::Over), [id(2)]);
        assert_eq!(found(Whose::Subject(&bob), Phase::Pending), [id(999), id(998), id(997)]);
        assert_eq!(found(Whose::Role(&web), Phase::Pending), [id(1)]);
        assert_eq!(found(Whose::Role(&web2), Phase::Over), []);
        assert_eq!(roles(&table, Phase::Pending).unwrap(), [web, web2]);
        assert_eq!(roles(&table, Phase::Over).unwrap(), []);
    }

    #[test]
    fn times_have_the_requests_that_were_made_in_them() {
        let at = UnixTime::from_secs;
        let (made, random) = (RequestId::new(5_999, [7; 10]), RequestId::new(5_000, [0; 10]));
        let is_in = |between: Between, id| between.from <= id && id <= between.last;
        for id in [made, random] {
            assert!(is_in(Between::ALL, id));
            assert!(is_in(Between::since(at(5)).until(at(6)), id));
            assert!(!is_in(Between::since(at(6)), id));
            assert!(!is_in(Between::ALL.until(at(5)), id));
            assert!(!is_in(Between::ALL.before(id), id));
        }
        assert!(is_in(Between::ALL.before(made), random));
    }
}
