//! What is out of the ordinary: refusals, second factors, the daemon's runs, erasures, intents without an outcome.

use std::collections::BTreeMap;

use jit_ca_core::event::{ErasureCause, Event, Locked, Resetter};
use jit_ca_core::{Action, ActorRef, IssuanceId, RefusalCode};

use jit_ca_log::archive::Payload;

use super::{Entry, People};
use crate::report::model::{
    ApprovedBy, DaemonEvent, DaemonRun, EnrolmentCode, Erasure, Exceptions, FailedIssuance,
    LockRow, Orphan, Pair, Period, PurposeCount, RefusalCount, RequestRow, ResetRow, ResetStep,
    RuleCount, SecondFactor, UnknownEntries,
};
use crate::report::names::Names;

/// What is told of the period beside requests and bundles.
pub(super) struct Conduct<'n> {
    period: Period,
    names: &'n Names,
    found: Exceptions,
    logins: u64,
    refusals: BTreeMap<(ActorRef, Option<Action>, Option<RefusalCode>), u64>,
    /// Intents of the period without an outcome.
    intents: BTreeMap<IssuanceId, Orphan>,
    /// Certificates outside grants, by purpose.
    others: BTreeMap<String, u64>,
    unknown: BTreeMap<String, u64>,
    /// Whether the daemon has started and not stopped.
    runs: bool,
    /// Who asked for a reset, and why, by the entry; nothing of why where that is erased.
    asked_resets: BTreeMap<u64, (ActorRef, Option<String>)>,
    /// Who ordered the erasure that comes next.
    ordered_by: Option<ActorRef>,
}

impl<'n> Conduct<'n> {
    pub(super) fn new(period: Period, names: &'n Names) -> Self {
        let (refusals, intents, others, unknown) = Default::default();
        let found = Exceptions::default();
        let (logins, runs, ordered_by) = (0, false, None);
        let asked_resets = BTreeMap::new();
        Self {
            period,
            names,
            found,
            logins,
            refusals,
            intents,
            others,
            unknown,
            runs,
            asked_resets,
            ordered_by,
        }
    }

    pub(super) fn take(&mut self, entry: &Entry<'_>, people: &mut People) {
        let crashed = entry.kind() == "daemon.start" && self.runs;
        match entry.kind() {
            "daemon.start" => self.runs = true,
            "daemon.stop" => self.runs = false,
            "mfa.reset.asked" => {
                let reason = match entry.event() {
                    Some(Event::MfaResetAsked(asked)) => Some(asked.reason.to_string()),
                    _ => None,
                };
                self.asked_resets.insert(entry.leaf.idx, (entry.actor(), reason));
            }
            _ => {}
        }
        let ordered_by = match entry.kind() {
            "erase.order" => self.ordered_by.replace(entry.actor()),
            _ => self.ordered_by.take(),
        };
        if !entry.is_told {
            return;
        }
        match entry.kind() {
            "login" | "login.token" | "login.certificate" | "page.login" => {
                self.logins += 1;
                people.of(entry.actor()).logins += 1;
            }
            "refusal" => self.refusal(entry, people),
            "refusal.strangers" => {
                if let Some(Event::StrangersRefused(refused)) = entry.event() {
                    self.found.strangers_refused += refused.count;
                }
            }
            "mfa.code" => self.code(entry),
            "mfa.enrolled" | "passkey.added" => {
                let name = self.names.of_actor(entry.actor());
                let (entry, at) = (entry.leaf.idx, entry.at);
                self.found.second_factors.push(SecondFactor { entry, at, name });
            }
            "issue.intent" => self.intent(entry),
            "issue.done" => self.decided(entry),
            "issue.failed" => {
                self.decided(entry);
                self.failed(entry);
            }
            "daemon.start" | "daemon.stop" => self.daemon(entry, crashed),
            "erase" => self.erasure(entry, ordered_by),
            "lock" | "unlock" => self.lock(entry),
            "mfa.reset.asked" | "mfa.reset.withdrawn" | "mfa.reset" => self.reset(entry),
            kind if matches!(entry.payload, Payload::OfUnknownType(_)) => {
                *self.unknown.entry(kind.to_owned()).or_default() += 1;
            }
            _ => {}
        }
    }

