//! What an operator could do who has all keys of the CA: payloads are changed through their types, and salts, leaves,
//! tiles, root and checkpoint are made anew. Only what people have signed, and what must hold between entries, is left.

use jit_ca_core::event::{
    ApprovalGiven, BundleChanges, CertificateIntended, ClockAcknowledged, ClockFaulted, Consent,
    EndCause, Event, Factor, GrantMade, LockSet, Locked, MfaKept, Officer, ProofOfPossession,
    Validity,
};
use jit_ca_core::workflow::{Approver, Term};
use jit_ca_core::{
    Action, ActorRef, Bytes, Digest, GrantId, IssuanceId, Origin, RequestId, SessionId, Span,
    SubjectId, UnixTime, Window,
};
use jit_ca_log::Leaf;

use super::forge::Log;

/// Something that an operator may do.
pub(super) struct Forgery {
    /// What.
    pub(super) name: &'static str,
    /// The check that finds it.
    pub(super) code: &'static str,
    /// Does it, at one of several places; gives the index that has to be found.
    pub(super) make: fn(&mut Log, usize) -> Option<usize>,
}

/// Changes the payload of an entry of this type of which a condition holds, and its leaf with it.
macro_rules! change {
    ($type:ident, |$event:ident| if $holds:expr => $change:expr) => {
        |log, place| {
            let at = log.find(place, |event| matches!(event, Event::$type($event) if $holds))?;
            log.change(at, |_, event| {
                if let Event::$type($event) = event {
                    $change;
                }
            });
            Some(at)
        }
    };
    ($type:ident, |$event:ident| $change:expr) => {
        |log, place| {
            let at = log.find(place, |event| matches!(event, Event::$type(_)))?;
            log.change(at, |_, event| {
                if let Event::$type($event) = event {
                    $change;
                }
            });
            Some(at)
        }
    };
}

macro_rules! forgeries {
    ($($name:literal $code:literal $make:expr,)*) => {
        /// A table: a forgery's name, the code by which it is found, and how it is done.
        pub(super) const TABLE: &[Forgery] = &[$(Forgery { name: $name, code: $code, make: $make },)*];
    };
}

mod access;
mod certificates;
mod ends;
mod hosts;
mod issuers;
mod leaves;
mod people;
mod resets;
mod sessions;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Forgery> {
    let tables = [
        leaves::TABLE,
        people::TABLE,
        issuers::TABLE,
        resets::TABLE,
        hosts::TABLE,
        sessions::TABLE,
        access::TABLE,
        ends::TABLE,
        certificates::TABLE,
    ];
    tables.into_iter().flatten()
}

// === how ===

/// An entry, not the first and not one of the last.
fn any(log: &Log, place: usize) -> usize {
    1 + place * 7919 % (log.entries.len() - 2)
}

fn leaf(log: &mut Log, place: usize, change: impl FnOnce(&mut Leaf)) -> Option<usize> {
    let at = any(log, place);
    log.change_leaf(at, change);
    Some(at)
}

fn leaf_of_a_payload(log: &mut Log, place: usize, change: impl FnOnce(&mut Leaf)) -> Option<usize> {
    let at = log.find(place, |_| true)?;
    log.change_leaf(at, change);
    Some(at)
}

fn payload(log: &mut Log, place: usize, change: impl FnOnce(&mut Vec<u8>)) -> Option<usize> {
    let at = log.find(place, |event| {
        matches!(event, Event::RequestMade(_) | Event::GrantMade(_) | Event::DaemonStarted(_))
    })?;
    let mut payload = log.entries[at].record[32..].to_vec();
    change(&mut payload);
    log.put(at, log.leaf(at), &payload);
    Some(at)
}

/// Changes a part of a bundle; what gives it away is the bundle's hash.
fn before_the_bundle(log: &mut Log, place: usize, change: impl Fn(&mut Event)) -> Option<usize> {
    let at = log.find(place, |event| {
        let mut changed = event.clone();
        change(&mut changed);
        changed != *event
    })?;
    log.change(at, |_, event| change(event));
    log.find_from(at, |event| matches!(event, Event::BundleActivated(_)))
}

