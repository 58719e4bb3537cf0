//! What sshd is told: one file that it includes.

use std::fmt::Write as _;

use crate::config::{Config, DEFAULT};
use crate::courier::ACCOUNT;

/// How hostd is told of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// By PAM, once somebody is let in.
    Pam,
    /// By the command that sshd asks for principals, where sshd runs without PAM.
    Principals,
}

/// The first line of each file that is wholly ours.
pub(crate) const OURS: &str = "# Written by jit-ca-host install, and by every further one.";

/// The file's text.
pub(crate) fn text(config: &Config, file: &str, told: Told, has_host_certificate: bool) -> String {
    let places = &config.places;
    // What is as usual is not said again on each of sshd's command lines.
    let by = if file == DEFAULT { String::new() } else { format!(" --config {file}") };
    let programs = places.programs.display();
    let mut lines = vec![
        OURS.to_owned(),
        "# Change host.toml instead. To undo all of it: jit-ca-host uninstall".to_owned(),
        format!("TrustedUserCAKeys {}", places.user_ca().display()),
        // The CA's key is Ed25519; no other algorithm signs a certificate that counts here.
        "CASignatureAlgorithms ssh-ed25519".to_owned(),
    ];
    match told {
        // A file of principals would ask nothing of the certificate.
        Told::Pam if !config.sshd.strict => {
            lines.push(format!("AuthorizedPrincipalsFile {}/%u", places.principals().display()));
        }
        Told::Pam | Told::Principals => lines.extend([
            format!("AuthorizedPrincipalsCommand {}", principals_command(config, file)),
            format!("AuthorizedPrincipalsCommandUser {ACCOUNT}"),
        ]),
    }
    if has_host_certificate {
        lines.push(format!("HostCertificate {}", places.host_certificate().display()));
    }
    let forwarding = if config.sshd.forwarding { "yes" } else { "no" };
    lines.extend([
        "# Whatever is asked for runs below the guard, which records it. The account's shell starts it, and is to make way."
            .to_owned(),
        format!("ForceCommand exec {programs}/jit-ca-guard{by}"),
        "ExposeAuthInfo yes".to_owned(),
        "# Nothing of the user's runs before the guard: no rc file, no variable that a shell reads first. bash takes a"
            .to_owned(),
        "# shell that sshd starts for a login and reads .bashrc, unless SHLVL says that it is not the first.".to_owned(),
        "PermitUserRC no".to_owned(),
        "PermitUserEnvironment no".to_owned(),
        "SetEnv SHLVL=1".to_owned(),
        format!("AllowTcpForwarding {forwarding}"),
        format!("AllowStreamLocalForwarding {forwarding}"),
        // DisableForwarding did not include it before May 2026.
        "PermitTunnel no".to_owned(),
        "AllowAgentForwarding no".to_owned(),
        "X11Forwarding no".to_owned(),
        "# So that the log says whose certificate it was.".to_owned(),
        "LogLevel VERBOSE".to_owned(),
    ]);
    if !config.sshd.static_keys {
        lines.extend([
            "# No other way in: no keys of people's own, no passwords.".to_owned(),
            "AuthorizedKeysFile none".to_owned(),
            "AuthenticationMethods publickey".to_owned(),
        ]);
        let break_glass = config.accounts.iter().filter(|(_, account)| account.break_glass);
        let names: Vec<&str> = break_glass.map(|(login, _)| login.as_str()).collect();
        if !names.is_empty() {
            lines.extend([
                "# But for these, which are there for the day when nothing else works.".to_owned(),
                format!("Match User {}", names.join(",")),
                "    AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys2".to_owned(),
            ]);
        }
    }
    lines.into_iter().fold(String::new(), |mut text, line| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
        text
    })
}

/// What sshd asks for the principals of an account.
pub(crate) fn principals_command(config: &Config, file: &str) -> String {
    let by = if file == DEFAULT { String::new() } else { format!(" --config {file}") };
    format!("{}/jit-ca-host{by} principals %u %k", config.places.programs.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(&format!("[host]\nname = \"web1\"\n{text}")).unwrap()
    }

    #[test]
    fn the_old_ways_stay_open_until_it_is_said() {
        let open = text(&config(""), DEFAULT, Told::Pam, false);
        assert!(!open.contains("AuthorizedKeysFile"), "{open}");
        assert!(open.contains("\nForceCommand exec /usr/lib/jit-ca/jit-ca-guard\n"), "{open}");
        assert!(open.contains("\nAllowTcpForwarding no\n"), "{open}");
        let closed =
            "[sshd]\nstatic_keys = false\nforwarding = true\n[accounts.rescue]\nbreak_glass = true";
        let closed = text(&config(closed), DEFAULT, Told::Pam, true);
        let (all, rescue) = closed.split_once("Match User rescue\n").unwrap();
        assert!(all.contains("\nAuthorizedKeysFile none\n"), "{closed}");
        assert!(all.contains("\nAllowTcpForwarding yes\n"), "{closed}");
        assert!(all.contains("\nHostCertificate /etc/ssh/"), "{closed}");
        assert!(rescue.contains("AuthorizedKeysFile .ssh/authorized_keys"), "{closed}");
    }

    #[test]
    fn without_pam_sshd_asks_for_principals() {
        let text = text(&config(""), "/etc/other.toml", Told::Principals, false);
        let asked = "AuthorizedPrincipalsCommand /usr/lib/jit-ca/jit-ca-host --config /etc/other.toml principals %u %k\n";
        assert!(text.contains(asked), "{text}");
        assert!(text.contains("AuthorizedPrincipalsCommandUser jit-ca-host\n"), "{text}");
        assert!(!text.contains("AuthorizedPrincipalsFile"), "{text}");
        // On a strict host it does so beside PAM.
        let strict =
            super::text(&config("[sshd]\nstrict = true"), "/etc/other.toml", Told::Pam, false);
        assert!(strict.contains(asked) && !strict.contains("AuthorizedPrincipalsFile"), "{strict}");
    }
}
