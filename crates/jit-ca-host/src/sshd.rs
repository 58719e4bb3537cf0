//! This host's sshd: what it is, and what its configuration comes to. It is asked, never guessed at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::fault::Fault;

/// Where Debian, Fedora, Arch and Alpine have it.
const PROGRAM: &str = "/usr/sbin/sshd";

/// sshd with a configuration of its own.
#[derive(Clone, Debug)]
pub(crate) struct Sshd {
    /// The configuration that it reads.
    pub(crate) config: PathBuf,
}

/// What a configuration comes to, by sshd's own word: `sshd -T`. Names are in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effective(BTreeMap<String, Vec<String>>);

impl Effective {
    fn parse(text: &str) -> Self {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            values.entry(name.to_owned()).or_default().push(value.trim().to_owned());
        }
        Self(values)
    }

    /// The first value of an option, by its name in lower case; empty if it has none.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }
}

impl Sshd {
    /// The sshd of a folder, such as `/etc/ssh`.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { config: folder.join("sshd_config") }
    }

    /// A command that runs sshd with this configuration.
    pub(crate) fn command(&self) -> Command {
        // It insists on an absolute path, as it runs itself again.
        let mut command = Command::new(PROGRAM);
        command.arg("-f").arg(&self.config);
        command
    }

    /// Whether sshd would start with it.
    ///
    /// # Errors
    /// If it would not: what sshd said.
    pub(crate) fn test(&self) -> Result<(), Fault> {
        let output = run(self.command().arg("-t"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(self.fault(&output)),
        }
    }

    /// What the configuration comes to; for an account, with what `Match` says of it.
    ///
    /// # Errors
    /// If sshd doesn't take it.
    pub(crate) fn effective(&self, account: Option<&str>) -> Result<Effective, Fault> {
        let mut command = self.command();
        command.arg("-T");
        if let Some(account) = account {
            command.arg("-C").arg(format!("user={account},host=localhost,addr=127.0.0.1"));
        }
        let output = run(&mut command)?;
        match output.status.success() {
            true => Ok(Effective::parse(&String::from_utf8_lossy(&output.stdout))),
            false => Err(self.fault(&output)),
        }
    }

    fn fault(&self, output: &Output) -> Fault {
        let said = String::from_utf8_lossy(&output.stderr);
        let what = format!("sshd does not take {}: {}", self.config.display(), said.trim_end());
        Fault::new(what, "nothing was changed; mend that line, then try again")
    }
}

/// What sshd calls itself, such as `OpenSSH_9.2p1 Debian-2+deb12u10`.
///
/// # Errors
/// If there is no sshd.
pub(crate) fn version() -> Result<String, Fault> {
    // Before 9.2 there is no -V, and the usage that it prints then says it, too.
    let output = run(Command::new(PROGRAM).arg("-V"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().find(|line| line.starts_with("OpenSSH_")).unwrap_or_default();
    Ok(line.split(',').next().unwrap_or_default().to_owned())
}

fn run(command: &mut Command) -> Result<Output, Fault> {
    command.output().map_err(|error| Fault::program("sshd", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_is_the_one_that_counts() {
        let effective = Effective::parse("port 22\nport 23\nforcecommand /usr/bin/a  b\nbanner");
        assert_eq!(effective.value("port"), "22");
        assert_eq!(effective.value("forcecommand"), "/usr/bin/a  b");
        assert_eq!(effective.value("banner"), "");
    }
}
