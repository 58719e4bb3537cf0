//! Files that sshd and we read: whether they are there, and root's alone to change.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ssh_key::Certificate;

use super::Finding;
use crate::config::Config;

/// Less than this, in seconds, and its renewal has failed more than once: a day.
const SOON: u64 = 24 * 60 * 60;

pub(super) fn look(config: &Config, now: u64) -> Vec<Finding> {
    let places = &config.places;
    let mut findings = Vec::new();
    let programs = ["jit-ca-host", "jit-ca-hostd", "jit-ca-guard"];
    let mut read: Vec<_> = programs.iter().map(|name| places.programs.join(name)).collect();
    read.extend([places.user_ca(), places.drop_in()]);
    let accounts = config.accounts.iter().filter(|(_, account)| !account.tags.is_empty());
    read.extend(accounts.map(|(login, _)| places.principals().join(login.as_str())));
    for path in &read {
        findings.extend(not_roots_alone(path).map(|why| {
            Finding::fault(why, "run jit-ca-host install again; programs: deploy/install-host.sh")
        }));
    }
    if findings.is_empty() {
        findings.push(Finding::fine(format!("{} files are there, and root's", read.len())));
    }
    findings.push(host_certificate(config, now));
    findings
}

/// Why a file isn't one that root alone can change: it, or a folder above it, is another's, or others can write there.
pub(crate) fn not_roots_alone(path: &Path) -> Option<String> {
    for part in path.ancestors() {
        let found = match fs::metadata(part) {
            Ok(found) => found,
            Err(error) => return Some(format!("{}: {error}", part.display())),
        };
        // In a folder such as /tmp, whose sticky bit is set, only its owner can take a file away.
        let is_sticky = found.is_dir() && found.mode() & 0o1000 != 0 && part != path;
        if found.uid() != 0 {
            return Some(format!(
                "{} belongs to user {}, not to root",
                part.display(),
                found.uid()
            ));
        }
        if found.mode() & 0o022 != 0 && !is_sticky {
            return Some(format!("{} can be written to by others than root", part.display()));
        }
    }
    None
}

fn host_certificate(config: &Config, now: u64) -> Finding {
    let path = config.places.host_certificate();
    let enrol = "enrol the host: jit-ca host enroll";
    let Ok(text) = fs::read_to_string(&path) else {
        let what = format!(
            "there is no host certificate ({}): people are asked whether they know this host",
            path.display()
        );
        return Finding::warning(what, enrol);
    };
    let Ok(certificate) = Certificate::from_openssh(text.trim()) else {
        return Finding::fault(format!("{} is no certificate", path.display()), enrol);
    };
    let names = certificate.valid_principals();
    let missing = config.host.names().find(|name| !names.iter().any(|own| own == name.as_str()));
    let left = certificate.valid_before().saturating_sub(now);
    match (missing, left) {
        (Some(name), _) => {
            Finding::fault(format!("the host certificate does not say {name}"), enrol)
        }
        (None, 0) => Finding::fault("the host certificate is over", "renew it: jit-ca host renew"),
        (None, left) if left < SOON => {
            let what = format!("the host certificate ends in {} hours", left / 3600);
            Finding::warning(
                what,
                "see why its timer does not renew it: systemctl status jit-ca-host-renew",
            )
        }
        (None, left) => {
            Finding::fine(format!("the host certificate is good for {} days", left / SOON))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_can_change_is_found() {
        assert_eq!(not_roots_alone(Path::new("/bin/sh")), None);
        let gone = not_roots_alone(Path::new("/bin/no-such-program")).unwrap();
        assert!(gone.contains("No such file"), "{gone}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        let why = not_roots_alone(&file).unwrap();
        assert!(why.contains("can be written to") || why.contains("belongs to user"), "{why}");
    }
}
