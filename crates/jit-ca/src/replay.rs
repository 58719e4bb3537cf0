//! Decisions made again: by the bundle that was in force, which the log's own entries add up to, on the facts in the log.
//!
//! ```text
//! bundle.file, person, … ──> bundles by their hashes ┐
//! subject.vouched ─────────> whom issuers vouch for   │
//! login, request, grant ───> facts of issuances ─────┴> decide ──> what it says otherwise than it said then
//! ```
//!
//! With another policy, the same says what that one would have decided.

use std::collections::HashMap;
use std::sync::Arc;

use jit_ca_core::event::{
    Allowed, CertificateIntended, Decided, Event, PersonRemoved, RequestMade, SubjectVouched,
};
use jit_ca_core::{
    Action, ActorRef, Bytes, Decision, Digest, Facts, GrantId, Hosts, Means, Outcome, RefusalCode,
    RequestId, RoleName, Span, SubjectId, UnixTime,
};
use jit_ca_log::archive::Entry;
use jit_ca_log::{Bundle as Listed, Leaf};
use jit_ca_policy::{Bundle, SourceFile, decide};
use serde::Serialize;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Replayed {
    /// How many decisions were made again.
    pub(crate) decisions: u64,
    /// How many of these are of issuances.
    pub(crate) issuances: u64,
    /// Entries with decisions, or refusals, of which the payload, or that of the request or login they rest on, is erased.
    pub(crate) erased: u64,
    /// How many were made again by a bundle of which people are erased, who are not in the facts.
    pub(crate) in_part: u64,
    /// Decisions by a bundle that can't be made again: files of it are erased, or this release can't read it.
    pub(crate) without_policy: u64,
    /// What is decided otherwise.
    pub(crate) differences: Vec<Difference>,
}

/// A decision that comes out otherwise.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// The entry.
    pub(crate) entry: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub(crate) entry_type: String,
    /// What was to be done, and by whom.
    pub(crate) action: Action,
    pub(crate) subject: SubjectId,
    pub(crate) role: Option<RoleName>,
    /// What the log says of it.
    pub(crate) was: Answer,
    /// What comes of it now.
    pub(crate) is: Answer,
}

/// What of a decision is compared. What reasons say in words changes with releases.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) rules: Vec<String>,
    pub(crate) reasons: Vec<RefusalCode>,
}

impl From<&Decision> for Answer {
    fn from(decision: &Decision) -> Self {
        Self {
            outcome: decision.outcome,
            rules: decision.rules.clone(),
            reasons: decision.reasons.iter().map(|reason| reason.code).collect(),
        }
    }
}

/// A bundle that was in force, as far as the log still says it.
#[derive(Clone)]
struct InForce {
    bundle: Arc<Bundle>,
    /// Whether nobody is erased from it.
    is_whole: bool,
    /// How often issuers had said something when those were put in for whom they vouch.
    vouching: u64,
}

/// What of a grant issuances rest on.
struct Granted {
    request: RequestId,
    hosts: Hosts,
    duration: Span,
}

/// Goes over a log that was verified, entry by entry.
pub(crate) struct Replay {
    /// The policy to decide by, in place of those in force.
    other: Option<InForce>,
    listed: Listed,
    /// What issuers said last, and how often they have.
    vouched: HashMap<ActorRef, SubjectVouched>,
    vouching: u64,
    /// Whether it is erased of somebody.
    lacks_vouched: bool,
    /// Whether a file is erased that may be a part of the bundle.
    lacks_files: bool,
    /// Those that have been in force; none in place of one that can't be made again.
    bundles: HashMap<Digest, Option<InForce>>,
    /// Whose each login is, and by which means it was made, or made more since when; by its serial.
    logins: HashMap<Bytes, (ActorRef, Vec<(UnixTime, Means)>)>,
    requests: HashMap<RequestId, RequestMade>,
    grants: HashMap<GrantId, Granted>,
    replayed: Replayed,
}

