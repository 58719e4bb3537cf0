//! Grants, from their making to their end.

use serde::{Deserialize, Serialize};

use super::{Decided, EndCause, Scope};
use crate::workflow::Term;
use crate::{
    GrantId, Hosts, PersonName, RequestId, RoleName, Row, SubjectId, Text, UnixTime, Window,
};

/// An approved request became a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantMade {
    /// The grant.
    pub grant: GrantId,
    /// The request that it comes from.
    pub request: RequestId,
    /// Who holds it.
    pub subject: SubjectId,
    /// The role.
    pub role: RoleName,
    /// The rows that it gives.
    pub rows: Vec<Row>,
    /// On which hosts.
    pub hosts: Hosts,
    /// For which time.
    pub term: Term,
    /// How many certificates may be issued under it; any number if it does not say.
    pub certificates: Option<u32>,
}

/// A grant starts that was made for a time to come, or for its first use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantStarted {
    /// The grant.
    pub grant: GrantId,
    /// The request that it came from.
    pub request: RequestId,
    /// Its window. The entry is later than its start where the daemon was down then.
    pub window: Window,
    /// What the policy said of the request, once more.
    pub decision: Decided,
    /// What it said of those who had agreed and still count: of rules, or of people.
    pub approvals: Vec<Decided>,
}

/// A grant ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantEnded {
    /// The grant.
    pub grant: GrantId,
    /// The request that it came from.
    pub request: RequestId,
    /// When it ended. The entry is later where the daemon was down then.
    pub ended: UnixTime,
    /// What for.
    pub cause: EndCause,
    /// What it was about.
    pub scope: Scope,
    /// What the policy said where it was the cause.
    pub decision: Option<Decided>,
}

/// A person took a grant away from its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRevoked {
    /// The grant.
    pub grant: GrantId,
    /// The request that it came from.
    pub request: RequestId,
    /// When.
    pub revoked: UnixTime,
    /// Who did.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// Why.
    pub reason: Text,
    /// What it was about.
    pub scope: Scope,
    /// What the policy was asked and said.
    pub decision: Decided,
}
