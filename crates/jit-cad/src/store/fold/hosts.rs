//! Hosts: their names and keys, the tokens by which others can enrol, and which keys clients are to refuse.

use jit_ca_core::event::{Event, HostEnrolled, HostLoggedIn, HostTokenMade};
use jit_ca_core::{ActorRef, Means, UnixTime};
use jit_ca_log::hash::sha256;
use jit_ca_log::{Leaf, payload};
use redb::{ReadableTable, TableDefinition};

use super::{Clash, Fold};
use crate::clock::Millis;
use crate::store::StoreError;
use crate::store::record::{HostRecord, HostTokenRecord, LoginRecord};

/// A host's pseudonym to [`HostRecord`].
pub(in crate::store) const HOSTS: TableDefinition<'_, &[u8; 16], &[u8]> =
    TableDefinition::new("fold.hosts");
/// Each name of a host that is not revoked, to its pseudonym.
pub(in crate::store) const HOST_NAMES: TableDefinition<'_, &str, &[u8; 16]> =
    TableDefinition::new("fold.host_names");
/// Each key that a host has ever enrolled with, in its SSH wire form, to the host's pseudonym.
pub(in crate::store) const HOST_KEYS: TableDefinition<'_, &[u8], &[u8; 16]> =
    TableDefinition::new("fold.host_keys");
/// SHA-256 of a token that was not used, to [`HostTokenRecord`]. It may be too old.
pub(in crate::store) const HOST_TOKENS: TableDefinition<'_, &[u8; 32], &[u8]> =
    TableDefinition::new("fold.host_tokens");

/// The host under a pseudonym.
pub(in crate::store) fn host(
    table: &impl ReadableTable<&'static [u8; 16], &'static [u8]>,
    actor: ActorRef,
) -> Result<Option<HostRecord>, StoreError> {
    let found = table.get(actor.as_bytes())?;
    Ok(found.map(|found| payload::decode(found.value())).transpose()?)
}

/// The token with this SHA-256.
pub(in crate::store) fn host_token(
    table: &impl ReadableTable<&'static [u8; 32], &'static [u8]>,
    token: &[u8; 32],
) -> Result<Option<HostTokenRecord>, StoreError> {
    let found = table.get(token)?;
    Ok(found.map(|found| payload::decode(found.value())).transpose()?)
}

