//! What is known at an entry: the fold of all before it.
//!
//! ```text
//! leaf, payload ──read──> what happened ──init, people, …──> the checks of its type ──fold──> what is known next
//! ```
//!
//! An erased payload leaves something unknown, and what rests on that is not checked. Its leaf still says type,
//! pseudonym and ids, and these count.

use jit_ca_core::event::{Event, Locked, LogInit};

use super::approvals::Agreeing;
use super::clock::{self, Clock};
use super::erasures::Erasures;
use super::fault::{Fault, must};
use super::hosts::Hosts;
use super::issuances::Issuances;
use super::keys::{Keys, SSH_HOST};
use super::locks::{Done, Locks};
use super::log::Log;
use super::logins::Logins;
use super::observed::{Observed, Uses};
use super::passkeys::Passkeys;
use super::people::People;
use super::requests::Requests;
use super::resets::Resets;
use super::sequence::Sequence;
use super::sessions::Sessions;
use super::under::Known;
use super::{Code, Counts, Signatures};
use crate::archive::{Copies, Payload};
use crate::{Ids, Leaf, LogKey, entry, payload};

/// All that entries so far add up to.
pub(super) struct State<'s, 'scope> {
    log: Log,
    pub(super) signatures: &'s Signatures<'scope>,
    clock: Clock,
    sequence: Sequence,
    people: People,
    logins: Logins,
    passkeys: Passkeys,
    resets: Resets,
    hosts: Hosts,
    requests: Requests,
    locks: Locks,
    issuances: Issuances,
    sessions: Sessions,
    erasures: Erasures,
    uses: Uses<'s>,
    counts: Counts,
}

impl<'s, 'scope> State<'s, 'scope> {
    pub(super) fn new(key: LogKey, signatures: &'s Signatures<'scope>, uses: Uses<'s>) -> Self {
        let origin = key.origin().clone();
        Self {
            log: Log { origin, key, keys: None, succeeds: None },
            signatures,
            clock: Clock::default(),
            sequence: Sequence::default(),
            people: People::default(),
            logins: Logins::default(),
            passkeys: Passkeys::default(),
            resets: Resets::default(),
            hosts: Hosts::default(),
            requests: Requests::default(),
            locks: Locks::default(),
            issuances: Issuances::default(),
            sessions: Sessions::default(),
            erasures: Erasures::default(),
            uses,
            counts: Counts::default(),
        }
    }

    /// Checks an entry against what is known, and takes it in. `record` is salt and payload, or nothing.
    pub(super) fn entry(&mut self, leaf: &Leaf, record: &[u8]) -> Result<(), Fault> {
        let payload = self.read(leaf, record)?;
        let is_init = leaf.entry_type.as_str() == "log.init";
        must(is_init || leaf.idx > 0, Code::Init, "the log does not begin with log.init")?;
        must(!is_init || leaf.idx == 0, Code::Init, "the log begins a second time")?;
        self.clock.pass(leaf)?;
        self.sequence.pass(leaf)?;
        // INVARIANT (nothing of a wrong clock).
        if clock::may_go_back(&leaf.entry_type) {
            self.logins.take_back(leaf.ts_ms);
            self.resets.take_back(leaf.ts_ms);
            self.hosts.take_back(leaf.ts_ms);
            self.requests.take_back(leaf.ts_ms);
        }
        self.uses.pass(leaf);
        self.counts.certificates += u64::from(leaf.entry_type.as_str() == "issue.intent");
        let mut order = None;
        match &payload {
            Payload::Event(event) => {
                self.event(leaf, event)?;
                self.locks.must_let(Done::of(event, &self.requests))?;
                if let Event::ErasureOrdered(ordered) = event {
                    order = Some(ordered.as_ref());
                }
            }
            Payload::OfUnknownType(_) => self.counts.unknown += 1,
            Payload::Erased => {
                self.logins.erased(leaf);
                self.passkeys.erased(leaf);
                self.resets.erased(leaf);
                self.hosts.erased(&self.people, &mut self.logins, leaf);
                self.requests.erased(leaf)?;
                self.locks.erased(leaf);
                self.issuances.erased(leaf);
                self.sessions.erased(leaf);
            }
        }
        self.erasures.pass(leaf, payload == Payload::Erased, order);
        self.people.fold(leaf, &payload)
    }

    /// The first entry whose payload is missing and that no erasure names.
    pub(super) fn unnamed(&mut self) -> Option<u64> {
        self.erasures.unnamed()
    }

