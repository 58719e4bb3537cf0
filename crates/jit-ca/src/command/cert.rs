//! `cert ssh` and `cert x509`.

use std::path::PathBuf;

use jit_ca_core::{GrantId, IssuanceId, Row, RowName, UnixTime};
use serde::Serialize;

use crate::certify::{self, Fresh};
use crate::cli::CertCommand;
use crate::command::Context;
use crate::error::Result;
use crate::grant;
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
    /// The key's file; none where ssh-agent holds the key.
    key: Option<PathBuf>,
}

pub(super) fn run(context: &Context, command: CertCommand) -> Result<()> {
    let ca = context.ca()?;
    let requests = grant::active(&ca)?;
    let issued = match command {
        CertCommand::Ssh { grant: arguments, key, out, no_agent } => {
            let is_ssh = |row: &Row| matches!(row, Row::Ssh(_));
            let (request, grant) = grant::choose(&requests, &arguments, is_ssh)?;
            let row = grant::ssh_row(grant, arguments.row.as_ref())?;
            let under = (request, grant, row);
            let (reply, certificate, key) = match (key, out) {
                (Some(key), out) => {
                    let reply = certify::existing(&ca, under, &key)?;
                    let beside = certify::certificate_beside(&key);
                    let file = match (out, beside.file_name()) {
                        (Some(folder), Some(name)) => folder.join(name),
                        _ => beside,
                    };
                    certify::write_certificate(&file, &reply)?;
                    (reply, file, Some(key))
                }
                (None, Some(folder)) => {
                    let fresh = Fresh::issue(&ca, under)?;
                    let file = fresh.write(&folder)?;
                    (fresh.reply, file, Some(folder.join("key")))
                }
                (None, None) => {
                    let fresh = Fresh::issue(&ca, under)?;
                    let reply = fresh.reply.clone();
                    let held = fresh.hold(&context.places, no_agent, context.now)?;
                    (reply, held.certificate_file(), held.key_file())
                }
            };
            Issued {
                grant: reply.grant,
                issuance: reply.issuance,
                row: reply.row,
                serial: reply.serial,
                expires: reply.expires,
                entry: reply.entry,
                proof: certify::proof_beside(&certificate),
                certificate,
                key,
            }
        }
        CertCommand::X509 { grant: arguments, out } => {
            let is_x509 = |row: &Row| matches!(row, Row::X509(_));
            let (_, grant) = grant::choose(&requests, &arguments, is_x509)?;
            let row = grant::x509_row(grant, arguments.row.as_ref())?;
            let reply = certify::x509(&ca, grant, row, &out)?;
            let certificate = out.join("cert.pem");
            Issued {
                grant: reply.grant,
                issuance: reply.issuance,
                row: reply.row,
                serial: reply.serial,
                expires: reply.expires,
                entry: reply.entry,
                proof: certify::proof_beside(&certificate),
                certificate,
                key: Some(out.join("key.pem")),
            }
        }
    };
    context.printer.data(&issued, issued_fields);
    Ok(())
}

fn issued_fields(issued: &Issued) -> String {
    let key = match &issued.key {
        Some(file) => file.display().to_string(),
        None => "in ssh-agent".to_owned(),
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
