//! What hosts saw: reading it, and saying what comes of holding it against the log.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use jit_ca_core::Use;
use jit_ca_log::verify::{Mismatch, Mismatched, Observed};

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::files::fault;

/// The longest line. A key id is the longest thing in one, and sshd takes no certificate beyond 256 KiB.
const LONGEST_LINE: u64 = 512 * 1024;

/// All uses in these files, one after the other; none at all where there are no files.
///
/// # Errors
/// If a file can't be read, or a line of it is no use: then nothing of it counts.
pub(super) fn read(files: &[PathBuf]) -> Result<Option<Vec<Use>>> {
    let mut uses = Vec::new();
    for path in files {
        match path.as_os_str() == "-" {
            true => read_from(path, std::io::stdin().lock(), &mut uses)?,
            false => {
                let file = File::open(path).map_err(|source| fault(path, "read", source))?;
                read_from(path, BufReader::new(file), &mut uses)?;
            }
        }
    }
    Ok((!files.is_empty()).then_some(uses))
}

fn read_from(path: &Path, mut from: impl BufRead, uses: &mut Vec<Use>) -> Result<()> {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        let read = read.map_err(|source| fault(path, "read", source))?;
        if read == 0 {
            break;
        }
        let used = serde_json::from_slice(&line).map_err(|error| Error::Usage {
            what: format!("{}, line {number}: {error}", path.display()),
            hint: "give what jit-ca-host observed prints, whole; a field that is unknown here \
                   is known to a newer jit-ca"
                .to_owned(),
        })?;
        uses.push(used);
    }
    Ok(())
}

/// How the program ends.
pub(super) fn exit(observed: &Observed) -> Exit {
    let mismatches = || observed.mismatched.iter().map(|found| found.mismatch);
    match (mismatches().next(), mismatches().any(Mismatch::is_fault)) {
        (None, _) => Exit::Done,
        (Some(_), false) => Exit::Failed,
        (Some(_), true) => Exit::Unverified,
    }
}

/// The uses that are not as the log has it, a paragraph each, and how many there are.
pub(super) fn text(observed: &Observed) -> String {
    let one = |found: &Mismatched| {
        let Mismatched { mismatch, message, seen, .. } = found;
        format!(
            "{}: on {} at {}, as {}, serial {}, key id {}, CA {}:\n  {message}\n",
            word(*mismatch),
            seen.host,
            seen.time,
            seen.account.escape_debug(),
            seen.serial,
            seen.key_id.escape_debug(),
            seen.ca,
        )
    };
    let all: String = observed.mismatched.iter().map(one).collect();
    let (uses, found) = (observed.uses, observed.mismatched.len());
    let (as_logged, of) = (uses - found, if uses == 1 { "use" } else { "uses" });
    format!("{all}{as_logged} of {uses} {of} that hosts saw are as the log has it")
}

fn word(mismatch: Mismatch) -> &'static str {
    match mismatch {
        Mismatch::Foreign => "another CA's",
        Mismatch::Unlogged => "not in the log",
        Mismatch::Untimely => "out of time",
        Mismatch::Elsewhere => "out of place",
        Mismatch::Unclear => "can't be said",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jit_ca_core::{Digest, UnixTime};

    fn used(serial: u64) -> Use {
        Use {
            time: UnixTime::from_secs(1_795_338_000),
            host: "web1".parse().unwrap(),
            account: "deploy".to_owned(),
            ca: Digest::from_bytes([1; 32]),
            serial,
            key_id: "jit-ca:\u{1b}[2J".to_owned(),
            tbs: Digest::from_bytes([2; 32]),
        }
    }

    #[test]
    fn files_are_read_one_after_the_other_and_a_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let line = |serial| serde_json::to_string(&used(serial)).unwrap();
        let one = file("one", &format!("{}\n{}\n", line(1), line(2)));
        let two = file("two", &line(3));
        let uses = read(&[one.clone(), two]).unwrap().unwrap();
        assert_eq!(uses, [used(1), used(2), used(3)]);
        assert_eq!(read(&[file("empty", "")]).unwrap(), Some(vec![]));
        assert_eq!(read(&[]).unwrap(), None);

        for wrong in [
            format!("{}\n{}\n", line(1), line(2).replace("serial", "number")),
            format!("{}\n\n", line(1)),
            format!("{}\n{}", line(1), line(2).replace("\"}", "")),
            format!("{}\n{}", line(1), " ".repeat(600 * 1024)),
        ] {
            let error = read(&[one.clone(), file("wrong", &wrong)]).unwrap_err();
            assert!(error.to_string().contains("wrong, line 2: "), "{error}");
            assert_eq!(error.exit(), Exit::Usage);
        }
    }

    #[test]
    fn the_worst_says_how_it_ends() {
        let found =
            |mismatch| Mismatched { nth: 0, mismatch, message: "why".to_owned(), seen: used(7) };
        let observed = |mismatches: &[Mismatch]| Observed {
            uses: 3,
            mismatched: mismatches.iter().copied().map(found).collect(),
        };
        assert_eq!(exit(&observed(&[])), Exit::Done);
        assert_eq!(exit(&observed(&[Mismatch::Unclear, Mismatch::Foreign])), Exit::Failed);
        assert_eq!(exit(&observed(&[Mismatch::Unclear, Mismatch::Untimely])), Exit::Unverified);
        let shown = text(&observed(&[Mismatch::Unlogged]));
        assert_eq!(
            shown,
            "not in the log: on web1 at 2026-11-22T09:00:00Z, as deploy, serial 7, \
             key id jit-ca:\\u{1b}[2J, CA SHA256:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE:\n  why\n\
             2 of 3 uses that hosts saw are as the log has it"
        );
    }
}