    /// What the log is made of, what copies of it an export holds, and what comes of the uses.
    pub(super) fn finish(self) -> (Counts, Copies, Observed) {
        let (erased, orphans) = (self.erasures.count(), self.issuances.orphans());
        let observed = self.uses.compared(&self.log);
        let unaccounted = self.sessions.unaccounted();
        (Counts { erased, orphans, unaccounted, ..self.counts }, self.people.copies, observed)
    }

    /// The payload, if it is the one that the leaf is about.
    fn read(&self, leaf: &Leaf, record: &[u8]) -> Result<Payload, Fault> {
        let fault = |is_so, message| must(is_so, Code::Payload, message);
        let is_intent = leaf.entry_type.as_str() == "issue.intent";
        fault(leaf.tbs.is_some() == is_intent, "only an intent names bytes to be signed")?;
        let is_its = match leaf.entry_type.has_bundle() {
            true => self.people.may_be_in_force(leaf.bundle),
            false => leaf.bundle.is_none(),
        };
        fault(is_its, "the leaf's bundle is not the one in force")?;
        if record.is_empty() {
            return Ok(Payload::Erased);
        }
        let (salt, bytes) = record
            .split_first_chunk()
            .ok_or_else(|| Fault::new(Code::Payload, "the payload has no salt"))?;
        let is_committed = entry::commit(salt, bytes) == leaf.commit;
        fault(is_committed, "the payload is not the one that the leaf commits to")?;
        let event = payload::decode_event(leaf, bytes);
        let event = event.map_err(|error| Fault::new(Code::Payload, error.to_string()))?;
        let Some(event) = event else { return Ok(Payload::OfUnknownType(bytes.to_vec())) };
        let is_exact = payload::encode(&event).is_ok_and(|again| again == bytes);
        fault(is_exact, "the payload is not in the form that it is written in")?;
        fault(Ids::of(&event) == leaf.ids, "the leaf's ids are not the payload's")?;
        let is_tbs = entry::tbs(&event) == leaf.tbs;
        fault(is_tbs, "the leaf's hash is not that of the bytes to be signed")?;
        Ok(Payload::Event(event))
    }

