//! The rules, asked who may do what.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use jit_ca_core::{Action, Facts, Means, RoleName, SubjectId, UnixTime};
use jit_ca_policy::{Bundle, Person, Role, can, may_request, who_can_approve};

use super::stand_in::StandIns;
use crate::report::model::{Permission, Powers, RoleRow};
use crate::report::names::Names;

/// A bundle that is asked at a moment.
pub(super) struct Asked<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) at: UnixTime,
    pub(super) names: &'a Names,
    /// People of whom nothing is told: the log no longer says who they were.
    pub(super) stand_ins: &'a StandIns,
}

/// Where the call would come from. It is the report that asks, on behalf of nobody in particular.
const ASKED_FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Asked<'_> {
    pub(super) fn roles(&self, can_ask: bool) -> Vec<RoleRow> {
        let mut requesters: BTreeMap<&RoleName, Vec<&SubjectId>> = BTreeMap::new();
        if can_ask {
            for person in self.people() {
                for role in may_request(self.bundle, &person.id, self.at, ASKED_FROM) {
                    requesters.entry(&role.name).or_default().push(&person.id);
                }
            }
        }
        let row = |role: &Role| RoleRow {
            role: role.name.to_string(),
            description: role.description.to_string(),
            rows: role.rows.clone(),
            default: role.default,
            longest: role.longest,
            approvals: role.approvals.clone(),
            mfa_max_age: role.mfa_max_age,
            ticket: role.ticket.as_ref().map(ToString::to_string),
            people: can_ask.then(|| {
                self.permission(role, requesters.get(&role.name).map_or(&[], Vec::as_slice))
            }),
        };
        self.bundle.roles().map(row).collect()
    }

    fn permission(&self, role: &Role, requesters: &[&SubjectId]) -> Permission {
        let of = role.approvers();
        let members = self.people().filter(|person| !person.groups.is_disjoint(&of)).count();
        let mut approvers: BTreeSet<&SubjectId> = BTreeSet::new();
        for requester in requesters {
            // Nobody else comes into question once all members do: mostly after two requesters.
            if approvers.len() == members {
                break;
            }
            let facts = self.facts(Action::Request, requester, Some(&role.name));
            let can = who_can_approve(self.bundle, &facts).into_iter();
            let known = can.filter(|person| !self.stand_ins.include(&person.id));
            approvers.extend(known.map(|person| &person.id));
        }
        let at_once = |subject: &&&SubjectId| {
            let facts = self.facts(Action::SkipApproval, subject, Some(&role.name));
            can(self.bundle, &facts)
        };
        let in_emergency = |subject: &&SubjectId| {
            let duration = role.break_glass.as_ref().map(|emergency| emergency.longest);
            let facts = self.facts(Action::BreakGlass, subject, Some(&role.name));
            can(self.bundle, &Facts { duration, ..facts })
        };
        let everybody = self.people().map(|person| &person.id);
        Permission {
            may_request: self.named(requesters.iter().copied()),
            without_approval: self.named(requesters.iter().filter(at_once).copied()),
            can_approve: self.named(approvers),
            may_break_glass: self.named(everybody.filter(in_emergency)),
        }
    }

    pub(super) fn powers(&self) -> Powers {
        let who = |action| {
            let people = self.people().map(|person| &person.id);
            let may = people.filter(|id| can(self.bundle, &self.facts(action, id, None)));
            self.named(may)
        };
        Powers {
            read_log: who(Action::ReadLog),
            erase: who(Action::Erase),
            administer: who(Action::Administer),
            lock: who(Action::Lock),
        }
    }

    fn people(&self) -> impl Iterator<Item = &Person> {
        self.bundle.people().filter(|person| !self.stand_ins.include(&person.id))
    }

    /// A second factor just given, the role's default duration, all of its hosts, and no reason.
    fn facts(&self, action: Action, subject: &SubjectId, role: Option<&RoleName>) -> Facts {
        Facts {
            action,
            subject: subject.clone(),
            now: self.at,
            address: ASKED_FROM,
            mfa_at: Some(self.at),
            means: Means::default(),
            role: role.cloned(),
            requester: role.map(|_| subject.clone()),
            hosts: None,
            duration: None,
            reason: None,
            ticket: None,
        }
    }

    fn named<'s>(&self, subjects: impl IntoIterator<Item = &'s SubjectId>) -> Vec<String> {
        let names = subjects.into_iter().map(|subject| self.names.of_subject(subject));
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}
