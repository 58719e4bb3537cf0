//! From entries to a report: everything before the period is only remembered, everything in it is told.
//!
//! ```text
//! entry ─┬─> policy      bundles and who could by them
//!        ├─> access      requests, approvals, grants, certificates
//!        ├─> conduct     refusals, logins, the daemon's runs, erasures
//!        └─> LogBasis    the log itself
//! ```
//!
//! What happened is taken from the leaf (its type, its time, its actor and ids) and only what else
//! there is from the payload, so that an entry whose payload has been erased still counts.

mod access;
mod conduct;
mod figures;
mod policy;

use std::collections::BTreeMap;

use jit_ca_core::event::Event;
use jit_ca_core::{ActorRef, UnixTime};
use jit_ca_log::archive::{self, Payload};
use jit_ca_log::hash::sha256;
use jit_ca_log::{Checkpoint, Leaf, LogKey, SignedCheckpoint};

use super::controls::CONTROLS;
use super::model::{CaKey, LogBasis, Period, PersonRow, Report};
use super::names::Names;
use super::survey::Survey;
use access::Accesses;
use conduct::Conduct;
use policy::Policies;

/// What is known of the log once the verifier has found that it holds.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    /// The key that signed the checkpoint.
    pub(crate) log_key: LogKey,
    /// The signed note that the report names.
    pub(crate) note: SignedCheckpoint,
    /// What the note says.
    pub(crate) checkpoint: Checkpoint,
}

/// A report on the period, from the first entries of a log: all that were written before its end.
pub(crate) fn report(
    period: Period,
    verified: &Verified,
    survey: &Survey,
    entries: impl IntoIterator<Item = archive::Entry>,
) -> Report {
    let names = &survey.names;
    let mut people = People::default();
    let mut log = basis(period, verified, survey);
    let mut policies = Policies::new(period);
    let mut accesses = Accesses::new(period, names);
    let mut conduct = Conduct::new(period, names);
    for entry in entries {
        let entry = Entry::new(&entry, period);
        note(&mut log, &entry);
        policies.take(&entry);
        accesses.take(&entry, &mut people);
        conduct.take(&entry, &mut people);
    }

    let (requests, certificates) = accesses.finish();
    let policies = policies.finish(names);
    let (logins, other_certificates, mut exceptions) = conduct.finish(&requests);
    exceptions.policy_changes =
        policies.iter().filter(|policy| policy.changes.is_some()).count() as u64;
    let mut figures = figures::count(period, &requests, &certificates);
    figures.logins = logins;
    figures.refusals = exceptions.refusals.iter().map(|refusal| refusal.count).sum();
    Report {
        format: FORMAT,
        period,
        log,
        figures,
        policies,
        requests,
        certificates,
        other_certificates,
        exceptions,
        people: people.finish(names),
        controls: CONTROLS,
    }
}

/// The name of the JSON form.
const FORMAT: &str = "jit-ca report v1";

/// One entry of the log, as the parts of the fold look at it.
#[derive(Clone, Copy)]
struct Entry<'e> {
    leaf: &'e Leaf,
    payload: &'e Payload,
    at: UnixTime,
    /// Whether it was written in the period, and not before.
    is_told: bool,
}

impl<'e> Entry<'e> {
    fn new(entry: &'e archive::Entry, period: Period) -> Self {
        let archive::Entry { leaf, payload } = entry;
        let at = UnixTime::from_secs(leaf.ts_ms / 1_000);
        Self { leaf, payload, at, is_told: period.contains(leaf.ts_ms) }
    }

    fn kind(&self) -> &'e str {
        self.leaf.entry_type.as_str()
    }

    fn actor(&self) -> ActorRef {
        self.leaf.actor
    }

    /// What the payload says, where it is there and its type is known.
    fn event(&self) -> Option<&'e Event> {
        match self.payload {
            Payload::Event(event) => Some(event),
            Payload::OfUnknownType(_) | Payload::Erased => None,
        }
    }
}

fn basis(period: Period, verified: &Verified, survey: &Survey) -> LogBasis {
    let Period { from, to } = period;
    let check = format!("jit-ca log verify log.tar --key '{}'", verified.log_key);
    // A note of exactly these entries is the CA's to sign. An export may hold more, and brings its own.
    let is_exact = verified.checkpoint.size == survey.size;
    let commands = match is_exact {
        true => vec![
            "jit-ca log export log.tar".to_owned(),
            check,
            format!("jit-ca report {from} {to}"),
        ],
        false => vec![check, format!("jit-ca report {from} {to} --export log.tar")],
    };
    LogBasis {
        origin: verified.log_key.origin().clone(),
        log_key: verified.log_key.to_string(),
        size: survey.size,
        root: survey.root,
        checkpoint: verified.note.to_string(),
        checkpoint_size: verified.checkpoint.size,
        entries_in_period: 0,
        erased_payloads: 0,
        began: None,
        ca_keys: Vec::new(),
        succeeds: None,
        verdict: "holds",
        commands,
    }
}

fn note(log: &mut LogBasis, entry: &Entry<'_>) {
    log.began.get_or_insert(entry.at);
    log.entries_in_period += u64::from(entry.is_told);
    log.erased_payloads += u64::from(*entry.payload == Payload::Erased);
    if let Some(Event::LogInit(init)) = entry.event() {
        let keys = init.keys.iter();
        let keys = keys
            .map(|key| CaKey { purpose: key.purpose.clone(), digest: sha256(key.spki.as_slice()) });
        log.ca_keys = keys.collect();
        log.succeeds = init.succeeds.as_ref().map(|before| before.reason.to_string());
    }
}

/// What everybody did in the period.
#[derive(Default)]
struct People(BTreeMap<ActorRef, PersonRow>);

impl People {
    fn of(&mut self, actor: ActorRef) -> &mut PersonRow {
        self.0.entry(actor).or_default()
    }

    fn finish(self, names: &Names) -> Vec<PersonRow> {
        let people = self.0.into_iter().filter(|(actor, _)| *actor != ActorRef::DAEMON);
        let mut people: Vec<PersonRow> = people
            .map(|(actor, row)| PersonRow {
                name: names.of_actor(actor),
                subject: names.subject(actor).map(ToString::to_string),
                actor: actor.to_string(),
                ..row
            })
            .collect();
        people.sort_by(|a, b| (&a.name, &a.actor).cmp(&(&b.name, &b.actor)));
        people
    }
}

#[cfg(test)]
mod tests;
