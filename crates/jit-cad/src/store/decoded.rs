//! Records as they were decoded: every call reads the same few, and few calls change one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jit_ca_core::event::{PersonListed, SubjectVouched};
use jit_ca_log::payload;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::record::{AccessRecord, LoginRecord, PasskeyRecord, SubjectRecord};

/// How many records of a kind are kept.
const KEPT: usize = 512;

/// The records that were read last, of each kind.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) accesses: Records<AccessRecord>,
    pub(super) subjects: Records<SubjectRecord>,
    pub(super) logins: Records<LoginRecord>,
    pub(super) passkeys: Records<PasskeyRecord>,
    pub(super) people: Records<PersonListed>,
    pub(super) vouched: Records<SubjectVouched>,
}

/// Records by their bytes. Which record some bytes are never changes, so that none of these can be out of date.
#[derive(Debug)]
pub(super) struct Records<T>(Mutex<HashMap<Box<[u8]>, Arc<T>>>);

impl<T> Default for Records<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: DeserializeOwned> Records<T> {
    /// The record that `bytes` are.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Arc<T>, StoreError> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = records.get(bytes) {
            return Ok(Arc::clone(record));
        }
        let record = Arc::new(payload::decode(bytes)?);
        if records.len() >= KEPT {
            records.clear();
        }
        records.insert(bytes.into(), Arc::clone(&record));
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_kept_as_there_is_room_for() {
        let records = Records::<u64>::default();
        let decoded = |number: u64| *records.decode(&payload::encode(&number).unwrap()).unwrap();
        for number in 0..3 * KEPT as u64 {
            assert_eq!(decoded(number), number);
            assert_eq!(decoded(number), number);
            assert!(records.0.lock().unwrap().len() <= KEPT);
        }
        assert!(records.decode(b"\xff").is_err());
    }
}
