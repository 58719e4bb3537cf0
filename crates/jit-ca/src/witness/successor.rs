//! The log that a CA has in place of the one that was known.
//!
//! A CA whose store had to be put back to an older state can't go on with its log: entries are
//! gone, and others would take their places. It begins a new one, under another name, that names
//! the last checkpoint of the old one which it still holds, and the reason. Whether that was an
//! accident is for people to find out, by another way than this one.

use std::path::PathBuf;

use jit_ca_api::Trust;
use jit_ca_core::Origin;
use jit_ca_log::{LogKey, SignedCheckpoint};

use super::evidence::{self, Evidence};
use super::refusal::Fault;
use super::{Log, Seen, Witness};
use crate::error::{Error, Result};

/// A log that says which one it goes on from.
#[derive(Debug)]
pub(crate) struct Successor {
    origin: Origin,
    /// Why the known log could not go on, in the CA's words.
    pub(crate) reason: String,
    /// The last checkpoint of the known log that the CA still held the entries of.
    last: Seen,
    known: LogKey,
}

/// A log that takes the place of the known one from now on.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// How many entries of the known log it goes on from.
    pub(crate) goes_on_from: u64,
    /// How many entries of the known log had been seen here.
    pub(crate) seen: u64,
    /// At least how many of these are lost; nothing where that is not known.
    pub(crate) lost: Option<u64>,
    /// Where the known log's last checkpoints are saved.
    pub(crate) evidence: PathBuf,
    /// What had been saved of the known log before: that it was not what it had been.
    pub(crate) saved_before: Vec<PathBuf>,
}

/// The successor that the CA names, if what it shows is another log's checkpoint.
pub(super) fn named_by(log: &impl Log, known: &LogKey, note: &str) -> Option<Successor> {
    let is_another_logs = note.parse::<SignedCheckpoint>().is_ok()
        && note.lines().next() != Some(known.origin().as_str());
    // A CA that does not say is refused as one that names nothing.
    let trust = is_another_logs.then(|| log.trust().ok()).flatten()?;
    Successor::of(&trust, known)
}

impl Successor {
    /// The log in the CA's trust, if it goes on from the known one and says so with the known log's
    /// own signature.
    pub(crate) fn of(trust: &Trust, known: &LogKey) -> Option<Self> {
        let named = trust.succeeds.as_ref()?;
        let last = Seen::open(&named.checkpoint, known).ok()?;
        // In one line, so that it can't pass for what this program says.
        let reason = named.reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let origin = trust.origin.clone();
        (origin != *known.origin()).then(|| Self { origin, reason, last, known: known.clone() })
    }

    /// The key of the log that a CA says its own goes on from: a log that ends leaves its key to the next.
    pub(crate) fn predecessor(trust: &Trust, key: &LogKey) -> Option<LogKey> {
        let named: SignedCheckpoint = trust.succeeds.as_ref()?.checkpoint.parse().ok()?;
        Some(LogKey::new(named.unverified().ok()?.origin, *key.public_key()))
    }

    /// The error for whoever has not accepted it.
    pub(super) fn unaccepted(&self, old: &Witness, kept: Option<&Seen>) -> Error {
        self.unaccepted_at(old, kept, "")
    }

    /// The same where the CA has to be named: `contact` is how, behind a space.
    pub(super) fn unaccepted_at(&self, old: &Witness, kept: Option<&Seen>, contact: &str) -> Error {
        if let Err(two_histories) = self.must_not_contradict(old, kept) {
            return two_histories;
        }
        let Self { origin, reason, last, known } = self;
        let (seen, last) = (kept.map_or(0, Seen::size), last.size());
        let loss = match self.lost(kept) {
            Some(0) => ", all that this machine has seen".to_owned(),
            Some(lost) => {
                format!(", of {seen} that this machine has seen: at least {lost} are lost")
            }
            None => {
                format!("; it is not proven that these hold the {seen} that this machine has seen")
            }
        };
        let saved = evidence::of_log(&old.evidence, known);
        let saved: String = saved
            .iter()
            .map(|saved| {
                format!("\nevidence against the old log is saved here: {}", saved.display())
            })
            .collect();
        Error::History {
            what: format!(
                "the CA has another log, {origin} in place of {}\n\
                 it goes on from the first {last} entries of the old one{loss}{saved}\n\
                 the CA gives this reason: {reason}",
                known.origin(),
            ),
            hint: format!(
                "ask the CA's operators, by another way than this one, whether that is so; if it is: jit-ca trust --accept-log {origin}{contact}"
            ),
        }
    }

    /// At least how many of the entries that were seen here the log does not go on from.
    ///
    /// Nothing is known where the old log ended with more entries than were seen: no proof tells that these are among
    /// them. Where it ended with fewer, nothing tells that the fewer are the same, so that more may be lost.
    fn lost(&self, kept: Option<&Seen>) -> Option<u64> {
        match kept {
            None => Some(0),
            Some(kept) => kept.size().checked_sub(self.last.size()),
        }
    }

    /// Of one size there is one root.
    fn must_not_contradict(&self, old: &Witness, kept: Option<&Seen>) -> Result<()> {
        let Some(kept) = kept.filter(|kept| kept.size() == self.last.size()) else {
            return Ok(());
        };
        kept.is_beginning_of(&self.last, &[]).map_err(|fault: Fault| {
            let shown = (self.last.note.as_str(), Some(self.last.size()));
            old.refuse(Some(kept), shown, &[], fault)
        })
    }

    /// Accepts it: what is known of the old log is saved as evidence of what was lost, the new log is met, and then it
    /// stands in the old one's place.
    pub(crate) fn accept(&self, old: &Witness, new: (&Witness, &impl Log)) -> Result<Accepted> {
        let kept = old.kept.read(&old.key)?;
        let seen = kept.as_ref().map_or(0, Seen::size);
        self.must_not_contradict(old, kept.as_ref())?;
        let saved_before = evidence::of_log(&old.evidence, &self.known);
        let what = format!(
            "The log {} ended, and {} goes on from its first {} entries. This machine had seen {seen}.\n\
             The CA gave this reason: {}",
            self.known.origin(),
            self.origin,
            self.last.size(),
            self.reason
        );
        let evidence = Evidence {
            key: &self.known,
            old: kept.as_ref(),
            new: self.last.note.as_str(),
            new_size: Some(self.last.size()),
            proof: None,
            what: &what,
            meaning: MEANING,
        };
        let evidence = evidence.save(&old.evidence)?;
        let (new, log) = new;
        new.meet(log)?;
        if kept.is_some() {
            old.kept.end(&new.key)?;
        }
        let lost = self.lost(kept.as_ref());
        Ok(Accepted { goes_on_from: self.last.size(), seen, lost, evidence, saved_before })
    }
}

const MEANING: &str = "\
Both notes bear good signatures of log.key. new.checkpoint is the last one of the old log that the CA says
to hold the entries of. If old.checkpoint is larger, the entries between the two were in the log, as its
own signature says, and are not in the one that goes on. If it is smaller, nothing here proves that the
log of new.checkpoint holds the entries that old.checkpoint covers. To check: take the old log's store,
which the CA's operators keep, or an export of it, and compute the root over as many of its entries as
old.checkpoint says. If it is not the one in old.checkpoint, the two notes are of two histories. Somebody
at this machine accepted the log that goes on.";
