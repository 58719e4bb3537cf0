//! `ssh-config`: what ssh has to be told once, so that it asks for what it needs by itself.

mod included;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jit_ca_api::Role;
use jit_ca_core::{HostName, Login, RoleName, Row};
use serde::Serialize;

use crate::certify;
use crate::cli::SshConfigCommand;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::files;
use crate::known_hosts;
use crate::places::Places;
use crate::printer::join;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Config {
    /// For ssh_config(5).
    config: String,
}

pub(super) fn run(context: &Context, arguments: &SshConfigCommand) -> Result<()> {
    let Context { places, printer, .. } = context;
    let (ours, persons) =
        (places.ssh_folder().join("jit-ca.conf"), places.ssh_folder().join("config"));
    let include = format!("Include {}\n", quoted(&ours)?);
    if arguments.remove {
        change(&persons, |text| included::without(text, &include))?;
        return files::remove(&ours);
    }
    let program = std::env::current_exe().map_err(Error::key("this program can't be found"))?;
    let roles = context.ca()?.client.roles()?;
    let config = block(places, &program, &accounts(&roles, &arguments.roles)?, arguments.no_agent)?;
    if !arguments.install {
        printer.data(&Config { config }, |it| it.config.clone());
        return Ok(());
    }
    certify::persons_folder(&places.ssh_folder())?;
    if change(&ours, |_| config)? {
        // What was got by another role is not what is to be used now.
        files::remove(&places.identities())?;
    }
    change(&persons, |text| included::with(text, &include))?;
    printer.note(&format!("{} says it, and {} includes it", ours.display(), persons.display()));
    Ok(())
}

/// Changes a file that need not be there, and says whether it did. One that would be empty is removed.
fn change(path: &Path, change: impl FnOnce(&str) -> String) -> Result<bool> {
    let old = files::read(path)?;
    let old = old.as_deref().map_or("", String::as_str);
    match change(old) {
        new if new == old => return Ok(false),
        new if new.is_empty() => files::remove(path)?,
        new => files::rewrite(path, new.as_bytes())?,
    }
    Ok(true)
}

/// Accounts with their hosts, by the role to ask for where that is settled.
type Accounts<'r> = BTreeMap<(Option<&'r RoleName>, &'r Login), BTreeSet<&'r HostName>>;

/// The accounts that somebody's roles give; where some roles were named, those that these give, the first for each.
fn accounts<'r>(roles: &'r [Role], named: &'r [RoleName]) -> Result<Accounts<'r>> {
    let mut ways: Vec<(Option<&RoleName>, &Role)> = Vec::new();
    for name in named {
        let role = roles.iter().find(|role| role.name == *name).ok_or_else(|| {
            Error::usage(
                format!("there is no role {name} that you may ask for"),
                "see what there is: jit-ca roles",
            )
        })?;
        ways.push((Some(name), role));
    }
    if named.is_empty() {
        ways.extend(roles.iter().map(|role| (None, role)));
    }
    let (mut accounts, mut settled) = (Accounts::new(), BTreeSet::new());
    for (name, role) in ways {
        for row in &role.rows {
            let Row::Ssh(row) = row else { continue };
            let new = row.hosts.iter().filter(|host| settled.insert((&row.login, *host)));
            let new: Vec<&HostName> = new.collect();
            if !new.is_empty() {
                accounts.entry((name, &row.login)).or_default().extend(new);
            }
        }
    }
    Ok(accounts)
}

/// What ssh is told. ssh_config(5):
///
/// - `final`: only now is all known that the person's own blocks say, such as the account. Each criterion is looked at in
///   turn, and `exec` only where all before it hold: a shell is given no other names than stand here, hosts in either case.
/// - `!exec`: without a certificate ssh goes no further; it offers the host no other keys, and asks for no password. Of each
///   option the first value holds, and a ProxyJump or ProxyCommand of the person's own comes before ours: then ssh connects
///   that way, and has nothing to log in with.
/// - The identity is named without its certificate, which ssh finds beside it, also where the agent has the key.
fn block(
    places: &Places,
    program: &Path,
    accounts: &Accounts<'_>,
    no_agent: bool,
) -> Result<String> {
    let identity = quoted(&places.identities().join("%r@%n").join("key"))?;
    let program = quoted(program)?.replace('"', "'").replace('%', "%%");
    let identity = identity.replace('%', "%%").replace("%%r@%%n", "%r@%n");
    let mut text = "# Written by jit-ca ssh-config, anew whenever it is run.\n".to_owned();
    for ((role, login), hosts) in accounts {
        let mut options = role.map(|role| format!(" --role {role}")).unwrap_or_default();
        if no_agent {
            options.push_str(" --no-agent");
        }
        // `%n` and `originalhost` are the host as it was typed, whatever HostName makes of it.
        let found =
            format!("Match final originalhost {} user {login}", join(hosts).replace(", ", ","));
        text.push_str(&format!(
            "{found} !exec \"exec {program} ssh-ready{options} %r@%n\"\n    ProxyCommand false\n{NO_LOGIN}\
             {found}\n    IdentitiesOnly yes\n    IdentityFile {identity}\n    {}\n",
            known_hosts::ssh_option(places),
        ));
    }
    text.push_str("Match all\n");
    Ok(text)
}

