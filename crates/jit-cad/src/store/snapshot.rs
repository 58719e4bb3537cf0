//! A snapshot: the state as one commit left it, for any number of readers.

use std::any::Any;
use std::sync::Arc;

use jit_ca_core::event::{Event, PersonListed, SubjectVouched};
use jit_ca_core::{ActorRef, Bytes, Digest, GrantId, HostName, IssuanceId, SubjectId, UnixTime};
use jit_ca_log::tree::{TileId, TileReader, Tree, leaf_hash};
use jit_ca_log::{Bundle, Leaf, entry, payload};
use redb::{ReadTransaction, ReadableDatabase, ReadableTable as _};

use super::decoded::Decoded;
use super::record::{
    HostRecord, HostTokenRecord, IssuanceRecord, LoginRecord, PasskeyRecord, PolicyVersion,
    ResetRecord, SubjectRecord,
};
use super::{Head, KeyName, Reply, StoreError, beside, fold, log, tiles};
use crate::clock::{Millis, Standing};

/// A login that nothing has ended, with its certificate's serial.
pub(super) type OpenLogin = (Vec<u8>, Arc<LoginRecord>);

/// The state as one commit left it. It neither waits for the writer nor keeps it waiting.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) transaction: ReadTransaction,
    pub(super) decoded: Arc<Decoded>,
    /// The file that it is of stays open, also when the store goes on in another one.
    _database: Arc<dyn Any + Send + Sync>,
}

impl Snapshot {
    pub(super) fn new(
        database: Arc<impl ReadableDatabase + Send + Sync + 'static>,
        decoded: Arc<Decoded>,
    ) -> Result<Self, StoreError> {
        Ok(Self { transaction: database.begin_read()?, decoded, _database: database })
    }

    // === the log ===

    /// The end of the log; none before the first entry.
    ///
    /// # Errors
    /// If redb fails.
    pub fn head(&self) -> Result<Option<Head>, StoreError> {
        let table = self.transaction.open_table(log::HEAD)?;
        let head = table.get(())?;
        Ok(head.map(|head| {
            let (size, root, last) = head.value();
            Head { size, root: Digest::from_bytes(*root), last: Millis(last) }
        }))
    }

    /// The number of entries.
    ///
    /// # Errors
    /// If redb fails.
    pub fn size(&self) -> Result<u64, StoreError> {
        Ok(self.head()?.map_or(0, |head| head.size))
    }

    /// The leaf at `index`, as it was hashed.
    ///
    /// # Errors
    /// If redb fails.
    pub fn leaf(&self, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.transaction.open_table(log::LEAVES)?;
        Ok(table.get(index)?.map(|leaf| leaf.value().to_vec()))
    }

    /// The event at `index`, from its payload; none if that was erased or its type is not known.
    ///
    /// # Errors
    /// If redb fails, or the payload is not the one that the leaf commits to.
    pub fn event(&self, leaf: &Leaf) -> Result<Option<Event>, StoreError> {
        let Some(stored) = self.payload(leaf.idx)? else {
            return Ok(None);
        };
        let damaged = || {
            StoreError::Damaged(format!(
                "the payload of entry {} is not the one that its leaf commits to",
                leaf.idx
            ))
        };
        let (salt, payload) = stored.split_first_chunk::<32>().ok_or_else(damaged)?;
        if entry::commit(salt, payload) != leaf.commit {
            return Err(damaged());
        }
        Ok(payload::decode_event(leaf, payload)?)
    }

    /// The salt and payload at `index`, as they are stored; none if they were erased.
    ///
    /// # Errors
    /// If redb fails.
    pub fn payload(&self, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.transaction.open_table(log::PAYLOADS)?;
        Ok(table.get(index)?.map(|payload| payload.value().to_vec()))
    }

    /// Gives each payload before `end` that is not erased, in the order of the log, as [`Snapshot::payload`] does.
    ///
    /// # Errors
    /// If redb fails, or `each` does.
    pub fn for_each_payload(
        &self,
        end: u64,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for row in self.transaction.open_table(log::PAYLOADS)?.range(..end)? {
            let (index, payload) = row?;
            each(index.value(), payload.value())?;
        }
        Ok(())
    }

    /// The tree of the log, at its head.
    ///
    /// # Errors
    /// If redb fails.
    pub fn tree(&self) -> Result<Tree<&Self>, StoreError> {
        Ok(Tree::at(self, self.size()?))
    }