    /// How many logins there were, the certificates outside grants, and the exceptions.
    pub(super) fn finish(self, requests: &[RequestRow]) -> (u64, Vec<PurposeCount>, Exceptions) {
        let refusals =
            self.refusals.into_iter().map(|((actor, action, code), count)| RefusalCount {
                name: self.names.of_actor(actor),
                action: action.map(|action| action.to_string()),
                code: code.map(|code| code.to_string()),
                count,
            });
        let mut refusals: Vec<RefusalCount> = refusals.collect();
        refusals.sort_by(|a, b| {
            (b.count, &a.name, &a.action, &a.code).cmp(&(a.count, &b.name, &b.action, &b.code))
        });
        let mut orphans: Vec<Orphan> = self.intents.into_values().collect();
        orphans.sort_by_key(|orphan| orphan.entry);
        let unknown = self.unknown.into_iter();
        let others = self.others.into_iter();
        let exceptions = Exceptions {
            by_rule: by_rule(self.period, requests),
            pairs: pairs(self.period, requests),
            refusals,
            orphans,
            unknown_entries: unknown
                .map(|(entry_type, count)| UnknownEntries { entry_type, count })
                .collect(),
            ..self.found
        };
        let others = others.map(|(purpose, count)| PurposeCount { purpose, count }).collect();
        (self.logins, others, exceptions)
    }

    fn lock(&mut self, entry: &Entry<'_>) {
        let said = match entry.event() {
            Some(Event::LockSet(set)) => Some((&set.lock, &set.reason)),
            Some(Event::LockLifted(lifted)) => Some((&lifted.lock, &lifted.reason)),
            _ => None,
        };
        self.found.locks.push(LockRow {
            entry: entry.leaf.idx,
            at: entry.at,
            what: said.map(|(lock, _)| match lock {
                Locked::Subject(subject) => self.names.of_subject(subject),
                other => other.to_string(),
            }),
            locked: entry.kind() == "lock",
            by: self.names.of_actor(entry.actor()),
            reason: said.map(|(_, reason)| reason.to_string()),
        });
    }

    fn reset(&mut self, entry: &Entry<'_>) {
        let (subject, asked, machines) = match entry.event() {
            Some(Event::MfaResetAsked(asked)) => (Some(&asked.subject), Some(entry.leaf.idx), None),
            Some(Event::MfaResetWithdrawn(it)) => (Some(&it.subject), Some(it.asked), None),
            Some(Event::MfaReset(reset)) => match &reset.by {
                Resetter::Person { asked, .. } => (Some(&reset.subject), Some(*asked), None),
                Resetter::Machine { reason, .. } => {
                    (Some(&reset.subject), None, Some(reason.to_string()))
                }
            },
            _ => (None, None, None),
        };
        let what = match entry.kind() {
            "mfa.reset.asked" => ResetStep::Asked,
            "mfa.reset.withdrawn" => ResetStep::Withdrawn,
            _ => ResetStep::Reset,
        };
        let asked = asked.and_then(|asked| self.asked_resets.get(&asked));
        let asked_by = asked.filter(|_| what != ResetStep::Asked);
        self.found.resets.push(ResetRow {
            entry: entry.leaf.idx,
            at: entry.at,
            what,
            name: subject.map(|subject| self.names.of_subject(subject)),
            by: self.names.of_actor(entry.actor()),
            asked_by: asked_by.map(|(actor, _)| self.names.of_actor(*actor)),
            reason: machines.or_else(|| asked.and_then(|(_, reason)| reason.clone())),
        });
    }

    fn refusal(&mut self, entry: &Entry<'_>, people: &mut People) {
        let refused = match entry.event() {
            Some(Event::Refused(refused)) => Some(refused),
            _ => None,
        };
        let action = refused.and_then(|refused| refused.action);
        let code = refused.map(|refused| refused.code);
        *self.refusals.entry((entry.actor(), action, code)).or_default() += 1;
        people.of(entry.actor()).refusals += 1;
    }

    fn code(&mut self, entry: &Entry<'_>) {
        let made = match entry.event() {
            Some(Event::MfaCodeMade(made)) => Some(made),
            _ => None,
        };
        self.found.enrolment_codes.push(EnrolmentCode {
            entry: entry.leaf.idx,
            at: entry.at,
            name: made.map(|made| self.names.of_subject(&made.subject)),
            expires: made.map(|made| made.expires),
        });
    }

    fn intent(&mut self, entry: &Entry<'_>) {
        let ids = entry.leaf.ids;
        if ids.grant.is_none() {
            let purpose = match entry.event() {
                Some(Event::CertificateIntended(intended)) => intended.purpose.clone(),
                _ => "erased".to_owned(),
            };
            *self.others.entry(purpose).or_default() += 1;
        }
        if let Some(id) = ids.issuance {
            let orphan = Orphan {
                entry: entry.leaf.idx,
                at: entry.at,
                issuance: ids.issuance,
                grant: ids.grant,
                name: self.names.of_actor(entry.actor()),
            };
            self.intents.insert(id, orphan);
        }
    }

