//! The CA, as this host sees it: whether it answers, whose key sshd trusts, and what its clock says.

use std::fs;

use super::Finding;
use crate::ca::Ca;
use crate::clock;
use crate::config::Config;

/// How far apart the clocks may be, in seconds. Certificates begin a minute early, so that a host whose clock is behind by
/// less still takes them; and a session ends by the host's clock.
const APART: i64 = 5;
const FAR_APART: i64 = 60;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    if config.ca.is_none() {
        let hint = "add [ca] with url and pin to host.toml";
        return vec![Finding::warning(
            "host.toml names no CA, so that its clock and keys can't be compared",
            hint,
        )];
    }
    let ca = match Ca::meet(config) {
        Ok(ca) => ca,
        // Nothing on this host needs it at a login.
        Err(fault) => return vec![Finding::warning(fault.to_string(), "logins go on without it")],
    };
    vec![key(config, &ca), skew(&ca)]
}

fn key(config: &Config, ca: &Ca) -> Finding {
    let path = config.places.user_ca();
    let trusted = fs::read_to_string(&path).unwrap_or_default();
    // Type and key; what follows is a comment.
    let words = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    let theirs = words(&ca.trust.ssh_user_ca);
    match trusted.lines().any(|line| words(line) == theirs) {
        true => Finding::fine("sshd trusts the CA's key"),
        false => Finding::fault(
            format!("{} does not have the key that the CA signs with", path.display()),
            "jit-ca trust --ssh-user-ca > FILE; jit-ca-host install --user-ca FILE",
        ),
    }
}

fn skew(ca: &Ca) -> Finding {
    let before = clock::now_ms() / 1000;
    let theirs = match ca.time() {
        Ok(theirs) => theirs,
        Err(fault) => return Finding::warning(fault.to_string(), "try again"),
    };
    let after = clock::now_ms() / 1000;
    // Between the two the CA looked at its clock.
    let middle = before.midpoint(after);
    let ahead =
        i64::try_from(middle).unwrap_or(i64::MAX) - i64::try_from(theirs).unwrap_or(i64::MAX);
    let what = match ahead {
        ..0 => format!("the clock is {} s behind the CA's", -ahead),
        _ => format!("the clock is {ahead} s ahead of the CA's"),
    };
    let hint = "have it set: systemctl status systemd-timesyncd, or chrony";
    match ahead.abs() {
        apart if apart <= APART => Finding::fine("the clock goes with the CA's"),
        apart if apart <= FAR_APART => {
            Finding::warning(format!("{what}: sessions end so much off"), hint)
        }
        _ => {
            let so = "certificates are refused, or sessions end so much off";
            Finding::fault(format!("{what}: {so}"), hint)
        }
    }
}
