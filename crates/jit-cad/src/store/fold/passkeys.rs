//! Passkeys, and the logins that they make or step up.

use jit_ca_core::event::{
    Assertion, Consent, Event, Factor, LoginSteppedUp, PageLoggedIn, PasskeyAdded,
};
use jit_ca_core::{Means, UnixTime};
use jit_ca_log::hash::sha256;
use jit_ca_log::webauthn;
use redb::{ReadableTable as _, TableDefinition};

use super::{Clash, Fold};
use crate::clock::Millis;
use crate::store::StoreError;
use crate::store::record::{LoginRecord, PasskeyRecord};

/// A passkey's id to [`PasskeyRecord`].
pub(in crate::store) const PASSKEYS: TableDefinition<'_, &[u8], &[u8]> =
    TableDefinition::new("fold.passkeys");

impl Fold<'_> {
    /// What an event changes of passkeys, beside what else it changes.
    pub(super) fn apply_passkeys(
        &mut self,
        event: &Event,
        written: Millis,
    ) -> Result<(), StoreError> {
        match event {
            Event::PasskeyAdded(added) => self.apply_passkey(added, written)?,
            Event::PasskeyRemoved(removed) => self.passkeys.remove(removed.passkey.as_slice())?,
            Event::PageLoggedIn(login) => self.apply_page_login(login, written)?,
            Event::LoginSteppedUp(stepped) => self.apply_step_up(stepped, written)?,
            _ => {}
        }
        if let Some(assertion) = signed_in(event)
            && let Ok(counter) = webauthn::counter(assertion)
        {
            self.passkeys.change(assertion.passkey.as_slice(), |passkey| {
                passkey.passkey.counter = counter;
            })?;
        }
        Ok(())
    }

    fn apply_passkey(&mut self, added: &PasskeyAdded, written: Millis) -> Result<(), StoreError> {
        self.spend(&added.challenge, written.time())?;
        // It was read before the entry was written; what can't be read opens nothing.
        let Ok(passkey) = webauthn::recorded(&added.registration) else { return Ok(()) };
        let id = passkey.id.clone();
        let record = PasskeyRecord {
            subject: added.subject.clone(),
            label: added.label.clone(),
            party: added.party.clone(),
            added: written.time(),
            passkey: passkey.into(),
        };
        self.passkeys.put(id.as_slice(), record)
    }

    fn apply_page_login(&mut self, login: &PageLoggedIn, began: Millis) -> Result<(), StoreError> {
        let at = began.time();
        self.spend(&login.challenge, at)?;
        let Some(used) = self.passkeys.get(login.assertion.passkey.as_slice())? else {
            return Ok(());
        };
        let record = LoginRecord {
            subject: login.subject.clone(),
            key: Some(sha256(used.passkey.key.as_slice())),
            window: login.window,
            address: login.address,
            // The authenticator has verified its user: that is two factors at once.
            mfa_at: Some(at),
            vouched_at: None,
            means: Means::verified_user(),
            began,
            ended: false,
        };
        self.begin_login(login.serial.as_slice(), record)
    }

    fn apply_step_up(&mut self, stepped: &LoginSteppedUp, at: Millis) -> Result<(), StoreError> {
        self.spend(&stepped.challenge, at.time())?;
        self.logins.change(stepped.login.as_slice(), |login| {
            login.mfa_at = Some(at.time());
            login.means = std::mem::take(&mut login.means).and(Means::verified_user());
        })
    }

    /// What is signed with a passkey is signed with one that is the subject's still, and whose counter goes up.
    pub(super) fn admit_passkeys(
        &self,
        event: &Event,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        if let Some(assertion) = signed_in(event) {
            let known = self.passkeys.get(assertion.passkey.as_slice())?;
            let counts_on = known.is_some_and(|known| {
                webauthn::counter(assertion).is_ok_and(|found| {
                    webauthn::must_count_on(known.passkey.counter, found).is_ok()
                })
            });
            if !counts_on {
                return Ok(Err(Clash::Passkey));
            }
        }
        match event {
            Event::PasskeyAdded(added) => self.admit_passkey(added, now),
            Event::PasskeyRemoved(removed) => {
                let known = self.passkeys.get(removed.passkey.as_slice())?;
                match known.is_some_and(|known| known.subject == removed.subject) {
                    true => self.admit_open_login(removed.login.as_slice(), now),
                    false => Ok(Err(Clash::Passkey)),
                }
            }
            Event::PageLoggedIn(login) => {
                let is_spent = self.spent.get(login.challenge.as_str())?.is_some();
                let is_taken = self.logins.get(login.serial.as_slice())?.is_some();
                Ok(match (is_spent, is_taken) {
                    (true, _) => Err(Clash::Challenge),
                    (_, true) => Err(Clash::Taken),
                    _ => Ok(()),
                })
            }
            Event::LoginSteppedUp(stepped) => {
                match self.spent.get(stepped.challenge.as_str())?.is_some() {
                    true => Ok(Err(Clash::Challenge)),
                    false => self.admit_open_login(stepped.login.as_slice(), now),
                }
            }
            _ => Ok(Ok(())),
        }
    }

    /// A second passkey comes by the leave of the first.
    fn admit_passkey(
        &self,
        added: &PasskeyAdded,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        if self.spent.get(added.challenge.as_str())?.is_some() {
            return Ok(Err(Clash::Challenge));
        }
        let Ok(passkey) = webauthn::recorded(&added.registration) else {
            return Ok(Err(Clash::Passkey));
        };
        if self.passkeys.get(passkey.id.as_slice())?.is_some() {
            return Ok(Err(Clash::Taken));
        }
        let own = self.passkeys.pick(|_, known| (known.subject == added.subject).then_some(()))?;
        if added.consent.is_none() && !own.is_empty() {
            return Ok(Err(Clash::Passkey));
        }
        self.admit_open_login(added.login.as_slice(), now)
    }
}

/// What of an event was signed with a passkey.
fn signed_in(event: &Event) -> Option<&Assertion> {
    match event {
        Event::PasskeyAdded(added) => added.consent.as_ref(),
        Event::PageLoggedIn(login) => Some(&login.assertion),
        Event::LoginSteppedUp(stepped) => Some(&stepped.assertion),
        Event::LoggedIn(login) => match &login.factor {
            Factor::Passkey(assertion) => Some(assertion),
            Factor::Totp { .. } | Factor::SecurityKey | Factor::EnrolmentCode { .. } => None,
        },
        Event::ApprovalGiven(given) => match &given.signature {
            Some(Consent::Passkey(assertion)) => Some(assertion),
            Some(Consent::Ssh(_)) | None => None,
        },
        _ => None,
    }
}
