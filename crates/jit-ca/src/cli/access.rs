//! What commands on requests and grants take.

use std::str::FromStr;

use clap::{Args, Subcommand};
use jit_ca_api::RequestStatus;
use jit_ca_core::{HostName, RoleName, RowName, Span, Text, UnixTime, ValueError};

use super::shared::WishArgs;

#[derive(Debug, Args)]
pub(crate) struct RequestCommand {
    /// The role
    pub(crate) role: RoleName,
    /// On this host; may be given again. All of the role's if left out
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<HostName>,
    /// From then on, such as 2026-11-22T14:00:00Z or +2h; with its approval, or its first use, if left out
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<When>,
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    /// Ask, and do not wait
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct RequestsCommand {
    /// Yours alone
    #[arg(long)]
    pub(crate) mine: bool,
    /// Those of this status: pending, approved, denied, cancelled or lapsed
    #[arg(long, value_parser = status)]
    pub(crate) status: Option<RequestStatus>,
    /// Those of this person, by name or id
    #[arg(long, value_name = "WHO")]
    pub(crate) subject: Option<String>,
    /// Those for this role
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    /// Those that this person approved, by name or id
    #[arg(long, value_name = "WHO")]
    pub(crate) approver: Option<String>,
    /// Those made at or after this time
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<UnixTime>,
    /// Those made before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<UnixTime>,
    /// Those with this in their reason, ticket or comments
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// Stay, and show what waits for you as it comes
    #[arg(long, conflicts_with_all = ["status", "from", "to", "approver"])]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveCommand {
    /// The request, or the last four or more characters of its id
    pub(crate) id: String,
    /// For less time than was asked for
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: Option<Span>,
    /// This row alone; may be given again. All that was asked for if left out
    #[arg(long = "row", value_name = "NAME")]
    pub(crate) rows: Vec<RowName>,
    /// This host alone; may be given again. All that was asked for if left out
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<HostName>,
    /// What you have to say; needed to approve less than was asked for
    #[arg(long)]
    pub(crate) comment: Option<Text>,
    /// Do not sign it with your SSH key; some roles count signed approvals alone
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// Do not ask before signing
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExtendCommand {
    /// The grant, or the last four or more characters of its id
    pub(crate) grant: String,
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    /// Ask, and do not wait
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BreakGlassCommand {
    /// The role
    pub(crate) role: RoleName,
    /// On this host; may be given again. All of the role's if left out
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<HostName>,
    #[command(flatten)]
    pub(crate) wish: WishArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeCommand {
    /// The grant, or the last four or more characters of its id
    pub(crate) grant: String,
    /// Why
    #[arg(long)]
    pub(crate) reason: Text,
}

#[derive(Debug, Args)]
pub(crate) struct ReviewCommand {
    /// The emergency's request, or the last four or more characters of its id
    pub(crate) id: String,
    /// What you found
    #[arg(long)]
    pub(crate) comment: Text,
}

#[derive(Debug, Args)]
pub(crate) struct LockCommand {
    /// all, a person's name or id, or a role; person:NAME and role:NAME where both are called so
    pub(crate) what: String,
    /// Why
    #[arg(long)]
    pub(crate) reason: Text,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Show a grant with all that led to it and was done with it
    Show {
        /// The grant, or the last four or more characters of its id
        id: String,
    },
}

/// A point in time, as people name it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    At(UnixTime),
    In(Span),
}

impl When {
    pub(crate) fn time(self, now: UnixTime) -> UnixTime {
        match self {
            Self::At(time) => time,
            Self::In(span) => now.plus(span),
        }
    }
}

impl FromStr for When {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix('+') {
            Some(span) => span.parse().map(Self::In),
            None => text.parse().map(Self::At),
        }
        .map_err(|fault| ValueError {
            kind: "time",
            given: format!("{}{}", if text.starts_with('+') { "+" } else { "" }, fault.given),
            expected: "write +2h for two hours from now, or a whole time such as 2026-11-23T14:00:00Z",
        })
    }
}

fn status(text: &str) -> Result<RequestStatus, String> {
    let all = [
        RequestStatus::Pending,
        RequestStatus::Approved,
        RequestStatus::Denied,
        RequestStatus::Cancelled,
        RequestStatus::Lapsed,
    ];
    all.into_iter()
        .find(|status| status.to_string() == text)
        .ok_or_else(|| "write pending, approved, denied, cancelled or lapsed".to_owned())
}
