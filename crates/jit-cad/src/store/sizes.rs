//! How large the store is, table by table.

use redb::{ReadableTableMetadata as _, TableHandle as _};

use super::{Snapshot, StoreError};

/// A table's share of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// The bytes of its keys and values.
    pub stored: u64,
    /// The bytes of the pages that it takes: with what redb adds, and with room that is not used.
    pub pages: u64,
}

impl Snapshot {
    /// The size of each table. All of their pages are read.
    ///
    /// # Errors
    /// If redb fails.
    pub fn sizes(&self) -> Result<Vec<TableSize>, StoreError> {
        let size = |handle: redb::UntypedTableHandle| {
            let name = handle.name().to_owned();
            let table = self.transaction.open_untyped_table(handle)?;
            let (rows, stats) = (table.len()?, table.stats()?);
            let stored = stats.stored_bytes();
            let pages = stored + stats.metadata_bytes() + stats.fragmented_bytes();
            Ok(TableSize { name, rows, stored, pages })
        };
        self.transaction.list_tables()?.map(size).collect()
    }
}
