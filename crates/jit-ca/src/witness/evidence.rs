//! What is saved of a log that is not what it was, so that anybody can check it.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jit_ca_core::Digest;
use jit_ca_log::LogKey;
use serde::Serialize;

use super::Seen;
use crate::clock;
use crate::error::Result;
use crate::files;

/// Checkpoints that don't go together, and what shows that they don't.
#[derive(Debug)]
pub(super) struct Evidence<'e> {
    pub(super) key: &'e LogKey,
    pub(super) old: Option<&'e Seen>,
    pub(super) new: &'e str,
    pub(super) new_size: Option<u64>,
    /// What the CA gave as a proof, where it does not hold.
    pub(super) proof: Option<&'e [Digest]>,
    /// What happened, in a line.
    pub(super) what: &'e str,
    /// What the files prove.
    pub(super) meaning: &'e str,
}

/// What the CA gave as a proof that the smaller tree is the beginning of the larger one.
#[derive(Serialize)]
struct Proof<'e> {
    from: u64,
    to: u64,
    hashes: &'e [Digest],
}

/// What is saved already that has to do with the log of this key, oldest first.
pub(super) fn of_log(folder: &Path, key: &LogKey) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let line = format!("{key}\n");
    // What can't be read is no evidence to point at.
    let is_of_it = |saved: &PathBuf| {
        let read = files::read(&saved.join(KEY)).ok().flatten();
        read.is_some_and(|text| *text == line) && saved.join("README").exists()
    };
    let mut saved: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_of_it).collect();
    saved.sort();
    saved
}

impl Evidence<'_> {
    /// Saves it in a folder of its own below `folder`; where the same is saved already, tells where.
    pub(super) fn save(&self, folder: &Path) -> Result<PathBuf> {
        if let Some(parent) = folder.parent() {
            files::private_folder(parent)?;
        }
        files::private_folder(folder)?;
        if let Some(saved) = self.find(folder)? {
            return Ok(saved);
        }
        let own = self.new_folder(folder)?;
        if let Some(old) = self.old {
            files::write_private(&own.join(OLD), old.note.as_str().as_bytes())?;
        }
        files::write_private(&own.join(NEW), self.new.as_bytes())?;
        files::write_private(&own.join(KEY), format!("{}\n", self.key).as_bytes())?;
        if let Some(hashes) = self.proof {
            let sizes = (self.old.map_or(0, Seen::size), self.new_size.unwrap_or_default());
            let hashes = hashes.get(..LONGEST_PROOF).unwrap_or(hashes);
            let proof = Proof { from: sizes.0.min(sizes.1), to: sizes.0.max(sizes.1), hashes };
            files::write_json(&own.join("consistency.json"), &proof)?;
        }
        files::write_private(&own.join("README"), self.readme().as_bytes())?;
        Ok(own)
    }

    /// Where the same two checkpoints are saved already.
    fn find(&self, folder: &Path) -> Result<Option<PathBuf>> {
        let entries =
            std::fs::read_dir(folder).map_err(|source| files::fault(folder, "read", source))?;
        for saved in entries.flatten().map(|entry| entry.path()) {
            let is = |name, note: &str| -> Result<bool> {
                Ok(files::read(&saved.join(name))?.as_deref().map(String::as_str) == Some(note))
            };
            let is_whole = saved.join("README").exists();
            let old = self.old.map_or("", |old| old.note.as_str());
            if is_whole && is(NEW, self.new)? && (self.old.is_none() || is(OLD, old)?) {
                return Ok(Some(saved));
            }
        }
        Ok(None)
    }

    /// A folder that was not there.
    fn new_folder(&self, folder: &Path) -> Result<PathBuf> {
        let time: String =
            clock::now().to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let size = |size: Option<u64>| size.map_or("unknown".to_owned(), |size| size.to_string());
        let name = format!("{time}-{}-{}", size(self.old.map(Seen::size)), size(self.new_size));
        let mut own = folder.join(&name);
        let mut count = 1_u32;
        loop {
            match DirBuilder::new().mode(0o700).create(&own) {
                Ok(()) => return Ok(own),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    count = count.saturating_add(1);
                    own = folder.join(format!("{name}-{count}"));
                }
                Err(source) => return Err(files::fault(&own, "made", source)),
            }
        }
    }

    fn readme(&self) -> String {
        let old = match self.old {
            Some(_) => "old.checkpoint    what the CA had shown to this machine before\n",
            None => "",
        };
        let proof = match self.proof {
            Some(_) => {
                "consistency.json  what the CA gave as proof that the one goes on from the other\n"
            }
            None => "",
        };
        format!(
            "{}\n\nSaved by jit-ca at {}.\n\n{old}new.checkpoint    what it showed then\n\
             log.key           the key of its log, as this machine has known it\n{proof}\n\
             Checkpoints are signed notes (https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note):\n\
             the log's name, its number of entries, the root over them, and a signature. log.key is in the form\n\
             that tools for signed notes take.\n\n{}\n",
            self.what,
            clock::now(),
            self.meaning,
        )
    }
}

const OLD: &str = "old.checkpoint";
const NEW: &str = "new.checkpoint";
const KEY: &str = "log.key";
/// No honest proof is longer: two hashes for each of 64 levels.
const LONGEST_PROOF: usize = 128;
