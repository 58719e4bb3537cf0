//! What `sessions` and `session` take.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jit_ca_core::{HostName, RoleName, UnixTime};

#[derive(Debug, Args)]
pub(crate) struct SessionsCommand {
    /// Yours alone
    #[arg(long)]
    pub(crate) mine: bool,
    /// Those on this host
    #[arg(long)]
    pub(crate) host: Option<HostName>,
    /// Those of grants of this role
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    /// Those that go on, as far as hosts have said
    #[arg(long)]
    pub(crate) open: bool,
    /// Opened at this time or later, such as 2026-11-22T09:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<UnixTime>,
    /// Opened before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<UnixTime>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Show a session: who, where, by which certificate, and what was run
    Show {
        /// The session, or the last four or more characters of its id
        id: String,
    },
    /// Write what was recorded into a file, if it is what the host said was recorded; the log says that you did
    Export {
        /// The session as for show, and of one with several channels /NUMBER behind it
        id: String,
        /// The file: an asciicast v3
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}
