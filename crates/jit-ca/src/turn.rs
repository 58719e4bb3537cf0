//! One at a time: however many processes want the same, one gets it, and the others wait for what becomes of it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::files::fault;
use crate::places::Places;
use crate::printer::Printer;

/// The longest that is told of a failure.
const LONGEST: u64 = 4096;

/// Ours alone, until it is dropped or the process ends: a lock of flock(2) on a file of the runtime folder, which says
/// why whoever had it before failed.
#[derive(Debug)]
pub(crate) struct Turn {
    file: File,
    path: PathBuf,
    /// Whether somebody had it when we came.
    waited: bool,
}

impl Turn {
    /// Waits for it. The runtime folder must be there.
    pub(crate) fn take(places: &Places, printer: &Printer, what: &str) -> Result<Self> {
        let path = places.runtime.join(format!("{what}.lock"));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(|source| fault(&path, "opened", source))?;
        let waited = match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => {
                if printer.is_watched() {
                    printer.note(&format!("another program asks already: {what}"));
                }
                file.lock().map_err(|source| fault(&path, "locked", source))?;
                true
            }
            Err(TryLockError::Error(source)) => return Err(fault(&path, "locked", source)),
        };
        if !waited {
            // What came of it earlier is over.
            file.set_len(0).map_err(|source| fault(&path, "written", source))?;
        }
        Ok(Self { file, path, waited })
    }

    /// Fails if we waited for somebody who failed: all who wanted it at the same time are told the same.
    pub(crate) fn has_failed(&self) -> Result<()> {
        let mut why = String::new();
        let mut file = &self.file;
        file.rewind()
            .and_then(|()| file.take(LONGEST).read_to_string(&mut why))
            .map_err(|source| fault(&self.path, "read", source))?;
        match self.waited && !why.is_empty() {
            true => Err(Error::Denied {
                what: format!("another program asked at the same time: {why}"),
                hint: None,
            }),
            false => Ok(()),
        }
    }

    /// Tells those who wait that it was in vain, and why.
    pub(crate) fn failed(&self, why: &Error) -> Result<()> {
        let mut file = &self.file;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(why.to_string().as_bytes()))
            .map_err(|source| fault(&self.path, "written", source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_is_told_and_who_comes_later_tries_anew() {
        let home = tempfile::tempdir().unwrap();
        let places = Places {
            home: home.path().to_owned(),
            config: home.path().to_owned(),
            runtime: home.path().to_owned(),
            agent: None,
            user: None,
        };
        let take = || Turn::take(&places, &Printer::new(true), "deploy@web1").unwrap();
        let first = take();
        first.has_failed().unwrap();
        let waiter = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let turn = take();
                (turn.waited, turn.has_failed().map_err(|error| error.to_string()))
            });
            first.failed(&Error::NotLoggedIn).unwrap();
            // Whether or not it waits by now: it sees what was written only if it did.
            drop(first);
            waiter.join().unwrap()
        });
        match waiter {
            (true, told) => assert!(told.unwrap_err().contains("you are not logged in")),
            (false, told) => told.unwrap(),
        }
        take().has_failed().unwrap();
    }
}