/// Locks it right before this entry, on the machine; gives where that entry is then.
fn lock(log: &mut Log, at: usize, locked: Locked) -> Option<usize> {
    let like = log.find(0, |event| matches!(event, Event::DaemonStarted(_)))?;
    let reason = "the laptop is gone".parse().unwrap();
    let by = Officer::Machine { uid: 0 };
    log.insert_like(at, like, |event| *event = LockSet { lock: locked, by, reason }.into());
    Some(at + 1)
}

/// The same entry once more, right behind itself.
fn again(log: &mut Log, place: usize, holds: impl Fn(&Event) -> bool) -> Option<usize> {
    let at = log.find(place, holds)?;
    log.insert_like(at + 1, at, |_| ());
    Some(at + 1)
}

/// Makes a person's approval one of somebody whom `as_in` finds: by the pseudonym, in the decision, everywhere.
fn approve_as(
    log: &mut Log,
    place: usize,
    as_in: impl Fn(&Log, RequestId) -> Option<usize>,
) -> Option<usize> {
    let at = log.find(
        place,
        |event| matches!(event, Event::ApprovalGiven(given) if given.signature.is_some()),
    )?;
    approve_at(log, at, as_in)
}

fn approve_at(
    log: &mut Log,
    at: usize,
    as_in: impl Fn(&Log, RequestId) -> Option<usize>,
) -> Option<usize> {
    let from = as_in(log, log.leaf(at).ids.request?)?;
    let (actor, approver) = (
        log.leaf(from).actor,
        match log.event(from)? {
            Event::RequestMade(made) => Approver::Person { subject: made.subject, name: made.name },
            Event::ApprovalGiven(given) => given.by,
            _ => return None,
        },
    );
    log.change(at, |leaf, event| {
        let Event::ApprovalGiven(given) = event else { return };
        leaf.actor = actor;
        if let Approver::Person { subject, .. } = &approver {
            given.decision.facts.subject = subject.clone();
        }
        given.by = approver;
    });
    Some(at)
}

/// Says of an entry that another actor was at work.
fn acted_by(log: &mut Log, place: usize, holds: impl Fn(&Event) -> bool) -> Option<usize> {
    let at = log.find(place, holds)?;
    log.change_leaf(at, |leaf| leaf.actor = ActorRef::from_bytes([7; 16]));
    Some(at)
}

/// A request on which two have to agree: whose it is, its approvals, its grant.
fn agreed_by_two(log: &Log, place: usize) -> Option<(ActorRef, Vec<usize>, usize)> {
    let asks_two =
        |event: &Event| matches!(event, Event::RequestMade(made) if made.approvals[0].count == 2);
    let made = log.find(place, asks_two)?;
    let of = |kind: &str| -> Vec<usize> {
        let all = made..log.entries.len();
        let is_its = |leaf: Leaf| {
            leaf.ids.request == log.leaf(made).ids.request && leaf.entry_type.as_str() == kind
        };
        all.filter(|&at| is_its(log.leaf(at))).collect()
    };
    Some((log.leaf(made).actor, of("approval"), *of("grant").first()?))
}

fn is_by(event: &Event, approver: &str) -> bool {
    matches!(event, Event::ApprovalGiven(given)
        if matches!(&given.by, Approver::Person { name, .. } if name.as_str() == approver))
}

/// Right before this entry time goes back, to before that one was written: it is over.
fn take_back(log: &mut Log, at: usize, made: usize) -> Option<()> {
    let like = log.find(0, |event| matches!(event, Event::DaemonStarted(_)))?;
    let time = UnixTime::from_secs(log.leaf(at).ts_ms / 1_000);
    let fault = ClockFaulted { expected: time, found: time };
    let ack = ClockAcknowledged { reason: "chrony was set up anew".parse().unwrap(), uid: 0 };
    log.insert_like(at, like, |event| *event = fault.into());
    log.insert_like(at + 1, like, |event| *event = ack.into());
    let now = log.leaf(made).ts_ms - 1;
    log.change_leaf(at + 1, |leaf| leaf.ts_ms = now);
    Some(())
}

/// The newest entry before this one of which this holds.
fn before(log: &Log, at: usize, holds: impl Fn(&Leaf, &Event) -> bool) -> Option<usize> {
    (0..at).rev().find(|&at| log.event(at).is_some_and(|event| holds(&log.leaf(at), &event)))
}

