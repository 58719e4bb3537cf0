//! On a strict host: whether it knows what the CA's log holds.

use std::time::UNIX_EPOCH;

use super::Finding;
use crate::config::Config;
use crate::feed;

/// After so many seconds without an answer, certificates that are issued now open nothing here: answers come twice a minute.
const QUIET: u64 = 10 * 60;

pub(super) fn look(config: &Config, now: u64) -> Vec<Finding> {
    if !config.sshd.strict {
        return Vec::new();
    }
    let folder = &config.places.feed;
    let mut findings = Vec::new();
    match feed::taken(folder) {
        Ok(Some(taken)) => {
            let taken = taken.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            findings.push(match now.saturating_sub(taken) {
                quiet @ QUIET.. => Finding::warning(
                    format!("nothing was heard of the CA's log for {} minutes, so that what is issued now opens nothing here", quiet / 60),
                    "see whether the CA can be reached, and whether jit-ca-host feed --follow runs",
                ),
                _ => Finding::fine("what the CA's log holds is known"),
            });
        }
        Ok(None) => findings.push(Finding::fault(
            "this host is strict and knows nothing of the CA's log, so nobody is let in but to break-glass accounts",
            "ask for it, and go on: jit-ca-host feed --follow",
        )),
        Err(error) => findings.push(Finding::fault(
            error.to_string(),
            "remove the file and take the feed anew, once it is clear who changed it",
        )),
    }
    let evidence = feed::evidence(folder);
    if evidence.exists() {
        findings.push(Finding::fault(
            format!(
                "the CA's log lost entries, or has two histories: {} has both checkpoints",
                evidence.display()
            ),
            "keep the file and ask the CA's operators; remove it once that is explained",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_strict_host_without_a_feed_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let config = |strict: bool| {
            let feed = folder.path().display();
            let text = format!(
                "[host]\nname = \"web1\"\n[sshd]\nstrict = {strict}\n[places]\nfeed = \"{feed}\""
            );
            Config::parse(&text).unwrap()
        };
        assert_eq!(look(&config(false), 0), []);
        let levels = |now| -> Vec<Level> {
            look(&config(true), now).iter().map(|finding| finding.level).collect()
        };
        assert_eq!(levels(0), [Level::Fault]);
        std::fs::write(folder.path().join("logged.json"), "{}").unwrap();
        std::fs::write(folder.path().join("evidence"), "").unwrap();
        assert_eq!(levels(0), [Level::Fault, Level::Fault]);
    }
}
