//! A transaction: entries appended, the fold moved on, and what lies beside changed, all or nothing.

use jit_ca_core::event::Event;
use jit_ca_core::{ActorRef, Digest, RequestId, UnixTime};
use jit_ca_log::tree::{TileId, TileReader, Tree, leaf_hash};
use jit_ca_log::{Leaf, entry, payload};
use redb::{ReadableTable as _, WriteTransaction};

use super::fold::{self, Clash, Fold};
use super::{Reply, StoreError, beside, log};
use crate::clock::Millis;

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
}

impl Write {
    pub(super) fn new(transaction: WriteTransaction) -> Result<Self, StoreError> {
        // Opening a table makes it.
        Fold::open(&transaction)?;
        transaction.open_table(log::LEAVES)?;
        transaction.open_table(log::PAYLOADS)?;
        transaction.open_table(log::TILES)?;
        transaction.open_table(log::HEAD)?;
        transaction.open_table(beside::SECRETS)?;
        transaction.open_table(beside::LAST_USES)?;
        transaction.open_table(beside::REPLIES)?;
        transaction.open_table(beside::ERASED)?;
        Ok(Self { transaction })
    }

    /// The bundle in force.
    ///
    /// # Errors
    /// If redb fails.
    pub fn bundle(&self) -> Result<Option<Digest>, StoreError> {
        Fold::open(&self.transaction)?.bundle()
    }

    /// The index of the last entry that changed the request.
    ///
    /// # Errors
    /// If redb fails.
    pub fn generation(&self, request: RequestId) -> Result<Option<u64>, StoreError> {
        Fold::open(&self.transaction)?.generation(request)
    }

    /// Whether these events may be appended, in this order, to the log as it is in this transaction.
    ///
    /// # Errors
    /// If redb fails.
    pub fn admit(&self, events: &[&Event], now: UnixTime) -> Result<Result<(), Clash>, StoreError> {
        let fold = Fold::open(&self.transaction)?;
        for event in events {
            if let Err(clash) = fold.admit(event, now)? {
                return Ok(Err(clash));
            }
        }
        Ok(Ok(()))
    }

    /// Appends an entry: leaf and payload to the log, and what they change to the fold. The payloads that an
    /// erasure names go with it; the file is free of them once it is written anew ([`super::Store::rewrite`]).
    ///
    /// # Errors
    /// If redb fails.
    pub fn append(
        &mut self,
        leaf: &Leaf,
        salt: &[u8; 32],
        payload: &[u8],
        event: &Event,
    ) -> Result<(), StoreError> {
        debug_assert_eq!(leaf.commit, entry::commit(salt, payload));
        if let Event::Erased(erased) = event {
            self.erase(leaf.idx, &erased.entries)?;
        }
        let stored = [salt, payload].concat();
        self.restore(leaf.idx, &leaf.encode(), Some(&stored))?;
        self.fold(leaf, Some(event))
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
        self.transaction.open_table(log::LEAVES)?.insert(index, leaf)?;
        if let Some(payload) = payload {
            self.transaction.open_table(log::PAYLOADS)?.insert(index, payload)?;
        }
        Ok(())
    }

    /// Folds an entry in without appending it: for the fold to be made again. Without an event it is one whose
    /// payload is erased.
    ///
    /// # Errors
    /// If redb fails.
    pub fn fold(&mut self, leaf: &Leaf, event: Option<&Event>) -> Result<(), StoreError> {
        let mut fold = Fold::open(&self.transaction)?;
        match event {
            Some(event) => fold.apply(leaf, event),
            None => fold.apply_erased(leaf),
        }
    }

    fn erase(&mut self, index: u64, entries: &[(u64, u64)]) -> Result<(), StoreError> {
        let mut payloads = self.transaction.open_table(log::PAYLOADS)?;
        for &(first, last) in entries {
            payloads.retain_in(first..=last, |_, _| false)?;
        }
        self.transaction.open_table(beside::ERASED)?.insert((), index)?;
        Ok(())
    }