/// Where a request is made that rules agree to, and where a certificate is issued under it, with nothing between.
fn asked_and_issued(log: &Log, place: usize) -> Option<(usize, usize)> {
    let is_asked = |at: usize| {
        let types = (at..).map_while(|at| Some(log.event(at)?.entry_type()));
        let story: Vec<_> = types.filter(|of| *of != "issue.done").take(4).collect();
        story == ["request", "approval", "grant", "issue.intent"]
    };
    let asked = (0..log.entries.len()).filter(|&at| is_asked(at)).nth(place)?;
    let issued = log.find_from(asked, |event| matches!(event, Event::CertificateIntended(_)))?;
    Some((asked, issued))
}

/// One more intent like that one, under an issuance and a serial of its own.
fn issue_anew(log: &mut Log, at: usize, like: usize) -> Option<usize> {
    log.insert_like(at, like, |event| {
        let Event::CertificateIntended(intent) = event else { return };
        intent.issuance = IssuanceId::from_bytes([7; 16]);
        intent.serial = match intent.purpose.as_str() {
            "ssh-user" => vec![7; 8].into(),
            _ => [&[1][..], &[7; 16]].concat().into(),
        };
    });
    Some(at)
}

fn is_granted(event: &Event) -> bool {
    matches!(event, Event::CertificateIntended(intent) if intent.under.is_some())
}

/// Where a certificate is issued under a grant that had begun before.
fn issued_later(log: &Log, place: usize) -> Option<usize> {
    log.find_where(place, |at, event| {
        is_granted(event) && log.leaf(at - 1).entry_type.as_str() != "grant.start"
    })
}

/// Whether rules approved, and no person did.
fn is_by_rules(given: &ApprovalGiven) -> bool {
    matches!(given.by, Approver::Rules(_))
}

/// The grant of this id.
fn grant_of(log: &Log, grant: Option<GrantId>) -> Option<Box<GrantMade>> {
    (0..log.entries.len()).find_map(|at| match log.event(at) {
        Some(Event::GrantMade(made)) if Some(made.grant) == grant => Some(made),
        _ => None,
    })
}

/// Moves both ends of the window of what begins with its approval.
fn move_window(made: &mut GrantMade, start: i64, end: i64) {
    let Term::Open(window) = &mut made.term else { return };
    let moved =
        |time: UnixTime, by: i64| UnixTime::from_secs(time.secs().checked_add_signed(by).unwrap());
    *window = Window::new(moved(window.start(), start), moved(window.end(), end)).unwrap();
}

fn is_open(made: &GrantMade) -> bool {
    matches!(made.term, Term::Open(_))
}

/// Leaves out the payload of what a certificate rests on, and gives where the certificate is.
fn under_an_erased(log: &mut Log, place: usize, holds: impl Fn(&Event) -> bool) -> Option<usize> {
    let at = log.find_where(place, |at, event| {
        is_granted(event)
            && grant_of(log, log.leaf(at).ids.grant).is_some_and(|made| is_open(&made))
    })?;
    let grant = log.leaf(at).ids.grant;
    let made = (0..at).find(|&at| {
        log.leaf(at).entry_type.as_str() == "grant" && log.leaf(at).ids.grant == grant
    })?;
    let request = log.leaf(made).ids.request;
    let below = (0..=made).find(|&at| {
        log.leaf(at).ids.request == request && log.event(at).is_some_and(|event| holds(&event))
    })?;
    log.entries[below].record.clear();
    Some(at)
}

/// Puts the key of a login's certificate into one of a purpose: of another login.
fn with_key_of_a_login(log: &mut Log, place: usize, purpose: &str) -> Option<usize> {
    let is = |event: &Event, purpose: &str| matches!(event, Event::CertificateIntended(intent) if intent.purpose == purpose && p256(intent).is_some());
    let at = log.find(place, |event| is(event, purpose))?;
    let from = log.find(place + 1, |event| is(event, "x509-logins"))?;
    let Some(Event::CertificateIntended(login)) = log.event(from) else { return None };
    log.change(at, |_, event| {
        if let Event::CertificateIntended(intent) = event {
            replace(intent, &p256(intent).unwrap(), &p256(&login).unwrap());
        }
    });
    Some(at)
}

