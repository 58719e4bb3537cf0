//! `log follow`: the entries as they come, each once, and each held against what the CA signs.
//!
//! ```text
//! cursor ──> chain (next index, right edge) ── entries from next on, waiting ──> hashed on
//!    ↑          = the CA's checkpoint of that size?  no: exit 4, nothing is written
//!    └── replaced ── lines are written and synced
//! ```

mod contact;
mod cursor;
mod lines;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jit_ca_api::Entry;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use self::contact::{Contact, patiently};
use self::cursor::Cursor;
use self::lines::Lines;
use crate::chain::Chain;
use crate::cli::LogFollowCommand;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::files::fault;
use crate::interrupt;

pub(super) fn follow(context: &Context, arguments: &LogFollowCommand) -> Result<()> {
    let signals = Signals::catch()?;
    let ca = patiently(&context.printer, || context.ca())?;
    let contact = Contact { key: ca.profile.ca.log_key()?, ca, printer: &context.printer };
    let mut place = Place::find(&contact, arguments, &signals)?;
    place.follow(&contact, &signals).inspect_err(|error| {
        if error.is_login_over() {
            let next = place.chain.next();
            context.printer.note(&format!("the login has ended before entry {next}"));
        }
    })
}

/// How far the log was followed, and what into.
#[derive(Debug)]
struct Place {
    chain: Chain,
    /// The file that lines are appended to; they are printed if there is none.
    lines: Option<Lines>,
    cursor: Option<PathBuf>,
}

impl Place {
    /// Where the cursor says, or else where the command does.
    fn find(
        contact: &Contact<'_>,
        arguments: &LogFollowCommand,
        signals: &Signals,
    ) -> Result<Self> {
        let beside = |out: &PathBuf| {
            let mut name = out.clone().into_os_string();
            name.push(".cursor");
            name.into()
        };
        let cursor = arguments.cursor.clone().or_else(|| arguments.out.as_ref().map(beside));
        let origin = contact.key.origin();
        let kept = match &cursor {
            Some(file) => Cursor::load(file, origin)?,
            None => None,
        };
        let (length, chain) = match kept {
            Some((cursor, chain)) => (cursor.length(), chain),
            None => (
                None,
                contact.chain_at(match arguments.since_index {
                    Some(index) => index,
                    None if arguments.from_start => 0,
                    None => contact.newest()?.size,
                })?,
            ),
        };
        contact.check_newest(&chain)?;
        let mut place = Self { chain, lines: None, cursor };
        signals.undisturbed(|| {
            place.lines = match (&arguments.out, length) {
                (None, _) => None,
                (Some(out), None) => Some(Lines::new(out)?),
                (Some(out), Some(length)) => Some(Lines::resume(out, place.chain.next(), length)?),
            };
            // Before the first line: what is in the file can then be told from what is somebody else's.
            place.remember(contact)
        })?;
        Ok(place)
    }

    /// Follows until it is told to stop.
    fn follow(&mut self, contact: &Contact<'_>, signals: &Signals) -> Result<()> {
        while !signals.is_stopped() {
            let entries = contact.entries(self.chain.next())?;
            if entries.is_empty() {
                contact.check_newest(&self.chain)?;
                continue;
            }
            let mut chain = self.chain.clone();
            entries.iter().try_for_each(|entry| chain.take(entry))?;
            contact.check(&chain)?;
            signals.undisturbed(|| {
                self.write(&entries)?;
                self.chain = chain;
                self.remember(contact)
            })?;
        }
        Ok(())
    }

    fn write(&mut self, entries: &[Entry]) -> Result<()> {
        let stdout = Path::new("stdout");
        let mut text = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut text, entry)
                .map_err(|source| fault(stdout, "written", source))?;
            text.push(b'\n');
        }
        if let Some(lines) = &mut self.lines {
            return lines.append(&text, self.chain.next());
        }
        let mut out = std::io::stdout().lock();
        let written = out.write_all(&text).and_then(|()| out.flush());
        written.map_err(|source| fault(stdout, "written", source))
    }

    fn remember(&self, contact: &Contact<'_>) -> Result<()> {
        let length = self.lines.as_ref().map(Lines::length);
        match &self.cursor {
            Some(file) => Cursor::behind(&self.chain, contact.key.origin(), length).save(file),
            None => Ok(()),
        }
    }
}

/// SIGINT and SIGTERM: both end the program well; at once while it waits, else when it has written.
#[derive(Debug)]
struct Signals {
    /// Whether nothing is being written.
    idle: Arc<AtomicBool>,
    stopped: Arc<AtomicBool>,
}

impl Signals {
    fn catch() -> Result<Self> {
        let idle = Arc::new(AtomicBool::new(true));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 0, Arc::clone(&idle))
                .map_err(Error::key("signals can't be caught"))?;
        }
        Ok(Self { idle, stopped: interrupt::flag_of(&[SIGINT, SIGTERM])? })
    }

    fn undisturbed(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.idle.store(false, Ordering::SeqCst);
        work()?;
        self.idle.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}
