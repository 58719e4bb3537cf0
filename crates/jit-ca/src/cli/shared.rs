//! What several commands take.

use std::path::PathBuf;

use clap::Args;
use jit_ca_core::{Digest, IssuerName, PersonName, RoleName, RowName, Span, Text};

/// Which CA is meant. Needed at the first login only.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ContactArgs {
    /// The CA's address: https:// and its host, with a port if need be
    #[arg(long, value_name = "URL", env = "JIT_CA_URL")]
    pub(crate) ca: Option<String>,
    /// The CA's pin, as its operators publish it
    #[arg(long, value_name = "SHA256:…", env = "JIT_CA_PIN")]
    pub(crate) ca_pin: Option<Digest>,
}

/// What logging in needs.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LoginArgs {
    #[command(flatten)]
    pub(crate) contact: ContactArgs,
    /// What the CA calls you
    #[arg(long, env = "JIT_CA_NAME")]
    pub(crate) name: Option<PersonName>,
    /// The SSH key that the CA knows you by: private, or public with the private one in ssh-agent
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// A file with your authenticator's code, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) code_file: Option<PathBuf>,
    /// Give a passkey beside the SSH key, on the CA's page in a browser; later logins do as well
    #[arg(long, conflicts_with = "code_file")]
    pub(crate) passkey: bool,
    /// Sign on in a browser at this issuer, as the CA calls it
    #[arg(long, value_name = "NAME", env = "JIT_CA_ISSUER", conflicts_with_all = ["name", "key", "code_file", "passkey"])]
    pub(crate) issuer: Option<IssuerName>,
    /// Sign on in a browser on another machine: where this one has none (RFC 8628)
    #[arg(long, conflicts_with_all = ["name", "key", "code_file", "passkey", "workload"])]
    pub(crate) device: bool,
    /// Log in as a workload, with a token, or with a certificate that it got with an earlier one
    #[arg(long, conflicts_with_all = ["name", "key", "code_file", "passkey"])]
    pub(crate) workload: bool,
    /// The file with the workload's token, or - for stdin
    #[arg(long, value_name = "FILE", requires = "workload")]
    pub(crate) token_file: Option<PathBuf>,
    /// The folder with the workload's cert.pem and key.pem, as `jit-ca cert x509` has written them
    #[arg(long, value_name = "DIR", requires = "workload", conflicts_with_all = ["token_file", "issuer"])]
    pub(crate) certificate: Option<PathBuf>,
}

/// What a wish for a role says.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct WishArgs {
    /// For how long, such as 30m or 1h; the role's default if left out
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: Option<Span>,
    /// Why
    #[arg(long)]
    pub(crate) reason: Option<Text>,
    /// The ticket that it is about
    #[arg(long)]
    pub(crate) ticket: Option<Text>,
}

/// Which grant, and what of it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct GrantArgs {
    /// The grant or its request, or the last four or more characters of the id
    #[arg(long, conflicts_with = "role")]
    pub(crate) grant: Option<String>,
    /// The grant of this role
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    /// The row of the grant, where it has several
    #[arg(long, value_name = "NAME")]
    pub(crate) row: Option<RowName>,
}
