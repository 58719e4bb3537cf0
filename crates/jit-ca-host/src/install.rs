//! `jit-ca-host install` and `uninstall`: sshd is told of the CA, the guard and the accounts, and told it no more.
//!
//! ```text
//! check    before anything is touched: hostd answers, sshd takes the new configuration
//! change   all files, or none
//! try      a login by a certificate, through all of it; if it fails, everything is put back
//! reload   connections that are open stay; only those that come see it
//! ```
//!
//! The old ways in are not closed before the new one was gone by a person: `static_keys = false` is refused until
//! somebody has logged in here by a certificate of the CA.

pub(crate) mod drop_in;
pub(crate) mod files;
pub(crate) mod pam;
pub(crate) mod reload;
mod trial;

use std::fs;
use std::path::Path;

use jit_ca_core::Login;

use crate::ca::Ca;
use crate::config::Config;
use crate::fault::Fault;
use crate::feed;
use crate::observed::Observed;
use crate::sshd::Sshd;
use drop_in::{OURS, Told};
use files::{Changes, Wanted};

pub(crate) use reload::Reloaded;

/// What was done.
#[derive(Debug)]
pub(crate) struct Done {
    /// Each file that was changed, and of which account a login was tried.
    pub(crate) lines: Vec<String>,
    /// How sshd came to know.
    pub(crate) reloaded: Reloaded,
}

/// Brings `host.toml` into force; `file` is where it lies. `user_ca` is the CA's key for SSH certificates of users, if it is
/// not kept here yet.
///
/// # Errors
/// If anything stands against it. Then nothing is changed.
pub(crate) fn install(config: &Config, file: &str, user_ca: Option<&Path>) -> Result<Done, Fault> {
    let places = &config.places;
    programs_are_roots(&places.programs)?;
    let sshd = Sshd::of(&places.ssh);
    sshd.test()?;
    let uses_pam = sshd.effective(None)?.value("usepam") == "yes";
    let told = if uses_pam { Told::Pam } else { Told::Principals };
    if !places.socket().exists() {
        let what = format!("hostd is not there: {} is missing", places.socket().display());
        return Err(Fault::new(what, "start it: systemctl start jit-ca-hostd"));
    }
    if !config.sshd.static_keys {
        a_certificate_was_used(config)?;
    }
    if config.sshd.strict && matches!(feed::state(&places.feed), Ok(None)) {
        return Err(Fault::new(
            "this host knows nothing of the CA's log yet, and strict = true would let nobody in",
            "ask for it first: jit-ca-host feed; docs/guides/hosts.md, Strict hosts",
        ));
    }

    let mut wanted = vec![Wanted {
        path: places.user_ca(),
        text: Some(user_ca_text(config, user_ca)?),
        is_ours: true,
    }];
    wanted.extend(principals(config)?);
    let has_host_certificate = places.host_certificate().exists();
    let text = drop_in::text(config, file, told, has_host_certificate);
    wanted.push(Wanted { path: places.drop_in(), text: Some(text), is_ours: true });
    if uses_pam {
        wanted.push(pam_lines(config, file)?);
    }

    let changes = Changes::make(&wanted)?;
    let tried = match check(config, file, &sshd) {
        Ok(tried) => tried,
        Err(fault) => {
            changes.undo()?;
            return Err(fault);
        }
    };
    let changed = changes.paths().map(|path| format!("wrote {}", path.display()));
    let mut lines: Vec<String> = changed.collect();
    lines.push(match tried {
        Some(account) => format!("logged in to {account} by a certificate, to try it"),
        None => "no account has tags, so no login was tried".to_owned(),
    });
    Ok(Done { lines, reloaded: reload::reload(&sshd)? })
}

/// Takes it all away again. What is not ours stays as it is.
///
/// # Errors
/// If sshd would not start without it, or a file can't be written. Then nothing is changed.
pub(crate) fn uninstall(config: &Config) -> Result<Done, Fault> {
    let places = &config.places;
    let gone = |path| Wanted { path, text: None, is_ours: true };
    let mut wanted = vec![gone(places.drop_in())];
    if let Some(text) = files::read(&places.pam)? {
        let text = Some(pam::without_hook(&text));
        wanted.push(Wanted { path: places.pam.clone(), text, is_ours: false });
    }
    wanted.extend(own_principals(config)?.into_iter().map(gone));
    wanted.push(gone(places.user_ca()));
    let sshd = Sshd::of(&places.ssh);
    let changes = Changes::make(&wanted)?;
    if let Err(fault) = sshd.test() {
        changes.undo()?;
        return Err(fault);
    }
    let lines = changes.paths().map(|path| format!("took back {}", path.display())).collect();
    Ok(Done { lines, reloaded: reload::reload(&sshd)? })
}

/// What sshd and PAM run as root, or in place of what was asked for, must be root's alone to change.
fn programs_are_roots(folder: &Path) -> Result<(), Fault> {
    for name in ["jit-ca-host", "jit-ca-hostd", "jit-ca-guard"] {
        let program = folder.join(name);
        if let Some(why) = crate::doctor::files::not_roots_alone(&program) {
            return Err(Fault::new(why, "install it anew: deploy/install-host.sh"));
        }
    }
    Ok(())
}

