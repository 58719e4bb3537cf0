//! What commands on requests and grants take.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use jit_ca_api::RequestStatus;
use jit_ca_core::workflow::GrantState;
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

/// What narrows a list of requests.
const FILTERS: [&str; 9] =
    ["mine", "status", "subject", "role", "approver", "from", "to", "text", "watch"];

#[derive(Debug, Default, Args)]
pub(crate) struct RequestsCommand {
    /// All of this one: the request, or the last four or more characters of its id
    #[arg(conflicts_with_all = FILTERS)]
    pub(crate) id: Option<String>,
    /// Yours alone
    #[arg(long)]
    pub(crate) mine: bool,
    /// Those that stand so: pending, approved, denied, cancelled or lapsed; or their grants: waiting, active, ended or
    /// revoked
    #[arg(long, ignore_case = true, hide_possible_values = true)]
    pub(crate) status: Option<Status>,
    /// Those of this person, by name or id, also of somebody who has left
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
    /// Those with this in what people wrote: reason, ticket, comments, why it was denied or revoked
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
    /// The grant or its request, or the last four or more characters of the id
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
    /// The grant or its request, or the last four or more characters of the id
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
        /// The grant or its request, or the last four or more characters of the id
        id: String,
    },
}

/// How a request stands, or the grant that it became: the words that lists have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Status {
    Pending,
    Approved,
    Denied,
    Cancelled,
    Lapsed,
    Waiting,
    Active,
    Ended,
    Revoked,
}

impl Status {
    /// As the CA is asked for it.
    pub(crate) fn parts(self) -> (Option<RequestStatus>, Option<GrantState>) {
        match self {
            Self::Pending => (Some(RequestStatus::Pending), None),
            Self::Approved => (Some(RequestStatus::Approved), None),
            Self::Denied => (Some(RequestStatus::Denied), None),
            Self::Cancelled => (Some(RequestStatus::Cancelled), None),
            Self::Lapsed => (Some(RequestStatus::Lapsed), None),
            Self::Waiting => (None, Some(GrantState::Waiting)),
            Self::Active => (None, Some(GrantState::Active)),
            Self::Ended => (None, Some(GrantState::Ended)),
            Self::Revoked => (None, Some(GrantState::Revoked)),
        }
    }
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
