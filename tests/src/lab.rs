//! A folder for one test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::program;

/// A folder for one test, removed when the test ends.
#[derive(Debug)]
pub struct Lab {
    folder: PathBuf,
    /// Removes the folder; nothing where it stays.
    _temporary: Option<TempDir>,
}

impl Lab {
    /// A new one.
    pub fn new() -> Self {
        // A short path: that of a Unix socket holds 108 bytes.
        let folder =
            tempfile::Builder::new().prefix("jit-ca-").tempdir().expect("a temporary folder");
        // Accounts that sshd and nginx run as read in it.
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("permissions");
        Self { folder: folder.path().to_owned(), _temporary: Some(folder) }
    }

    /// One that stays, in this folder: what is made here is used after this program.
    pub fn staying(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let folder = folder.canonicalize().expect("a path");
        Self { folder, _temporary: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// A folder in it, made if it is missing.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(&path).expect("a folder");
        path
    }

    /// A file in it, made or replaced.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// A script that stands in for a program: to be found in the folder that is given back.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let folder = self.folder("stand-ins");
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/bash\n{text}\n")).expect("a file");
        fs::set_permissions(file, PermissionsExt::from_mode(0o755)).expect("permissions");
        folder
    }

    /// Stands in for a cargo that is asked to build our programs into a folder: all tests run on the
    /// programs that have been built for them.
    pub fn cargo(&self, arguments: &str, folder: &str) -> PathBuf {
        let programs = ["jit-cad", "jit-ca"].map(|name| program(name).display().to_string());
        let programs = programs.join(" ");
        let build = format!("mkdir -p {folder} && ln -s {programs} {folder}/");
        self.script("cargo", &format!("[ \"$*\" = '{arguments}' ] && {build}"))
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}