/// That somebody has been let in by a certificate of the CA.
fn a_certificate_was_used(config: &Config) -> Result<(), Fault> {
    let places = &config.places;
    let keys = files::read(&places.user_ca())?.unwrap_or_default();
    let keys = keys.lines().filter_map(|line| ssh_key::PublicKey::from_openssh(line).ok());
    let ours: Vec<String> =
        keys.map(|key| key.fingerprint(ssh_key::HashAlg::Sha256).to_string()).collect();
    let observed = Observed::of(&places.state);
    let uses = observed.all().map_err(|error| Fault::file(&places.state, &error))?;
    match uses.iter().any(|used| ours.contains(&used.ca.to_string())) {
        true => Ok(()),
        false => Err(Fault::new(
            "nobody has logged in here by a certificate of the CA yet, and static_keys = false would close the other ways",
            "leave static_keys = true and install; log in from another terminal: jit-ca ssh …; then set it to false and install again",
        )),
    }
}

fn user_ca_text(config: &Config, given: Option<&Path>) -> Result<String, Fault> {
    let own = config.places.user_ca();
    let Some(given) = given else {
        if config.ca.is_some() && files::read(&own)?.is_none() {
            let trust = Ca::meet(config)?.trust;
            return Ok(format!("{OURS}\n{}\n", trust.ssh_user_ca.trim_end()));
        }
        return files::read(&own)?.ok_or_else(|| {
            let what = format!("{} is not there yet", own.display());
            Fault::new(what, "name a file with the CA's key: jit-ca trust --ssh-user-ca > FILE; then --user-ca FILE")
        });
    };
    let text = files::read(given)?.unwrap_or_default();
    let keys = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let keys: Vec<&str> = keys.collect();
    let is_key = |line: &&str| {
        // A certificate is no authority, whatever its key signs (CVE-2025-49825).
        ssh_key::PublicKey::from_openssh(line)
            .is_ok_and(|key| key.algorithm() == ssh_key::Algorithm::Ed25519)
    };
    match keys.is_empty() || !keys.iter().all(is_key) {
        true => Err(Fault::new(
            format!("{} is no list of Ed25519 public keys", given.display()),
            "make it anew: jit-ca trust --ssh-user-ca > FILE",
        )),
        false => Ok(format!("{OURS}\n{}\n", keys.join("\n"))),
    }
}

/// A file for each account that has tags; those of accounts that have none any more go.
fn principals(config: &Config) -> Result<Vec<Wanted>, Fault> {
    let folder = config.places.principals();
    let of = |login: &Login| config.principals(login.as_str());
    let named = config.accounts.keys().filter(|login| !of(login).is_empty());
    let mut wanted: Vec<Wanted> = named
        .map(|login| {
            let lines = of(login).into_iter().map(|principal| format!("{principal}\n"));
            let text = format!("{OURS}\n{}", lines.collect::<String>());
            Wanted { path: folder.join(login.as_str()), text: Some(text), is_ours: true }
        })
        .collect();
    let over: Vec<_> = own_principals(config)?
        .into_iter()
        .filter(|path| !wanted.iter().any(|file| file.path == *path))
        .collect();
    wanted.extend(over.into_iter().map(|path| Wanted { path, text: None, is_ours: true }));
    Ok(wanted)
}

/// The principals files that we have written.
fn own_principals(config: &Config) -> Result<Vec<std::path::PathBuf>, Fault> {
    let folder = config.places.principals();
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut own = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if files::read(&path)?.is_some_and(|text| text.starts_with(OURS)) {
            own.push(path);
        }
    }
    own.sort();
    Ok(own)
}

fn pam_lines(config: &Config, file: &str) -> Result<Wanted, Fault> {
    let pam = &config.places.pam;
    let text = files::read(pam)?.ok_or_else(|| {
        let what = format!("sshd uses PAM, and {} is not there", pam.display());
        Fault::new(what, "say in host.toml which file it is: [places] pam")
    })?;
    let by =
        if file == crate::config::DEFAULT { String::new() } else { format!(" --config {file}") };
    let program = format!("{}/jit-ca-host{by}", config.places.programs.display());
    Ok(Wanted { path: pam.clone(), text: Some(pam::with_hook(&text, &program)), is_ours: false })
}

/// That sshd takes what stands there now, that nothing before it in `sshd_config` outweighs it, and that it lets somebody in.
fn check<'c>(config: &'c Config, file: &str, sshd: &Sshd) -> Result<Option<&'c Login>, Fault> {
    sshd.test()?;
    let effective = sshd.effective(None)?;
    let places = &config.places;
    let guard = format!("exec {}", places.programs.join("jit-ca-guard").display());
    let user_ca = places.user_ca().display().to_string();
    for (name, has_to_be) in [("trustedusercakeys", user_ca), ("forcecommand", guard)] {
        if !effective.value(name).starts_with(&has_to_be) {
            return Err(Fault::new(
                format!(
                    "sshd's {name} is {:?}, not {has_to_be}: something before {} says so",
                    effective.value(name),
                    places.drop_in().display()
                ),
                format!(
                    "let {} begin with: Include {}/*.conf",
                    sshd.config.display(),
                    places.drop_in().parent().unwrap_or(Path::new("")).display()
                ),
            ));
        }
    }
    let mut accounts = config.accounts.keys();
    let found = accounts.find_map(|login| {
        let principal = config.principals(login.as_str()).into_iter().next()?;
        Some((login, principal))
    });
    if let Some((login, principal)) = &found {
        let command = drop_in::principals_command(config, file);
        trial::log_in(sshd, login, principal, config.sshd.strict.then_some(command.as_str()))?;
    }
    Ok(found.map(|(login, _)| login))
}
