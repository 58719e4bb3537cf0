//! Which entries concern whom and what, without reading the others.

use jit_ca_core::{ActorRef, RequestId, RoleName, UnixTime};
use jit_ca_log::Leaf;
use redb::ReadableTable as _;

use super::fold::IndexKey;
use super::{Snapshot, StoreError, fold};

/// Which entries to find. All that is given has to hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those of a subject: that acted, or whose request it is.
    pub subject: Option<ActorRef>,
    /// Those of a role.
    pub role: Option<RoleName>,
    /// Those of a request and its grant.
    pub request: Option<RequestId>,
    /// From this time on.
    pub from: Option<UnixTime>,
    /// Before this time.
    pub to: Option<UnixTime>,
    /// From this index on.
    pub start: u64,
    /// Before this index.
    pub end: u64,
    /// At most so many.
    pub limit: usize,
}

impl Snapshot {
    /// The entries that the filter lets pass, in the order of the log.
    ///
    /// # Errors
    /// If redb fails or a leaf does not decode.
    pub fn find(&self, filter: &Filter) -> Result<Vec<(Leaf, Vec<u8>)>, StoreError> {
        let size = self.size()?.min(filter.end);
        let keys = [
            filter.request.as_ref().map(IndexKey::Request),
            filter.subject.as_ref().map(IndexKey::Subject),
            filter.role.as_ref().map(IndexKey::Role),
        ];
        let prefixes: Vec<Vec<u8>> = keys.into_iter().flatten().map(IndexKey::prefix).collect();
        let mut found = Vec::new();
        for (first, end) in self.runs(size)? {
            let mut next = filter.start.max(self.first_since(filter.from, first, end)?);
            let end = match filter.to {
                Some(to) => self.first_since(Some(to), first, end)?,
                None => end,
            };
            while let Some(index) = self.next_in_all(&prefixes, next, end)? {
                if found.len() == filter.limit {
                    return Ok(found);
                }
                let bytes = self
                    .leaf(index)?
                    .ok_or_else(|| StoreError::Damaged(format!("entry {index} is missing")))?;
                found.push((Leaf::decode(&bytes)?, bytes));
                next = index + 1;
            }
        }
        Ok(found)
    }

    /// The entries in runs in which time does not go back: it does where a clock was put right, if at all.
    fn runs(&self, size: u64) -> Result<Vec<(u64, u64)>, StoreError> {
        let (mut runs, mut first) = (Vec::new(), 0);
        for row in self.transaction.open_table(fold::CLOCK)?.iter()? {
            let ack = row?.1.value();
            if first < ack && ack < size {
                runs.push((first, ack));
                first = ack;
            }
        }
        runs.push((first, size));
        Ok(runs)
    }

    /// The first index from `start` to `end` that stands under all prefixes.
    fn next_in_all(
        &self,
        prefixes: &[Vec<u8>],
        start: u64,
        end: u64,
    ) -> Result<Option<u64>, StoreError> {
        let table = self.transaction.open_table(fold::INDEX)?;
        let mut candidate = start;
        loop {
            let before = candidate;
            for prefix in prefixes {
                match fold::first_within(&table, prefix, candidate, end)? {
                    Some(index) => candidate = index,
                    None => return Ok(None),
                }
            }
            if candidate == before {
                return Ok((candidate < end).then_some(candidate));
            }
        }
    }

    /// The index of the first entry at or after `time` between two: times don't go back between them, so halving
    /// finds it. Over more than one run, it finds an entry at or after `time` behind one before it.
    ///
    /// # Errors
    /// If redb fails or a leaf does not decode.
    pub fn first_since(
        &self,
        time: Option<UnixTime>,
        first: u64,
        end: u64,
    ) -> Result<u64, StoreError> {
        let Some(time) = time else { return Ok(first) };
        let (mut low, mut high) = (first, end);
        while low < high {
            let middle = low + (high - low) / 2;
            let bytes = self
                .leaf(middle)?
                .ok_or_else(|| StoreError::Damaged(format!("entry {middle} is missing")))?;
            if Leaf::decode(&bytes)?.ts_ms < time.secs() * 1_000 {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}
