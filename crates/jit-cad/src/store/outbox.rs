//! The outbox: what is still to be told, a row for each message to each target.
//!
//! Rows are written in the transaction of the entry that they tell of, and go when the target has taken the message. They
//! say which entry, and not what it says: a message is made when it is sent, and what is erased before is in no row.

use std::ops::RangeInclusive;

use redb::{Table, TableDefinition};

use super::{Snapshot, StoreError};
use crate::clock::Millis;
use crate::notify::Kind;

/// A target's name, the index of an entry and what is told of it, to how the message stands: how often it was tried,
/// from when on it may be, since when it could be, whether it was given up, and why it was not taken.
pub(super) const OUTBOX: TableDefinition<'_, OutboxKey, OutboxRow> =
    TableDefinition::new("beside.outbox");

type OutboxKey = (&'static str, u64, &'static str);
type OutboxRow = (u32, u64, u64, bool, &'static str);

/// The outbox, open for writing.
pub(super) type Outbox<'t> = Table<'t, OutboxKey, OutboxRow>;

/// A message, by what it tells whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The target's name.
    pub target: String,
    /// The index of the entry.
    pub entry: u64,
    /// What is told of it.
    pub kind: Kind,
}

/// How a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How often it was tried.
    pub attempts: u32,
    /// From when on it is tried (again).
    pub due: Millis,
    /// From when on it could have been tried.
    pub since: Millis,
    /// Whether it was given up.
    pub dead: bool,
    /// Why it was not taken the last time; nothing that the target said.
    pub error: String,
}

impl Delivery {
    /// Of a message that can be sent from then on.
    pub fn due_at(due: Millis) -> Self {
        Self { attempts: 0, due, since: due, dead: false, error: String::new() }
    }

    /// The same, as a row.
    fn row(&self) -> (u32, u64, u64, bool, &str) {
        (self.attempts, self.due.0, self.since.0, self.dead, &self.error)
    }
}

/// What a target is to be sent now.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// The first of it, in the order of the log.
    pub now: Vec<(Letter, Delivery)>,
    /// When there is something to be sent next.
    pub next: Option<Millis>,
    /// How many messages wait.
    pub waiting: u64,
    /// How many were given up.
    pub dead: u64,
}

/// Puts how a message stands; without that, it is gone.
pub(super) fn put(
    table: &mut Outbox<'_>,
    letter: &Letter,
    delivery: Option<&Delivery>,
) -> Result<(), StoreError> {
    let key = (letter.target.as_str(), letter.entry, letter.kind.as_str());
    match delivery {
        Some(delivery) => table.insert(key, delivery.row())?,
        None => table.remove(key)?,
    };
    Ok(())
}

impl Snapshot {
    /// What a target is to be sent at `now`, the first `most` messages of it. But for what ends soon, nothing is put off
    /// beyond `latest`: a later time is of a clock that was put back since.
    ///
    /// # Errors
    /// If redb fails.
    pub fn due(
        &self,
        target: &str,
        now: Millis,
        latest: Millis,
        most: usize,
    ) -> Result<Due, StoreError> {
        let mut due = Due::default();
        self.each_letter(range_of(target), |letter, delivery| {
            if delivery.dead {
                due.dead += 1;
                return;
            }
            due.waiting += 1;
            let is_put_off = letter.kind == Kind::EndingSoon || delivery.due <= latest;
            if delivery.due > now && is_put_off {
                due.next = due.next.into_iter().chain([delivery.due]).min();
            } else if due.now.len() < most {
                due.now.push((letter, delivery));
            }
        })?;
        Ok(due)
    }

    /// All messages of a target that wait, or that were given up.
    ///
    /// # Errors
    /// If redb fails.
    pub fn letters(&self, target: &str) -> Result<Vec<(Letter, Delivery)>, StoreError> {
        let mut letters = Vec::new();
        self.each_letter(range_of(target), |letter, delivery| letters.push((letter, delivery)))?;
        Ok(letters)
    }

    /// The targets that messages are kept for.
    ///
    /// # Errors
    /// If redb fails.
    pub fn told(&self) -> Result<Vec<String>, StoreError> {
        let table = self.transaction.open_table(OUTBOX)?;
        let mut targets: Vec<String> = Vec::new();
        let mut from = String::new();
        while let Some((key, _)) = table.range((from.as_str(), 0, "")..)?.next().transpose()? {
            let target = key.value().0.to_owned();
            // The first that any other name could be.
            from = format!("{target}\0");
            targets.push(target);
        }
        Ok(targets)
    }

    fn each_letter(
        &self,
        range: RangeInclusive<(&str, u64, &str)>,
        mut each: impl FnMut(Letter, Delivery),
    ) -> Result<(), StoreError> {
        for row in self.transaction.open_table(OUTBOX)?.range(range)? {
            let (key, row) = row?;
            let (target, entry, kind) = key.value();
            let kind = kind
                .parse()
                .map_err(|()| StoreError::Damaged(format!("a message of kind {kind}")))?;
            let (attempts, due, since, dead, error) = row.value();
            let (due, since, error) = (Millis(due), Millis(since), error.to_owned());
            let letter = Letter { target: target.to_owned(), entry, kind };
            each(letter, Delivery { attempts, due, since, dead, error });
        }
        Ok(())
    }
}

/// All rows of a target. No kind's name is behind this one.
fn range_of(target: &str) -> RangeInclusive<(&str, u64, &str)> {
    (target, 0, "")..=(target, u64::MAX, "\u{10ffff}")
}
