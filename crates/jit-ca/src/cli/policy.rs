//! `jit-ca policy …`: what is said about policies in folders.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jit_ca_core::{Action, Digest, HostName, RoleName, Span, Text};
use serde::Deserialize as _;
use serde::de::value::{Error as NotAVariant, StrDeserializer};

use super::WishArgs;
use super::access::When;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Report everything that is wrong with the policy in a folder
    Check {
        /// The folder with users.toml, roles/, policies/ and policy-tests/
        dir: PathBuf,
    },
    /// Run the policy's own tests, and name the rules that none of them touches
    ///
    /// Ends with 0 if all passed, with 1 if one failed (or, with --require-coverage, if there is a rule that made no
    /// test's decision), and with 2 if the policy can't be read.
    Test {
        /// The folder with users.toml, roles/, policies/ and policy-tests/
        dir: PathBuf,
        /// Fail if there is a rule that no test touches
        #[arg(long)]
        require_coverage: bool,
    },
    /// Say what would be decided, by which rules, and, if it is a no, what would have to be different
    Explain(Box<ExplainCommand>),
    /// Show who gains and who loses what by a change of the policy
    ///
    /// Everybody is asked about, with each action and each role, in situations around the constants that the rules
    /// mention. That samples the rules' conditions, so the texts of rules are compared as well.
    ///
    /// Ends with 0 if the two are the same, with 1 if anything differs, and with 2 if one can't be read.
    Diff {
        /// The folder with the policy as it is
        old: PathBuf,
        /// The folder with the policy as it is to be
        new: PathBuf,
    },
    /// List who can do something, and when
    WhoCan {
        /// The folder with users.toml, roles/, policies/ and policy-tests/
        dir: PathBuf,
        /// The role; none for an action on the CA itself
        role: Option<RoleName>,
        #[command(flatten)]
        access: AccessArgs,
    },
    /// List what somebody can do, and when
    WhatCan {
        /// The folder with users.toml, roles/, policies/ and policy-tests/
        dir: PathBuf,
        /// Who: a name, or an id such as local/u-1001
        subject: String,
    },
    /// Show the policy that waits for a second administrator, and what it changes
    Pending,
    /// Bring the policy that waits into force
    Activate {
        /// Its hash, as `policy pending` shows it
        hash: Digest,
        /// Do not ask before
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    /// What is to be done, as rules call it
    #[arg(long, default_value = "request", value_parser = action)]
    pub(crate) action: Action,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainCommand {
    /// The folder with users.toml, roles/, policies/ and policy-tests/
    pub(crate) dir: PathBuf,
    /// Who: a name, or an id such as local/u-1001
    #[arg(long)]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    /// The role, for an action that concerns one
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    /// On this host; may be given again. All of the role's if left out
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<HostName>,
    /// How long ago the second factor was given; without it the login has none
    #[arg(long, value_name = "TIME")]
    pub(crate) mfa_age: Option<Span>,
    /// How the login was made, as a class that its issuer defines
    #[arg(long, value_name = "CLASS")]
    pub(crate) acr: Option<Text>,
    /// By which method the login was made (RFC 8176), such as hwk; may be given again
    #[arg(long, value_name = "METHOD")]
    pub(crate) amr: Vec<Text>,
    /// When, such as 2026-11-22T09:00:00Z or +2h; now if left out
    #[arg(long, value_name = "WHEN")]
    pub(crate) at: Option<When>,
    /// The address that the call comes from; one that is nobody's if left out
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1")]
    pub(crate) from: IpAddr,
    /// Whose request or grant it is; needed for `approve`, `review` and `revoke`
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) requester: Option<String>,
}

/// The words are those of the log and of Cedar.
fn action(text: &str) -> Result<Action, String> {
    let action = Action::deserialize(StrDeserializer::<NotAVariant>::new(text));
    action.map_err(|error| error.to_string())
}
