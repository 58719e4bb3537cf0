//! `enroll` and `renew`: the host's certificate, checked before it takes the place of the one before.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use jit_ca_api::HostCertificate;
use jit_ca_api::client::IdempotencyKey;
use jit_ca_core::UnixTime;
use ring::signature::{ED25519, UnparsedPublicKey};
use ssh_key::Certificate;
use ssh_key::certificate::CertType;
use ssh_key::public::KeyData;

use crate::ca::{Ca, Caller, called};
use crate::config::Config;
use crate::fault::Fault;
use crate::install::files::{Changes, Wanted};
use crate::install::reload::{Reloaded, reload};
use crate::sshd::Sshd;
use crate::{clock, printer};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A file with the token that `jit-ca host token` printed; without it, it is read from standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Renewal {
    /// Do nothing while more than this part of the certificate's time is left, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    below: u8,
}

/// Enrols this host.
///
/// # Errors
/// If the CA refuses, or what it answers is not this host's certificate. Nothing has changed then.
pub(super) fn enroll(config: &Config, arguments: &Arguments) -> Result<(), Fault> {
    let token = token(arguments)?;
    let host = Caller::of(config)?;
    let ca = Ca::meet(config)?;
    let answer = ca.enrol(&host, &token)?;
    keep(config, &ca, &host, &answer)?;
    printer::note(
        "enrolled; now have sshd show the certificate: jit-ca-host install, or HostCertificate in sshd_config",
    );
    Ok(())
}

/// Gets a new certificate by the host key.
///
/// # Errors
/// As [`enroll`].
pub(super) fn renew(config: &Config, arguments: &Renewal) -> Result<(), Fault> {
    let path = config.places.host_certificate();
    if arguments.below < 100 && has_more_left(&path, arguments.below) {
        printer::note(&format!("{} lasts long enough", path.display()));
        return Ok(());
    }
    let host = Caller::of(config)?;
    let ca = Ca::meet(config)?;
    let client = ca.log_in(&host)?;
    let key = IdempotencyKey::random().map_err(|error| called(&error))?;
    let answer = client.host_certificate(&key).map_err(|error| called(&error))?;
    keep(config, &ca, &host, &answer)
}

/// Puts the certificate in place, and has sshd read it, if it is right.
fn keep(config: &Config, ca: &Ca, host: &Caller, answer: &HostCertificate) -> Result<(), Fault> {
    must_be_this_hosts(ca, host, &answer.certificate)?;
    let path = config.places.host_certificate();
    let text = Some(format!("{}\n", answer.certificate.trim_end()));
    let wanted = Wanted { path: path.clone(), text, is_ours: false };
    Changes::make(&[wanted])?;
    printer::data(&format!("{}\nuntil {}", path.display(), answer.expires));
    // sshd reads its certificate when it starts or is told to; on a server without one there is nobody to tell.
    match reload(&Sshd::of(&config.places.ssh)) {
        Ok(Reloaded::ByService | Reloaded::BySignal) => {}
        Ok(Reloaded::NotRunning) => printer::note("no sshd runs; the next that starts shows it"),
        Err(fault) => printer::note(&fault.to_string()),
    }
    Ok(())
}

/// The certificate is of this host's own key, for its own names and no others, by the CA that the pin names.
fn must_be_this_hosts(ca: &Ca, host: &Caller, text: &str) -> Result<(), Fault> {
    let wrong = |what: &str| {
        let hint = "keep the old one; tell the CA's operators, and do not enrol again before they know why";
        Fault::new(format!("the CA's answer is not this host's certificate: {what}"), hint)
    };
    let certificate = Certificate::from_openssh(text).map_err(|_| wrong("it can't be read"))?;
    let must = |is_so: bool, what: &str| if is_so { Ok(()) } else { Err(wrong(what)) };
    must(certificate.cert_type() == CertType::Host, "it is no host's")?;
    must(certificate.public_key() == host.public_key.key_data(), "it is of another key")?;
    let names: BTreeSet<&str> = certificate.valid_principals().iter().map(String::as_str).collect();
    must(names == host.names(), "it has other names")?;
    let is_plain = certificate.critical_options().is_empty() && certificate.extensions().is_empty();
    must(is_plain, "it has options")?;
    let now = clock::now_ms() / 1_000;
    let is_valid = certificate.valid_after() <= now && now < certificate.valid_before();
    must(is_valid, "it is not valid now; see that the clock of this host is right")?;

    let authority = ssh_key::PublicKey::from_openssh(&ca.trust.ssh_host_ca);
    let authority = authority.map_err(|_| wrong("the CA's own key can't be read"))?;
    must(certificate.signature_key() == authority.key_data(), "another CA's key signed it")?;
    let KeyData::Ed25519(point) = authority.key_data() else {
        return Err(wrong("the CA's own key is of no kind that is known"));
    };
    let bytes = certificate.to_bytes().map_err(|_| wrong("it can't be read"))?;
    let signed = bytes.len().checked_sub(SIGNATURE).and_then(|end| bytes.split_at_checked(end));
    let (signed, signature) = signed.ok_or_else(|| wrong("it is cut short"))?;
    let signature = signature.last_chunk::<64>().ok_or_else(|| wrong("it is cut short"))?;
    let verified = UnparsedPublicKey::new(&ED25519, point.as_ref()).verify(signed, signature);
    must(verified.is_ok(), "its signature does not hold")
}

/// Whether the certificate there has more than so many percent of its time left.
fn has_more_left(path: &std::path::Path, percent: u8) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let Ok(certificate) = Certificate::from_openssh(text.trim_end()) else { return false };
    let now = UnixTime::from_secs(clock::now_ms() / 1_000);
    let [start, end] =
        [certificate.valid_after(), certificate.valid_before()].map(UnixTime::from_secs);
    let (left, whole) = (end.since(now).secs(), end.since(start).secs());
    left.saturating_mul(100) > whole.saturating_mul(percent.into())
}

fn token(arguments: &Arguments) -> Result<String, Fault> {
    let mut text = String::new();
    match &arguments.token_file {
        Some(file) => text = fs::read_to_string(file).map_err(|error| Fault::file(file, &error))?,
        None => {
            let read = std::io::stdin().take(LONGEST_TOKEN).read_to_string(&mut text);
            read.map_err(|error| Fault::file("standard input".as_ref(), &error))?;
        }
    }
    let token = text.trim();
    let is_one =
        token.len() == 43 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !is_one {
        let hint = "have one made: jit-ca host token NAME. It is 43 letters, digits, - and _";
        return Err(Fault::new("that is no token", hint));
    }
    Ok(token.to_owned())
}

/// No token is longer.
const LONGEST_TOKEN: u64 = 1_024;
/// The signature of a certificate by an Ed25519 key: a string of two strings (RFC 8709 6).
const SIGNATURE: usize = 4 + (4 + "ssh-ed25519".len()) + (4 + 64);
