//! A number in the file that says which tables there are and what their rows mean.

use redb::{ReadableDatabase, TableDefinition, TableError, WriteTransaction};

use super::StoreError;

/// The number: one row.
pub(super) const FORMAT: TableDefinition<'_, (), u32> = TableDefinition::new("store.format");

/// What this version writes and reads. Whoever changes a table or what a row of it means counts it up.
const OWN: u32 = 6;

/// Notes the format in a file that is being made.
pub(super) fn note(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(FORMAT)?.insert((), OWN)?;
    Ok(())
}

/// The file is of our own format.
///
/// # Errors
/// If it is of another one, of none, or can't be read.
pub(super) fn check(database: &impl ReadableDatabase) -> Result<(), StoreError> {
    let found = match database.begin_read()?.open_table(FORMAT) {
        Ok(table) => table.get(())?.map(|format| format.value()),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match found {
        Some(OWN) => Ok(()),
        found => Err(StoreError::Format { found: found.unwrap_or(0), own: OWN }),
    }
}

#[cfg(test)]
mod tests {
    use redb::Database;

    use super::*;
    use crate::store::Store;

    #[test]
    fn a_store_of_another_format_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        drop(Store::create(&path).unwrap());
        assert!(Store::open(&path).is_ok() && Store::look(&path).is_ok());
        for other in [Some(OWN + 1), None] {
            let database = Database::open(&path).unwrap();
            let write = database.begin_write().unwrap();
            match other {
                Some(other) => drop(write.open_table(FORMAT).unwrap().insert((), other).unwrap()),
                None => assert!(write.delete_table(FORMAT).unwrap()),
            }
            write.commit().unwrap();
            drop(database);
            let said = Store::open(&path).unwrap_err().to_string();
            assert!(said.contains(&format!("of format {}", other.unwrap_or(0))), "{said}");
            assert!(matches!(Store::look(&path), Err(StoreError::Format { .. })));
        }
    }
}
