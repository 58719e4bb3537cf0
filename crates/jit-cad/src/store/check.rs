//! The whole log, read and folded again: does the tree hold it, and do the tables add up to it?

use redb::{Key, ReadableTable as _, TableDefinition, Value};

use super::rewrite::Copied;
use super::{Head, Snapshot, Store, StoreError, fold};

impl Store {
    /// As [`Snapshot::check`], of what the last commit left.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self) -> Result<Head, StoreError> {
        self.read()?.check()
    }
}

impl Snapshot {
    /// Reads every entry, checks it against the tree, folds it again from nothing, and compares the tables.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self) -> Result<Head, StoreError> {
        let head = self.verify_head()?;
        if self.unfinished_erasure()?.is_some() {
            return Err(StoreError::Unfinished);
        }
        let again = Store::in_memory()?;
        self.copy_to(&again, 0, Copied::FoldAlone)?;
        self.must_equal(&again.read()?)?;
        Ok(head)
    }

    /// Compares the fold's tables, row by row and byte by byte.
    fn must_equal(&self, other: &Self) -> Result<(), StoreError> {
        self.compare(other, fold::ACCESSES)?;
        self.compare(other, fold::GRANTS)?;
        self.compare(other, fold::REVIEWS)?;
        self.compare(other, fold::LOCKS)?;
        self.compare(other, fold::DUE)?;
        self.compare(other, fold::REQUESTS)?;
        self.compare(other, fold::SUBJECTS)?;
        self.compare(other, fold::ACTORS)?;
        self.compare(other, fold::LOGINS)?;
        self.compare(other, fold::PASSKEYS)?;
        self.compare(other, fold::RESETS)?;
        self.compare(other, fold::SESSIONS)?;
        self.compare(other, fold::SESSIONS_OF)?;
        self.compare(other, fold::HOSTS)?;
        self.compare(other, fold::HOST_NAMES)?;
        self.compare(other, fold::HOST_KEYS)?;
        self.compare(other, fold::HOST_TOKENS)?;
        self.compare(other, fold::OPEN_LOGINS)?;
        self.compare(other, fold::SPENT)?;
        self.compare(other, fold::ISSUANCES)?;
        self.compare(other, fold::SSH_SERIALS)?;
        self.compare(other, fold::INDEX)?;
        self.compare(other, fold::FILES)?;
        self.compare(other, fold::PEOPLE)?;
        self.compare(other, fold::VOUCHED)?;
        self.compare(other, fold::VOUCHING)?;
        self.compare(other, fold::BUNDLE)?;
        self.compare(other, fold::CLOCK)
    }

    fn compare<K: Key + 'static, V: Value + 'static>(
        &self,
        other: &Self,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<(), StoreError> {
        let name = redb::TableHandle::name(&definition).to_owned();
        let (own, folded) =
            (self.transaction.open_table(definition)?, other.transaction.open_table(definition)?);
        let (mut own, mut folded) = (own.iter()?, folded.iter()?);
        loop {
            let same = match (own.next().transpose()?, folded.next().transpose()?) {
                (None, None) => return Ok(()),
                (Some((key, value)), Some((other_key, other_value))) => {
                    K::as_bytes(&key.value()).as_ref() == K::as_bytes(&other_key.value()).as_ref()
                        && V::as_bytes(&value.value()).as_ref()
                            == V::as_bytes(&other_value.value()).as_ref()
                }
                _ => false,
            };
            if !same {
                return Err(StoreError::Damaged(format!(
                    "the table {name} is not the fold of the entries"
                )));
            }
        }
    }
}
