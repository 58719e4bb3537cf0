//! An account, as the system's databases have it.

use std::path::PathBuf;
use std::process::Command;

/// An account's entry (passwd(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passwd {
    /// Its name.
    pub(crate) name: String,
    /// Its number.
    pub(crate) uid: u32,
    /// Its shell.
    pub(crate) shell: PathBuf,
}

impl Passwd {
    /// The entry of an account by name or number, wherever the machine's accounts come from (nsswitch.conf(5)).
    pub(crate) fn find(account: &str) -> Option<Self> {
        // An argument that begins with `-` would be an option; no account's name does.
        let output =
            Command::new("/usr/bin/getent").args(["passwd", "--", account]).output().ok()?;
        Self::parse(std::str::from_utf8(&output.stdout).ok()?.lines().next()?)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _password, uid) = (fields.next()?, fields.next()?, fields.next()?.parse().ok()?);
        let shell = match fields.nth(3)? {
            "" => "/bin/sh",
            shell => shell,
        };
        Some(Self { name: name.to_owned(), uid, shell: shell.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_name_and_number() {
        let root = Passwd::find("root").unwrap();
        assert_eq!((root.name.as_str(), root.uid), ("root", 0));
        assert_eq!(Passwd::find("0").unwrap(), root);
        assert_eq!(Passwd::find("nobody-of-this-name"), None);
        let shell = |line| Passwd::parse(line).map(|found| found.shell);
        assert_eq!(shell("a:x:1000:1000::/home/a:"), Some("/bin/sh".into()));
        assert_eq!(shell("a:x:1000"), None);
    }
}