    fn decided(&mut self, entry: &Entry<'_>) {
        if let Some(id) = entry.leaf.ids.issuance {
            self.intents.remove(&id);
        }
    }

    fn failed(&mut self, entry: &Entry<'_>) {
        let error = match entry.event() {
            Some(Event::IssuanceFailed(failed)) => Some(failed.error.clone()),
            _ => None,
        };
        self.found.failed_issuances.push(FailedIssuance {
            entry: entry.leaf.idx,
            at: entry.at,
            issuance: entry.leaf.ids.issuance,
            error,
        });
    }

    fn daemon(&mut self, entry: &Entry<'_>, crashed: bool) {
        let (what, detail) = match entry.event() {
            Some(Event::DaemonStopped(stopped)) => (DaemonEvent::Stop, Some(stopped.cause.clone())),
            Some(Event::DaemonStarted(started)) => {
                (start(crashed), Some(format!("{} at {}", started.version, started.address)))
            }
            _ if entry.kind() == "daemon.stop" => (DaemonEvent::Stop, None),
            _ => (start(crashed), None),
        };
        let (entry, at) = (entry.leaf.idx, entry.at);
        self.found.daemon.push(DaemonRun { entry, at, what, detail });
    }

    fn erasure(&mut self, entry: &Entry<'_>, ordered_by: Option<ActorRef>) {
        // Its payload is never erased.
        let Some(Event::Erased(erased)) = entry.event() else {
            return;
        };
        let (actor, older_than) = match erased.cause {
            ErasureCause::Subject(actor) => (Some(actor), None),
            ErasureCause::Retention(time) => (None, Some(time)),
        };
        let ranges = erased.entries.iter();
        self.found.erasures.push(Erasure {
            entry: entry.leaf.idx,
            at: entry.at,
            actor: actor.map(|actor| actor.to_string()),
            older_than,
            ordered_by: actor.and(ordered_by).map(|actor| self.names.of_actor(actor)),
            reason: Some(erased.reason.to_string()),
            payloads: ranges.map(|(first, last)| last.saturating_sub(*first) + 1).sum(),
        });
    }
}

fn start(crashed: bool) -> DaemonEvent {
    match crashed {
        true => DaemonEvent::StartAfterCrash,
        false => DaemonEvent::Start,
    }
}

/// Grants of the period that a rule agreed to.
fn by_rule(period: Period, requests: &[RequestRow]) -> Vec<RuleCount> {
    let mut counts: BTreeMap<(&[String], Option<&str>, &str), u64> = BTreeMap::new();
    for (request, by) in approvals(period, requests) {
        if let ApprovedBy::Rules(rules) = by {
            let key = (rules.as_slice(), request.role.as_deref(), request.requester.as_str());
            *counts.entry(key).or_default() += 1;
        }
    }
    let counts = counts.into_iter().map(|((rules, role, requester), count)| RuleCount {
        rules: rules.to_vec(),
        role: role.map(ToOwned::to_owned),
        requester: requester.to_owned(),
        count,
    });
    counts.collect()
}

/// Who approved most for whom.
fn pairs(period: Period, requests: &[RequestRow]) -> Vec<Pair> {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for (request, by) in approvals(period, requests) {
        if let ApprovedBy::Person(approver) = by {
            let requester = request.requester.as_str();
            *counts.entry((requester, approver)).or_default() += 1;
            *totals.entry(requester).or_default() += 1;
        }
    }
    let pairs = counts.into_iter().map(|((requester, approver), count)| Pair {
        requester: requester.to_owned(),
        approver: approver.to_owned(),
        count,
        of: totals.get(requester).copied().unwrap_or(count),
    });
    let mut pairs: Vec<Pair> = pairs.collect();
    // The sort is stable: pairs of the same count stay in the order of their names.
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.count));
    pairs.truncate(MOST_PAIRS);
    pairs
}

/// How many pairs are shown.
const MOST_PAIRS: usize = 10;

/// All approvals that were given in the period, with what they were given to.
fn approvals(
    period: Period,
    requests: &[RequestRow],
) -> impl Iterator<Item = (&RequestRow, &ApprovedBy)> {
    requests.iter().flat_map(move |request| {
        let given = request.approvals.iter();
        let told = given.filter(move |given| period.from <= given.at && given.at < period.to);
        told.map(move |given| (request, &given.by))
    })
}