impl Replay {
    /// By the bundles in force, or by another policy.
    pub(crate) fn new(other: Option<Bundle>) -> Self {
        Self {
            other: other.map(|other| InForce {
                bundle: Arc::new(other),
                is_whole: true,
                vouching: 0,
            }),
            vouched: HashMap::new(),
            vouching: 0,
            lacks_vouched: false,
            lacks_files: false,
            listed: Listed::empty(),
            bundles: HashMap::new(),
            logins: HashMap::new(),
            requests: HashMap::new(),
            grants: HashMap::new(),
            replayed: Replayed::default(),
        }
    }

    /// Takes in the next entry, and decides again what it decided.
    pub(crate) fn take(&mut self, entry: &Entry) {
        let Some(event) = entry.event() else {
            return self.take_erased(&entry.leaf);
        };
        self.listed.apply(entry.leaf.actor, event);
        let (mut by, actor) = (entry.leaf.bundle, entry.leaf.actor);
        let at = UnixTime::from_secs(entry.leaf.ts_ms / 1_000);
        match event {
            Event::BundleActivated(activated) => {
                let bundle = self.bundle_in_force(activated.hash);
                self.bundles.insert(activated.hash, bundle);
            }
            Event::SubjectVouched(said) => {
                self.vouched.insert(entry.leaf.actor, said.as_ref().clone());
                self.vouching += 1;
            }
            Event::LoggedIn(login) => {
                self.logins.insert(login.serial.clone(), (actor, vec![(at, login.factor.means())]));
            }
            Event::LoggedInByToken(login) => {
                let means = Means { acr: login.acr.clone(), amr: login.amr.clone() };
                self.logins.insert(login.serial.clone(), (actor, vec![(at, means)]));
            }
            Event::MfaEnrolled(enrolled) => {
                let more = || (actor, Vec::new());
                let (_, means) = self.logins.entry(enrolled.login.clone()).or_insert_with(more);
                means.push((at, Means::code()));
            }
            Event::LoggedInByCertificate(login) => {
                self.logins.insert(login.serial.clone(), (actor, vec![(at, Means::key())]));
            }
            Event::LoginSteppedUp(stepped) => {
                // What it was before may be erased.
                if let Some((_, means)) = self.logins.get_mut(&stepped.login)
                    && let Some((_, before)) = means.last().cloned()
                {
                    means.push((at, before.and(Means::verified_user())));
                }
            }
            Event::RequestMade(made) => {
                self.requests.insert(made.request, made.as_ref().clone());
            }
            Event::GrantMade(made) => {
                let (hosts, duration) = (made.hosts.clone(), made.term.duration());
                self.grants.insert(made.grant, Granted { request: made.request, hosts, duration });
            }
            Event::CertificateIntended(intent) => return self.issuance(entry, intent),
            // It may have been written just after another bundle came into force.
            Event::Refused(refused) => by = refused.bundle,
            _ => {}
        }
        for decided in event.decisions().filter(|decided| is_of_the_rules(decided)) {
            self.again(entry, by, decided);
        }
    }

    /// What came of all of them.
    pub(crate) fn finish(self) -> Replayed {
        self.replayed
    }

    /// The leaf still says what is missing.
    fn take_erased(&mut self, leaf: &Leaf) {
        let is_decided = match leaf.entry_type.as_str() {
            "issue.intent" => leaf.ids.grant.is_some(),
            entry_type => DECIDED.contains(&entry_type),
        };
        self.replayed.erased += u64::from(is_decided);
        match leaf.entry_type.as_str() {
            "bundle.file" | "bundle.file.removed" => self.lacks_files = true,
            "subject.vouched" => {
                self.vouched.remove(&leaf.actor);
                self.vouching += 1;
                self.lacks_vouched = true;
            }
            // What it gave the login beside is not known any more.
            "login.step-up" => self.logins.retain(|_, (actor, _)| *actor != leaf.actor),
            "person" => {
                let gone = PersonRemoved { actor: leaf.actor }.into();
                self.listed.apply(leaf.actor, &gone);
            }
            _ => {}
        }
    }

    /// The bundle that the entries so far add up to, if all of its files are there.
    fn bundle_in_force(&mut self, hash: Digest) -> Option<InForce> {
        let is_whole = self.listed.hash() == hash;
        // A hash that fits shows that what was erased is no part of it.
        self.lacks_files &= !is_whole;
        if self.lacks_files {
            return None;
        }
        let files = self.listed.all_files().into_iter();
        let bundle = Bundle::parse(files.map(|(path, text)| SourceFile { path, text })).ok()?;
        Some(InForce { bundle: Arc::new(bundle), is_whole, vouching: 0 })
    }