/// All by which ssh logs in (ssh_config(5), PreferredAuthentications, which Ansible sets itself).
const NO_LOGIN: &str = "    PubkeyAuthentication no\n    PasswordAuthentication no\n    \
    KbdInteractiveAuthentication no\n    GSSAPIAuthentication no\n    HostbasedAuthentication no\n";

/// A path in quotes, as ssh and a shell read it alike.
fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().unwrap_or("\0");
    match text.contains(|c: char| c.is_control() || "\"'\\$`!*?[".contains(c)) {
        true => Err(Error::usage(
            format!("{} can't be written into ssh's configuration", path.display()),
            "use a path without quotes, backslashes, $, !, *, ? and [",
        )),
        false => Ok(format!("\"{text}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_told_of_each_account_and_its_hosts() {
        let places = Places {
            home: "/home/alice".into(),
            config: "/home/alice/100% mine/jit-ca".into(),
            runtime: "/run/user/1000/jit-ca".into(),
            agent: None,
            user: None,
        };
        let names = ["web1", "web2"].map(|name| name.parse::<HostName>().unwrap());
        let deploy: Login = "deploy".parse().unwrap();
        let accounts = BTreeMap::from([((None, &deploy), names.iter().collect())]);
        let text = block(&places, Path::new("/opt/jit ca/jit-ca"), &accounts, false).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            "Match final originalhost web1,web2 user deploy !exec \"exec '/opt/jit ca/jit-ca' ssh-ready %r@%n\""
        );
        assert_eq!(lines[2], "    ProxyCommand false");
        assert_eq!(
            lines[8..11],
            [
                "Match final originalhost web1,web2 user deploy",
                "    IdentitiesOnly yes",
                "    IdentityFile \"/home/alice/100%% mine/jit-ca/ssh/%r@%n/key\""
            ]
        );
        assert_eq!(lines[12], "Match all");
        let role: RoleName = "web-shell".parse().unwrap();
        let settled = BTreeMap::from([((Some(&role), &deploy), names.iter().collect())]);
        let text = block(&places, Path::new("/jit-ca"), &settled, true).unwrap();
        assert!(text.contains("ssh-ready --role web-shell --no-agent %r@%n\""), "{text}");
        for wrong in ["/o'brien/jit-ca", "/a\nb", "/$HOME/jit-ca", "/a\"b"] {
            assert!(block(&places, Path::new(wrong), &accounts, false).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn without_a_certificate_ssh_has_nothing_to_log_in_with_whichever_way_it_goes() {
        let home = tempfile::tempdir().unwrap();
        let places = Places {
            home: home.path().to_owned(),
            config: home.path().join("config"),
            runtime: home.path().join("runtime"),
            agent: None,
            user: None,
        };
        let (deploy, web1) = ("deploy".parse::<Login>().unwrap(), "web1".parse().unwrap());
        let accounts = BTreeMap::from([((None, &deploy), BTreeSet::from([&web1]))]);
        // What ssh would do where the certificate is, and is not, to be had: `true` and `false` stand in for us.
        let told = |program: &str, own: &str| {
            let block = block(&places, Path::new(program), &accounts, false).unwrap();
            let file = home.path().join("ssh_config");
            std::fs::write(&file, format!("{block}{own}")).unwrap();
            let mut ssh = std::process::Command::new("ssh");
            let told = ssh.arg("-F").arg(&file).args(["-G", "deploy@web1"]).output().unwrap();
            String::from_utf8(told.stdout).unwrap()
        };
        for own in ["ProxyJump bastion", "ProxyCommand connect %h", ""] {
            let refused = told("/bin/false", own);
            let allowed = told("/bin/true", own);
            for means in ["pubkey", "password", "kbdinteractive", "gssapi", "hostbased"] {
                let off = [
                    format!("{means}authentication no\n"),
                    format!("{means}authentication false\n"),
                ];
                assert!(off.iter().any(|off| refused.contains(off)), "{own}: {means}\n{refused}");
            }
            assert!(!allowed.contains("pubkeyauthentication false"), "{own}\n{allowed}");
            assert_eq!(refused.contains("proxycommand false"), own.is_empty(), "{refused}");
            assert!(!allowed.contains("proxycommand false"), "{allowed}");
        }
    }
}