impl Fold<'_> {
    /// A token is new, and used once, for the names that it is for; a name is one host's; a key is one host's, and does
    /// not come back once another took its place or it is revoked; and who is revoked gets nothing. `enrolled` is the
    /// enrolment that comes with it.
    pub(super) fn admit_hosts(
        &self,
        (actor, event): (ActorRef, &Event),
        enrolled: Option<&HostEnrolled>,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        let ok = |is_so: bool, clash: Clash| Ok(is_so.then_some(()).ok_or(clash));
        match event {
            Event::HostTokenMade(made) => {
                if self.host_tokens.get(made.token.as_bytes())?.is_some() {
                    return Ok(Err(Clash::Taken));
                }
                self.admit_open_login(made.login.as_slice(), now)
            }
            Event::HostEnrolled(enrolled) => self.admit_enrolment(actor, enrolled, now),
            Event::HostLoggedIn(login) => {
                if self.spent.get(login.challenge.as_str())?.is_some() {
                    return Ok(Err(Clash::Challenge));
                }
                ok(self.is_believed(actor)?, Clash::Host)
            }
            Event::HostRevoked(revoked) => match self.is_believed(actor)? {
                true => self.admit_open_login(revoked.login.as_slice(), now),
                false => Ok(Err(Clash::Host)),
            },
            Event::CertificateIntended(intended) if intended.purpose == SSH_HOST => {
                ok(enrolled.is_some() || self.is_believed(actor)?, Clash::Host)
            }
            _ => Ok(Ok(())),
        }
    }

    fn admit_enrolment(
        &self,
        actor: ActorRef,
        enrolled: &HostEnrolled,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        let HostEnrolled { host: name, aliases, key, token, .. } = enrolled;
        let token = host_token(&self.host_tokens, token.as_bytes())?;
        let lets =
            token.is_some_and(|it| now < it.expires && it.host == *name && it.aliases == *aliases);
        if !lets {
            return Ok(Err(Clash::Code));
        }
        for name in std::iter::once(name).chain(aliases) {
            let whose = self.host_names.get(name.as_str())?;
            if whose.is_some_and(|whose| whose.value() != actor.as_bytes()) {
                return Ok(Err(Clash::Host));
            }
        }
        let Some(whose) = self.host_keys.get(key.as_slice())? else { return Ok(Ok(())) };
        let is_its = *whose.value() == *actor.as_bytes()
            && host(&self.hosts, actor)?.is_some_and(|host| host.is_known_by(key.as_slice()));
        Ok(is_its.then_some(()).ok_or(Clash::Host))
    }

    fn is_believed(&self, actor: ActorRef) -> Result<bool, StoreError> {
        Ok(host(&self.hosts, actor)?.is_some_and(|host| host.revoked.is_none()))
    }

    pub(super) fn apply_hosts(&mut self, leaf: &Leaf, event: &Event) -> Result<(), StoreError> {
        let written = Millis(leaf.ts_ms);
        match event {
            Event::HostTokenMade(made) => self.apply_host_token(made, written),
            Event::HostEnrolled(enrolled) => self.apply_enrolment(leaf, enrolled),
            Event::HostLoggedIn(login) => self.apply_host_login(leaf.actor, login, written),
            Event::HostRevoked(_) => self.revoke_host(leaf),
            _ => Ok(()),
        }
    }

    /// The leaf alone says which host it is that is revoked.
    pub(super) fn revoke_host(&mut self, leaf: &Leaf) -> Result<(), StoreError> {
        let Some(mut record) = host(&self.hosts, leaf.actor)? else { return Ok(()) };
        self.free_names(&record)?;
        record.revoked = Some(Millis(leaf.ts_ms).time());
        self.end_logins_of(&record.subject)?;
        self.put_host(&record)
    }

    /// Time goes back to `now`: tokens that were made later are over.
    pub(super) fn take_back_host_tokens(&mut self, now: Millis) -> Result<(), StoreError> {
        self.keep_host_tokens(|token| token.made <= now)
    }

    fn apply_host_token(&mut self, made: &HostTokenMade, at: Millis) -> Result<(), StoreError> {
        // What is too old needs no remembering.
        self.keep_host_tokens(|token| token.expires > at.time())?;
        let (host, aliases) = (made.host.clone(), made.aliases.clone());
        let record = HostTokenRecord { host, aliases, made: at, expires: made.expires };
        self.host_tokens.insert(made.token.as_bytes(), payload::encode(&record)?.as_slice())?;
        Ok(())
    }

    fn keep_host_tokens(
        &mut self,
        is_kept: impl Fn(&HostTokenRecord) -> bool,
    ) -> Result<(), StoreError> {
        let mut over = Vec::new();
        for row in self.host_tokens.iter()? {
            let (token, record) = row?;
            if !is_kept(&payload::decode(record.value())?) {
                over.push(*token.value());
            }
        }
        for token in over {
            self.host_tokens.remove(&token)?;
        }
        Ok(())
    }

    fn apply_enrolment(&mut self, leaf: &Leaf, enrolled: &HostEnrolled) -> Result<(), StoreError> {
        let HostEnrolled { subject, host: name, aliases, key, token, .. } = enrolled.clone();
        self.host_tokens.remove(token.as_bytes())?;
        if let Some(before) = host(&self.hosts, leaf.actor)? {
            self.free_names(&before)?;
            // They were made with the key before.
            self.end_logins_of(&subject)?;
        }
        let record = HostRecord {
            subject,
            actor: leaf.actor,
            host: name,
            aliases,
            key,
            enrolled: Millis(leaf.ts_ms).time(),
            revoked: None,
        };
        for name in record.names() {
            self.host_names.insert(name.as_str(), leaf.actor.as_bytes())?;
        }
        self.host_keys.insert(record.key.as_slice(), leaf.actor.as_bytes())?;
        self.put_host(&record)
    }

    fn apply_host_login(
        &mut self,
        actor: ActorRef,
        login: &HostLoggedIn,
        began: Millis,
    ) -> Result<(), StoreError> {
        self.spend(&login.challenge, began.time())?;
        let Some(host) = host(&self.hosts, actor)? else { return Ok(()) };
        let record = LoginRecord {
            subject: login.subject.clone(),
            key: Some(sha256(host.key.as_slice())),
            window: login.window,
            address: login.address,
            mfa_at: None,
            vouched_at: None,
            means: Means::key(),
            began,
            ended: false,
        };
        self.begin_login(login.serial.as_slice(), record)
    }

    fn free_names(&mut self, record: &HostRecord) -> Result<(), StoreError> {
        for name in record.names() {
            let own = self.host_names.get(name.as_str())?;
            if own.is_some_and(|own| own.value() == record.actor.as_bytes()) {
                self.host_names.remove(name.as_str())?;
            }
        }
        Ok(())
    }

    fn put_host(&mut self, record: &HostRecord) -> Result<(), StoreError> {
        self.hosts.insert(record.actor.as_bytes(), payload::encode(record)?.as_slice())?;
        Ok(())
    }
}

/// The purpose of the key that certifies hosts.
const SSH_HOST: &str = "ssh-host";