    fn event(&mut self, leaf: &Leaf, event: &Event) -> Result<(), Fault> {
        let Self { log, signatures, people, logins, passkeys, resets, requests, .. } = self;
        let Self { hosts, locks, issuances, sessions, erasures, uses, .. } = self;
        people.vouching.must_be_a_persons(leaf, event)?;
        match event {
            Event::LogInit(init) => log.begin(init),
            Event::SubjectKnown(known) => people.known(leaf, known),
            Event::PersonListed(person) => people.must_act(leaf.actor, &person.subject),
            Event::Refused(refused) => people.refused(leaf, refused),
            Event::MfaCodeMade(made) => {
                passkeys.must_be_none_of(people.actor_of(&made.subject))?;
                logins.code(leaf, made)
            }
            Event::MfaEnrolled(enrolled) => {
                people.must_act(leaf.actor, &enrolled.subject)?;
                logins.enrolled(leaf, enrolled)
            }
            Event::MfaKept(kept) => {
                people.must_act(leaf.actor, &kept.subject)?;
                logins.kept(log, leaf, kept)
            }
            Event::MfaResetAsked(asked) => resets.asked(people, logins, leaf, asked),
            Event::MfaResetWithdrawn(withdrawn) => {
                resets.withdrawn(people, logins, leaf, withdrawn)
            }
            Event::MfaReset(reset) => resets.reset(people, logins, passkeys, leaf, reset),
            Event::SubjectVouched(said) => people.vouched(leaf, said),
            Event::LoggedIn(login) => {
                logins.login(log, (people, passkeys), signatures, leaf, login)
            }
            Event::LoginSteppedUp(stepped) => {
                passkeys.step_up(log, people, logins, signatures, leaf, stepped)
            }
            Event::LoggedInByToken(login) => logins.login_by_token(people, leaf, login),
            Event::LoggedInByCertificate(login) => {
                people.must_act(leaf.actor, &login.subject)?;
                let by = issuances.client(requests, leaf, login)?;
                logins.login_by_certificate(people, leaf, login, by)
            }
            Event::PasskeyAdded(added) => {
                passkeys.added(log, people, logins, signatures, leaf, added)
            }
            Event::PasskeyRemoved(removed) => passkeys.removed(people, logins, leaf, removed),
            Event::PageLoggedIn(login) => {
                passkeys.page_login(log, people, logins, signatures, leaf, login)
            }
            Event::HostTokenMade(made) => hosts.token(people, logins, leaf, made),
            Event::HostEnrolled(enrolled) => {
                hosts.enrolled(log, (people, logins), signatures, leaf, enrolled)
            }
            Event::HostLoggedIn(login) => {
                hosts.login(log, (people, logins), signatures, leaf, login)
            }
            Event::HostRevoked(revoked) => hosts.revoked(people, logins, leaf, revoked),
            Event::LoggedOut(logout) => {
                people.must_act(leaf.actor, &logout.subject)?;
                logins.logout(leaf, logout)
            }
            Event::LoginEnded(ended) => logins.end(ended, leaf),
            Event::RequestMade(made) => requests.request(log, people, leaf, made),
            Event::ApprovalGiven(given) => {
                let known = Agreeing { log, people, signatures, passkeys };
                requests.approval(known, leaf, given)
            }
            Event::GlassBroken(broken) => requests.break_glass(leaf, broken),
            Event::Reviewed(reviewed) => requests.review(people, leaf, reviewed),
            Event::RequestDenied(denied) => requests.denial(people, leaf, denied),
            Event::RequestCancelled(cancelled) => requests.cancel(leaf, cancelled.request),
            Event::RequestLapsed(lapsed) => requests.lapse(leaf, lapsed),
            Event::GrantMade(made) => requests.grant_made(locks, leaf, made),
            Event::GrantStarted(started) => requests.grant_started(leaf, started),
            Event::GrantEnded(ended) => requests.grant_ended(leaf, ended),
            Event::GrantRevoked(revoked) => requests.grant_revoked(people, leaf, revoked),
            Event::LockSet(set) => {
                locks.lock(people, leaf, &set.lock, &set.by)?;
                if let Locked::Subject(subject) = &set.lock {
                    logins.end_all_of(subject);
                    resets.drop_asks_by(people, subject);
                }
                Ok(())
            }
            Event::LockLifted(lifted) => locks.unlock(people, leaf, &lifted.lock, &lifted.by),
            Event::CertificateIntended(intent) => {
                let known = Known { people, requests, logins, hosts };
                issuances.intent(log, known, signatures, leaf, intent)?;
                sessions.intent(intent);
                if intent.purpose == SSH_HOST {
                    let subject = hosts.subject(leaf.actor);
                    locks.must_let(subject.as_ref().map(Done::by_host))?;
                }
                uses.intent(requests, leaf, intent);
                if let Some(under) = &intent.under {
                    requests.issued(under.grant);
                }
                Ok(())
            }
            Event::CertificateIssued(issued) => issuances.done(log, signatures, leaf, issued),
            Event::IssuanceFailed(failed) => issuances.failed(leaf, failed),
            Event::SessionOpened(opened) => sessions.opened(log, people, leaf, opened),
            Event::SessionClosed(closed) => sessions.closed(people, leaf, closed),
            Event::SessionWatched(watched) => sessions.watched(people, logins, leaf, watched),
            Event::ErasureOrdered(order) => logins.order(people, leaf, order),
            Event::BundleApproved(approved) => {
                people.approved(leaf, approved)?;
                logins.must_be_open(people, leaf, &approved.login, Some(&approved.by))
            }
            Event::Erased(erased) => erasures.erase(log, people, signatures, leaf, erased),
            // What they say is checked with the bundle, or rests on nothing.
            Event::FileListed(_)
            | Event::FileRemoved(_)
            | Event::PersonRemoved(_)
            | Event::BundleActivated(_)
            | Event::BundleProposed(_)
            | Event::DaemonStarted(_)
            | Event::DaemonStopped(_)
            | Event::ClockFaulted(_)
            | Event::ClockAcknowledged(_)
            | Event::StrangersRefused(_) => Ok(()),
        }
    }
}

impl Log {
    fn begin(&mut self, init: &LogInit) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Init, message);
        fault(init.origin == self.origin, "the log is of another origin than its checkpoint")?;
        let keys = Keys::new(&init.keys);
        fault(keys.is_some(), "the CA does not have one key of its own for each purpose")?;
        let is_ours = keys.as_ref().is_some_and(|keys| keys.are_with(&self.key));
        fault(is_ours, "the log key of the first entry is not the one of the checkpoint")?;
        self.keys = keys;
        self.succeeds = Some(init.succeeds.is_some());
        Ok(())
    }
}
