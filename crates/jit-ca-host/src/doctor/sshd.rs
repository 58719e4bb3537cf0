//! What sshd's configuration comes to, beside what it has to be.

use std::fs;

use super::Finding;
use crate::config::Config;
use crate::install::pam;
use crate::sshd::{Effective, Sshd};

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let sshd = Sshd::of(&config.places.ssh);
    let effective = match sshd.effective(None) {
        Ok(effective) => effective,
        Err(fault) => {
            return vec![Finding::fault(fault.to_string(), "mend it before sshd is started again")];
        }
    };
    let mut findings = settings(config, &effective);
    findings.extend(per_account(config, &sshd));
    findings.extend(told(config, &effective));
    if findings.is_empty() {
        findings.push(Finding::fine("sshd is told what it has to be told"));
    }
    findings
}

/// The first value wins, so that a file before ours may have outweighed it.
fn settings(config: &Config, effective: &Effective) -> Vec<Finding> {
    let places = &config.places;
    let guard = format!("exec {}", places.programs.join("jit-ca-guard").display());
    let user_ca = places.user_ca().display().to_string();
    let wanted: [(&str, &str, &str); 6] = [
        ("trustedusercakeys", &user_ca, "certificates of the CA open nothing"),
        ("forcecommand", &guard, "what is done is not recorded"),
        ("exposeauthinfo", "yes", "programs can't see which certificate let them in"),
        ("permituserrc", "no", "~/.ssh/rc runs before the guard"),
        ("permituserenvironment", "no", "people set variables of what runs before the guard"),
        ("permittunnel", "no", "a tunnel passes whatever there is"),
    ];
    let is_other = |name: &str, value: &str| !effective.value(name).starts_with(value);
    let others = wanted.into_iter().filter(|(name, value, _)| is_other(name, value));
    others
        .map(|(name, value, so)| {
            let is = effective.value(name);
            Finding::fault(
                format!("sshd's {name} is {is:?}, not {value:?}: {so}"),
                "run jit-ca-host install; if that does not help, look for it in a file before 10-jit-ca.conf",
            )
        })
        .collect()
}

/// What `Match` says of an account outweighs all that.
fn per_account(config: &Config, sshd: &Sshd) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (login, account) in &config.accounts {
        let Ok(effective) = sshd.effective(Some(login.as_str())) else { continue };
        let keys = effective.value("authorizedkeysfile");
        if !config.sshd.static_keys && !account.break_glass && keys != "none" {
            findings.push(Finding::fault(
                format!("keys of {login}'s own open it ({keys}), though host.toml says static_keys = false"),
                "run jit-ca-host install, and look for a Match block that says AuthorizedKeysFile",
            ));
        }
        if !effective.value("forcecommand").contains("jit-ca-guard") {
            findings.push(Finding::fault(
                format!(
                    "{login} does not run below the guard: ForceCommand is {:?}",
                    effective.value("forcecommand")
                ),
                "look for a Match block that says ForceCommand",
            ));
        }
    }
    findings
}

/// How hostd comes to know of connections.
fn told(config: &Config, effective: &Effective) -> Option<Finding> {
    let program = config.places.programs.join("jit-ca-host");
    let pam = fs::read_to_string(&config.places.pam).unwrap_or_default();
    let is_told = match effective.value("usepam") {
        "yes" => pam::has_hook(&pam, &program),
        _ => effective
            .value("authorizedprincipalscommand")
            .starts_with(&program.display().to_string()),
    };
    (!is_told).then(|| {
        Finding::fault(
            "sshd does not tell hostd of connections, so that none would be ended",
            "run jit-ca-host install",
        )
    })
}
