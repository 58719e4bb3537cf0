//! `ssh-ready`: what ssh runs before it connects, by what `jit-ca ssh-config` wrote (ssh_config(5), `Match exec`).
//!
//! Where a certificate is there, nothing is locked, and nobody is asked: neither the person nor the CA.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use jit_ca_core::UnixTime;

use crate::certify::LEAST_LEFT;
use crate::cli::{Place, SshReadyCommand};
use crate::command::Context;
use crate::command::way::Way;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::files;
use crate::held::Held;
use crate::login::Ca;
use crate::places::Places;
use crate::target::Wanted;
use crate::terminal;
use crate::turn::Turn;

/// Where `jit-ca ssh` goes, for the ssh that it runs: that one has been given its certificate.
pub(super) const GOES_TO: &str = "JIT_CA_SSH";
/// Why access is wanted, where nobody can be asked.
const REASON: &str = "JIT_CA_REASON";

pub(super) fn run(context: &Context, arguments: &SshReadyCommand) -> Result<Exit> {
    let (places, target) = (&context.places, &arguments.place.target);
    let link = places.identity(&arguments.place.typed);
    let is_given = std::env::var_os(GOES_TO).is_some_and(|it| *it == *target.to_string());
    if is_given || is_ready(places, &link, context.now) || !connects(&parents_words()) {
        return Ok(Exit::Done);
    }
    files::private_folder(&places.runtime)?;
    let turn = Turn::take(places, &context.printer, &target.to_string())?;
    // Whoever had it may have got what is needed; or was told no, which is not asked again by each that waited.
    if is_ready(places, &link, crate::clock::now()) {
        return Ok(Exit::Done);
    }
    turn.has_failed()?;
    let done = get(context, arguments).map_err(for_ssh);
    if let Err(error) = &done {
        turn.failed(error)?;
    }
    done.map(|()| Exit::Done)
}

/// Gets a certificate that leads there, and puts it where ssh looks for it.
fn get(context: &Context, arguments: &SshReadyCommand) -> Result<()> {
    let (places, Place { target, typed }) = (&context.places, &arguments.place);
    let ca = open(context)?;
    let mut wish = arguments.wish.clone();
    if let (None, Ok(reason)) = (&wish.reason, std::env::var(REASON)) {
        wish.reason = Some(reason.parse()?);
    }
    let wanted = Wanted { target, role: arguments.role.as_ref(), row: None };
    let way = Way { wanted, wish: &wish, no_agent: arguments.no_agent };
    let held = way.certificate(context, &ca)?;
    files::private_folder(&places.config)?;
    files::private_folder(&places.identities())?;
    files::link(held.folder(), &places.identity(typed))
}

/// The CA; logs in where somebody is there to do it.
fn open(context: &Context) -> Result<Ca> {
    let Context { places, printer, .. } = context;
    if !terminal::is_there() {
        return Ca::open(places, crate::clock::now());
    }
    // One login for all hosts, and one question for its code.
    let _turn = Turn::take(places, printer, "login")?;
    Ca::open_or_login(places, printer, &crate::cli::LoginArgs::default(), crate::clock::now())
}

/// Whether what was got still serves.
fn is_ready(places: &Places, link: &Path, now: UnixTime) -> bool {
    let Ok(Some(held)) = Held::at(link) else {
        return false;
    };
    held.expires() > now.plus(LEAST_LEFT) && !held.is_bound_to_addresses() && held.is_usable(places)
}

/// What to do is another thing where ssh runs us.
fn for_ssh(error: Error) -> Error {
    match error {
        Error::NoTerminal { what, .. } => Error::NoTerminal {
            what,
            hint: "set JIT_CA_REASON=\"INC-42\", or ask first at a terminal: jit-ca request ROLE",
        },
        Error::Usage { what, hint } => {
            let ours = "what ssh asks for is written by jit-ca ssh-config --install --role ROLE";
            Error::Usage { what, hint: format!("{hint}\n      {ours}") }
        }
        other => other,
    }
}

/// The command line of the ssh that runs us; nothing where that can't be told.
fn parents_words() -> Vec<Vec<u8>> {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    let line = std::fs::read(format!("/proc/{parent}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

/// Whether an ssh with this command line goes to a host. `-G` prints its configuration, `-O` speaks to another ssh,
/// `-Q` and `-V` tell of the program (ssh(1)); nobody is asked for these. One that can't be read goes.
fn connects(words: &[Vec<u8>]) -> bool {
    let mut words = words.iter().map(Vec::as_slice);
    let name = words.next().map(std::ffi::OsStr::from_bytes).map(Path::new);
    if name.and_then(Path::file_name).is_none_or(|name| name != "ssh") {
        return true;
    }
    let mut is_host_seen = false;
    while let Some(word) = words.next() {
        match word {
            [b'-', b'-'] => return true,
            [b'-', flags @ ..] if !flags.is_empty() => {
                for (place, flag) in flags.iter().enumerate() {
                    if b"GOQV".contains(flag) {
                        return false;
                    }
                    if b"BbcDEeFIiJLlmopPRSWw".contains(flag) {
                        // The value: the rest of the word, or the next.
                        if place.saturating_add(1) == flags.len() {
                            words.next();
                        }
                        break;
                    }
                }
            }
            // ssh takes options after the host as well; what comes after those is the host's.
            _ if is_host_seen => return true,
            _ => is_host_seen = true,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_for_an_ssh_that_goes_nowhere() {
        let goes = |line: &str| {
            let words: Vec<Vec<u8>> = line.split(' ').map(|it| it.as_bytes().to_vec()).collect();
            connects(&words)
        };
        for line in [
            "ssh -G deploy@web1",
            "/usr/bin/ssh -p 22 -vG deploy@web1",
            "ssh deploy@web1 -G",
            "ssh -O exit web1",
            "ssh -oPort=1 -Ocheck web1",
        ] {
            assert!(!goes(line), "{line}");
        }
        for line in [
            "ssh deploy@web1",
            "ssh -l G web1",
            "ssh -o G web1 ls -G",
            "ssh -i -G web1",
            "ssh -- web1 -G",
            "ssh deploy@web1 -t ls -G",
            "bash -G",
            "",
        ] {
            assert!(goes(line), "{line}");
        }
    }
}
