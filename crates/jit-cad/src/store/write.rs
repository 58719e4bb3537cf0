//! A transaction: entries appended, the fold moved on, and what lies beside changed, all or nothing.

use std::sync::Arc;

use jit_ca_core::event::Event;
use jit_ca_core::{ActorRef, Digest, RequestId, UnixTime};
use jit_ca_log::tree::{TileId, TileReader, Tree, leaf_hash};
use jit_ca_log::{Leaf, entry};
use redb::{Table, WriteTransaction};

use super::beside::{self, KeyName, Replies, Reply};
use super::decoded::Decoded;
use super::fold::{Before, Clash, Exceeded, Fold, Limits};
use super::outbox::{self, Delivery, Letter, Outbox};
use super::{PolicyVersion, StoreError, format, log, tiles};
use crate::clock::{Millis, Standing};

/// The end of the log: what the next checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
    /// When the last one was written.
    pub last: Millis,
}

/// A transaction. Dropped, it has changed nothing.
pub struct Write {
    pub(super) transaction: WriteTransaction,
    decoded: Arc<Decoded>,
}

/// The tables of a transaction. They are opened once, for all entries of a batch.
pub struct Tables<'t> {
    fold: Fold<'t>,
    leaves: Table<'t, u64, &'static [u8]>,
    payloads: Table<'t, u64, &'static [u8]>,
    tiles: Table<'t, (u8, u64), &'static [u8]>,
    head: Table<'t, (), (u64, &'static [u8; 32], u64)>,
    secrets: Table<'t, &'static str, &'static [u8]>,
    last_uses: Table<'t, &'static [u8], u64>,
    replies: Replies<'t>,
    erased: Table<'t, (), u64>,
    clock: Table<'t, (), (&'static str, i64)>,
    outbox: Outbox<'t>,
}

impl Write {
    pub(super) fn new(transaction: WriteTransaction, decoded: Arc<Decoded>) -> Self {
        Self { transaction, decoded }
    }

    /// Opens the tables, which makes those that are not there yet.
    ///
    /// # Errors
    /// If redb fails, or they are open.
    pub fn tables(&self) -> Result<Tables<'_>, StoreError> {
        let transaction = &self.transaction;
        Ok(Tables {
            fold: Fold::open(transaction, &self.decoded)?,
            leaves: transaction.open_table(log::LEAVES)?,
            payloads: transaction.open_table(log::PAYLOADS)?,
            tiles: transaction.open_table(tiles::TILES)?,
            head: transaction.open_table(log::HEAD)?,
            secrets: transaction.open_table(beside::SECRETS)?,
            last_uses: transaction.open_table(beside::LAST_USES)?,
            replies: Replies::open(transaction)?,
            erased: transaction.open_table(beside::ERASED)?,
            clock: transaction.open_table(beside::CLOCK)?,
            outbox: transaction.open_table(outbox::OUTBOX)?,
        })
    }

    /// Notes which format the store has.
    pub(super) fn note_format(&self) -> Result<(), StoreError> {
        format::note(&self.transaction)
    }

    /// Makes it all durable. When this has returned, no crash undoes it.
    ///
    /// # Errors
    /// If redb fails. It is then not known whether the transaction will be found after a restart: the process must
    /// end without an answer, and must not try again.
    pub fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit()?)
    }
}

