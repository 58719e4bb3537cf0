//! Files that are put in place together, or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::drop_in::OURS;
use crate::fault::Fault;

/// What a file is to be: a text, or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// What it is to say; none where it is to be gone.
    pub(crate) text: Option<String>,
    /// Whether all of it is ours, so that another's file of the same name is left alone.
    pub(crate) is_ours: bool,
}

/// What was changed, and what was there before.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<(PathBuf, Option<String>)>);

impl Changes {
    /// Makes files what they are wanted to be, in this order. Where one can't be, those before it are put back.
    ///
    /// # Errors
    /// If a file can't be read or written, or is somebody else's.
    pub(crate) fn make(wanted: &[Wanted]) -> Result<Self, Fault> {
        let mut changes = Self::default();
        for file in wanted {
            if let Err(fault) = changes.change(file) {
                changes.undo()?;
                return Err(fault);
            }
        }
        Ok(changes)
    }

    /// The files that are not what they were.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path.as_path())
    }

    /// Puts back what was there, the last change first.
    ///
    /// # Errors
    /// If a file can't be written; the others are put back all the same.
    pub(crate) fn undo(self) -> Result<(), Fault> {
        let put_back = self.0.into_iter().rev().map(|(path, was)| put(&path, was.as_deref()));
        let failed: Vec<Fault> = put_back.filter_map(Result::err).collect();
        failed.into_iter().next().map_or(Ok(()), Err)
    }

    fn change(&mut self, file: &Wanted) -> Result<(), Fault> {
        let was = read(&file.path)?;
        if was == file.text {
            return Ok(());
        }
        if file.is_ours && was.as_ref().is_some_and(|was| !was.starts_with(OURS)) {
            return Err(Fault::new(
                format!("{} is there, and was not written by jit-ca-host", file.path.display()),
                "move it away, or take into host.toml what it says",
            ));
        }
        put(&file.path, file.text.as_deref())?;
        self.0.push((file.path.clone(), was));
        Ok(())
    }
}

/// A file's text; none if there is no such file.
///
/// # Errors
/// If it can't be read, or isn't text.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Fault> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::file(path, &error)),
    }
}

/// Writes a file so that there is the old one or the new one, whenever the power goes. A file that was there keeps its
/// mode; a new one is for all to read and for root to write, as sshd's StrictModes wants it.
fn put(path: &Path, text: Option<&str>) -> Result<(), Fault> {
    let fault = |error: io::Error| Fault::file(path, &error);
    let Some(text) = text else {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault(error)),
            _ => {
                remove_own_folders(path);
                Ok(())
            }
        };
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(fault)?;
    let mode = fs::metadata(path).map_or(0o644, |found| found.permissions().mode() & 0o7777);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".jit-ca-new");
    let new = folder.join(name);
    let mut file = fs::OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600).open(&new);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        fs::File::open(folder)?.sync_all()
    });
    written.map_err(fault)
}

/// Removes the folders above a file that are ours, once nothing is in them.
fn remove_own_folders(path: &Path) {
    for folder in path.ancestors().skip(1) {
        let is_ours = folder.components().any(|part| part.as_os_str() == "jit-ca");
        if !is_ours || fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(path: PathBuf, text: &str, is_ours: bool) -> Wanted {
        Wanted { path, text: Some(text.to_owned()), is_ours }
    }

    #[test]
    fn all_of_them_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("sub/b"));
        fs::write(&a, "before").unwrap();
        fs::set_permissions(&a, fs::Permissions::from_mode(0o640)).unwrap();
        let changes = [wanted(a.clone(), "after", false), wanted(b.clone(), OURS, true)];
        let changes = Changes::make(&changes).unwrap();
        assert_eq!(changes.paths().count(), 2);
        assert_eq!(fs::read_to_string(&a).unwrap(), "after");
        assert_eq!(fs::metadata(&a).unwrap().permissions().mode() & 0o777, 0o640);
        changes.undo().unwrap();
        assert_eq!(fs::read_to_string(&a).unwrap(), "before");
        assert!(!b.exists());

        fs::write(&b, "somebody's").unwrap();
        let changes = [wanted(a.clone(), "after", false), wanted(b.clone(), OURS, true)];
        let fault = Changes::make(&changes).unwrap_err();
        assert!(fault.to_string().contains("was not written by jit-ca-host"), "{fault}");
        assert_eq!(fs::read_to_string(&a).unwrap(), "before");
        assert_eq!(fs::read_to_string(&b).unwrap(), "somebody's");
    }

    #[test]
    fn what_is_so_already_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let gone = Wanted { path: path.clone(), text: None, is_ours: true };
        assert_eq!(Changes::make(&[gone]).unwrap().paths().count(), 0);
        fs::write(&path, "x").unwrap();
        let same = wanted(path, "x", false);
        assert_eq!(Changes::make(&[same]).unwrap().paths().count(), 0);
    }
}
