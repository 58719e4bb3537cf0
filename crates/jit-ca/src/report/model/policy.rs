//! Who could: a bundle in force, read the other way round.

use jit_ca_core::workflow::Quorum;
use jit_ca_core::{Digest, Row, Span, UnixTime};
use serde::Serialize;

/// A bundle in force during the period.
#[derive(Debug, Serialize)]
pub(crate) struct PolicyInForce {
    /// The index of the entry that put it in force.
    pub(crate) entry: u64,
    /// Its hash.
    pub(crate) hash: Digest,
    /// Since when it was in force.
    pub(crate) from: UnixTime,
    /// Until when, if that was before the period's end.
    pub(crate) until: Option<UnixTime>,
    /// Who had it read: the daemon's start, a signal, or an account on its machine.
    pub(crate) read_by: String,
    /// The administrator who approved it, where one had to.
    pub(crate) approved_by: Option<String>,
    /// The moment for which the rules were asked who may do what.
    pub(crate) asked_at: UnixTime,
    /// The time zone that rules go by.
    pub(crate) zone: String,
    /// How much of it the log still holds.
    pub(crate) state: PolicyState,
    /// How many people have been erased from it; the rules are asked as if somebody unknown stood in for them.
    pub(crate) people_erased: usize,
    /// Its files.
    pub(crate) files: Vec<PolicyFile>,
    /// The people in it.
    pub(crate) people: Vec<PersonListing>,
    /// Its roles.
    pub(crate) roles: Vec<RoleRow>,
    /// Who may look into the CA, and change it.
    pub(crate) powers: Option<Powers>,
    /// What is not as in the bundle before it.
    pub(crate) changes: Option<Changes>,
}

/// How much of a bundle the log still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PolicyState {
    /// All of it: its parts give its hash.
    Whole,
    /// A part has been erased, and is missing below.
    PartErased,
    /// A part has been erased, and the rules can't be asked without it.
    RulesUnreadable,
    /// A part has been erased, and the roles can't be read without it.
    RolesUnreadable,
}

/// A file of a bundle.
#[derive(Debug, Serialize)]
pub(crate) struct PolicyFile {
    /// Its path.
    pub(crate) path: String,
    /// SHA-256 of its text, to compare with version control.
    pub(crate) digest: Digest,
}

/// Somebody whom a bundle names.
#[derive(Debug, Serialize)]
pub(crate) struct PersonListing {
    /// What the report calls them.
    pub(crate) name: String,
    /// Who it is.
    pub(crate) subject: String,
    /// The groups that they are in.
    pub(crate) groups: Vec<String>,
    /// How many keys they can log in and approve with; with none, they can't.
    pub(crate) keys: usize,
}

/// A role: what it gives, what it takes, and who comes into question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RoleRow {
    /// Its name.
    pub(crate) role: String,
    /// What it is for.
    pub(crate) description: String,
    /// What it gives.
    pub(crate) rows: Vec<Row>,
    /// How long a grant is where nothing is said.
    pub(crate) default: Span,
    /// How long a grant may be.
    pub(crate) longest: Span,
    /// Who has to agree where no rule does.
    pub(crate) approvals: Vec<Quorum>,
    /// How old the second factor may be; null if any age of the login's does.
    pub(crate) mfa_max_age: Option<Span>,
    /// What a ticket has to match that has to be named: a regular expression.
    pub(crate) ticket: Option<String>,
    /// Who may do what about it; null where the rules can't be asked.
    pub(crate) people: Option<Permission>,
}

/// Who may do what about a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Permission {
    /// Who may ask for it.
    pub(crate) may_request: Vec<String>,
    /// Of these, to whom a rule gives it without a person's yes.
    pub(crate) without_approval: Vec<String>,
    /// Who can approve it for somebody who may ask.
    pub(crate) can_approve: Vec<String>,
    /// Who may have it at once in an emergency.
    pub(crate) may_break_glass: Vec<String>,
}

/// Who may look into the CA, and change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Powers {
    /// Who may read the log.
    pub(crate) read_log: Vec<String>,
    /// Who may have a subject erased from it.
    pub(crate) erase: Vec<String>,
    /// Who may bring a policy into force, where a second administrator has to.
    pub(crate) administer: Vec<String>,
    /// Who may lock people, roles and everything, and unlock them.
    pub(crate) lock: Vec<String>,
}

/// What is not as in the bundle before.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Changes {
    /// People who are new.
    pub(crate) people_added: Vec<String>,
    /// People who are gone.
    pub(crate) people_removed: Vec<String>,
    /// People who are listed otherwise.
    pub(crate) people_changed: Vec<PersonChange>,
    /// Files that are new.
    pub(crate) files_added: Vec<String>,
    /// Files that are gone.
    pub(crate) files_removed: Vec<String>,
    /// Files that say something else.
    pub(crate) files_changed: Vec<String>,
    /// The zone before, if it is another now.
    pub(crate) zone_before: Option<String>,
}

/// How somebody is listed otherwise.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PersonChange {
    /// Who.
    pub(crate) name: String,
    /// Groups joined.
    pub(crate) joined: Vec<String>,
    /// Groups left.
    pub(crate) left: Vec<String>,
    /// Whether the keys changed.
    pub(crate) keys_changed: bool,
    /// The name before, if it is another now.
    pub(crate) name_before: Option<String>,
}
