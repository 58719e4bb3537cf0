//! Roles: `roles/<role>.toml`, what is given and what is required for it.

mod people;
mod rows;
mod terms;
mod ticket;

use std::collections::BTreeSet;

use jit_ca_core::workflow::Quorum;
use jit_ca_core::{GroupName, HostName, Hosts, KeyType, RoleName, Row, Span, Text};

pub use self::ticket::TicketPattern;
use crate::fault::Page;
use crate::section::Section;

/// A named bundle of access: what it gives, and what it takes to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The role's name, which is its file's.
    pub name: RoleName,
    /// What it is for, in one line.
    pub description: Text,
    /// What it gives; never empty, no two rows of one name.
    pub rows: Vec<Row>,
    /// The longest duration that may be asked for; at most 24 hours.
    pub longest: Span,
    /// The duration where none is asked for; at most the longest.
    pub default: Span,
    /// How long a request waits for approval.
    pub pending_for: Span,
    /// When access starts, where no time is asked for.
    pub starts: Starts,
    /// How far ahead a start may be asked for; no time at all where none may.
    pub schedule_ahead: Span,
    /// For how long a certificate is valid at most; for the whole grant if it does not say.
    pub certificate_max: Option<Span>,
    /// The types of keys that are certified; never empty.
    pub keys: BTreeSet<KeyType>,
    /// Who has to approve where no rule does: each of these, one person counting in one of them; never empty.
    pub approvals: Vec<Quorum>,
    /// How old the second factor may be; `None` if any of the login's will do.
    pub mfa_max_age: Option<Span>,
    /// The ticket that a request has to name.
    pub ticket: Option<TicketPattern>,
    /// What holds in an emergency; `None` if there is none for this role.
    pub break_glass: Option<BreakGlass>,
    /// How often it may be had.
    pub limits: Limits,
}

/// When access starts, where no time is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// With the last approval.
    AtApproval,
    /// With the first certificate.
    AtFirstUse {
        /// For how long there may be none.
        within: Span,
    },
}

/// What holds in an emergency, when nobody is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlass {
    /// The longest duration.
    pub longest: Span,
    /// The groups whose members are told at once; never empty.
    pub tell: BTreeSet<GroupName>,
    /// Where it stands in its file, for faults that only the whole bundle shows.
    pub(crate) at: usize,
}

/// How often a role may be had; as often as one likes where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many grants a person may have of it that begin within 24 hours.
    pub grants_per_day: Option<u32>,
    /// How many certificates may be issued under one grant.
    pub certificates: Option<u32>,
}

impl Role {
    /// The hosts that the role's rows name; none if it gives X.509 alone.
    pub fn hosts(&self) -> BTreeSet<&HostName> {
        let ssh_rows = self.rows.iter().filter_map(|row| match row {
            Row::Ssh(row) => Some(row),
            Row::X509(_) => None,
        });
        ssh_rows.flat_map(|row| &row.hosts).collect()
    }

    /// Whether it gives as much of a row as is on these hosts.
    pub fn gives(&self, row: &Row, hosts: &Hosts) -> bool {
        let row = row.on(hosts);
        self.rows.iter().any(|own| row.is_within(own))
    }

    /// The groups whose members may approve: those of all quorums.
    pub fn approvers(&self) -> BTreeSet<GroupName> {
        self.approvals.iter().flat_map(|quorum| quorum.from.iter().cloned()).collect()
    }
}

/// A role, and where its parts stand, for faults that only the whole bundle shows.
pub(crate) struct Draft<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) role: Role,
    /// One for each of the role's rows.
    pub(crate) rows_at: Vec<usize>,
    /// One for each of the role's quorums.
    pub(crate) approvals_at: Vec<usize>,
}

impl<'a> Draft<'a> {
    /// The role; `None`, and faults, if something that it needs is missing or wrong.
    pub(crate) fn read(page: Page<'a>, name: RoleName) -> Option<Self> {
        let mut top = Section::parse(page)?;
        let description = top.require("description", r#"description = "What the role is for""#);
        let (default, longest) = terms::durations(page, &mut top);
        let pending_for = terms::pending_for(page, &mut top);
        let starts = terms::starts(page, &mut top);
        let schedule_ahead = terms::schedule_ahead(page, &mut top);
        let certificate_max = terms::certificate_max(page, &mut top);
        let ticket = TicketPattern::read(page, &mut top);
        let keys = terms::keys(&mut top);
        let approvals = people::approvals(&mut top);
        let mfa_max_age = terms::mfa_max_age(page, &mut top);
        let break_glass = people::break_glass(page, &mut top, longest);
        let limits = terms::limits(page, &mut top, longest, certificate_max);
        let (rows, rows_at) = rows::rows(page, &mut top);
        top.finish();

        let (approvals, approvals_at): (Vec<_>, Vec<_>) = approvals.into_iter().unzip();
        if approvals.is_empty() {
            return None;
        }
        let role = Role {
            name,
            description: description?.value,
            rows,
            longest: longest?,
            default: default?,
            pending_for,
            starts,
            schedule_ahead,
            certificate_max,
            keys,
            approvals,
            mfa_max_age,
            ticket,
            break_glass,
            limits,
        };
        Some(Self { page, role, rows_at, approvals_at })
    }
}
