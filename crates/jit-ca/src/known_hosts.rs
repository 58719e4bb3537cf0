//! The known hosts file that ssh is given beside the person's own: which hosts the CA certifies, and which keys it has
//! taken back (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

use jit_ca_api::Trust;
use jit_ca_core::HostPattern;

use crate::error::Result;
use crate::files;
use crate::login::Ca;
use crate::places::Places;

/// What it says of a CA.
pub(crate) fn text(trust: &Trust) -> String {
    let mut text = String::new();
    let patterns: Vec<&str> = trust.hosts.iter().map(HostPattern::as_str).collect();
    if !patterns.is_empty() {
        text.push_str(&format!("@cert-authority {} {}\n", patterns.join(","), trust.ssh_host_ca));
    }
    for key in &trust.revoked_host_keys {
        text.push_str(&format!("@revoked * {key}\n"));
    }
    text
}

/// Writes it for whoever runs ssh from here.
pub(crate) fn write(places: &Places, trust: &Trust) -> Result<()> {
    files::private_folder(&places.config)?;
    let head = "# Written by jit-ca, with each login and each `jit-ca ssh`.\n";
    files::write_private(&places.known_hosts(), (head.to_owned() + &text(trust)).as_bytes())
}

/// Writes it as the CA has it now.
pub(crate) fn renew(places: &Places, ca: &Ca) -> Result<()> {
    let known = ca.profile.ca.clone().refreshed(&ca.client)?;
    write(places, &known.trust)
}

/// The option by which ssh reads it, and the machine's own besides. The person's own file stays what it is.
pub(crate) fn ssh_option(places: &Places) -> String {
    // ssh_config(5): a value with spaces stands in quotes, in which a backslash goes before a quote or another backslash.
    let path = places.known_hosts().display().to_string();
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    format!("GlobalKnownHostsFile=\"{path}\" /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2")
}
