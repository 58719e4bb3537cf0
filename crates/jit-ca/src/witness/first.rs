//! A CA that is met as if for the first time, on a machine that has seen logs before.
//!
//! Whoever forgets a CA keeps what its log has shown. A log that has to do with one of these, and is not the same, is
//! not taken as new: it was begun in the other's place, or pretends to be it.

use jit_ca_api::Trust;
use jit_ca_log::LogKey;

use super::file::{Kept, KeptFile};
use super::{Seen, Successor, Witness};
use crate::error::{Error, Result};
use crate::places::Places;

/// Checks that a log which is met with a pin given anew is in place of none that was seen here, unless it was accepted.
///
/// # Errors
/// If a checkpoint is kept of another log that has the same key or the same name, or that this one goes on from.
pub(crate) fn must_be_expected(
    places: &Places,
    trust: &Trust,
    key: &LogKey,
    url: &str,
) -> Result<()> {
    let own = KeptFile::new(places, key);
    let predecessor = Successor::predecessor(trust, key);
    let mut unexplained = None;
    for kept in KeptFile::all(places)?.into_iter().filter(|kept| !own.is_at(&kept.path)) {
        // A log that ends leaves its key to the next.
        let old = LogKey::new(kept.origin.clone(), *key.public_key());
        let has_same_key = kept.note.open(&old).is_ok();
        let is_named = predecessor.as_ref().is_some_and(|named| *named.origin() == kept.origin);
        let is_namesake = kept.origin == *key.origin();
        if !(has_same_key || is_named || is_namesake) {
            continue;
        }
        match Successor::of(trust, &old).filter(|_| has_same_key) {
            Some(successor) => {
                let seen = Seen::open(kept.note.as_str(), &old).ok();
                let contact = format!(" --ca {url} --ca-pin {}", trust.pin);
                let witness = Witness::new(places, old);
                return Err(successor.unaccepted_at(&witness, seen.as_ref(), &contact));
            }
            None => unexplained = unexplained.or(Some((kept, has_same_key, is_namesake))),
        }
    }
    match unexplained {
        None => Ok(()),
        Some((kept, has_same_key, is_namesake)) => {
            Err(refusal(&kept, key, has_same_key, is_namesake))
        }
    }
}

fn refusal(kept: &Kept, key: &LogKey, has_same_key: bool, is_namesake: bool) -> Error {
    let (was, is) = (&kept.origin, key.origin());
    let what = match (has_same_key, is_namesake) {
        (true, _) => format!(
            "the CA's log is {is}; by the same key this machine has seen {was}, and nothing shows how the one goes on from the other"
        ),
        (false, true) => {
            format!("the CA's log {is} has another key than the one that this machine has seen")
        }
        (false, false) => format!(
            "the CA says that its log {is} goes on from {was}, and it has another key than the {was} that this machine has seen"
        ),
    };
    // The end of the file's name is the key's id, as log keys have it.
    let name = kept.path.file_name().unwrap_or_default().to_string_lossy();
    let id = name.rsplit('+').next().unwrap_or_default();
    Error::History {
        what: format!(
            "{what}\nseen before: {was}+{id}\nshown now:   {key}\n--- seen before\n{}",
            kept.note.as_str().trim_end()
        ),
        hint: format!(
            "do not go on; ask the CA's operators, by another way than this one. If they have begun a log anew and say why, \
             keep what was seen of the old one somewhere else, for whoever audits the CA: move {} away",
            kept.path.display()
        ),
    }
}
