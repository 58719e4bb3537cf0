//! The outbox as an administrator sees it: what waits, what was given up, and how to send it again.

use std::fmt;

use jit_ca_core::UnixTime;
use serde::{Deserialize, Serialize};

use super::Kind;
use super::target::id;
use crate::app::App;
use crate::clock;
use crate::sequencer::Proposal;
use crate::service::Fault;
use crate::store::{Delivery, Letter, StoreError};

/// The fewest characters of an id that it may be named by.
const FEWEST_CHARACTERS: usize = 4;

/// What is in the outbox for a target.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedTarget {
    /// Its name.
    pub name: String,
    /// The messages that wait, or were given up, in the order of the log.
    pub messages: Vec<Listed>,
}

/// A message that waits, or was given up.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// What it tells.
    pub kind: String,
    /// The index of the entry that it tells of.
    pub entry: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried (again).
    pub due: UnixTime,
    /// Whether it was given up.
    pub dead: bool,
    /// Why it was not taken the last time.
    pub error: String,
}

/// How many messages are tried again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retried {
    /// How many.
    pub messages: u64,
}

impl fmt::Display for ListedTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dead = self.messages.iter().filter(|message| message.dead).count();
        write!(f, "{}: {} waiting, {dead} given up", self.name, self.messages.len() - dead)?;
        for message in &self.messages {
            let Listed { id, kind, entry, attempts, due, dead, error } = message;
            let state = match dead {
                true => "given up".to_owned(),
                false => format!("due {due}"),
            };
            write!(f, "\n  {id}  {kind}  entry {entry}  {state}, tried {attempts} times")?;
            if !error.is_empty() {
                write!(f, ": {error}")?;
            }
        }
        Ok(())
    }
}

/// What is in the outbox for each target.
///
/// # Errors
/// If the store fails.
pub fn list(app: &App) -> Result<Vec<ListedTarget>, StoreError> {
    let snapshot = app.store.read()?;
    let listed = |(letter, delivery): (Letter, Delivery)| Listed {
        id: id(&app.config.origin, &letter),
        kind: Kind::as_str(letter.kind).to_owned(),
        entry: letter.entry,
        attempts: delivery.attempts,
        due: delivery.due.time(),
        dead: delivery.dead,
        error: delivery.error,
    };
    let of = |name: &String| {
        let messages = snapshot.letters(name)?.into_iter().map(listed).collect();
        Ok(ListedTarget { name: name.clone(), messages })
    };
    app.targets.iter().map(|target| of(&target.name)).collect()
}

/// Has messages tried again at once that were given up, or that wait: that one whose id ends so, or `all`.
///
/// # Errors
/// If there is no such message, there are several, or the store fails.
pub async fn retry(app: &App, which: &str) -> Result<Retried, Fault> {
    let now = clock::now_millis();
    let mut proposal = Proposal::new(Vec::new());
    let snapshot = app.store.read()?;
    for target in &app.targets {
        for (letter, delivery) in snapshot.letters(&target.name)? {
            let is_named = which.len() >= FEWEST_CHARACTERS
                && id(&app.config.origin, &letter).ends_with(which);
            // What was not tried yet may be for later.
            if (delivery.dead || delivery.attempts > 0) && (is_named || which == "all") {
                proposal.letters.push((letter, Some(Delivery::due_at(now))));
            }
        }
    }
    drop(snapshot);
    let messages = proposal.letters.len();
    if which != "all" && messages != 1 {
        let what = if messages == 0 { "no message" } else { "more than one message" };
        let detail = format!("{what} that was tried has an id that ends with {which:?}");
        return Err(Fault::no_such(detail, "take an id of `jit-cad notify list`, or all"));
    }
    if messages > 0 {
        app.sequencer.commit(proposal).await.map_err(Fault::Commit)?;
        app.targets.iter().for_each(|target| target.hurry.notify_one());
    }
    Ok(Retried { messages: u64::try_from(messages).unwrap_or(u64::MAX) })
}