/// The SubjectPublicKeyInfo in a certificate, if it is of P-256.
fn p256(intent: &CertificateIntended) -> Option<Vec<u8>> {
    const BEGINS: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
    let tbs = intent.tbs.as_slice();
    let at = tbs.windows(BEGINS.len()).position(|at| at == BEGINS)?;
    Some(tbs[at..at + 0x5b].to_vec())
}

/// Changes what an erasure names. Without the order's payload there is no signature to hold it against.
fn erasure(
    log: &mut Log,
    place: usize,
    change: impl FnOnce(&mut Vec<(u64, u64)>),
) -> Option<usize> {
    let at = log.find(place, |event| matches!(event, Event::Erased(_)))?;
    log.entries[at - 1].record.clear();
    log.change(at, |_, event| {
        if let Event::Erased(erased) = event {
            change(&mut erased.entries);
        }
    });
    Some(at)
}

/// The first erasure names this one entry as well.
fn erasure_with(log: &mut Log, named: usize) -> Option<usize> {
    let named = u64::try_from(named).unwrap();
    erasure(log, 0, |entries| {
        entries.push((named, named));
        entries.sort_unstable();
    })
}

fn is_ssh(event: &Event) -> bool {
    matches!(event, Event::CertificateIntended(intent) if intent.purpose == "ssh-user")
}

/// Makes a certificate's validity longer by so many seconds at each end, as its payload says it.
fn valid(intent: &mut CertificateIntended, from: i64, until: i64) {
    let moved =
        |time: UnixTime, by: i64| UnixTime::from_secs(time.secs().checked_add_signed(by).unwrap());
    let Validity { from: begin, until: end } = intent.validity;
    intent.validity = Validity { from: moved(begin, from), until: moved(end, until) };
}

fn holds(intent: &CertificateIntended, what: &[u8]) -> bool {
    intent.tbs.as_slice().windows(what.len()).any(|at| at == what)
}

/// Replaces bytes of the certificate by as many others, wherever they stand.
fn replace(intent: &mut CertificateIntended, what: &[u8], by: &[u8]) {
    assert_eq!(what.len(), by.len());
    let mut tbs = intent.tbs.as_slice().to_vec();
    for at in 0..=tbs.len() - what.len() {
        if tbs[at..].starts_with(what) {
            tbs[at..at + by.len()].copy_from_slice(by);
        }
    }
    assert_ne!(tbs, intent.tbs.as_slice());
    intent.tbs = tbs.into();
}

/// Adds a string to a list of an SSH certificate: of those behind the key id, the nth.
fn add_to_list(intent: &mut CertificateIntended, list: usize, what: &[u8]) {
    let mut tbs = intent.tbs.as_slice().to_vec();
    let length = |tbs: &[u8], at: usize| {
        usize::try_from(u32::from_be_bytes(tbs[at..at + 4].try_into().unwrap())).unwrap()
    };
    let id = tbs.windows(7).position(|at| at == b"jit-ca:").unwrap();
    let mut at = id + length(&tbs, id - 4);
    for _ in 0..list {
        at += 4 + length(&tbs, at);
    }
    let end = at + 4 + length(&tbs, at);
    let string = [&u32::try_from(what.len()).unwrap().to_be_bytes()[..], what].concat();
    let longer = u32::try_from(length(&tbs, at) + string.len()).unwrap();
    tbs[at..at + 4].copy_from_slice(&longer.to_be_bytes());
    tbs.splice(end..end, string);
    intent.tbs = tbs.into();
}

fn flipped(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.as_slice().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes.into()
}

fn other(subject: &SubjectId) -> SubjectId {
    let other = if subject.sub() == "u-1003" { "local/u-1002" } else { "local/u-1003" };
    other.parse().unwrap()
}

fn deny() -> jit_ca_core::Outcome {
    jit_ca_core::Outcome::Deny
}

fn hash(made: &jit_ca_core::event::RequestMade) -> Digest {
    let statement = jit_ca_core::statement::Request {
        origin: &"ca.example.org/jit-ca".parse().unwrap(),
        id: &made.request,
        subject: &made.subject,
        role: &made.role,
        rows: &made.rows,
        hosts: &made.hosts,
        duration: made.duration,
        start: &made.start,
        extends: made.extends.as_ref(),
        reason: &made.reason,
        ticket: made.ticket.as_ref(),
        bundle: &made.bundle,
    };
    jit_ca_log::hash::sha256(statement.text().as_bytes())
}
