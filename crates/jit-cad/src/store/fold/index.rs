//! The index: which entries concern whom and what, without reading the others.

use std::collections::BTreeMap;
use std::mem;

use jit_ca_core::{ActorRef, RequestId, RoleName};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::store::StoreError;

/// The rows of the index, in two tiers. Both have, behind the tier, what stands first in an entry's index, and then
/// what it is about:
///
/// ```text
/// 0 | entry / 256      | prefix    to the last bytes of the entries' indexes, rising
/// 1 | entry / 65,536   | prefix    to the last bytes of the blocks of 256 that have such entries, rising
/// ```
///
/// So the entries of a batch change rows that lie side by side, whomever they are about, and a search reads one row for
/// each 65,536 entries and those that it finds.
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
    /// The bytes that stand for it in a key of [`INDEX`].
    pub(in crate::store) fn prefix(self) -> Vec<u8> {
        match self {
            Self::Subject(actor) => [b"s", actor.as_bytes().as_slice()].concat(),
            Self::Request(request) => [b"r", request.as_bytes().as_slice()].concat(),
            Self::Role(role) => [b"o", role.as_str().as_bytes()].concat(),
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
        let prefix = key.prefix();
        for tier in [ENTRIES, BLOCKS] {
            let (row, last) = place(tier, &prefix, index);
            let lasts = self.added.entry(row).or_default();
            if lasts.last() != Some(&last) {
                lasts.push(last);
            }
        }
    }

    /// Writes what was added.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        for (row, added) in mem::take(&mut self.added) {
            let mut lasts = match self.table.get(row.as_slice())? {
                Some(before) => before.value().to_vec(),
                None => Vec::new(),
            };
            // A block that had such an entry before has another one now.
            let is_new = |last: &u8| lasts.last() != Some(last);
            let first = added.iter().position(is_new).unwrap_or(added.len());
            lasts.extend(added.iter().skip(first));
            self.table.insert(row.as_slice(), lasts.as_slice())?;
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
    let mut from = start;
    while from < end {
        // The first block that has such entries at all, from that of `from` on, among 65,536 entries.
        let Some(block) = first_in_row(table, BLOCKS, prefix, from)? else {
            from = next_multiple(from, WIDTH * WIDTH);
            continue;
        };
        from = from.max(block * WIDTH);
        match first_in_row(table, ENTRIES, prefix, from)? {
            Some(index) => return Ok((index < end).then_some(index)),
            None => from = next_multiple(from, WIDTH),
        }
    }
    Ok(None)
}

/// Of the row that `from` would stand in, the first that is not before it: an entry, or a block.
fn first_in_row(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    tier: u8,
    prefix: &[u8],
    from: u64,
) -> Result<Option<u64>, StoreError> {
    let (row, last) = place(tier, prefix, from);
    let Some(lasts) = table.get(row.as_slice())? else { return Ok(None) };
    let found = lasts.value().iter().find(|found| **found >= last);
    let first = numbered(tier, from) / WIDTH * WIDTH;
    Ok(found.map(|found| first + u64::from(*found)))
}

/// How many entries, or blocks, a row is of.
const WIDTH: u64 = 256;

/// The tiers.
const ENTRIES: u8 = 0;
const BLOCKS: u8 = 1;

/// What a tier counts: entries, or blocks of them.
fn numbered(tier: u8, index: u64) -> u64 {
    if tier == ENTRIES { index } else { index / WIDTH }
}

/// The row that an entry stands in, and as what.
fn place(tier: u8, prefix: &[u8], index: u64) -> (Vec<u8>, u8) {
    let number = numbered(tier, index);
    let [.., last] = number.to_be_bytes();
    ([[tier].as_slice(), &(number / WIDTH).to_be_bytes(), prefix].concat(), last)
}

fn next_multiple(index: u64, of: u64) -> u64 {
    (index / of).saturating_add(1).saturating_mul(of)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::btree_set;
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase as _};

    use super::*;

    /// Close to each other, or far.
    fn entries() -> impl Strategy<Value = BTreeSet<u64>> {
        prop_oneof![btree_set(0_u64..2_000, 0..300), btree_set(0_u64..200_000, 0..300)]
    }

    proptest! {
        #[test]
        fn finds_what_was_added(
            mine in entries(),
            others in entries(),
            batch in 1_usize..50,
            start in 0_u64..200_100,
            length in 0_u64..200_100,
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
