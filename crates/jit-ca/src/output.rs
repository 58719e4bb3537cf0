//! What a command writes for somebody else: a file that is there whole or not at all, or stdout.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::files::fault;
use crate::interrupt;

/// Something that is being written.
///
/// A file is its owner's alone, and lies beside its place under another name until [`Output::finish`] moves it
/// there. When this is dropped before, or interrupted, nothing is left of it.
#[derive(Debug)]
pub(crate) struct Output {
    to: To,
    interrupted: Arc<AtomicBool>,
}

#[derive(Debug)]
enum To {
    Stdout(BufWriter<Stdout>),
    File { beside: BufWriter<NamedTempFile>, place: PathBuf },
}

impl Output {
    /// What will lie at `path`; stdout where it is `-`.
    ///
    /// # Errors
    /// If something lies there that is no file, or the folder can't be written to.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let to = match is_stdout(path) {
            true => To::Stdout(BufWriter::new(io::stdout())),
            false => {
                let place = place(path)?;
                let beside =
                    tempfile::Builder::new().prefix(".jit-ca-").tempfile_in(folder(&place));
                let beside = beside.map_err(|source| fault(path, "written", source))?;
                To::File { beside: BufWriter::new(beside), place }
            }
        };
        Ok(Self { to, interrupted: interrupt::flag_of(&[SIGINT, SIGTERM])? })
    }

    /// Whether a person looks at it as it is written.
    pub(crate) fn is_watched(&self) -> bool {
        matches!(self.to, To::Stdout(_)) && io::stdout().is_terminal()
    }

    /// Why it could not be written, for `map_err`.
    pub(crate) fn fault(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        match &self.to {
            To::Stdout(_) => fault(Path::new("stdout"), "written", source),
            To::File { place, .. } => fault(place, "written", source),
        }
    }

    /// Puts what was written in its place, once it is on the disk.
    ///
    /// # Errors
    /// If that fails: then the place is as it was.
    pub(crate) fn finish(mut self) -> Result<()> {
        let flushed = self.flush();
        flushed.map_err(|source| self.fault(source))?;
        // From here on a signal ends the program, as it does elsewhere.
        self.interrupted.store(true, Ordering::Relaxed);
        let To::File { beside, place } = self.to else {
            return Ok(());
        };
        let written = || -> io::Result<()> {
            let beside = beside.into_inner().map_err(io::IntoInnerError::into_error)?;
            beside.as_file().sync_all()?;
            beside.persist(&place)?;
            sync_folder(&place)
        };
        written().map_err(|source| fault(&place, "written", source))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.interrupted.load(Ordering::Relaxed) {
            // Not `ErrorKind::Interrupted`, at which writers try again.
            return Err(io::Error::other("it was interrupted"));
        }
        match &mut self.to {
            To::Stdout(stdout) => stdout.write(bytes),
            To::File { beside, .. } => beside.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Stdout(stdout) => stdout.flush(),
            To::File { beside, .. } => beside.flush(),
        }
    }
}

/// Whether a path stands for stdout.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Makes the names in a file's folder as durable as what the files hold.
pub(crate) fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(folder(file))?.sync_all()
}

/// Where the file really lies, behind links. What is no file is not to be replaced by one.
fn place(path: &Path) -> Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(place) if place.is_file() => Ok(place),
        Ok(_) => Err(Error::usage(
            format!("{} is no file", path.display()),
            "name a file, or - for stdout",
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
        Err(source) => Err(fault(path, "written", source)),
    }
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.jsonl");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let names = || fs::read_dir(folder.path()).unwrap().count();

        let mut dropped = Output::create(&file).unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(names(), 1);

        for (path, text) in [(&file, "one"), (&link, "two")] {
            let mut output = Output::create(path).unwrap();
            output.write_all(text.as_bytes()).unwrap();
            output.finish().unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(), 2);

        // A device or a folder would be replaced by a file.
        assert!(Output::create(Path::new("/dev/null")).is_err());
        assert!(Output::create(folder.path()).is_err());
    }

    #[test]
    fn an_interrupt_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::create(&folder.path().join("log.tar")).unwrap();
        output.interrupted.store(true, Ordering::Relaxed);
        assert!(output.write_all(b"more").is_err());
        drop(output);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
