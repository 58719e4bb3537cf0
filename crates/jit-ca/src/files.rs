//! Files that are the person's alone, written whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The longest file of ours.
const LONGEST: u64 = 1024 * 1024;

/// Writes a file that its owner alone reads, in a folder that is made if need be.
///
/// It is written beside its place and moved there, so that another process reads the old one or
/// the new one whole.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes, 0o600)
}

/// Writes a file that everybody may read.
pub(crate) fn write_public(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes, 0o644)
}

/// Writes a file of the person's own anew, with the mode that it has; one that is not there, for its owner alone. Where
/// it is a link, what that leads to is written.
pub(crate) fn rewrite(path: &Path, bytes: &[u8]) -> Result<()> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = std::fs::metadata(&path).map_or(0o600, |found| found.mode() & 0o7777);
    write(&path, bytes, mode)
}

/// Makes a link, or has one that is there lead elsewhere.
pub(crate) fn link(target: &Path, path: &Path) -> Result<()> {
    let beside = beside(path);
    symlink(target, &beside).and_then(|()| std::fs::rename(&beside, path)).map_err(|source| {
        // What is left of it is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
        fault(path, "written", source)
    })
}

/// A place in the same folder that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = path.parent().unwrap_or(Path::new("."));
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".new-{}-{count}", std::process::id()))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let beside = beside(path);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file: File| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|source| {
        // What is left of it is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
        fault(path, "written", source)
    })
}

/// Makes a folder that its owner alone can enter; refuses one that somebody else could change.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| fault(path, "made", source))?;
    let found = std::fs::symlink_metadata(path).map_err(|source| fault(path, "read", source))?;
    if found.is_dir()
        && found.uid() == rustix::process::geteuid().as_raw()
        && found.mode() & 0o077 == 0
    {
        Ok(())
    } else {
        let source = "it is not a folder that is yours alone (chmod 700)";
        Err(fault(path, "used", source))
    }
}

/// Reads a file as JSON; `None` if there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    serde_json::from_str(&text).map(Some).map_err(|source| fault(path, "understood", source))
}

/// Writes a file as JSON, for its owner alone.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(value).map_err(|source| fault(path, "written", source))?;
    write_private(path, &Zeroizing::new(text))
}

/// Reads a file as text; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<String>>> {
    let length = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(fault(path, "read", source)),
    };
    if length > LONGEST {
        return Err(fault(path, "read", "it is too long"));
    }
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(fault(path, "read", source)),
    }
}

/// Removes a file or a folder, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = match path.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(fault(path, "removed", error)),
        _ => Ok(()),
    }
}

pub(crate) fn fault(
    path: &Path,
    action: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::File { path: path.to_owned(), action, source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn secrets_are_readable_by_their_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        private_folder(&folder).unwrap();
        let file = folder.join("login.json");
        write_json(&file, &["first"]).unwrap();
        write_json(&file, &["second"]).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        assert_eq!(read_json::<Vec<String>>(&file).unwrap().unwrap(), ["second"]);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);

        let open = home.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(private_folder(&open).is_err());
    }
}