impl Tables<'_> {
    /// The bundle in force, and whom issuers vouch for.
    ///
    /// # Errors
    /// If redb fails.
    pub fn policy(&self) -> Result<PolicyVersion, StoreError> {
        self.fold.policy()
    }

    /// The limit that one more request would exceed.
    ///
    /// # Errors
    /// If redb fails.
    pub fn exceeded(&self, limits: &Limits) -> Result<Option<Exceeded>, StoreError> {
        self.fold.exceeded(limits)
    }

    /// Whether something is locked that was not when the log had this size.
    ///
    /// # Errors
    /// If redb fails.
    pub fn is_locked_since(&self, size: u64) -> Result<bool, StoreError> {
        self.fold.is_locked_since(size)
    }

    /// The index of the last entry that changed the request.
    ///
    /// # Errors
    /// If redb fails.
    pub fn generation(&self, request: RequestId) -> Result<Option<u64>, StoreError> {
        self.fold.generation(request)
    }

    /// The index of the clock's fault that nobody has acknowledged.
    ///
    /// # Errors
    /// If redb fails.
    pub fn clock_fault(&self) -> Result<Option<u64>, StoreError> {
        self.fold.clock_fault()
    }

    /// Whether these events may be appended, in this order, to the log as it is in this transaction.
    ///
    /// # Errors
    /// If redb fails.
    pub fn admit<'e>(
        &self,
        events: impl IntoIterator<Item = (ActorRef, &'e Event)>,
        now: UnixTime,
    ) -> Result<Result<(), Clash>, StoreError> {
        let mut before = Before::default();
        for (actor, event) in events {
            match event {
                Event::GrantStarted(event) => before.started = Some(&**event),
                Event::HostEnrolled(event) => before.enrolled = Some(&**event),
                _ => {}
            }
            if let Err(clash) = self.fold.admit((actor, event), &before, now)? {
                return Ok(Err(clash));
            }
        }
        Ok(Ok(()))
    }

    /// Appends an entry: leaf and payload to the log, and what they change to the fold. Gives the leaf's bytes. The
    /// payloads that an erasure names go with it; the file is free of them once it is written anew
    /// ([`super::Store::rewrite`]).
    ///
    /// # Errors
    /// If redb fails.
    pub fn append(
        &mut self,
        leaf: &Leaf,
        salt: &[u8; 32],
        payload: &[u8],
        event: &Event,
    ) -> Result<Vec<u8>, StoreError> {
        debug_assert_eq!(leaf.commit, entry::commit(salt, payload));
        if let Event::Erased(erased) = event {
            self.erase(leaf.idx, &erased.entries)?;
        }
        let bytes = leaf.encode();
        self.restore(leaf.idx, &bytes, Some(&[salt, payload].concat()))?;
        self.fold(leaf, Some(event))?;
        Ok(bytes)
    }

    /// Puts an entry as it is stored, its salt and payload together; none where they are erased.
    ///
    /// # Errors
    /// If redb fails.
    pub fn restore(
        &mut self,
        index: u64,
        leaf: &[u8],
        payload: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        self.leaves.insert(index, leaf)?;
        if let Some(payload) = payload {
            self.payloads.insert(index, payload)?;
        }
        Ok(())
    }

    /// Folds an entry in without appending it: for the fold to be made again. Without an event it is one whose
    /// payload is erased.
    ///
    /// # Errors
    /// If redb fails.
    pub fn fold(&mut self, leaf: &Leaf, event: Option<&Event>) -> Result<(), StoreError> {
        match event {
            Some(event) => self.fold.apply(leaf, event),
            None => self.fold.apply_erased(leaf),
        }
    }

    fn erase(&mut self, index: u64, entries: &[(u64, u64)]) -> Result<(), StoreError> {
        for &(first, last) in entries {
            self.payloads.retain_in(first..=last, |_, _| false)?;
        }
        self.erased.insert((), index)?;
        Ok(())
    }

    /// Ends a batch: extends the tree by its leaves, moves the head on, and writes what is left. Gives the tree with
    /// what was appended; whatever else it is asked for, it reads from `reader`.
    ///
    /// # Errors
    /// If redb fails, or the tiles are not those of a tree of `head`'s size.
    pub fn end<'l, R: TileReader>(
        mut self,
        head: Option<Head>,
        leaves: impl IntoIterator<Item = &'l [u8]>,
        last: Millis,
        reader: R,
    ) -> Result<(Head, Tree<R>), StoreError> {
        let before = head;
        let mut tree = Tree::at(Tiles(&self.tiles), before.map_or(0, |before| before.size));
        for leaf in leaves {
            tree.append(leaf_hash(leaf))?;
        }
        // A batch may hold nothing but what lies beside: the last entry is the one before then.
        let unchanged = before.filter(|before| before.size == tree.size());
        let last = unchanged.map_or(last, |before| before.last);
        let head = Head { size: tree.size(), root: tree.root()?, last };
        let tree = tree.read_from(reader);
        tiles::write(&mut self.tiles, &tree)?;
        self.head.insert((), (head.size, head.root.as_bytes(), head.last.0))?;
        self.fold.write()?;
        Ok((head, tree))
    }

    /// What an earlier call with this idempotency key made.
    ///
    /// # Errors
    /// If redb fails.
    pub fn reply(&self, actor: ActorRef, key: KeyName) -> Result<Option<Reply>, StoreError> {
        self.replies.get(actor, key)
    }

    /// Remembers what a call made, and forgets some of what is too old.
    ///
    /// # Errors
    /// If redb fails.
    pub fn put_reply(&mut self, reply: &Reply) -> Result<(), StoreError> {
        self.replies.put(reply)
    }

    /// Forgets logins last used before `time`.
    ///
    /// # Errors
    /// If redb fails.
    pub fn forget(&mut self, before: UnixTime) -> Result<(), StoreError> {
        self.last_uses.retain(|_, at| at >= before.secs())?;
        Ok(())
    }

    /// Forgets uses of logins by a time that is still to come.
    ///
    /// # Errors
    /// If redb fails.
    pub fn take_back_uses(&mut self, now: UnixTime) -> Result<(), StoreError> {
        self.last_uses.retain(|_, at| at <= now.secs())?;
        Ok(())
    }

    /// Keeps how the clock stands.
    ///
    /// # Errors
    /// If redb fails.
    pub fn put_clock(&mut self, standing: &Standing) -> Result<(), StoreError> {
        self.clock.insert((), (standing.boot.as_str(), standing.offset))?;
        Ok(())
    }

    /// Keeps a sealed secret in place of any before of this name, or drops it.
    ///
    /// # Errors
    /// If redb fails.
    pub fn put_secret(&mut self, name: &str, sealed: Option<&[u8]>) -> Result<(), StoreError> {
        match sealed {
            Some(sealed) => self.secrets.insert(name, sealed)?,
            None => self.secrets.remove(name)?,
        };
        Ok(())
    }

    /// Drops the sealed secrets whose names begin so.
    ///
    /// # Errors
    /// If redb fails.
    pub fn drop_secrets(&mut self, prefix: &str) -> Result<(), StoreError> {
        self.secrets.retain(|name, _| !name.starts_with(prefix))?;
        Ok(())
    }

    /// Keeps how a message to a target stands; without that, it is gone.
    ///
    /// # Errors
    /// If redb fails.
    pub fn put_letter(
        &mut self,
        letter: &Letter,
        delivery: Option<&Delivery>,
    ) -> Result<(), StoreError> {
        outbox::put(&mut self.outbox, letter, delivery)
    }

    /// Keeps when logins were last used.
    ///
    /// # Errors
    /// If redb fails.
    pub fn put_last_uses(&mut self, uses: &[(Vec<u8>, UnixTime)]) -> Result<(), StoreError> {
        for (serial, at) in uses {
            self.last_uses.insert(serial.as_slice(), at.secs())?;
        }
        Ok(())
    }
}

/// The tiles as the transaction has them.
struct Tiles<'t>(&'t Table<'t, (u8, u64), &'static [u8]>);

impl TileReader for Tiles<'_> {
    type Error = StoreError;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, StoreError> {
        tiles::read(self.0, id)
    }
}
