//! A first look at an export: how many of its entries were written before the period's end, the root of the tree
//! over them, and who is who.

use std::io::{Read, Seek};

use jit_ca_core::{Digest, UnixTime};
use jit_ca_log::archive::{Archive, ArchiveError, Entry};
use jit_ca_log::tree::{Frontier, leaf_hash};

use super::model::Period;
use super::names::Names;

/// What the report rests on.
#[derive(Debug)]
pub(crate) struct Survey {
    /// How many entries there are up to the last one that was written before the period's end.
    pub(crate) size: u64,
    /// The root of the tree over them.
    pub(crate) root: Digest,
    /// When the last of all entries was written.
    pub(crate) last: Option<UnixTime>,
    /// Whether there is an entry behind them: then none is added to them, as time in the log goes back only where
    /// somebody has put a clock right, and says so.
    pub(crate) is_complete: bool,
    /// What the report calls people.
    pub(super) names: Names,
}

impl Survey {
    /// Goes over all entries.
    ///
    /// # Errors
    /// If the export can't be read.
    pub(crate) fn of<R: Read + Seek>(
        export: &mut Archive<R>,
        period: Period,
    ) -> Result<Self, ArchiveError> {
        let (mut tree, mut told) = (Frontier::default(), Frontier::default());
        let mut last = None;
        let names = read(export, |entries| {
            let before = entries.filter(|entry| {
                let is_before = period.ends_after(entry.leaf.ts_ms);
                last = Some(UnixTime::from_secs(entry.leaf.ts_ms / 1_000));
                tree.push(leaf_hash(&entry.leaf.encode()));
                if is_before {
                    told.clone_from(&tree);
                }
                is_before
            });
            Names::of(before)
        })?;
        let is_complete = told.size() < tree.size();
        Ok(Self { size: told.size(), root: told.root(), last, is_complete, names })
    }
}

/// Has the entries read, as far as they can be.
pub(super) fn read<R: Read + Seek, T>(
    export: &mut Archive<R>,
    by: impl FnOnce(&mut dyn Iterator<Item = Entry>) -> T,
) -> Result<T, ArchiveError> {
    let mut fault = None;
    let mut entries = export.entries()?.map_while(|entry| match entry {
        Ok(entry) => Some(entry),
        Err(error) => {
            fault = Some(error);
            None
        }
    });
    let found = by(&mut entries);
    drop(entries);
    fault.map_or(Ok(found), Err)
}