    /// Of an issuance, the login, the grant and its request say most of the facts.
    fn issuance(&mut self, entry: &Entry, intent: &CertificateIntended) {
        let Some(under) = &intent.under else { return };
        let grant = self.grants.get(&under.grant);
        let request = grant.and_then(|grant| self.requests.get(&grant.request));
        // A step-up may have been written between the decision and the intent.
        let by = under.decision.mfa_at;
        let means = self.logins.get(&under.login).and_then(|(_, means)| {
            let given = means.iter().rfind(|(at, _)| by.is_some_and(|by| *at <= by));
            given.or(means.first()).map(|(_, means)| means)
        });
        let (Some(means), Some(request), Some(grant)) = (means, request, grant) else {
            self.replayed.erased += 1;
            return;
        };
        let decided = whole(&under.decision, means, request, grant);
        if self.again(entry, entry.leaf.bundle, &decided) {
            self.replayed.issuances += 1;
        }
    }

    /// Decides again; says whether that could be done.
    fn again(&mut self, entry: &Entry, by: Option<Digest>, decided: &Decided) -> bool {
        let bundle = match &mut self.other {
            Some(other) => Some(other),
            None => by.and_then(|by| self.bundles.get_mut(&by)).and_then(Option::as_mut),
        };
        let Some(in_force) = bundle else {
            self.replayed.without_policy += 1;
            return false;
        };
        if in_force.vouching != self.vouching {
            in_force.bundle = Arc::new(in_force.bundle.vouching(self.vouched.values()));
            in_force.vouching = self.vouching;
        }
        let InForce { bundle, is_whole, .. } = &*in_force;
        let Decided { facts, decision } = decided;
        let mut named = std::iter::once(&facts.subject).chain(&facts.requester);
        if (!is_whole || self.lacks_vouched)
            && named.any(|subject| bundle.person(subject).is_none())
        {
            self.replayed.erased += 1;
            return false;
        }
        let (was, is) = (Answer::from(decision), Answer::from(&decide(bundle, facts)));
        self.replayed.decisions += 1;
        self.replayed.in_part += u64::from(!is_whole);
        if was != is {
            self.replayed.differences.push(Difference {
                entry: entry.leaf.idx,
                entry_type: entry.leaf.entry_type.to_string(),
                action: facts.action,
                subject: facts.subject.clone(),
                role: facts.role.clone(),
                was,
                is,
            });
        }
        true
    }
}

/// Whether it is the rules that decided. Else they allowed it, and the role no longer gave the rows, or too few agreed by
/// then: that is no question to the policy.
fn is_of_the_rules(decided: &Decided) -> bool {
    let others = [RefusalCode::RoleChanged, RefusalCode::TooFewApprovals];
    !decided.decision.reasons.iter().any(|reason| others.contains(&reason.code))
}

/// Types of entries whose payloads say what was decided, or may.
const DECIDED: [&str; 19] = [
    "bundle.approval",
    "refusal",
    "request",
    "approval",
    "break-glass",
    "review",
    "denial",
    "grant.start",
    "grant.revoke",
    "lock",
    "unlock",
    "mfa.reset.asked",
    "mfa.reset.withdrawn",
    "mfa.reset",
    "erase.order",
    "session.watched",
    "host.token",
    "host.revoked",
    "grant.end",
];

/// The decision of an issuance, as docs/log-format.md says it is put together.
fn whole(allowed: &Allowed, means: &Means, request: &RequestMade, grant: &Granted) -> Decided {
    let Allowed { now, address, mfa_at, rules } = allowed.clone();
    let facts = Facts {
        action: Action::Issue,
        subject: request.subject.clone(),
        now,
        address,
        mfa_at,
        means: means.clone(),
        role: Some(request.role.clone()),
        requester: Some(request.subject.clone()),
        hosts: Some(grant.hosts.clone()),
        duration: Some(grant.duration),
        reason: Some(request.reason.clone()),
        ticket: request.ticket.clone(),
    };
    Decided { facts, decision: Decision { outcome: Outcome::Allow, rules, reasons: Vec::new() } }
}
