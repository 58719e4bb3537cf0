//! The CA as one that may be away for a while, and whose word is checked.

use std::cmp::Ordering;
use std::thread::sleep;
use std::time::Duration;

use jit_ca_api::client;
use jit_ca_api::{Entry, LONGEST_WAIT, LogQuery};
use jit_ca_log::part::Part;
use jit_ca_log::tree::Tree;
use jit_ca_log::{Checkpoint, LogKey, SignedCheckpoint};

use crate::chain::Chain;
use crate::error::{Error, Result};
use crate::export;
use crate::login::Ca;
use crate::payloads;
use crate::printer::Printer;
use crate::source::{Source, Tiles, unwrapped};

/// The CA whose log is followed.
#[derive(Debug)]
pub(super) struct Contact<'p> {
    pub(super) ca: Ca,
    pub(super) key: LogKey,
    pub(super) printer: &'p Printer,
}

impl Contact<'_> {
    /// The entries from `start` on, with their payloads checked; waits for one that is not there yet, and gives none if that takes long.
    pub(super) fn entries(&self, start: u64) -> Result<Vec<Entry>> {
        payloads::from(self, start, u64::MAX, LONGEST_WAIT)
    }

    /// The newest checkpoint, which goes on from all that this machine has seen.
    pub(super) fn newest(&self) -> Result<Checkpoint> {
        let note = patiently(self.printer, || export::newest(&self.ca))?;
        export::opened(&self.ca, &note)
    }

    /// Checks that what was read is what the CA's checkpoint of so many entries covers, and that this goes on from
    /// all that this machine has seen.
    pub(super) fn check(&self, chain: &Chain) -> Result<()> {
        let note = self.checkpoint(chain.next())?;
        chain.check(&export::opened(&self.ca, &note)?)?;
        patiently(self.printer, || self.ca.witness.admit(&self.ca.client, &note))
    }

    /// Checks that the log is no shorter than what was read of it, and ends like it where it is as long.
    pub(super) fn check_newest(&self, chain: &Chain) -> Result<()> {
        let newest = self.newest()?;
        match newest.size.cmp(&chain.next()) {
            Ordering::Less => Err(self.lost(chain.next(), newest.size)),
            Ordering::Equal => chain.check(&newest),
            Ordering::Greater => Ok(()),
        }
    }

    /// The checkpoint of the first `size` entries, which were seen already.
    fn checkpoint(&self, size: u64) -> Result<SignedCheckpoint> {
        // An entry can be read as soon as it is written, and a moment later there is a checkpoint.
        for _ in 0..TRIES {
            let note = patiently(self.printer, || match self.ca.client.checkpoint_at(size) {
                Ok(note) => Ok(Some(note)),
                Err(client::Error::Problem(problem)) if problem.status == 404 => Ok(None),
                Err(error) => Err(error.into()),
            })?;
            match note {
                Some(note) => {
                    return note.parse().map_err(|error| {
                        Error::unverified(format!("the CA's checkpoint can't be read: {error}"))
                    });
                }
                None => sleep(TICK),
            }
        }
        Err(self.lost(size, self.newest()?.size))
    }

    /// The chain of the first `size` entries, from the tiles, and checked.
    pub(super) fn chain_at(&self, size: u64) -> Result<Chain> {
        if size == 0 {
            return Ok(Chain::default());
        }
        let newest = self.newest()?.size;
        if size > newest {
            return Err(Error::usage(
                format!("the log has {newest} entries, and none at {size} yet"),
                "begin at an entry that there is, or leave it out to begin at the next new one",
            ));
        }
        let frontier = Tree::at(Tiles { source: self, size }, size).frontier();
        let chain = Chain(frontier.map_err(unwrapped)?);
        self.check(&chain)?;
        Ok(chain)
    }

    fn lost(&self, seen: u64, found: u64) -> Error {
        Error::unverified(format!(
            "the log {} has lost entries: {seen} were seen, and the CA has {found}",
            self.key.origin()
        ))
    }
}

/// Asks until there is an answer: a CA that is away comes back.
pub(super) fn patiently<T>(printer: &Printer, call: impl Fn() -> Result<T>) -> Result<T> {
    let (mut pause, mut is_noted) = (TICK, false);
    loop {
        match call() {
            Err(error) if is_outage(&error) => {
                if !is_noted {
                    printer.note(&format!("{error}; trying again"));
                    is_noted = true;
                }
                sleep(pause);
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            Ok(answer) => {
                if is_noted {
                    printer.note("the CA answers again");
                }
                return Ok(answer);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether it may be otherwise in a while, without anybody's doing here.
fn is_outage(error: &Error) -> bool {
    match error {
        Error::Call(client::Error::Transport { .. }) => true,
        Error::Call(client::Error::Problem(problem)) => {
            problem.status >= 500 || problem.status == 429
        }
        _ => false,
    }
}

impl Source for Contact<'_> {
    fn entries(&self, query: &LogQuery) -> Result<Vec<Entry>> {
        patiently(self.printer, || Source::entries(&self.ca.client, query))
    }

    fn entry(&self, index: u64) -> Result<Entry> {
        patiently(self.printer, || Source::entry(&self.ca.client, index))
    }

    fn part(&self, part: Part) -> Result<Vec<u8>> {
        patiently(self.printer, || self.ca.client.part(part))
    }
}

/// How long to let the CA be, at first and at most.
const TICK: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a checkpoint is asked for that must be there.
const TRIES: u32 = 20;
