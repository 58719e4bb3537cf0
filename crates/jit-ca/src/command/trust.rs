//! `trust`: the CA's public keys, to set up hosts and services with.

use jit_ca_api::Trust;
use serde::Serialize;

use crate::cli::TrustCommand;
use crate::command::Context;
use crate::error::Result;
use crate::printer::fields;
use crate::profile::KnownCa;

#[derive(Serialize)]
struct Key<'a> {
    key: &'a str,
}

pub(super) fn trust(context: &Context, arguments: &TrustCommand) -> Result<()> {
    // Keys are changed now and then; what sets up a host should have today's.
    let ca = KnownCa::find(&context.places, &arguments.contact)?.refreshed()?;
    let key = if arguments.ssh_user_ca {
        ca.trust.ssh_user_ca.as_str()
    } else if arguments.x509_clients {
        ca.authority("clients")?
    } else if arguments.x509_root {
        ca.authority("root")?
    } else {
        context.printer.data(&ca.trust, |trust| text(&ca.url, trust));
        return Ok(());
    };
    context.printer.data(&Key { key }, |key| key.key.to_owned());
    Ok(())
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
