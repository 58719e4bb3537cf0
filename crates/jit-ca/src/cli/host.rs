//! What `host` takes.

use std::ffi::OsString;

use clap::Subcommand;
use jit_ca_core::{HostName, Span, Text};

#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// Make a one-use token by which a host enrols: there, jit-ca-host enroll
    Token {
        /// What the host is to be called, as people connect to it
        name: HostName,
        /// What it is to be called besides
        #[arg(long = "alias", value_name = "NAME")]
        aliases: Vec<HostName>,
        /// For how long the token can be used, up to 24h
        #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
        duration: Span,
    },
    /// List the hosts that have enrolled
    List,
    /// Have a host believed no more: its logins end, and clients refuse its key
    Revoke {
        /// The host's name, or an alias
        name: HostName,
        /// Why
        #[arg(long)]
        reason: Text,
    },
    /// On a server: enroll, renew, install, doctor and what else jit-ca-host does
    #[command(external_subcommand)]
    Here(Vec<OsString>),
}
