//! The logs of before, whose stores are kept beside the store. They are looked at, and never changed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jit_ca_core::Origin;
use jit_ca_core::event::{LogInit, PublicKey};

use super::UNFINISHED;
use super::files::{folder_of, same_file};
use crate::anchor::origin_of;
use crate::app::beginning;
use crate::failure::Failure;
use crate::store::Store;

/// A file that is named like the store, with an ending.
pub(super) struct Kept {
    pub(super) path: PathBuf,
    /// The ending.
    pub(super) ending: String,
    /// The first entry of the log in it, if it can be read and is of these keys.
    pub(super) begin: Result<LogInit, Failure>,
}

/// Every file that is kept beside the store. The store itself, by whatever name, is none of them.
pub(super) async fn beside(store: &Path, keys: &[PublicKey]) -> std::io::Result<Vec<Kept>> {
    let keys: Arc<[PublicKey]> = keys.into();
    let mut kept = Vec::new();
    for (path, ending) in named_like(store)? {
        // Damage of some kinds makes redb panic; that is then an error of this file's alone.
        let (file, keys) = (path.clone(), Arc::clone(&keys));
        let read = tokio::task::spawn_blocking(move || beginning(&Store::look(&file)?, &keys));
        let begin = read.await.unwrap_or_else(|_| Err(Failure::failed("the log is damaged")));
        kept.push(Kept { path, ending, begin });
    }
    Ok(kept)
}

fn named_like(store: &Path) -> std::io::Result<Vec<(PathBuf, String)>> {
    let name = format!("{}.", store.file_name().unwrap_or_default().to_string_lossy());
    let entries = match fs::read_dir(folder_of(store)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(ending) = file.strip_prefix(&name) else { continue };
        // What a crash has left of a rewriting, or of a new log that nobody has seen, is none yet.
        let is_log = entry.file_type()?.is_file() && !["new", UNFINISHED].contains(&ending);
        if is_log && !same_file(store, &entry.path()).unwrap_or(false) {
            found.push((entry.path(), ending.to_owned()));
        }
    }
    Ok(found)
}

/// The logs that a log goes on from, the last one first, as far as the stores that are kept tell.
pub async fn ancestors(store: &Path, begin: &LogInit, keys: &[PublicKey]) -> Vec<Origin> {
    let mut next = before(begin);
    let mut ancestors = Vec::new();
    if next.is_none() {
        return ancestors;
    }
    let kept = beside(store, keys).await.unwrap_or_default();
    while let Some(origin) = next.filter(|origin| !ancestors.contains(origin)) {
        let mut begins = kept.iter().filter_map(|kept| kept.begin.as_ref().ok());
        next = begins.find(|begin| begin.origin == origin).and_then(before);
        ancestors.push(origin);
    }
    ancestors
}

/// The log that a log goes on from.
pub(super) fn before(begin: &LogInit) -> Option<Origin> {
    origin_of(&begin.succeeds.as_ref()?.checkpoint)
}
