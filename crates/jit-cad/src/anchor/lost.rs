//! The newest checkpoint that the anchors of a log that is lost hold, compared among themselves: there is nothing
//! else left to compare them with.
//!
//! ```text
//! one is not reached          refused: it may hold a newer one, which a new log would deny
//! of two logs                 refused
//! one size, two roots         refused: they convict the log's key of two histories
//! two sizes                   the larger one, and it is said that nothing shows the two to be one history
//! ```

use std::str::FromStr as _;

use jit_ca_log::{Checkpoint, LogKey, SignedCheckpoint};

use super::Anchor;
use super::standing::{foreign, origin_of, shown};
use crate::failure::{Failure, with_causes};

/// What one anchor holds.
struct Held<'a> {
    anchor: &'a Anchor,
    checkpoint: Checkpoint,
    signed: SignedCheckpoint,
}

/// The newest checkpoint of any log of this key's that an anchor holds.
///
/// # Errors
/// If one is not reached or holds something else, two contradict each other, or none holds any.
pub async fn newest_of(
    anchors: &[Anchor],
    public_key: &[u8; 32],
) -> Result<(Checkpoint, SignedCheckpoint), Failure> {
    let mut held: Vec<Held<'_>> = Vec::new();
    for anchor in anchors {
        let note = anchor.newest().await.map_err(|error| unreached(anchor, &error))?;
        let Some(note) = note else {
            tracing::warn!(%anchor, "this anchor holds no checkpoint");
            continue;
        };
        let found = open(anchor, &note, public_key)?;
        held.iter().try_for_each(|other| must_agree(other, &found))?;
        held.push(found);
    }
    let newest = held.into_iter().max_by_key(|held| held.checkpoint.size);
    newest.map(|newest| (newest.checkpoint, newest.signed)).ok_or_else(|| {
        Failure::failed("no anchor gives a checkpoint of the log that is lost")
            .with_hint("jit-cad.toml names the anchors, under [log]")
    })
}

fn open<'a>(anchor: &'a Anchor, note: &str, public_key: &[u8; 32]) -> Result<Held<'a>, Failure> {
    let opened = SignedCheckpoint::from_str(note).and_then(|signed| {
        let no_origin = jit_ca_log::Error::Checkpoint("it has no origin");
        let key = LogKey::new(origin_of(note).ok_or(no_origin)?, *public_key);
        Ok(Held { anchor, checkpoint: signed.open(&key)?, signed })
    });
    opened.map_err(|error| foreign(anchor, note, &error))
}

/// Two checkpoints must be able to be of one history.
fn must_agree(one: &Held<'_>, other: &Held<'_>) -> Result<(), Failure> {
    let (a, b) = (&one.checkpoint, &other.checkpoint);
    let both = |what: &str| {
        let holds =
            |held: &Held<'_>| shown(&format!("the anchor {} holds", held.anchor), &held.checkpoint);
        Failure::failed(format!("{what}\n{}\n{}", holds(one), holds(other)))
    };
    if a.origin != b.origin {
        return Err(both("the anchors are of two logs")
            .with_hint("name only anchors of the log that is lost in jit-cad.toml"));
    }
    if a.size == b.size && a.root != b.root {
        return Err(both("the anchors hold two histories of one log").with_hint(
            "keep both: they show that its key has signed two. Find out which one people have seen, and name only that one's \
             anchors in jit-cad.toml; the reason of the new log should say so",
        ));
    }
    if a.size != b.size {
        let (small, large) = if a.size < b.size { (one, other) } else { (other, one) };
        tracing::warn!(
            smaller = %small.anchor, its_size = small.checkpoint.size,
            larger = %large.anchor, and_its_size = large.checkpoint.size,
            "these two can't be compared: without the store nothing shows that the larger extends the smaller",
        );
    }
    Ok(())
}

fn unreached(anchor: &Anchor, error: &super::AnchorError) -> Failure {
    let message = format!("the anchor {anchor} is not reached: {}", with_causes(error));
    Failure::failed(message).with_hint(
        "it may hold a newer checkpoint than all others, and a log that goes on from an older one denies what lies between. \
         Bring it up; if it is lost as well, take it out of jit-cad.toml",
    )
}
