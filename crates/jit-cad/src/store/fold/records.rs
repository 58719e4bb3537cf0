//! A table of records, each of which is read and decoded once in a transaction.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use jit_ca_log::payload;
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::{StoreError, decoded};

/// The table, open for writing, with the records that were asked for.
///
/// The entries of a batch are about the same few people and requests.
pub(super) struct Records<'t, K: redb::Key + 'static, T> {
    table: Table<'t, K, &'static [u8]>,
    decoded: &'t decoded::Records<T>,
    known: RefCell<HashMap<Vec<u8>, Option<Arc<T>>>>,
}

impl<'t, K, T> Records<'t, K, T>
where
    K: redb::Key + 'static,
    T: Serialize + DeserializeOwned,
{
    pub(super) fn open(
        transaction: &'t WriteTransaction,
        definition: TableDefinition<'_, K, &'static [u8]>,
        decoded: &'t decoded::Records<T>,
    ) -> Result<Self, StoreError> {
        let table = transaction.open_table(definition)?;
        Ok(Self { table, decoded, known: RefCell::default() })
    }

    /// The record at `key`.
    pub(super) fn get<'k>(
        &self,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<Arc<T>>, StoreError> {
        let key = key.borrow();
        let bytes = K::as_bytes(key);
        if let Some(known) = self.known.borrow().get(bytes.as_ref()) {
            return Ok(known.clone());
        }
        let found = self.table.get(key)?;
        let found = found.map(|found| self.decoded.decode(found.value())).transpose()?;
        self.known.borrow_mut().insert(bytes.as_ref().to_vec(), found.clone());
        Ok(found)
    }

    /// What `pick` takes of the records, of all that there are.
    pub(super) fn pick<R>(
        &self,
        pick: impl Fn(K::SelfType<'_>, &T) -> Option<R>,
    ) -> Result<Vec<R>, StoreError> {
        let mut picked = Vec::new();
        for row in self.table.iter()? {
            let (key, bytes) = row?;
            picked.extend(pick(key.value(), &payload::decode(bytes.value())?));
        }
        Ok(picked)
    }

    /// Puts the record in place of any before.
    pub(super) fn put<'k>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
        record: T,
    ) -> Result<(), StoreError> {
        let key = key.borrow();
        self.table.insert(key, payload::encode(&record)?.as_slice())?;
        self.known.get_mut().insert(K::as_bytes(key).as_ref().to_vec(), Some(Arc::new(record)));
        Ok(())
    }

    /// Changes the record, if there is one.
    pub(super) fn change<'k>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
        change: impl FnOnce(&mut T),
    ) -> Result<(), StoreError>
    where
        T: Clone,
    {
        let key = key.borrow();
        let Some(record) = self.get(key)? else {
            return Ok(());
        };
        let mut record = T::clone(&record);
        change(&mut record);
        self.put(key, record)
    }

    /// Removes the record, if there is one.
    pub(super) fn remove<'k>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<(), StoreError> {
        let key = key.borrow();
        self.table.remove(key)?;
        self.known.get_mut().insert(K::as_bytes(key).as_ref().to_vec(), None);
        Ok(())
    }
}

/// The record at `key`, in a transaction of whatever kind.
pub(in crate::store) fn read<'k, K, T>(
    table: &impl ReadableTable<K, &'static [u8]>,
    key: impl Borrow<K::SelfType<'k>>,
    decoded: &decoded::Records<T>,
) -> Result<Option<Arc<T>>, StoreError>
where
    K: redb::Key + 'static,
    T: DeserializeOwned,
{
    table.get(key)?.map(|bytes| decoded.decode(bytes.value())).transpose()
}