    /// Extends the tree by these leaves and moves the head on.
    ///
    /// # Errors
    /// If redb fails, or the tiles are not those of a tree of `head`'s size.
    pub fn extend_tree(
        &mut self,
        head: Option<Head>,
        leaves: &[Vec<u8>],
        last: Millis,
    ) -> Result<Head, StoreError> {
        let mut tree = Tree::at(Tiles(&self.transaction), head.map_or(0, |head| head.size));
        for leaf in leaves {
            tree.append(leaf_hash(leaf))?;
        }
        let head = Head { size: tree.size(), root: tree.root()?, last };
        let changed = tree.into_changed_tiles();
        let mut tiles = self.transaction.open_table(log::TILES)?;
        for (id, hashes) in changed {
            tiles.insert((id.level, id.index), hashes.as_slice())?;
        }
        drop(tiles);
        self.transaction
            .open_table(log::HEAD)?
            .insert((), (head.size, head.root.as_bytes(), head.last.0))?;
        Ok(head)
    }

    /// What an earlier call with this idempotency key made.
    ///
    /// # Errors
    /// If redb fails.
    pub fn reply(&self, actor: ActorRef, key: Digest) -> Result<Option<Reply>, StoreError> {
        let table = self.transaction.open_table(beside::REPLIES)?;
        fold::read(&table, (actor.as_bytes(), key.as_bytes()))
    }

    /// Remembers what a call made.
    ///
    /// # Errors
    /// If redb fails.
    pub fn put_reply(&mut self, reply: &Reply) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(beside::REPLIES)?;
        table.insert(
            (reply.actor.as_bytes(), reply.key.as_bytes()),
            payload::encode(reply)?.as_slice(),
        )?;
        Ok(())
    }

    /// Forgets replies made, and logins last used, before `time`.
    ///
    /// # Errors
    /// If redb fails.
    pub fn forget(&mut self, before: UnixTime) -> Result<(), StoreError> {
        let mut replies = self.transaction.open_table(beside::REPLIES)?;
        replies.retain(|_, bytes| {
            payload::decode::<Reply>(bytes).is_ok_and(|reply| reply.at >= before)
        })?;
        let mut last_uses = self.transaction.open_table(beside::LAST_USES)?;
        last_uses.retain(|_, at| at >= before.secs())?;
        Ok(())
    }

    /// Keeps a sealed secret in place of any before of this name, or drops it.
    ///
    /// # Errors
    /// If redb fails.
    pub fn put_secret(&mut self, name: &str, sealed: Option<&[u8]>) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(beside::SECRETS)?;
        match sealed {
            Some(sealed) => table.insert(name, sealed)?,
            None => table.remove(name)?,
        };
        Ok(())
    }

    /// Drops the sealed secrets whose names begin so.
    ///
    /// # Errors
    /// If redb fails.
    pub fn drop_secrets(&mut self, prefix: &str) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(beside::SECRETS)?;
        table.retain(|name, _| !name.starts_with(prefix))?;
        Ok(())
    }

    /// Keeps when logins were last used.
    ///
    /// # Errors
    /// If redb fails.
    pub fn put_last_uses(&mut self, uses: &[(Vec<u8>, UnixTime)]) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(beside::LAST_USES)?;
        for (serial, at) in uses {
            table.insert(serial.as_slice(), at.secs())?;
        }
        Ok(())
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

/// The tiles as the transaction has them.
struct Tiles<'t>(&'t WriteTransaction);

impl TileReader for Tiles<'_> {
    type Error = StoreError;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, StoreError> {
        let table = self.0.open_table(log::TILES)?;
        let tile = table.get((id.level, id.index))?;
        Ok(tile.map(|tile| tile.value().to_vec()).unwrap_or_default())
    }
}
