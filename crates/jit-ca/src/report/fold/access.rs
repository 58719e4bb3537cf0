//! Requests and what came of them: approvals, grants, certificates.

use std::collections::BTreeMap;

use jit_ca_core::event::{CertificateIntended, Event};
use jit_ca_core::workflow::Approver;
use jit_ca_core::{ActorRef, GrantId, IssuanceId, PersonName, RequestId, RoleName};

use super::{Entry, People};
use crate::report::model::{
    ApprovalRow, ApprovedBy, CertificateKind, CertificateOutcome, CertificateRow, EmergencyRow,
    GrantEndRow, GrantRow, Period, RequestOutcome, RequestRow, ReviewRow,
};
use crate::report::names::Names;

/// Requests that are not over, and all of which anything happened in the period.
pub(super) struct Accesses<'n> {
    period: Period,
    names: &'n Names,
    requests: BTreeMap<RequestId, Tracked>,
    grants: BTreeMap<GrantId, RequestId>,
    certificates: Vec<CertificateRow>,
    /// Intents without an outcome so far: whose request, and the place in `certificates` if it is told.
    intents: BTreeMap<IssuanceId, (RequestId, Option<usize>)>,
}

struct Tracked {
    row: RequestRow,
    requester: ActorRef,
    /// What the requester was called then, which is what certificates bear.
    name: Option<PersonName>,
    role: Option<RoleName>,
    /// When the request was written, in milliseconds since 1970.
    written: u64,
    /// Whether anything of it happened in the period.
    is_told: bool,
}

impl<'n> Accesses<'n> {
    pub(super) fn new(period: Period, names: &'n Names) -> Self {
        let (requests, grants, certificates, intents) = Default::default();
        Self { period, names, requests, grants, certificates, intents }
    }

    pub(super) fn take(&mut self, entry: &Entry<'_>, people: &mut People) {
        let ids = entry.leaf.ids;
        match (entry.kind(), ids.request, ids.grant, ids.issuance) {
            ("request", Some(id), _, _) => self.request(entry, id, people),
            ("approval", Some(id), _, _) => self.approval(entry, id, people),
            ("denial", Some(id), _, _) => {
                let denied = match entry.event() {
                    Some(Event::RequestDenied(denied)) => Some(denied),
                    _ => None,
                };
                let reason = denied.and_then(|denied| denied.reason.as_ref());
                let by = self.names.of_actor(entry.actor());
                let reason = reason.map(ToString::to_string);
                let (entry_index, at) = (entry.leaf.idx, entry.at);
                self.close(
                    entry,
                    id,
                    RequestOutcome::Denied { entry: entry_index, at, by, reason },
                );
                if entry.is_told {
                    people.of(entry.actor()).denials += 1;
                }
            }
            ("cancel", Some(id), _, _) => {
                let over = RequestOutcome::Cancelled { entry: entry.leaf.idx, at: entry.at };
                self.close(entry, id, over);
            }
            ("lapse", Some(id), _, _) => {
                let over = RequestOutcome::Lapsed { entry: entry.leaf.idx, at: entry.at };
                self.close(entry, id, over);
            }
            ("grant", Some(id), Some(grant), _) => self.grant(entry, id, grant, people),
            ("grant.start", Some(id), Some(grant), _) => self.start(entry, id, grant),
            ("grant.end" | "grant.revoke", Some(id), Some(grant), _) => self.end(entry, id, grant),
            ("break-glass", Some(id), _, _) => self.break_glass(entry, id),
            ("review", Some(id), _, _) => self.review(entry, id),
            ("clock.ack", ..) => self.take_back(entry),
            ("issue.intent", _, Some(grant), Some(id)) => self.intent(entry, grant, id, people),
            ("issue.done", _, _, Some(id)) => self.issued(id),
            ("issue.failed", _, _, Some(id)) => self.failed(entry, id, people),
            _ => {}
        }
    }

    /// The requests of which anything happened in the period, and the certificates of the period.
    pub(super) fn finish(self) -> (Vec<RequestRow>, Vec<CertificateRow>) {
        let told = self.requests.into_values().filter(|tracked| tracked.is_told);
        let mut requests: Vec<RequestRow> = told.map(|tracked| tracked.row).collect();
        requests.sort_by_key(|row| row.entry);
        (requests, self.certificates)
    }

