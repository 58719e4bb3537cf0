//! The accounts that `host.toml` names, and ways in that are left beside certificates.

use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::config::Config;

/// Shells that run a command in their own place, so that the guard is the whole of a session, and that read no file of the
/// user's first, given SHLVL.
const SHELLS: [&str; 4] = ["bash", "sh", "dash", "ksh"];

/// What `/etc/passwd` says of an account (passwd(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    home: PathBuf,
    shell: String,
}

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entries: Vec<Entry> = text.lines().filter_map(entry).collect();
    let mut findings = Vec::new();
    for login in config.accounts.keys() {
        match entries.iter().find(|entry| entry.name == login.as_str()) {
            None => findings.push(Finding::fault(
                format!("host.toml names the account {login}, and there is none of that name"),
                format!("make it: useradd --create-home --shell /bin/bash {login}"),
            )),
            Some(entry) => findings.extend([shell(entry), linger(entry)].into_iter().flatten()),
        }
    }
    findings.extend(keys_left(config, &entries));
    if findings.is_empty() {
        findings.push(Finding::fine("no keys of people's own are left"));
    }
    findings
}

fn shell(entry: &Entry) -> Option<Finding> {
    let name = Path::new(&entry.shell).file_name()?.to_str()?;
    (!SHELLS.contains(&name)).then(|| {
        Finding::warning(
            format!(
                "{}'s login shell is {}, which may run files of the user's before the guard",
                entry.name, entry.shell
            ),
            format!("give it another: usermod --shell /bin/bash {}", entry.name),
        )
    })
}

/// Whether the account's own systemd stays when its last session has ended, and with it what `systemd-run --user` started
/// (loginctl(1), `enable-linger`).
fn linger(entry: &Entry) -> Option<Finding> {
    let name = &entry.name;
    Path::new("/var/lib/systemd/linger").join(name).exists().then(|| {
        Finding::warning(
            format!("{name} may linger: what systemd-run --user starts goes on when its sessions have ended"),
            format!("loginctl disable-linger {name}"),
        )
    })
}

/// Keys that stand on the host, which open it without an end, or would again if sshd were told to look.
fn keys_left(config: &Config, entries: &[Entry]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in entries {
        let files =
            ["authorized_keys", "authorized_keys2"].map(|name| entry.home.join(".ssh").join(name));
        for file in files {
            let count = fs::read_to_string(&file).map_or(0, |text| keys_in(&text));
            let is_set_apart = config.is_break_glass(&entry.name);
            if count == 0 || is_set_apart {
                continue;
            }
            let what = format!("{} has {count} keys", file.display());
            findings.push(match config.sshd.static_keys {
                true => Finding::warning(
                    format!("{what}, which open {} without an end", entry.name),
                    "take them away, or say static_keys = false in host.toml and install",
                ),
                false => Finding::warning(
                    format!("{what}; sshd does not look at them"),
                    "take them away",
                ),
            });
        }
    }
    findings
}

fn keys_in(text: &str) -> usize {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let home = fields.nth(4)?.into();
    let shell = fields.next()?.to_owned();
    Some(Entry { name, home, shell })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read() {
        let root = entry("root:x:0:0:root:/root:/bin/zsh").unwrap();
        assert_eq!((root.name.as_str(), root.home.as_path()), ("root", Path::new("/root")));
        let finding = shell(&root).unwrap();
        assert!(finding.what.contains("/bin/zsh"), "{finding:?}");
        assert_eq!(shell(&Entry { shell: "/usr/bin/bash".to_owned(), ..root }), None);
        assert_eq!(entry("+::::"), None);
        assert_eq!(keys_in("# none\n\nssh-ed25519 AAAA\n cert-authority ssh-ed25519 AAAA\n"), 2);
    }
}