    /// Checks that head, tiles and last leaf belong together: what a start rests on.
    ///
    /// # Errors
    /// If they don't, or redb fails.
    pub fn verify_head(&self) -> Result<Head, StoreError> {
        let damaged = |what: &str| StoreError::Damaged(what.to_owned());
        let head = self
            .head()?
            .ok_or_else(|| damaged("it has no entry; run `jit-cad init` in another folder"))?;
        let mut tree = self.tree()?;
        if tree.root()? != head.root {
            return Err(damaged("its tiles do not give the root of its head"));
        }
        let last = self.leaf(head.size - 1)?.ok_or_else(|| damaged("its last entry is missing"))?;
        let proof = tree.inclusion_proof(head.size - 1)?;
        jit_ca_log::tree::verify_inclusion(
            leaf_hash(&last),
            head.size - 1,
            head.size,
            &proof,
            head.root,
        )?;
        if self.leaf(head.size)?.is_some() {
            return Err(damaged("it holds an entry after its head"));
        }
        Ok(head)
    }

    // === the fold ===

    /// The bundle in force.
    ///
    /// # Errors
    /// If redb fails.
    pub fn bundle(&self) -> Result<Option<Digest>, StoreError> {
        let table = self.transaction.open_table(fold::BUNDLE)?;
        Ok(table.get(())?.map(|row| Digest::from_bytes(*row.value().0)))
    }

    /// The bundle in force, and whom issuers vouch for.
    ///
    /// # Errors
    /// If redb fails.
    pub fn policy(&self) -> Result<PolicyVersion, StoreError> {
        let vouching = self.transaction.open_table(fold::VOUCHING)?.get(())?;
        let vouching = vouching.map_or(0, |row| row.value());
        Ok(PolicyVersion { bundle: self.bundle()?, vouching })
    }

    /// What an issuer said last of a subject.
    ///
    /// # Errors
    /// If redb fails.
    pub fn vouched_for(
        &self,
        subject: &SubjectId,
    ) -> Result<Option<Arc<SubjectVouched>>, StoreError> {
        let table = self.transaction.open_table(fold::VOUCHED)?;
        fold::read(&table, subject.to_string().as_str(), &self.decoded.vouched)
    }

    /// What issuers said last of each subject for whom one vouches.
    ///
    /// # Errors
    /// If redb fails.
    pub fn vouched(&self) -> Result<Vec<SubjectVouched>, StoreError> {
        let table = self.transaction.open_table(fold::VOUCHED)?;
        table.iter()?.map(|row| Ok(payload::decode(row?.1.value())?)).collect()
    }

    /// The bundle that the log lists now: its files and people.
    ///
    /// # Errors
    /// If redb fails.
    pub fn listed(&self) -> Result<Bundle, StoreError> {
        let zone = self.transaction.open_table(fold::BUNDLE)?.get(())?;
        let zone = zone.map_or_else(|| Bundle::empty().zone, |row| row.value().1.to_owned());
        let mut files = Vec::new();
        for row in self.transaction.open_table(fold::FILES)?.iter()? {
            let (path, text) = row?;
            files.push((path.value().to_owned(), text.value().to_owned()));
        }
        let mut people: Vec<PersonListed> = Vec::new();
        for row in self.transaction.open_table(fold::PEOPLE)?.iter()? {
            people.push(payload::decode(row?.1.value())?);
        }
        Ok(Bundle::new(&zone, files, people))
    }

    /// A subject.
    ///
    /// # Errors
    /// If redb fails.
    pub fn subject(&self, subject: &SubjectId) -> Result<Option<Arc<SubjectRecord>>, StoreError> {
        let table = self.transaction.open_table(fold::SUBJECTS)?;
        fold::read(&table, subject.to_string().as_str(), &self.decoded.subjects)
    }

    /// All subjects.
    ///
    /// # Errors
    /// If redb fails.
    pub fn subjects(&self) -> Result<Vec<SubjectRecord>, StoreError> {
        let table = self.transaction.open_table(fold::SUBJECTS)?;
        table.iter()?.map(|row| Ok(payload::decode(row?.1.value())?)).collect()
    }

    /// The subject behind a pseudonym.
    ///
    /// # Errors
    /// If redb fails.
    pub fn subject_of(&self, actor: ActorRef) -> Result<Option<Arc<SubjectRecord>>, StoreError> {
        let table = self.transaction.open_table(fold::ACTORS)?;
        let Some(subject) = table.get(actor.as_bytes())?.map(|subject| subject.value().to_owned())
        else {
            return Ok(None);
        };
        let table = self.transaction.open_table(fold::SUBJECTS)?;
        fold::read(&table, subject.as_str(), &self.decoded.subjects)
    }

    /// A login, by its certificate's serial.
    ///
    /// # Errors
    /// If redb fails.
    pub fn login(&self, serial: &[u8]) -> Result<Option<Arc<LoginRecord>>, StoreError> {
        fold::read(&self.transaction.open_table(fold::LOGINS)?, serial, &self.decoded.logins)
    }

