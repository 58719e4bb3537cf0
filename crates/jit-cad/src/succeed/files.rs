//! The files of a succession: nothing is overwritten, and the account that the daemon runs as keeps what is its own.

use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use jit_ca_core::Origin;
use jit_ca_log::Checkpoint;
use rustix::fs::{Mode, OFlags};

use crate::failure::Failure;

/// The account that the daemon runs as, whoever runs the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// The account whose file or folder this is.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        Ok(Self::in_metadata(&fs::metadata(path)?))
    }

    fn in_metadata(found: &Metadata) -> Self {
        Self { user: found.uid(), group: found.gid() }
    }

    /// Gives it a file or folder that was made just now.
    pub(super) fn take(self, path: &Path) -> Result<(), Failure> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::open(path, flags, Mode::empty()).map_err(std::io::Error::from)?;
        self.take_open(&File::from(made), path)
    }

    /// The same, of a file that is open. One that has other names as well is not what was made.
    pub(super) fn take_open(self, made: &File, path: &Path) -> Result<(), Failure> {
        let found = made.metadata()?;
        if Self::in_metadata(&found) == self {
            return Ok(());
        }
        let given = match found.is_file() && found.nlink() > 1 {
            true => Err(std::io::Error::other("it has another name")),
            false => fchown(made, Some(self.user), Some(self.group)),
        };
        given.map_err(|error| {
            let Self { user, group } = self;
            let message = format!("{} can't be given to {user}:{group}: {error}", path.display());
            Failure::failed(message).with_hint(
                "nothing is changed; run it as root, or as the account that the daemon runs as",
            )
        })
    }
}

/// Gives the store of before a second name, by which it is kept.
pub(super) fn keep_aside(store: &Path, before: &Checkpoint) -> Result<PathBuf, Failure> {
    let aside = with_ending(store, &format!("{}.{}", in_name(&before.origin), before.size));
    match fs::hard_link(store, &aside) {
        Ok(()) => Ok(aside),
        // A crash came between, and it has the name already.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && same_file(store, &aside)? => {
            Ok(aside)
        }
        Err(error) => {
            let message = format!("the store can't be kept as {}: {error}", aside.display());
            Err(Failure::failed(message)
                .with_hint("nothing is changed; move that file away, or make it possible"))
        }
    }
}

/// Whether two paths are of one file.
pub(super) fn same_file(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (one, other) = (fs::metadata(one)?, fs::metadata(other)?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// An origin as it stands in the names of files.
pub(super) fn in_name(origin: &Origin) -> String {
    origin.as_str().replace('/', "_")
}

/// The path with a dot and an ending after it.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{ending}"));
    name.into()
}

/// The folder that a file lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
