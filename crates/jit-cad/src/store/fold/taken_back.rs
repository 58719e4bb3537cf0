//! What is over where time goes back in the log.
//!
//! By a clock that is put back, what was made later than it says now has not been made yet. When that time comes at
//! last, it must not begin a second time: it is over for good.

use jit_ca_core::RequestId;
use redb::ReadableTable as _;

use super::Fold;
use crate::clock::Millis;
use crate::store::StoreError;
use crate::store::record::AccessRecord;

impl Fold<'_> {
    /// Ends what entries made that were written later than `now`, which is when the clock was acknowledged, at `index`.
    ///
    /// INVARIANT (nothing of a wrong clock): the one place of the daemon that says what is over. Leaves say when, so that
    /// a fold made again and both verifiers come to the same.
    pub(super) fn take_back(&mut self, index: u64, now: Millis) -> Result<(), StoreError> {
        let logins = self.logins.pick(|serial, login| {
            let is_later = login.began > now && (!login.ended || login.vouched_at.is_some());
            is_later.then(|| serial.to_vec())
        })?;
        for serial in logins {
            self.end_login(&serial)?;
            self.logins.change(serial.as_slice(), |login| login.vouched_at = None)?;
        }
        // A second factor was given before the clock was put right, whatever it said then.
        let factors = self.logins.pick(|serial, login| {
            login.mfa_at.is_some_and(|at| at > now.time()).then(|| serial.to_vec())
        })?;
        for serial in factors {
            self.logins.change(serial.as_slice(), |login| login.mfa_at = Some(now.time()))?;
        }
        let subjects = self.subjects.pick(|subject, record| {
            let code = record.enrolment_code?;
            (code.made > now).then(|| subject.to_owned())
        })?;
        for subject in subjects {
            self.subjects.change(subject.as_str(), |record| record.enrolment_code = None)?;
        }
        self.take_back_resets(now)?;
        self.take_back_host_tokens(now)?;
        let mut unfinished = Vec::new();
        for row in self.due.iter()? {
            let (key, _) = row?;
            unfinished.push(RequestId::from_bytes(*key.value().1));
        }
        for request in unfinished {
            let record = self.accesses.get(request.as_bytes())?;
            let Some(record) = record.filter(|record| record.began > now) else {
                continue;
            };
            let access = record.access.clone().taken_back();
            self.place_access(request, Some(&record.access), Some(&access))?;
            let record = AccessRecord { generation: index, began: record.began, access };
            self.accesses.put(request.as_bytes(), record)?;
        }
        Ok(())
    }
}