    /// A passkey, by its id.
    ///
    /// # Errors
    /// If redb fails.
    pub fn passkey(&self, id: &[u8]) -> Result<Option<Arc<PasskeyRecord>>, StoreError> {
        fold::read(&self.transaction.open_table(fold::PASSKEYS)?, id, &self.decoded.passkeys)
    }

    /// All passkeys of a subject, with their ids.
    ///
    /// # Errors
    /// If redb fails.
    pub fn passkeys(&self, subject: &SubjectId) -> Result<Vec<(Bytes, PasskeyRecord)>, StoreError> {
        let mut found = Vec::new();
        for row in self.transaction.open_table(fold::PASSKEYS)?.iter()? {
            let (id, record) = row?;
            let record = self.decoded.passkeys.decode(record.value())?;
            if record.subject == *subject {
                found.push((id.value().into(), PasskeyRecord::clone(&record)));
            }
        }
        Ok(found)
    }

    /// A subject's resets; none where nothing of the kind stands.
    ///
    /// # Errors
    /// If redb fails.
    pub fn reset(&self, subject: &SubjectId) -> Result<Option<ResetRecord>, StoreError> {
        let table = self.transaction.open_table(fold::RESETS)?;
        let found = table.get(subject.to_string().as_str())?;
        Ok(found.map(|found| payload::decode(found.value())).transpose()?)
    }

    /// A host that has enrolled, by its pseudonym.
    ///
    /// # Errors
    /// If redb fails.
    pub fn host(&self, actor: ActorRef) -> Result<Option<HostRecord>, StoreError> {
        fold::host(&self.transaction.open_table(fold::HOSTS)?, actor)
    }

    /// The host that has this name, as its own or as an alias, and is not revoked.
    ///
    /// # Errors
    /// If redb fails.
    pub fn host_named(&self, name: &HostName) -> Result<Option<HostRecord>, StoreError> {
        let actor = self.transaction.open_table(fold::HOST_NAMES)?.get(name.as_str())?;
        let actor = actor.map(|actor| ActorRef::from_bytes(*actor.value()));
        actor.map_or(Ok(None), |actor| self.host(actor))
    }

    /// All hosts that have enrolled, also those that are revoked.
    ///
    /// # Errors
    /// If redb fails.
    pub fn hosts(&self) -> Result<Vec<HostRecord>, StoreError> {
        let table = self.transaction.open_table(fold::HOSTS)?;
        table.iter()?.map(|row| Ok(payload::decode(row?.1.value())?)).collect()
    }

    /// The host that has, or had, this key.
    ///
    /// # Errors
    /// If redb fails.
    pub fn host_with_key(&self, key: &[u8]) -> Result<Option<HostRecord>, StoreError> {
        let actor = self.transaction.open_table(fold::HOST_KEYS)?.get(key)?;
        let actor = actor.map(|actor| ActorRef::from_bytes(*actor.value()));
        actor.map_or(Ok(None), |actor| self.host(actor))
    }

    /// The keys of hosts, in their SSH wire form, that are to be refused: revoked, or given up for others.
    ///
    /// # Errors
    /// If redb fails.
    pub fn revoked_host_keys(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let hosts = self.transaction.open_table(fold::HOSTS)?;
        let mut revoked = Vec::new();
        for row in self.transaction.open_table(fold::HOST_KEYS)?.iter()? {
            let (key, actor) = row?;
            let host = fold::host(&hosts, ActorRef::from_bytes(*actor.value()))?;
            if !host.is_some_and(|host| host.is_known_by(key.value())) {
                revoked.push(key.value().to_vec());
            }
        }
        Ok(revoked)
    }

    /// A token by which a host can enrol. It may be too old.
    ///
    /// # Errors
    /// If redb fails.
    pub fn host_token(&self, token: &Digest) -> Result<Option<HostTokenRecord>, StoreError> {
        fold::host_token(&self.transaction.open_table(fold::HOST_TOKENS)?, token.as_bytes())
    }

    /// All resets that wait, or after which nothing has been enrolled. What waits may have lapsed.
    ///
    /// # Errors
    /// If redb fails.
    pub fn resets(&self) -> Result<Vec<ResetRecord>, StoreError> {
        let table = self.transaction.open_table(fold::RESETS)?;
        table.iter()?.map(|row| Ok(payload::decode(row?.1.value())?)).collect()
    }

