//! The index: which entries concern whom and what, without reading the others.

use std::collections::BTreeMap;
use std::mem;

use jit_ca_core::{ActorRef, RequestId, RoleName};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::store::StoreError;

/// What is indexed and the first bytes of an entry's index, to the last bytes of such entries, rising.
///
/// So a row is of at most 256 entries, and those of a batch change a few rows instead of adding many.
pub(in crate::store) const INDEX: TableDefinition<'_, &[u8], &[u8]> =
    TableDefinition::new("fold.index");

/// What an entry is found by.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum IndexKey<'a> {
    /// Who acted, or whom it concerns.
    Subject(&'a ActorRef),
    /// The request, with its grant.
    Request(&'a RequestId),
    /// The role.
    Role(&'a RoleName),
}

impl IndexKey<'_> {
    /// The bytes before the entry's index in a key of [`INDEX`]; none is the beginning of another's.
    pub(in crate::store) fn prefix(self) -> Vec<u8> {
        match self {
            Self::Subject(actor) => [b"s", actor.as_bytes().as_slice()].concat(),
            Self::Request(request) => [b"r", request.as_bytes().as_slice()].concat(),
            Self::Role(role) => [b"o", role.as_str().as_bytes(), b"\0"].concat(),
        }
    }
}

/// The table, open for writing, with what is to be written at the end of the transaction.
pub(super) struct Index<'t> {
    table: Table<'t, &'static [u8], &'static [u8]>,
    added: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<'t> Index<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self { table: transaction.open_table(INDEX)?, added: BTreeMap::new() })
    }

    /// Indexes the entry at `index`, which no entry before it reaches.
    pub(super) fn add(&mut self, key: IndexKey<'_>, index: u64) {
        let (row, last) = place(&key.prefix(), index);
        let lasts = self.added.entry(row).or_default();
        if lasts.last() != Some(&last) {
            lasts.push(last);
        }
    }

    /// Writes what was added.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        for (row, added) in mem::take(&mut self.added) {
            let before = self.table.get(row.as_slice())?.map(|lasts| lasts.value().to_vec());
            let lasts = before.map(|before| [before.as_slice(), &added].concat());
            self.table.insert(row.as_slice(), lasts.as_ref().unwrap_or(&added).as_slice())?;
        }
        Ok(())
    }
}

/// The first index from `start` to before `end` of an entry that the prefix stands for.
pub(in crate::store) fn first_within(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    prefix: &[u8],
    start: u64,
    end: u64,
) -> Result<Option<u64>, StoreError> {
    let damaged = || StoreError::Damaged("its index has a row without an entry's index".into());
    let (first_row, first_last) = place(prefix, start);
    let (last_row, _) = place(prefix, end);
    if start >= end {
        return Ok(None);
    }
    for row in table.range(first_row.as_slice()..=last_row.as_slice())? {
        let (row, lasts) = row?;
        let is_first = row.value() == first_row.as_slice();
        let wanted = |last: &&u8| !is_first || **last >= first_last;
        let Some(last) = lasts.value().iter().find(wanted) else { continue };
        let (_, block) = row.value().split_last_chunk::<8>().ok_or_else(damaged)?;
        let index = u64::from_be_bytes(*block) * WIDTH + u64::from(*last);
        return Ok((index < end).then_some(index));
    }
    Ok(None)
}

/// How many entries a row is of.
const WIDTH: u64 = 256;

/// The row that an entry stands in, and as what.
fn place(prefix: &[u8], index: u64) -> (Vec<u8>, u8) {
    let [.., last] = index.to_be_bytes();
    ([prefix, &(index / WIDTH).to_be_bytes()].concat(), last)
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase as _};

    use super::*;

    proptest! {
        #[test]
        fn finds_what_was_added(
            mine in btree_set(0_u64..2_000, 0..300),
            others in btree_set(0_u64..2_000, 0..300),
            batch in 1_usize..50,
            start in 0_u64..2_100,
            length in 0_u64..2_100,
        ) {
            let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
            let (me, other) = (RequestId::from_bytes([1; 16]), RequestId::from_bytes([2; 16]));
            for (request, indexes) in [(me, &mine), (other, &others)] {
                for batch in indexes.iter().collect::<Vec<_>>().chunks(batch) {
                    let transaction = database.begin_write().unwrap();
                    let mut index = Index::open(&transaction).unwrap();
                    batch.iter().for_each(|at| index.add(IndexKey::Request(&request), **at));
                    index.write().unwrap();
                    drop(index);
                    transaction.commit().unwrap();
                }
            }
            if !mine.is_empty() {
                let table = database.begin_read().unwrap().open_table(INDEX).unwrap();
                let prefix = IndexKey::Request(&me).prefix();
                let found = first_within(&table, &prefix, start, start + length).unwrap();
                prop_assert_eq!(found, mine.range(start..start + length).next().copied());
            }
        }
    }
}