    fn request(&mut self, entry: &Entry<'_>, id: RequestId, people: &mut People) {
        let made = match entry.event() {
            Some(Event::RequestMade(made)) => Some(made),
            _ => None,
        };
        let row = RequestRow {
            entry: entry.leaf.idx,
            request: id,
            made: entry.at,
            requester: self.names.of_actor(entry.actor()),
            role: made.map(|made| made.role.to_string()),
            rows: made.map(|made| made.rows.clone()).unwrap_or_default(),
            hosts: made.map(|made| made.hosts.clone()),
            duration: made.map(|made| made.duration),
            reason: made.map(|made| made.reason.to_string()),
            ticket: made.and_then(|made| made.ticket.as_ref()).map(ToString::to_string),
            quorums: made.map(|made| made.approvals.clone()).unwrap_or_default(),
            approvals: Vec::new(),
            outcome: RequestOutcome::Pending,
            grant: None,
            emergency: None,
            erased: made.is_none(),
        };
        let tracked = Tracked {
            row,
            requester: entry.actor(),
            name: made.map(|made| made.name.clone()),
            role: made.map(|made| made.role.clone()),
            written: entry.leaf.ts_ms,
            is_told: entry.is_told,
        };
        self.requests.insert(id, tracked);
        if entry.is_told {
            people.of(entry.actor()).requests += 1;
        }
    }

    fn approval(&mut self, entry: &Entry<'_>, id: RequestId, people: &mut People) {
        let given = match entry.event() {
            Some(Event::ApprovalGiven(given)) => Some(given),
            _ => None,
        };
        let by = match given.map(|given| &given.by) {
            Some(Approver::Rules(rules)) => ApprovedBy::Rules(rules.clone()),
            // The leaf says as much: what a rule approves, the daemon writes.
            None if entry.actor() == ActorRef::DAEMON => ApprovedBy::Rules(Vec::new()),
            Some(Approver::Person { .. }) | None => {
                ApprovedBy::Person(self.names.of_actor(entry.actor()))
            }
        };
        if let (true, ApprovedBy::Person(_)) = (entry.is_told, &by) {
            people.of(entry.actor()).approvals += 1;
        }
        if let Some(tracked) = self.tell(entry, id) {
            // Given anew, it takes the place of the earlier one.
            tracked.row.approvals.retain(|earlier| earlier.by != by);
            tracked.row.approvals.push(ApprovalRow {
                entry: entry.leaf.idx,
                at: entry.at,
                after: entry.at.since(tracked.row.made),
                by,
                duration: given.map(|given| given.duration),
                comment: given.and_then(|given| given.comment.as_ref()).map(ToString::to_string),
            });
        }
    }

    fn grant(&mut self, entry: &Entry<'_>, id: RequestId, grant: GrantId, people: &mut People) {
        let made = match entry.event() {
            Some(Event::GrantMade(made)) => Some(made),
            _ => None,
        };
        // An erased entry may name a request that has one.
        if self.requests.get(&id).is_some_and(|tracked| tracked.row.grant.is_some()) {
            return;
        }
        self.grants.insert(grant, id);
        let Some(tracked) = self.tell(entry, id) else {
            return;
        };
        tracked.row.outcome = RequestOutcome::Granted;
        tracked.row.grant = Some(GrantRow {
            grant,
            entry: entry.leaf.idx,
            at: entry.at,
            rows: made.map(|made| made.rows.clone()).unwrap_or_default(),
            hosts: made.map(|made| made.hosts.clone()),
            window: made.and_then(|made| made.term.window()),
            certificates: 0,
            end: None,
        });
        if entry.is_told {
            people.of(tracked.requester).grants += 1;
        }
    }

    /// The grant's window is known from here on.
    fn start(&mut self, entry: &Entry<'_>, id: RequestId, grant: GrantId) {
        let Some(Event::GrantStarted(started)) = entry.event() else { return };
        if !self.has_become(id, grant) {
            return;
        }
        let window = Some(started.window);
        if let Some(row) = self.tell(entry, id).and_then(|tracked| tracked.row.grant.as_mut()) {
            row.window = window;
        }
    }

