//! Whether this sshd has holes that are known, and that matter where certificates open accounts.

use std::process::Command;

use super::Finding;
use crate::sshd;

/// A hole in sshd: what it is, from and before which version of OpenSSH it is there, and the package of Debian 12 that has
/// it mended (its changelog.Debian says so).
struct Hole {
    name: &'static str,
    what: &'static str,
    from: (u32, u32),
    before: (u32, u32),
    mended: &'static str,
}

const HOLES: [Hole; 3] = [
    Hole {
        name: "CVE-2024-6387",
        what: "whoever reaches it may run code as root",
        from: (8, 5),
        before: (9, 8),
        mended: "1:9.2p1-2+deb12u3",
    },
    Hole {
        name: "CVE-2025-32728",
        what: "DisableForwarding leaves X11 and agents forwarded",
        from: (7, 4),
        before: (10, 0),
        mended: "1:9.2p1-2+deb12u6",
    },
    Hole {
        name: "CVE-2026-35414",
        what: "a comma in a certificate's principal may open another account, where authorized_keys names principals",
        from: (5, 6),
        before: (10, 3),
        mended: "1:9.2p1-2+deb12u10",
    },
];

pub(super) fn look() -> Vec<Finding> {
    let version = match sshd::version() {
        Ok(version) => version,
        Err(fault) => return vec![Finding::fault(fault.to_string(), "install OpenSSH's server")],
    };
    let Some(number) = number(&version) else {
        let what = format!("{version:?} is no version of OpenSSH that is known");
        return vec![Finding::warning(what, "look up what is known of it")];
    };
    let package = package();
    let has = |hole: &&Hole| hole.from <= number && number < hole.before;
    let found: Vec<Finding> = HOLES
        .iter()
        .filter(has)
        .filter_map(|hole| {
            let what = format!("{version}: {}: {}", hole.name, hole.what);
            match package.as_ref().map(|package| standing(package, hole.mended)) {
                Some(Standing::Mended) => None,
                Some(Standing::Open) => Some(Finding::fault(
                    what,
                    "bring it up to date: apt-get install --only-upgrade openssh-server",
                )),
                Some(Standing::Unknown) | None => Some(Finding::warning(
                    format!("{what}, unless your distribution has mended it in this version"),
                    "see what its changelog says, or bring OpenSSH up to date",
                )),
            }
        })
        .collect();
    match found.is_empty() {
        true => vec![Finding::fine(format!("{version}: no hole that is known here"))],
        false => found,
    }
}

/// `(9, 2)` of `OpenSSH_9.2p1 Debian-2+deb12u10`.
fn number(version: &str) -> Option<(u32, u32)> {
    let number = version.strip_prefix("OpenSSH_")?;
    let (major, rest) = number.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The version of Debian's package, where there is one.
fn package() -> Option<String> {
    let mut query = Command::new("dpkg-query");
    let output = query.args(["-W", "-f", "${Version}", "openssh-server"]).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !version.is_empty()).then_some(version)
}

/// How a package stands to the one in which a hole is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Mended,
    Open,
    /// It is of another release of Debian, which has mends of its own.
    Unknown,
}

fn standing(package: &str, mended: &str) -> Standing {
    let upstream = |version: &str| version.split('-').next().unwrap_or_default().to_owned();
    if upstream(package) != upstream(mended) {
        return Standing::Unknown;
    }
    let mut compare = Command::new("dpkg");
    compare.args(["--compare-versions", package, "ge", mended]);
    match compare.status().is_ok_and(|status| status.success()) {
        true => Standing::Mended,
        false => Standing::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(number("OpenSSH_9.2p1 Debian-2+deb12u10"), Some((9, 2)));
        assert_eq!(number("OpenSSH_10.0p2"), Some((10, 0)));
        assert_eq!(number("Dropbear v2022.83"), None);
    }

    #[test]
    fn a_package_is_mended_in_its_own_line() {
        assert_eq!(standing("1:9.2p1-2+deb12u10", "1:9.2p1-2+deb12u3"), Standing::Mended);
        assert_eq!(standing("1:9.2p1-2+deb12u2", "1:9.2p1-2+deb12u3"), Standing::Open);
        assert_eq!(standing("1:10.0p1-7", "1:9.2p1-2+deb12u3"), Standing::Unknown);
    }
}
