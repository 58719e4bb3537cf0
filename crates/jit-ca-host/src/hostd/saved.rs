//! A connection as a file, `<run>/connections/<session>.json`: what the next hostd has to know to go on with it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jit_ca_core::SessionId;
use serde::{Deserialize, Serialize};

use crate::certificate::Accepted;
use crate::cgroup::Group;
use crate::process::Process;

/// What is kept of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// Its session.
    pub(super) id: SessionId,
    /// The account.
    pub(super) account: String,
    /// Its number.
    pub(super) uid: u32,
    /// Its shell.
    pub(super) shell: PathBuf,
    /// From where, if sshd said.
    pub(super) from: Option<String>,
    /// The certificate that opened it, or is offered to; none for one without an end.
    pub(super) certificate: Option<Accepted>,
    /// When, in milliseconds since 1970.
    pub(super) opened_ms: u64,
    /// Whether it has been let in: a session. Before that somebody is only trying.
    pub(super) is_session: bool,
    /// Whether nothing of it can be kept, and it was let in all the same, as its account is set apart as break-glass.
    pub(super) is_unrecorded: bool,
    /// The sshd process that stands for it.
    pub(super) monitor: Process,
    /// What holds it.
    pub(super) group: Group,
    /// How many channels it has had.
    pub(super) channels: u32,
    /// The guards that run: by channel, with whether at a terminal.
    pub(super) guards: BTreeMap<u32, (Process, bool)>,
}

impl Saved {
    /// Writes it: as a whole, or not. It lies in memory (tmpfs), so nothing is to be waited for.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let path = path(folder, self.id);
        let beside = path.with_extension("new");
        fs::write(&beside, serde_json::to_vec(self)?)?;
        fs::rename(beside, path)
    }

    /// Removes it.
    pub(super) fn remove(&self, folder: &Path) {
        let _ = fs::remove_file(path(folder, self.id));
    }

    /// All that there are. One that isn't what was written is removed: its cgroup is then of no connection that is known.
    pub(super) fn all(folder: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match serde_json::from_slice(&fs::read(&path)?) {
                Ok(saved) if path.extension().is_some_and(|end| end == "json") => found.push(saved),
                _ => fs::remove_file(&path)?,
            }
        }
        Ok(found)
    }
}

fn path(folder: &Path, id: SessionId) -> PathBuf {
    folder.join(format!("{id}.json"))
}