    /// The grant ends. What was over before the period is of no use any more, unless somebody may still look at it.
    fn end(&mut self, entry: &Entry<'_>, id: RequestId, grant: GrantId) {
        if !self.has_become(id, grant) {
            return;
        }
        let is_to_review = |tracked: &Tracked| {
            tracked.row.emergency.as_ref().is_some_and(|emergency| emergency.review.is_none())
        };
        if self.period.is_after(entry.leaf.ts_ms)
            && !self.requests.get(&id).is_some_and(is_to_review)
        {
            self.requests.remove(&id);
            self.grants.remove(&grant);
            return;
        }
        let cause = match entry.event() {
            Some(Event::GrantEnded(ended)) => Some(ended.cause),
            _ => None,
        };
        let revoked = (entry.kind() == "grant.revoke").then(|| {
            let reason = match entry.event() {
                Some(Event::GrantRevoked(revoked)) => Some(revoked.reason.to_string()),
                _ => None,
            };
            (self.names.of_actor(entry.actor()), reason)
        });
        let row = self.tell(entry, id).and_then(|tracked| tracked.row.grant.as_mut());
        if let Some(row) = row {
            row.end = Some(GrantEndRow { entry: entry.leaf.idx, at: entry.at, cause, revoked });
        }
    }

    fn break_glass(&mut self, entry: &Entry<'_>, id: RequestId) {
        let told = match entry.event() {
            Some(Event::GlassBroken(broken)) => {
                broken.told.iter().map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        };
        if let Some(tracked) = self.tell(entry, id) {
            tracked.row.emergency =
                Some(EmergencyRow { entry: entry.leaf.idx, told, review: None });
        }
    }

    fn review(&mut self, entry: &Entry<'_>, id: RequestId) {
        let comment = match entry.event() {
            Some(Event::Reviewed(reviewed)) => Some(reviewed.comment.to_string()),
            _ => None,
        };
        let by = self.names.of_actor(entry.actor());
        let review = ReviewRow { entry: entry.leaf.idx, at: entry.at, by, comment };
        let tracked = self.tell(entry, id);
        if let Some(emergency) = tracked.and_then(|tracked| tracked.row.emergency.as_mut()) {
            emergency.review = Some(review);
        }
    }

    /// Whether the request became this grant, and no other.
    fn has_become(&self, id: RequestId, grant: GrantId) -> bool {
        let became = self.requests.get(&id).and_then(|tracked| tracked.row.grant.as_ref());
        became.is_some_and(|row| row.grant == grant)
    }

    /// The request ends without a grant, unless it has one: an erased entry may say so nevertheless.
    fn close(&mut self, entry: &Entry<'_>, id: RequestId, outcome: RequestOutcome) {
        let is_pending = |tracked: &Tracked| tracked.row.outcome == RequestOutcome::Pending;
        if !self.requests.get(&id).is_some_and(is_pending) {
            return;
        }
        if self.period.is_after(entry.leaf.ts_ms) {
            self.requests.remove(&id);
        } else if let Some(tracked) = self.tell(entry, id) {
            tracked.row.outcome = outcome;
        }
    }

    /// Time goes back: what was made later, and nobody has decided on, is over.
    fn take_back(&mut self, entry: &Entry<'_>) {
        let is_later = |(_, tracked): &(&RequestId, &Tracked)| {
            tracked.row.outcome == RequestOutcome::Pending && tracked.written > entry.leaf.ts_ms
        };
        let later: Vec<RequestId> = self.requests.iter().filter(is_later).map(|it| *it.0).collect();
        for id in later {
            let over = RequestOutcome::Lapsed { entry: entry.leaf.idx, at: entry.at };
            self.close(entry, id, over);
        }
    }

    fn intent(&mut self, entry: &Entry<'_>, grant: GrantId, id: IssuanceId, people: &mut People) {
        let Some(&request) = self.grants.get(&grant) else {
            return;
        };
        let holder = self.names.of_actor(entry.actor());
        let Some(tracked) = self.tell(entry, request) else {
            return;
        };
        if let Some(row) = &mut tracked.row.grant {
            row.certificates += 1;
        }
        let row = entry.is_told.then(|| certificate(entry, tracked, grant, id, holder));
        let place = row.map(|row| {
            people.of(entry.actor()).certificates += 1;
            self.certificates.push(row);
            self.certificates.len() - 1
        });
        self.intents.insert(id, (request, place));
    }

    fn issued(&mut self, id: IssuanceId) {
        let place = self.intents.remove(&id).and_then(|(_, place)| place);
        if let Some(row) = place.and_then(|place| self.certificates.get_mut(place)) {
            row.outcome = CertificateOutcome::Issued;
        }
    }

    /// There is no certificate after all.
    fn failed(&mut self, entry: &Entry<'_>, id: IssuanceId, people: &mut People) {
        let Some((request, place)) = self.intents.remove(&id) else {
            return;
        };
        if let Some(row) = self.requests.get_mut(&request).and_then(|t| t.row.grant.as_mut()) {
            row.certificates -= 1;
        }
        if let Some(row) = place.and_then(|place| self.certificates.get_mut(place)) {
            row.outcome = CertificateOutcome::Failed;
            people.of(entry.actor()).certificates -= 1;
        }
    }

    /// The request, of which something happens now.
    fn tell(&mut self, entry: &Entry<'_>, id: RequestId) -> Option<&mut Tracked> {
        let tracked = self.requests.get_mut(&id)?;
        tracked.is_told |= entry.is_told;
        Some(tracked)
    }
}

fn certificate(
    entry: &Entry<'_>,
    tracked: &Tracked,
    grant: GrantId,
    issuance: IssuanceId,
    holder: String,
) -> CertificateRow {
    let intended = match entry.event() {
        Some(Event::CertificateIntended(intended)) => Some(intended.as_ref()),
        _ => None,
    };
    let kind = intended.and_then(kind);
    CertificateRow {
        entry: entry.leaf.idx,
        at: entry.at,
        kind,
        issuance,
        serial: intended.zip(kind).map(|(intended, kind)| serial(intended, kind)),
        key_id: intended.zip(kind).and_then(|(intended, kind)| {
            let name = tracked.name.as_ref()?;
            let called = called(intended.tbs.as_slice(), kind, name, entry.actor());
            key_id(kind, tracked, (grant, issuance), &called)
        }),
        holder,
        grant,
        from: intended.map(|intended| intended.validity.from),
        until: intended.map(|intended| intended.validity.until),
        outcome: CertificateOutcome::Unknown,
    }
}

fn kind(intended: &CertificateIntended) -> Option<CertificateKind> {
    match intended.purpose.as_str() {
        "ssh-user" => Some(CertificateKind::Ssh),
        "x509-clients" => Some(CertificateKind::X509),
        _ => None,
    }
}

/// As sshd logs it, or as OpenSSL prints it (in lower case).
fn serial(intended: &CertificateIntended, kind: CertificateKind) -> String {
    let bytes = intended.serial.as_slice();
    match (kind, <[u8; 8]>::try_from(bytes)) {
        (CertificateKind::Ssh, Ok(serial)) => u64::from_be_bytes(serial).to_string(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// What the certificate calls its subject: the verifier has found it to be the name, or the pseudonym.
fn called(tbs: &[u8], kind: CertificateKind, name: &PersonName, actor: ActorRef) -> String {
    let pseudonym = actor.to_string();
    // The end of a key id before the principals' length, or a common name in DER (RFC 5280 A.1).
    let field = match kind {
        CertificateKind::Ssh => [b":".as_slice(), pseudonym.as_bytes(), b"\0\0"].concat(),
        CertificateKind::X509 => {
            [b"\x06\x03\x55\x04\x03\x0c\x20".as_slice(), pseudonym.as_bytes()].concat()
        }
    };
    match tbs.windows(field.len()).any(|bytes| bytes == field) {
        true => pseudonym,
        false => name.to_string(),
    }
}

/// What the certificate calls itself.
fn key_id(
    kind: CertificateKind,
    tracked: &Tracked,
    (grant, issuance): (GrantId, IssuanceId),
    called: &str,
) -> Option<String> {
    match kind {
        CertificateKind::Ssh => Some(format!("jit-ca:{grant}:{issuance}:{called}")),
        CertificateKind::X509 => {
            let role = tracked.role.as_ref()?;
            Some(format!("CN={called}, OU={role}, serialNumber={grant}"))
        }
    }
}