    /// A subject's logins that nothing has ended, the newest first. Windows may be over.
    ///
    /// # Errors
    /// If redb fails.
    pub fn open_logins(&self, subject: &SubjectId) -> Result<Vec<OpenLogin>, StoreError> {
        let table = self.transaction.open_table(fold::OPEN_LOGINS)?;
        let mut logins = Vec::new();
        for (serial, _) in fold::open_logins(&table, &subject.to_string())? {
            if let Some(login) = self.login(&serial)? {
                logins.push((serial, login));
            }
        }
        logins.sort_by_key(|(_, login)| std::cmp::Reverse(login.began));
        Ok(logins)
    }

    /// Whether a challenge was answered.
    ///
    /// # Errors
    /// If redb fails.
    pub fn is_spent(&self, challenge: &str) -> Result<bool, StoreError> {
        Ok(self.transaction.open_table(fold::SPENT)?.get(challenge)?.is_some())
    }

    /// An issuance.
    ///
    /// # Errors
    /// If redb fails.
    pub fn issuance(&self, issuance: IssuanceId) -> Result<Option<IssuanceRecord>, StoreError> {
        let table = self.transaction.open_table(fold::ISSUANCES)?;
        Ok(table.get(issuance.as_bytes())?.map(|row| {
            let (grant, intent, outcome) = row.value();
            let grant = grant.map(|grant| GrantId::from_bytes(*grant));
            IssuanceRecord { grant, intent, outcome }
        }))
    }

    /// Whether a token was used.
    ///
    /// # Errors
    /// If redb fails.
    pub fn is_used(&self, token: &Digest) -> Result<bool, StoreError> {
        self.is_spent(&fold::spent_token(token))
    }

    /// When the clock was put right last; since then time has not gone back.
    ///
    /// # Errors
    /// If redb fails, or the entry that says so is damaged.
    pub fn last_acknowledgement(&self) -> Result<Option<Millis>, StoreError> {
        let table = self.transaction.open_table(fold::CLOCK)?;
        let index = table.last()?.map(|(_, ack)| ack.value()).filter(|&ack| ack > 0);
        let leaf = index.map(|index| self.leaf(index)).transpose()?.flatten();
        Ok(leaf.map(|leaf| Leaf::decode(&leaf)).transpose()?.map(|leaf| Millis(leaf.ts_ms)))
    }

    /// The index of the clock's fault that nobody has acknowledged.
    ///
    /// # Errors
    /// If redb fails.
    pub fn clock_fault(&self) -> Result<Option<u64>, StoreError> {
        fold::unacknowledged(&self.transaction.open_table(fold::CLOCK)?)
    }

    // === beside ===

    /// How the clock stood when the daemon last said so.
    ///
    /// # Errors
    /// If redb fails.
    pub fn clock_standing(&self) -> Result<Option<Standing>, StoreError> {
        let row = self.transaction.open_table(beside::CLOCK)?.get(())?;
        Ok(row.map(|row| Standing { boot: row.value().0.to_owned(), offset: row.value().1 }))
    }

    /// The last erasure, if the file still holds bytes of what was erased, and has to be written anew.
    ///
    /// # Errors
    /// If redb fails.
    pub fn unfinished_erasure(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.transaction.open_table(beside::ERASED)?.get(())?.map(|index| index.value()))
    }

    /// A subject's sealed secret.
    ///
    /// # Errors
    /// If redb fails.
    pub fn secret(&self, subject: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.transaction.open_table(beside::SECRETS)?;
        Ok(table.get(subject)?.map(|sealed| sealed.value().to_vec()))
    }

    /// The sealed secrets whose names have this in them, with their names.
    ///
    /// # Errors
    /// If redb fails.
    pub fn secrets_with(&self, part: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        for row in self.transaction.open_table(beside::SECRETS)?.iter()? {
            let (name, sealed) = row?;
            if name.value().contains(part) {
                found.push((name.value().to_owned(), sealed.value().to_vec()));
            }
        }
        Ok(found)
    }

    /// When a login was last used, as far as that was kept.
    ///
    /// # Errors
    /// If redb fails.
    pub fn last_use(&self, serial: &[u8]) -> Result<Option<UnixTime>, StoreError> {
        let table = self.transaction.open_table(beside::LAST_USES)?;
        Ok(table.get(serial)?.map(|at| UnixTime::from_secs(at.value())))
    }

    /// What an earlier call with this idempotency key made.
    ///
    /// # Errors
    /// If redb fails.
    pub fn reply(&self, actor: ActorRef, key: KeyName) -> Result<Option<Reply>, StoreError> {
        beside::reply(&self.transaction.open_table(beside::REPLIES)?, actor, key)
    }
}

impl TileReader for Snapshot {
    type Error = StoreError;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, StoreError> {
        tiles::read(&self.transaction.open_table(tiles::TILES)?, id)
    }
}
