//! A grant's file: all that led to it, and all that was done with it.

use jit_ca_api::{CertificateView, DecisionView, ExtensionView};
use jit_ca_cert::purpose::{KeyPurpose as _, SshUser};
use jit_ca_core::event::{CertificateIntended, Decided, Event};
use jit_ca_core::workflow::{GrantState, RequestState};
use jit_ca_core::{Action, Facts, GrantId, IssuanceId, Outcome, RequestId, UnixTime};
use jit_ca_log::Leaf;

use super::caller::hex;
use super::{Caller, Fault};
use crate::app::App;
use crate::clock;
use crate::store::{AccessRecord, Between, Filter, Group, Phase, Search, Snapshot, Whose};

/// What the log holds of a grant beside its request.
#[derive(Debug, Default)]
pub struct GrantFile {
    /// What the policy was asked and said, in the order of the log.
    pub decisions: Vec<DecisionView>,
    /// Every certificate, in the order of the log.
    pub certificates: Vec<CertificateView>,
    /// What asks for more time after it.
    pub extensions: Vec<ExtensionView>,
}

/// The most entries that are read for one grant.
const MOST: usize = 100_000;

/// Reads it.
///
/// # Errors
/// If the store fails.
pub fn read(app: &App, record: &AccessRecord) -> Result<GrantFile, Fault> {
    let snapshot = app.store.read()?;
    let request = &record.access.request;
    let filter = Filter {
        request: Some(request.id),
        end: app.sequencer.newest().checkpoint.size,
        limit: MOST,
        ..Filter::default()
    };
    let mut file = GrantFile::default();
    for (leaf, _) in snapshot.find(&filter)? {
        if let Some(event) = snapshot.event(&leaf)? {
            file.add(&leaf, &event, request);
        }
    }
    if let Some(grant) = record.access.grant() {
        file.extensions = extensions(&snapshot, record, grant.id, clock::now())?;
    }
    Ok(file)
}

impl GrantFile {
    fn add(&mut self, leaf: &Leaf, event: &Event, request: &jit_ca_core::workflow::Request) {
        self.decisions.extend(event.decisions().map(|decided| decision(leaf, decided)));
        match event {
            Event::CertificateIntended(intended) => {
                if let Some(under) = &intended.under {
                    let (entry, at) = (leaf.idx, under.decision.now);
                    self.decisions.push(DecisionView {
                        entry,
                        at,
                        action: Action::Issue,
                        subject: request.subject.clone(),
                        outcome: Outcome::Allow,
                        rules: under.decision.rules.clone(),
                    });
                    self.certificates.push(CertificateView {
                        issuance: intended.issuance,
                        entry,
                        at,
                        issuer: intended.purpose.clone(),
                        row: under.row.clone(),
                        serial: serial(intended),
                        from: intended.validity.from,
                        until: intended.validity.until,
                        failed: false,
                    });
                }
            }
            Event::IssuanceFailed(failed) => self.fail(failed.issuance),
            _ => {}
        }
    }

    fn fail(&mut self, issuance: IssuanceId) {
        let found = self.certificates.iter_mut().find(|it| it.issuance == issuance);
        if let Some(certificate) = found {
            certificate.failed = true;
        }
    }
}

fn decision(leaf: &Leaf, decided: &Decided) -> DecisionView {
    let Facts { action, subject, now, .. } = &decided.facts;
    DecisionView {
        entry: leaf.idx,
        at: *now,
        action: *action,
        subject: subject.clone(),
        outcome: decided.decision.outcome,
        rules: decided.decision.rules.clone(),
    }
}

/// As `ssh-keygen -L` and `openssl x509 -serial` show it.
fn serial(intended: &CertificateIntended) -> String {
    let bytes = intended.serial.as_slice();
    match <[u8; 8]>::try_from(bytes) {
        Ok(number) if intended.purpose == SshUser::PURPOSE.to_string() => {
            u64::from_be_bytes(number).to_string()
        }
        _ => hex(bytes),
    }
}

/// What asks for more time after a grant: its holder's requests, made since.
fn extensions(
    snapshot: &Snapshot,
    record: &AccessRecord,
    grant: GrantId,
    now: UnixTime,
) -> Result<Vec<ExtensionView>, Fault> {
    let request = &record.access.request;
    let own = [Whose::Subject(&request.subject)];
    let search = Search {
        groups: &[Group { whose: &own, within: usize::MAX, is_hidden: false }],
        phases: Phase::ALL,
        between: Between::since(request.made),
        most: usize::MAX,
    };
    let found = snapshot.search(&search, |other| other.access.request.extends == Some(grant))?;
    let view = |record: AccessRecord| {
        let (access, request) = (&record.access, &record.access.request);
        let goes_on = match access.grant() {
            None => access.state == RequestState::Pending && now < request.lapses,
            Some(grant) => matches!(grant.state(now), GrantState::Waiting | GrantState::Active),
        };
        ExtensionView { request: request.id, grant: access.grant().map(|it| it.id), goes_on }
    };
    Ok(found.records.into_iter().map(view).rev().collect())
}

/// A grant, if the caller may see its request.
///
/// # Errors
/// If there is none, or none that the caller may see.
pub fn request_of(app: &App, caller: &Caller, grant: GrantId) -> Result<RequestId, Fault> {
    let request = app.store.read()?.request_of(grant)?.ok_or(Fault::NotFound("grant"))?;
    match super::access::visible(app, caller, request) {
        Ok(_) => Ok(request),
        Err(Fault::NotFound(_)) => Err(Fault::NotFound("grant")),
        Err(fault) => Err(fault),
    }
}
