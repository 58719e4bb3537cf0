//! `trust`: the CA's public keys, to set up hosts and services with; and its log, when it is another.

use std::path::PathBuf;

use jit_ca_api::Trust;
use jit_ca_core::Origin;
use jit_ca_log::LogKey;
use serde::Serialize;

use crate::cli::TrustCommand;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::known_hosts;
use crate::printer::fields;
use crate::profile::{KnownCa, Profile};
use crate::witness::{Accepted, Successor, Witness};

#[derive(Serialize)]
struct Key<'a> {
    key: &'a str,
}

/// A log that is taken in place of the one known.
#[derive(Serialize)]
struct NewLog {
    log: Origin,
    log_key: String,
    was: Origin,
    was_key: String,
    /// Why the old one ended, in the CA's words.
    reason: String,
    /// How many entries of the old one it goes on from.
    goes_on_from: u64,
    /// How many entries of the old one had been seen here.
    seen: u64,
    /// At least how many of these are lost; none where nothing proves that all are there, or how many.
    lost: Option<u64>,
    /// Where the old one's last checkpoints are saved.
    evidence: PathBuf,
    /// What was saved before of the old one, as it was not what it had been.
    saved_before: Vec<PathBuf>,
}

pub(super) fn trust(context: &Context, arguments: &TrustCommand) -> Result<()> {
    if let Some(origin) = &arguments.accept_log {
        return accept_log(context, arguments, origin);
    }
    let ca = KnownCa::find(&context.places, &arguments.contact)?;
    // Keys are changed now and then; what sets up a host should have today's.
    let client = ca.client(&context.places)?;
    let ca = ca.refreshed(&client)?;
    let known;
    let key = if arguments.ssh_user_ca {
        ca.trust.ssh_user_ca.as_str()
    } else if arguments.x509_clients {
        ca.authority("clients")?
    } else if arguments.x509_root {
        ca.authority("root")?
    } else if arguments.known_hosts {
        known = known_hosts::text(&ca.trust);
        known.trim_end()
    } else {
        context.printer.data(&ca.trust, |trust| text(&ca.url, trust));
        return Ok(());
    };
    context.printer.data(&Key { key }, |key| key.key.to_owned());
    Ok(())
}

/// Takes the CA's new log in place of the known one, because its operators have said so.
fn accept_log(context: &Context, arguments: &TrustCommand, origin: &Origin) -> Result<()> {
    let places = &context.places;
    let profile = Profile::load(places)?;
    let (ca, old_key) = match &profile {
        Some(_) => as_it_is_now(KnownCa::find(places, &arguments.contact)?)?,
        None => as_it_was_before_it_was_forgotten(context, arguments)?,
    };
    if ca.trust.origin != *origin || ca.trust.origin == *old_key.origin() {
        return Err(Error::usage(
            format!(
                "the CA's log is {}, and the one known is {}",
                ca.trust.origin,
                old_key.origin()
            ),
            "name the CA's log as its operators publish it; where it is the one known, there is nothing to accept",
        ));
    }
    let successor = Successor::of(&ca.trust, &old_key).ok_or_else(|| {
        Error::unverified(format!(
            "the log {origin} does not prove that it goes on from {}",
            old_key.origin()
        ))
    })?;
    let new_key = ca.log_key()?;
    let (old, new) = (Witness::new(places, old_key.clone()), Witness::new(places, new_key.clone()));
    let Accepted { goes_on_from, seen, lost, evidence, saved_before } =
        successor.accept(&old, (&new, &ca.stranger()?))?;
    if let Some(profile) = profile {
        Profile { ca, ..profile }.save(places)?;
    }

    let new = NewLog {
        log: origin.clone(),
        log_key: new_key.to_string(),
        was: old_key.origin().clone(),
        was_key: old_key.to_string(),
        reason: successor.reason,
        goes_on_from,
        seen,
        lost,
        evidence,
        saved_before,
    };
    context.printer.data(&new, new_log_fields);
    context.printer.note("logins were entries of the old log; log in again: jit-ca login");
    Ok(())
}

/// The CA remembered with the keys that it has now, and the key of its log as it is remembered.
fn as_it_is_now(known: KnownCa) -> Result<(KnownCa, LogKey)> {
    let old_key = known.log_key()?;
    let trust = known.stranger()?.trust()?;
    if trust.pin != known.trust.pin {
        return Err(Error::OtherPin { kept: known.trust.pin, given: trust.pin });
    }
    Ok((KnownCa { trust, ..known }, old_key))
}

/// A CA that is not remembered, and the key of the log that it says its own goes on from, of which a checkpoint is kept.
fn as_it_was_before_it_was_forgotten(
    context: &Context,
    arguments: &TrustCommand,
) -> Result<(KnownCa, LogKey)> {
    let met = KnownCa::discover(&arguments.contact)?;
    if let Some(old_key) = Successor::predecessor(&met.trust, &met.log_key()?)
        && Witness::new(&context.places, old_key.clone()).newest()?.is_some()
    {
        return Ok((met, old_key));
    }
    Err(Error::usage(
        "nothing was seen here of a log that the CA's goes on from",
        "there is nothing to accept: jit-ca login",
    ))
}

fn new_log_fields(new: &NewLog) -> String {
    let mut lines = vec![
        ("log", new.log.to_string()),
        ("log key", new.log_key.clone()),
        ("was", new.was.to_string()),
        ("was key", new.was_key.clone()),
        ("reason", new.reason.clone()),
        ("goes on from", format!("{} entries", new.goes_on_from)),
        ("seen here", format!("{} entries", new.seen)),
        ("lost", lost(new)),
        ("evidence", new.evidence.display().to_string()),
    ];
    lines
        .extend(new.saved_before.iter().map(|saved| ("saved before", saved.display().to_string())));
    fields(&lines)
}

fn lost(new: &NewLog) -> String {
    match new.lost {
        Some(0) => "0 entries".to_owned(),
        Some(lost) => format!("at least {lost} entries"),
        None => format!(
            "not known: it is not proven that the {} entries hold the {} that were seen here",
            new.goes_on_from, new.seen
        ),
    }
}

fn text(url: &str, trust: &Trust) -> String {
    let head = fields(&[
        ("ca", url.to_owned()),
        ("pin", trust.pin.to_string()),
        ("log origin", trust.origin.to_string()),
        ("log key", trust.log_key.clone()),
        ("trust domain", trust.trust_domain.clone()),
        ("ssh user ca", trust.ssh_user_ca.clone()),
        ("ssh host ca", trust.ssh_host_ca.clone()),
    ]);
    let authorities = trust.x509.iter();
    let authorities: Vec<String> = authorities
        .map(|authority| {
            format!("x509 {}\n{}", authority.purpose, authority.certificate.trim_end())
        })
        .collect();
    format!("{head}\n{}", authorities.join("\n"))
}
