//! The feed that hosts go by. It is made of leaves and proofs alone, so that whoever takes it need not believe us.

use jit_ca_api::{Feed, FeedIntent, FeedQuery};
use jit_ca_core::{Span, UnixTime};
use jit_ca_log::Leaf;
use jit_ca_log::tree::Tree;

use super::Fault;
use crate::app::App;
use crate::store::StoreError;

/// How many intents one answer holds at most: some 200 KiB.
const MOST_INTENTS: usize = 256;
/// How many entries are looked at for one answer: some milliseconds' work.
const MOST_ENTRIES: u64 = 4_096;
/// No certificate of a person is valid for longer than a day.
const LONGEST: Span = Span::from_secs(25 * 60 * 60);

/// Intents under grants from where the query says, as far as the newest checkpoint goes.
///
/// # Errors
/// If the query is for what lies behind the log's end, or the store fails.
pub fn feed(app: &App, query: &FeedQuery, now: UnixTime) -> Result<Feed, Fault> {
    let newest = app.sequencer.newest();
    let size = newest.checkpoint.size;
    let snapshot = app.store.read()?;
    let mut tree = Tree::at(&snapshot, size);
    let first = match query.from {
        // Who has seen more than there is has seen a history that was lost, and learns so from the checkpoint.
        Some(from) if from <= size || query.seen > size => from,
        Some(from) => {
            let detail = format!("the log has {size} entries, and {from} lies behind them");
            return Err(Fault::bad(detail, "go on from `next` of the answer before"));
        }
        None => snapshot.first_since(Some(now.minus(LONGEST)), 0, size)?,
    };
    let consistency = match query.seen <= size {
        true => tree.consistency_proof(query.seen).map_err(StoreError::from)?,
        false => Vec::new(),
    };
    let (mut intents, mut next) = (Vec::new(), first);
    let end = size.min(first.saturating_add(MOST_ENTRIES));
    while next < end && intents.len() < MOST_INTENTS {
        let missing = || StoreError::Damaged(format!("entry {next} is missing"));
        let leaf = snapshot.leaf(next)?.ok_or_else(missing)?;
        let read = Leaf::decode(&leaf).map_err(StoreError::from)?;
        // What opens an account is issued under a grant.
        if read.tbs.is_some() && read.ids.grant.is_some() {
            let proof = tree.inclusion_proof(next).map_err(StoreError::from)?;
            intents.push(FeedIntent { leaf: leaf.into(), proof });
        }
        next += 1;
    }
    Ok(Feed { checkpoint: newest.note.to_string(), consistency, intents, next })
}
