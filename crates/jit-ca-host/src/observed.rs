//! Which certificates were used on this host, by the host's own word: a line of JSON for each login that sshd accepted.
//!
//! `jit-ca log verify --observed FILE` holds them against the log: what was used and is not in there was made by somebody
//! who has the CA's key and not its log.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jit_ca_core::Use;

/// Beyond this many bytes a file is put aside, and the one before it forgotten: some 60,000 logins.
const LONGEST: u64 = 16 << 20;

/// The host's list.
#[derive(Clone, Debug)]
pub struct Observed {
    file: PathBuf,
}

impl Observed {
    /// The list in hostd's folder.
    pub fn of(state: &Path) -> Self {
        Self { file: state.join("observed.jsonl") }
    }

    /// Adds a use, durably.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn add(&self, used: &Use) -> io::Result<()> {
        if fs::metadata(&self.file).is_ok_and(|found| found.len() > LONGEST) {
            fs::rename(&self.file, self.before())?;
        }
        let mut line = serde_json::to_string(used)?;
        line.push('\n');
        let mut file = fs::OpenOptions::new();
        let mut file = file.append(true).create(true).mode(0o600).open(&self.file)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }

    /// All uses that are known, the oldest first. A line that a crash cut off is none.
    ///
    /// # Errors
    /// If a file can't be read.
    pub fn all(&self) -> io::Result<Vec<Use>> {
        let mut all = Vec::new();
        for file in [self.before(), self.file.clone()] {
            match fs::File::open(file) {
                Ok(file) => {
                    for line in BufReader::new(file).lines() {
                        all.extend(serde_json::from_str::<Use>(&line?).ok());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn before(&self) -> PathBuf {
        self.file.with_extension("jsonl.1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jit_ca_core::{Digest, UnixTime};

    #[test]
    fn uses_are_read_as_they_were_noted() {
        let folder = tempfile::tempdir().unwrap();
        let observed = Observed::of(folder.path());
        assert_eq!(observed.all().unwrap(), []);
        let used = |serial: u64| Use {
            time: UnixTime::from_secs(1_790_000_000),
            host: "web1".parse().unwrap(),
            account: "deploy".to_owned(),
            ca: Digest::from_bytes([1; 32]),
            serial,
            key_id: "a \"name\"\nin two lines".to_owned(),
            tbs: Digest::from_bytes([2; 32]),
        };
        observed.add(&used(1)).unwrap();
        observed.add(&used(u64::MAX)).unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(&observed.file).unwrap();
        file.write_all(b"{\"time\":\"2026").unwrap();
        assert_eq!(observed.all().unwrap(), [used(1), used(u64::MAX)]);

        // A long list makes room; what stood in it before is known until the next one is long, too.
        file.set_len(LONGEST + 1).unwrap();
        observed.add(&used(3)).unwrap();
        let all = observed.all().unwrap();
        assert_eq!((all.first(), all.last()), (Some(&used(1)), Some(&used(3))));
    }
}
