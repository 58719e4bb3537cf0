//! `cert ssh` and `cert x509`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jit_ca_api::Request;
use jit_ca_core::{GrantId, IssuanceId, Row, RowName, UnixTime};
use serde::Serialize;

use crate::certify::{self, Fresh};
use crate::cli::{CertCommand, GrantArgs};
use crate::clock;
use crate::command::Context;
use crate::error::Result;
use crate::grant;
use crate::login::Ca;
use crate::printer::fields;

/// A certificate, and where it is.
#[derive(Serialize)]
struct Issued {
    grant: GrantId,
    issuance: IssuanceId,
    row: RowName,
    serial: String,
    expires: UnixTime,
    /// The index of the log entry that recorded it before it was signed.
    entry: u64,
    /// The certificate's file.
    certificate: PathBuf,
    /// The proof that the log holds that entry (C2SP tlog-proof).
    proof: PathBuf,
    /// The key's file; none where somebody else holds the key.
    key: Option<PathBuf>,
    /// Where the key is if it is in no file of ours.
    #[serde(skip)]
    held: &'static str,
}

pub(super) fn run(context: &Context, command: &CertCommand) -> Result<()> {
    let ca = context.ca()?;
    let renew = match command {
        CertCommand::Ssh { renew, .. } | CertCommand::X509 { renew, .. } => *renew,
    };
    loop {
        let issued = match command {
            CertCommand::Ssh { grant, key, out, no_agent, .. } => {
                ssh(context, &ca, grant, (key.as_ref(), out.as_ref()), *no_agent)?
            }
            CertCommand::X509 { grant, csr, out, .. } => x509(&ca, grant, csr.as_deref(), out)?,
        };
        context.printer.data(&issued, issued_fields);
        let usable = grant::usable(&ca)?;
        let of_it = |request: &&Request| {
            request.grant.as_ref().is_some_and(|grant| grant.id == issued.grant)
        };
        let grant = usable.iter().find(of_it).and_then(|request| request.grant.as_ref());
        let goes_on = grant.is_some_and(|grant| issued.expires < grant.last_end());
        if !renew || !goes_on {
            return Ok(());
        }
        // With a third of its time left there is time for a CA that is just being started anew.
        let left = issued.expires.since(clock::now());
        std::thread::sleep(Duration::from_secs(left.secs() * 2 / 3));
    }
}

/// For a key of the person's, if one is given; into a folder, if one is given.
fn ssh(
    context: &Context,
    ca: &Ca,
    arguments: &GrantArgs,
    (key, out): (Option<&PathBuf>, Option<&PathBuf>),
    no_agent: bool,
) -> Result<Issued> {
    let requests = grant::usable(ca)?;
    let is_ssh = |row: &Row| matches!(row, Row::Ssh(_));
    let (request, grant) = grant::choose(ca, &requests, arguments, is_ssh)?;
    let row = grant::ssh_row(grant, arguments.row.as_ref())?;
    let under = (request, grant, row);
    // Before anything is issued: a certificate that can't be written is lost, and counts nevertheless.
    out.map_or(Ok(()), |folder| certify::persons_folder(folder))?;
    let (reply, certificate, key) = match (key, out) {
        (Some(key), out) => {
            let reply = certify::existing(ca, under, key)?;
            let beside = certify::certificate_beside(key);
            let file = match (out, beside.file_name()) {
                (Some(folder), Some(name)) => folder.join(name),
                _ => beside,
            };
            certify::write_certificate(&file, &reply)?;
            (reply, file, Some(key.clone()))
        }
        (None, Some(folder)) => {
            let fresh = Fresh::issue(ca, under)?;
            let file = fresh.write(folder)?;
            (fresh.reply, file, Some(folder.join("key")))
        }
        (None, None) => {
            let fresh = Fresh::issue(ca, under)?;
            let reply = fresh.reply.clone();
            let held = fresh.hold(&context.places, no_agent, clock::now())?;
            (reply, held.certificate_file(), held.key_file())
        }
    };
    Ok(Issued {
        grant: reply.grant,
        issuance: reply.issuance,
        row: reply.row,
        serial: reply.serial,
        expires: reply.expires,
        entry: reply.entry,
        proof: certify::proof_beside(&certificate),
        certificate,
        key,
        held: "in ssh-agent",
    })
}

/// For the key of a request, if one is given.
fn x509(ca: &Ca, arguments: &GrantArgs, csr: Option<&Path>, out: &Path) -> Result<Issued> {
    let requests = grant::usable(ca)?;
    let is_x509 = |row: &Row| matches!(row, Row::X509(_));
    let (_, grant) = grant::choose(ca, &requests, arguments, is_x509)?;
    let row = grant::x509_row(grant, arguments.row.as_ref())?;
    let (reply, key) = match csr {
        Some(csr) => (certify::requested(ca, grant, row, csr, out)?, None),
        None => (certify::x509(ca, grant, row, out)?, Some(out.join("key.pem"))),
    };
    let certificate = out.join("cert.pem");
    Ok(Issued {
        grant: reply.grant,
        issuance: reply.issuance,
        row: reply.row,
        serial: reply.serial,
        expires: reply.expires,
        entry: reply.entry,
        proof: certify::proof_beside(&certificate),
        certificate,
        key,
        held: "with whoever made the request",
    })
}

fn issued_fields(issued: &Issued) -> String {
    let key = match &issued.key {
        Some(file) => file.display().to_string(),
        None => issued.held.to_owned(),
    };
    fields(&[
        ("certificate", issued.certificate.display().to_string()),
        ("proof", issued.proof.display().to_string()),
        ("key", key),
        ("row", issued.row.to_string()),
        ("grant", issued.grant.to_string()),
        ("serial", issued.serial.clone()),
        ("log entry", issued.entry.to_string()),
        ("valid until", issued.expires.to_string()),
    ])
}
