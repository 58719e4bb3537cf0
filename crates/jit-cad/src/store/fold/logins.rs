//! Logins: how they begin and end, and which are open.

use jit_ca_core::event::{Factor, LoggedIn, LoggedInByCertificate, LoggedInByToken};
use jit_ca_core::{Means, SubjectId, UnixTime};
use jit_ca_log::hash::sha256;
use redb::ReadableTable;

use super::{Fold, spent_token};
use crate::clock::Millis;
use crate::identity::{CHALLENGE_MEMORY, CLOCKS_APART, COMMITTED_WITHIN};
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
        self.spend(&login.challenge, at)?;

        let mut mfa_at = None;
        self.subjects.change(login.subject.to_string().as_str(), |subject| {
            match &login.factor {
                Factor::Totp { step } => {
                    // Where there is none, the entries are erased that say whose it was, and that it was reset.
                    subject.totp_step = subject.totp_step.map(|_| *step);
                    mfa_at = Some(at);
                }
                Factor::SecurityKey | Factor::Passkey(_) => mfa_at = Some(at),
                Factor::EnrolmentCode { .. } => subject.enrolment_code = None,
            }
        })?;
        let record = LoginRecord {
            subject: login.subject.clone(),
            key: Some(sha256(login.key.as_slice())),
            window: login.window,
            address: login.address,
            mfa_at,
            vouched_at: None,
            means: login.factor.means(),
            began,
            ended: false,
        };
        self.begin_login(login.serial.as_slice(), record)
    }

    pub(super) fn apply_login_by_token(
        &mut self,
        login: &LoggedInByToken,
        began: Millis,
    ) -> Result<(), StoreError> {
        let at = began.time();
        if let Some(challenge) = &login.challenge {
            self.spend(challenge, at)?;
        }
        // Taken for so long, and a commit later.
        let until = login.expires.plus(CLOCKS_APART).plus(COMMITTED_WITHIN);
        self.use_up(&spent_token(&login.token), at, until)?;
        let record = LoginRecord {
            subject: login.subject.clone(),
            key: None,
            window: login.window,
            address: login.address,
            mfa_at: login.mfa_at,
            vouched_at: Some(at),
            means: Means { acr: login.acr.clone(), amr: login.amr.clone() },
            began,
            ended: false,
        };
        self.begin_login(login.serial.as_slice(), record)
    }

    pub(super) fn apply_login_by_certificate(
        &mut self,
        login: &LoggedInByCertificate,
        began: Millis,
    ) -> Result<(), StoreError> {
        let record = LoginRecord {
            subject: login.subject.clone(),
            key: None,
            window: login.window,
            address: login.address,
            mfa_at: None,
            vouched_at: Some(login.since),
            means: Means::key(),
            began,
            ended: false,
        };
        self.begin_login(login.serial.as_slice(), record)
    }

    /// From here on it is open.
    pub(super) fn begin_login(
        &mut self,
        serial: &[u8],
        record: LoginRecord,
    ) -> Result<(), StoreError> {
        let subject = record.subject.to_string();
        self.end_passed(&subject, record.began.time())?;
        self.open_logins.insert((subject.as_str(), serial), record.window.end().secs())?;
        self.logins.put(serial, record)
    }

    /// Remembers that a challenge was answered, for as long as it could be answered again.
    pub(super) fn spend(&mut self, challenge: &str, at: UnixTime) -> Result<(), StoreError> {
        self.use_up(challenge, at, at.plus(CHALLENGE_MEMORY))
    }

    /// Remembers that something was used, until it is too old to be used anyway.
    fn use_up(&mut self, used: &str, now: UnixTime, until: UnixTime) -> Result<(), StoreError> {
        // What is older needs no remembering.
        self.spent.retain(|_, expires| expires > now.secs())?;
        self.spent.insert(used, until.secs())?;
        Ok(())
    }

    pub(super) fn end_login(&mut self, serial: &[u8]) -> Result<(), StoreError> {
        let Some(login) = self.logins.get(serial)? else { return Ok(()) };
        self.open_logins.remove((login.subject.to_string().as_str(), serial))?;
        self.logins.change(serial, |login| login.ended = true)
    }

    /// Ends all of a subject's logins that are open, and what would rest on any of them: no certificate stands in for a
    /// token any more that one of them got.
    pub(super) fn end_logins_of(&mut self, subject: &SubjectId) -> Result<(), StoreError> {
        if !subject.is_local() {
            let own = self.logins.pick(|serial, login| {
                let rests = login.subject == *subject && login.vouched_at.is_some();
                rests.then(|| serial.to_vec())
            })?;
            for serial in own {
                self.logins.change(serial.as_slice(), |login| login.vouched_at = None)?;
            }
        }
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
