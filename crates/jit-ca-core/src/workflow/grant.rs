//! A grant: what an approved request becomes, from its making to its end.

use serde::{Deserialize, Serialize};

use crate::event::{EndCause, GrantMade};
use crate::{GrantId, Hosts, PersonName, Row, RowName, Span, SubjectId, Text, UnixTime, Window};

/// What an approved request becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The rows that it gives.
    pub rows: Vec<Row>,
    /// On which hosts.
    pub hosts: Hosts,
    /// For which time.
    pub term: Term,
    /// How many certificates may be issued under it; any number if it does not say.
    pub certificates: Option<u32>,
    /// What ended it, once that is in the log.
    pub over: Option<Over>,
}

/// For which time a grant gives access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Term {
    /// In this window, which has begun.
    Open(Window),
    /// In this window, unless the policy says no when it begins.
    Scheduled(Window),
    /// For so long from the first certificate on.
    FirstUse {
        /// How long.
        duration: Span,
        /// By when there has to be one.
        by: UnixTime,
    },
}

/// What ended a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// It ended.
    Ended {
        /// When.
        at: UnixTime,
        /// What for.
        cause: EndCause,
    },
    /// Somebody took it away.
    Revoked {
        /// When.
        at: UnixTime,
        /// Who.
        by: SubjectId,
        /// What that person is called.
        name: PersonName,
        /// Why.
        reason: Text,
    },
    /// The clock that it was made by was put back behind it.
    TakenBack,
}

/// How a grant stands at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantState {
    /// It has not begun.
    Waiting,
    /// Its window is open.
    Active,
    /// It is over.
    Ended,
    /// It was taken away.
    Revoked,
}

impl Term {
    /// How long.
    pub fn duration(self) -> Span {
        match self {
            Self::Open(window) | Self::Scheduled(window) => window.end().since(window.start()),
            Self::FirstUse { duration, .. } => duration,
        }
    }

    /// As a window, once that is known.
    pub fn window(self) -> Option<Window> {
        match self {
            Self::Open(window) | Self::Scheduled(window) => Some(window),
            Self::FirstUse { .. } => None,
        }
    }
}

impl Grant {
    pub(super) fn new(made: &GrantMade) -> Self {
        Self {
            id: made.grant,
            rows: made.rows.clone(),
            hosts: made.hosts.clone(),
            term: made.term,
            certificates: made.certificates,
            over: None,
        }
    }

    /// How it stands at `now`.
    pub fn state(&self, now: UnixTime) -> GrantState {
        match (&self.over, self.term) {
            (Some(Over::Revoked { .. }), _) => GrantState::Revoked,
            // For ever, also where the clock is put back behind its end.
            (Some(Over::Ended { .. } | Over::TakenBack), _) => GrantState::Ended,
            (None, _) if now >= self.deadline() => GrantState::Ended,
            (None, Term::Open(window)) if window.contains(now) => GrantState::Active,
            (None, _) => GrantState::Waiting,
        }
    }

    /// Whether it is over, one way or another.
    pub(super) fn is_over(&self, now: UnixTime) -> bool {
        matches!(self.state(now), GrantState::Ended | GrantState::Revoked)
    }

    /// Its window, once that is known.
    pub fn window(&self) -> Option<Window> {
        self.term.window()
    }

    /// When it is over, if nothing happens before.
    pub fn deadline(&self) -> UnixTime {
        match self.term {
            Term::Open(window) | Term::Scheduled(window) => window.end(),
            Term::FirstUse { by, .. } => by,
        }
    }

    /// When something has to be written about it.
    pub(super) fn due(&self) -> Option<UnixTime> {
        let due = match self.term {
            Term::Scheduled(window) => window.start(),
            Term::Open(_) | Term::FirstUse { .. } => self.deadline(),
        };
        self.over.is_none().then_some(due)
    }

    /// Whether its start has come, and the policy has to be asked.
    pub fn is_to_start(&self, now: UnixTime) -> bool {
        let has_come = matches!(self.term, Term::Scheduled(window) if window.contains(now));
        has_come && self.over.is_none()
    }

    /// Whether it waits for nothing but the policy's leave: its start has come, or it would be used for the first time.
    pub fn can_begin(&self, now: UnixTime) -> bool {
        let is_unused = matches!(self.term, Term::FirstUse { .. }) && !self.is_over(now);
        is_unused || self.is_to_start(now)
    }

    /// The row of this name.
    pub fn row(&self, name: &RowName) -> Option<&Row> {
        self.rows.iter().find(|row| row.name() == *name)
    }
}
