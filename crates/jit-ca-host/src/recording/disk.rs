//! What is done to files here, step by step. Tests stop it after each.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Makes a folder that is its owner's alone. It is there already: so be it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    crash::step("make folder")?;
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// Makes what stands in a folder durable: names, not contents.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    crash::step("sync folder")?;
    File::open(path)?.sync_all()
}

/// Gives a folder its name, for good.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    crash::step("rename")?;
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// Removes a file. Its folder is not synced: what comes back after a crash is removed again.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    crash::step("remove")?;
    fs::remove_file(path)
}

/// Removes a folder with all that is in it.
pub(super) fn remove_all(path: &Path) -> io::Result<()> {
    crash::step("remove all")?;
    fs::remove_dir_all(path)
}

/// Puts a file in its place, whole or not at all.
pub(super) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    crash::step("create")?;
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    match crash::tear(bytes) {
        None => file.write_all(bytes)?,
        Some(part) => return file.write_all(part).and_then(|()| crash::step("write")),
    }
    crash::step("sync")?;
    file.sync_all()?;
    rename(&beside, path)
}

/// A file that grows at its end, by whole pieces.
#[derive(Debug)]
pub(super) struct Growing {
    file: File,
    length: u64,
    /// It ends with a piece of a piece, which could not be cut off.
    torn: bool,
}

impl Growing {
    /// A new one. There must be none yet.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        crash::step("create")?;
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { file, length: 0, torn: false })
    }

    /// One that is there, of which this many bytes count: what stands behind them is cut off.
    pub(super) fn reopen(path: &Path, length: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(path)?;
        if file.metadata()?.len() != length {
            crash::step("cut")?;
            file.set_len(length)?;
        }
        Ok(Self { file, length, torn: false })
    }

    /// How long it is.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends a piece, or nothing.
    pub(super) fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.torn {
            return Err(io::Error::other("an earlier write to it failed halfway"));
        }
        let written = match crash::tear(piece) {
            None => self.file.write_all(piece),
            Some(part) => self.file.write_all(part).and_then(|()| crash::step("write")),
        };
        if let Err(error) = written {
            let cut = crash::step("cut").and_then(|()| self.file.set_len(self.length));
            self.torn = cut.is_err();
            return Err(error);
        }
        self.length += u64::try_from(piece.len()).map_err(io::Error::other)?;
        Ok(())
    }

    /// Makes it durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        crash::step("sync")?;
        self.file.sync_data()
    }
}

/// In the program nothing stops halfway but by itself.
#[cfg(not(test))]
mod crash {
    use std::io;

    pub(super) const fn step(_name: &str) -> io::Result<()> {
        Ok(())
    }

    pub(super) const fn tear(_piece: &[u8]) -> Option<&[u8]> {
        None
    }
}

/// As a kill would have it: after so many steps all fail, and the one write among them is written by half. Which ones were done
/// is kept.
#[cfg(test)]
pub(super) mod crash {
    use std::cell::{Cell, RefCell};
    use std::io;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
        static DONE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    /// So many steps are done yet; None: all.
    pub(in crate::recording) fn after(steps: Option<u32>) {
        LEFT.set(steps);
    }

    /// The steps that were done since this was asked last.
    pub(in crate::recording) fn done() -> Vec<String> {
        DONE.take()
    }

    pub(super) fn step(name: &str) -> io::Result<()> {
        match LEFT.get() {
            Some(0) => return Err(io::Error::other("killed")),
            left => LEFT.set(left.map(|left| left - 1)),
        }
        DONE.with_borrow_mut(|done| done.push(name.to_owned()));
        Ok(())
    }

    pub(super) fn tear(piece: &[u8]) -> Option<&[u8]> {
        step("write").is_err().then(|| piece.split_at(piece.len() / 2).0)
    }
}
