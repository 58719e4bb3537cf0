//! Logins: how they begin and end, and which are open.

use jit_ca_core::event::{Factor, LoggedIn};
use jit_ca_core::{SubjectId, UnixTime};
use jit_ca_log::hash::sha256;
use redb::ReadableTable;

use super::Fold;
use crate::clock::Millis;
use crate::store::StoreError;
use crate::store::record::LoginRecord;

/// The serials of a subject's logins that nothing has ended. Windows may be over.
pub(in crate::store) fn open(
    table: &impl ReadableTable<(&'static str, &'static [u8]), u64>,
    subject: &str,
) -> Result<Vec<(Vec<u8>, UnixTime)>, StoreError> {
    let mut found = Vec::new();
    for row in table.range((subject, [].as_slice())..)? {
        let (key, end) = row?;
        let (whose, serial) = key.value();
        if whose != subject {
            break;
        }
        found.push((serial.to_vec(), UnixTime::from_secs(end.value())));
    }
    Ok(found)
}

impl Fold<'_> {
    pub(super) fn apply_login(
        &mut self,
        login: &LoggedIn,
        began: Millis,
    ) -> Result<(), StoreError> {
        let at = began.time();
        // What is older can't be answered any more, and needs no remembering.
        self.spent.retain(|_, expires| expires > at.secs())?;
        self.spent.insert(
            login.challenge.as_str(),
            at.secs() + crate::identity::CHALLENGE_MEMORY.secs(),
        )?;

        let mut mfa_at = None;
        self.subjects.change(login.subject.to_string().as_str(), |subject| match login.factor {
            Factor::Totp { step } => {
                subject.totp_step = Some(step);
                mfa_at = Some(at);
            }
            Factor::SecurityKey => mfa_at = Some(at),
            Factor::EnrolmentCode { .. } => subject.enrolment_code = None,
        })?;
        let record = LoginRecord {
            subject: login.subject.clone(),
            key: sha256(login.key.as_slice()),
            window: login.window,
            address: login.address,
            mfa_at,
            began,
            ended: false,
        };
        let subject = login.subject.to_string();
        self.end_passed(&subject, at)?;
        let serial = login.serial.as_slice();
        self.open_logins.insert((subject.as_str(), serial), login.window.end().secs())?;
        self.logins.put(serial, record)
    }

    pub(super) fn end_login(&mut self, serial: &[u8]) -> Result<(), StoreError> {
        let Some(login) = self.logins.get(serial)? else { return Ok(()) };
        self.open_logins.remove((login.subject.to_string().as_str(), serial))?;
        self.logins.change(serial, |login| login.ended = true)
    }

    /// Ends all of a subject's logins that are open.
    pub(super) fn end_logins_of(&mut self, subject: &SubjectId) -> Result<(), StoreError> {
        for (serial, _) in open(&self.open_logins, &subject.to_string())? {
            self.end_login(&serial)?;
        }
        Ok(())
    }

    /// Ends the subject's logins whose windows are over: they stay so, also where the clock is put back.
    fn end_passed(&mut self, subject: &str, now: UnixTime) -> Result<(), StoreError> {
        for (serial, end) in open(&self.open_logins, subject)? {
            if end <= now {
                self.end_login(&serial)?;
            }
        }
        Ok(())
    }
}
