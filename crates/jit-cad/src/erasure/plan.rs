//! Which payloads an erasure takes.

use std::collections::{BTreeMap, BTreeSet};

use jit_ca_core::event::{Event, Locked, Resetter};
use jit_ca_core::{ActorRef, GrantId, RequestId, SubjectId, UnixTime};
use jit_ca_log::{Bundle, Ids, Leaf};

use super::locks::Locks;
use super::mention::Names;
use super::resets::Resets;
use crate::service::Fault;
use crate::store::{Filter, Snapshot, StoreError, SubjectRecord};

/// What would be erased of a subject.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who.
    pub subject: SubjectId,
    /// The pseudonym.
    pub actor: ActorRef,
    /// The entries of others, which name the subject.
    pub of_others: Vec<u64>,
    names: Names,
    entries: BTreeMap<u64, String>,
}

/// What has been kept for long enough.
#[derive(Clone, Debug, Default)]
pub(super) struct Aged {
    /// The entries, as ranges with both ends in them.
    pub(super) entries: Vec<(u64, u64)>,
    /// How many they are.
    pub(super) count: u64,
    /// Those of whom nothing is left that says who they were.
    pub(super) forgotten: Vec<SubjectId>,
}

/// For what is open; also where who asked, or the role, has left the policy.
const END_IT: &str =
    "wait for its end, or end it: jit-ca revoke, jit-ca deny; of an emergency: jit-ca review";

/// Types that name nobody and that everything else rests on.
const KEPT: [&str; 8] = [
    "log.init",
    "bundle",
    "person.removed",
    "host.enrolled",
    "erase",
    "daemon.start",
    "daemon.stop",
    "refusal.strangers",
];

impl Plan {
    /// All that concerns the subject, and all else that names it, as can be erased now.
    pub(super) fn of_subject(
        snapshot: &Snapshot,
        in_force: &Bundle,
        subject: SubjectRecord,
        now: UnixTime,
    ) -> Result<Self, Fault> {
        let SubjectRecord { subject, actor, .. } = subject;
        if subject.is_host() {
            let detail =
                format!("{subject} is a host, and what it gets rests on what the log says of it");
            return Err(Fault::bad(detail, "to have it believed no more: jit-ca host revoke"));
        }
        let (end, limit) = (u64::MAX, usize::MAX);
        let concerned = Filter { subject: Some(actor), end, limit, ..Filter::default() };
        let concerned = snapshot.find(&concerned)?;
        let mut names = Names::default();
        names.add(&subject.to_string());
        for (leaf, _) in &concerned {
            match snapshot.event(leaf)? {
                Some(Event::SubjectKnown(known)) => names.add(known.name.as_str()),
                Some(Event::PersonListed(person)) => names.add(person.name.as_str()),
                Some(Event::SubjectVouched(said)) => names.add(said.name.as_str()),
                _ => {}
            }
        }
        for other in snapshot.subjects()?.iter().filter(|other| other.subject != subject) {
            names.add_of_another(other.name.as_str());
            names.add_of_another(&other.subject.to_string());
        }
        must_be_gone(snapshot, in_force, &subject, &names)?;

        let indices: BTreeSet<u64> = concerned.iter().map(|(leaf, _)| leaf.idx).collect();
        let unfinished = unfinished(snapshot)?;
        let (mut entries, mut of_others, mut open) = (BTreeMap::new(), Vec::new(), None);
        let (mut locks, mut resets) = (Locks::default(), Resets::default());
        for_each_payload(snapshot, snapshot.size()?, |leaf, stored, event| {
            let named = || {
                names.may_be_in(stored)
                    && event.as_ref().is_none_or(|event| names.are_in_event(event))
            };
            let at = UnixTime::from_secs(leaf.ts_ms / 1_000);
            locks.add(leaf.idx, at, event.as_ref());
            resets.add(leaf.idx, at, event.as_ref());
            let is_own = indices.contains(&leaf.idx);
            if KEPT.contains(&leaf.entry_type.as_str()) || !(is_own || named()) {
                return;
            }
            entries.insert(leaf.idx, leaf.entry_type.to_string());
            if !is_own {
                of_others.push(leaf.idx);
            }
            open = open.or(unfinished.of(&leaf.ids).map(|request| (leaf.idx, request)));
        })?;
        locks.erased_whole((&subject, now), &mut entries, &mut of_others)?;
        resets.erased_whole((&subject, now), &mut entries, &mut of_others)?;
        // What others may still do with their requests and grants rests on these payloads.
        if let Some((index, request)) = open {
            return Err(Fault::bad(
                format!("entry {index} names {subject}, and its {request} is not over"),
                END_IT,
            ));
        }
        if entries.is_empty() {
            return Err(Fault::NotFound("subject"));
        }
        Ok(Self { subject, actor, of_others, names, entries })
    }

    /// The payloads older than `before`. What is in force stays, and what people's second factors and the CA's own
    /// certificates rest on; and of whoever has left, who it was, for as long as there is anything younger of theirs:
    /// they can be erased by order until then.
    pub(super) fn of_age(
        snapshot: &Snapshot,
        in_force: &Bundle,
        before: UnixTime,
    ) -> Result<Aged, Fault> {
        let unfinished = unfinished(snapshot)?;
        let mut entries = BTreeMap::new();
        let size = snapshot.size()?;
        let end = snapshot.first_since(Some(before), 0, size)?;
        let (mut still_there, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for known in snapshot.subjects()? {
            let younger = Filter {
                subject: Some(known.actor),
                start: end,
                end: size,
                limit: 1,
                ..Filter::default()
            };
            let is_in_force = in_force.people.contains_key(&known.subject);
            if is_in_force || !snapshot.find(&younger)?.is_empty() {
                still_there.insert(known.subject);
            } else {
                gone.insert(known.subject);
            }
        }
        let forgotten = without_confirmers(snapshot, end, &mut still_there, gone)?;
        let held: Vec<Locked> = snapshot.locks()?.into_iter().map(|it| it.lock).collect();
        for_each_payload(snapshot, end, |leaf, _, event| {
            let kept = match event {
                Some(Event::FileListed(file)) => in_force.files.get(&file.path) == Some(&file.text),
                // Every name that somebody had, so that all of them are found when it is erased by order.
                Some(Event::PersonListed(person)) => still_there.contains(&person.subject),
                Some(Event::SubjectKnown(known)) => {
                    known.subject.is_host() || still_there.contains(&known.subject)
                }
                Some(Event::SubjectVouched(said)) => still_there.contains(&said.subject),
                Some(Event::MfaEnrolled(enrolled)) => still_there.contains(&enrolled.subject),
                Some(Event::MfaKept(kept)) => still_there.contains(&kept.subject),
                // And that it was given up, or it would be there again.
                Some(Event::PasskeyAdded(added)) => still_there.contains(&added.subject),
                Some(Event::PasskeyRemoved(removed)) => still_there.contains(&removed.subject),
                Some(Event::MfaReset(reset)) => still_there.contains(&reset.subject),
                Some(Event::CertificateIntended(intended)) => intended.purpose == "x509-root",
                Some(Event::LockSet(set)) => held.contains(&set.lock),
                _ => false,
            };
            let is_open = unfinished.of(&leaf.ids).is_some();
            if !kept && !is_open && !KEPT.contains(&leaf.entry_type.as_str()) {
                entries.insert(leaf.idx, leaf.entry_type.to_string());
            }
        })?;
        let count = count(entries.len());
        Ok(Aged { entries: ranges(entries.keys().copied()), count, forgotten })
    }

    /// Whether a text names the subject.
    pub fn mentions(&self, text: &str) -> bool {
        self.names.are_in_text(text)
    }

    /// The entries, as ranges with both ends in them.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        ranges(self.entries.keys().copied())
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        count(self.entries.len())
    }

    /// How many of each type.
    pub fn types(&self) -> BTreeMap<String, u64> {
        let mut types = BTreeMap::new();
        for entry_type in self.entries.values() {
            *types.entry(entry_type.clone()).or_default() += 1;
        }
        types
    }
}

/// Those who are gone, but for whoever has confirmed a reset that is kept: its entry names them, and they can be erased by
/// order for as long as it is. They are there still, and so are those who confirmed resets of theirs.
fn without_confirmers(
    snapshot: &Snapshot,
    end: u64,
    still_there: &mut BTreeSet<SubjectId>,
    mut gone: BTreeSet<SubjectId>,
) -> Result<Vec<SubjectId>, StoreError> {
    let mut confirmed: BTreeMap<SubjectId, Vec<SubjectId>> = BTreeMap::new();
    for_each_payload(snapshot, end, |_, _, event| {
        if let Some(Event::MfaReset(reset)) = event
            && let Resetter::Person { subject: by, .. } = reset.by
        {
            confirmed.entry(reset.subject).or_default().push(by);
        }
    })?;
    let mut open: Vec<SubjectId> = still_there.iter().cloned().collect();
    while let Some(subject) = open.pop() {
        for by in confirmed.remove(&subject).unwrap_or_default() {
            if gone.remove(&by) {
                still_there.insert(by.clone());
                open.push(by);
            }
        }
    }
    Ok(gone.into_iter().collect())
}

/// Requests that are not over or still to be reviewed, and the grants of those that were approved.
struct Unfinished {
    requests: BTreeSet<RequestId>,
    grants: BTreeMap<GrantId, RequestId>,
}

fn unfinished(snapshot: &Snapshot) -> Result<Unfinished, StoreError> {
    let (mut requests, mut grants) = (BTreeSet::new(), BTreeMap::new());
    let open = snapshot.unfinished(UnixTime::from_secs(u64::MAX))?;
    for record in open.into_iter().chain(snapshot.to_review()?) {
        requests.insert(record.access.request.id);
        grants.extend(record.access.grant().map(|grant| (grant.id, record.access.request.id)));
    }
    Ok(Unfinished { requests, grants })
}

impl Unfinished {
    /// The one that an entry belongs to.
    fn of(&self, ids: &Ids) -> Option<RequestId> {
        let by_grant = ids.grant.and_then(|grant| self.grants.get(&grant).copied());
        ids.request.filter(|request| self.requests.contains(request)).or(by_grant)
    }
}

/// Nobody is erased who is still somebody here: what is in force or open would lose what it rests on.
fn must_be_gone(
    snapshot: &Snapshot,
    in_force: &Bundle,
    subject: &SubjectId,
    names: &Names,
) -> Result<(), Fault> {
    if in_force.people.contains_key(subject) {
        return Err(Fault::bad(
            format!("{subject} is still in users.toml"),
            "take the person out of users.toml and restart the daemon",
        ));
    }
    let named =
        |(path, text): &(&String, &String)| names.are_in_text(path) || names.are_in_text(text);
    if let Some((path, _)) = in_force.files.iter().find(named) {
        return Err(Fault::bad(
            format!("{path} still names {subject}"),
            "take the name out of the policy and restart the daemon",
        ));
    }
    for record in snapshot.unfinished(UnixTime::from_secs(u64::MAX))? {
        let access = &record.access;
        if access.request.subject == *subject || access.approvers().contains(subject) {
            return Err(Fault::bad(
                format!("{} is not over, and {subject} has to do with it", access.request.id),
                END_IT,
            ));
        }
    }
    for record in snapshot.to_review()? {
        let request = &record.access.request;
        if request.subject == *subject {
            let detail = format!("the emergency {} of {subject} is to be reviewed", request.id);
            return Err(Fault::bad(detail, "review it: jit-ca review"));
        }
    }
    Ok(())
}

fn for_each_payload(
    snapshot: &Snapshot,
    end: u64,
    mut each: impl FnMut(&Leaf, &[u8], Option<Event>),
) -> Result<(), StoreError> {
    // What is erased is not looked for: after years that is most of the log, and this is done each day.
    snapshot.for_each_payload(end, |index, stored| {
        let bytes = snapshot
            .leaf(index)?
            .ok_or_else(|| StoreError::Damaged(format!("entry {index} is missing")))?;
        let leaf = Leaf::decode(&bytes)?;
        let event = snapshot.event(&leaf)?;
        each(&leaf, stored, event);
        Ok(())
    })
}

fn ranges(indices: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for index in indices {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => ranges.push((index, index)),
        }
    }
    ranges
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use jit_ca_core::event::{
        Decided, LogInit, MfaCodeMade, MfaEnrolled, MfaKept, MfaReset, PasskeyAdded,
        PasskeyRemoved, PersonListed, Registration, SubjectKnown,
    };
    use jit_ca_core::{Action, Decision, Digest, Facts, Outcome, PersonName};
    use jit_ca_log::{entry, payload};

    use super::*;
    use crate::clock::Millis;
    use crate::store::Store;

    const ALICE: ActorRef = ActorRef::from_bytes([1; 16]);

    /// A log of what happened in each of these seconds.
    fn log(events: &[(u64, ActorRef, Event)]) -> Snapshot {
        let store = Store::in_memory().unwrap();
        let write = store.write().unwrap();
        let mut tables = write.tables().unwrap();
        let mut leaves = Vec::new();
        for (idx, (second, actor, event)) in (0..).zip(events) {
            let payload = payload::encode(event).unwrap();
            let leaf = Leaf {
                entry_type: event.entry_type().parse().unwrap(),
                idx,
                ts_ms: second * 1_000,
                actor: *actor,
                ids: Ids::of(event),
                bundle: None,
                tbs: entry::tbs(event),
                commit: entry::commit(&[0; 32], &payload),
            };
            leaves.push(tables.append(&leaf, &[0; 32], &payload, event).unwrap());
        }
        let last = Millis(events.last().unwrap().0 * 1_000);
        tables.end(None, leaves.iter().map(Vec::as_slice), last, &store).unwrap();
        write.commit().unwrap();
        store.read().unwrap()
    }

    #[test]
    fn who_somebody_was_is_kept_for_as_long_as_there_is_anything_of_theirs() {
        let subject = || "local/u-1".parse::<SubjectId>().unwrap();
        let name = || "alice".parse::<PersonName>().unwrap();
        let person = PersonListed {
            subject: subject(),
            name: name(),
            groups: BTreeSet::new(),
            ssh_keys: Vec::new(),
        };
        let code = |expires| MfaCodeMade {
            subject: subject(),
            code: Digest::from_bytes([5; 32]),
            expires: UnixTime::from_secs(expires),
        };
        let init =
            LogInit { origin: "ca.test/log".parse().unwrap(), keys: Vec::new(), succeeds: None };
        let enrolled = MfaEnrolled { subject: subject(), login: [1].as_slice().into(), step: 7 };
        let passkey = PasskeyAdded {
            subject: subject(),
            label: "a key".parse().unwrap(),
            party: "ca.test".into(),
            login: vec![1].into(),
            challenge: "challenge".into(),
            registration: Registration {
                client_data: vec![].into(),
                authenticator_data: vec![].into(),
            },
            consent: None,
        };
        let removed =
            PasskeyRemoved { subject: subject(), passkey: vec![2].into(), login: vec![1].into() };
        let snapshot = log(&[
            (10, ActorRef::DAEMON, init.into()),
            (10, ALICE, SubjectKnown { subject: subject(), name: name(), actor: ALICE }.into()),
            (10, ALICE, person.clone().into()),
            (11, ActorRef::DAEMON, code(12).into()),
            (12, ALICE, enrolled.into()),
            (13, ALICE, MfaKept { subject: subject(), step: 7 }.into()),
            (13, ALICE, passkey.into()),
            (14, ALICE, removed.into()),
            (20, ActorRef::DAEMON, code(21).into()),
        ]);
        let aged = |in_force: &Bundle, before| {
            Plan::of_age(&snapshot, in_force, UnixTime::from_secs(before)).unwrap()
        };
        // The code of second 11 is old; who it was for is not, while there is the one of second 20.
        let gone = Bundle::empty();
        let young = aged(&gone, 20);
        assert_eq!((young.entries, young.forgotten), (vec![(3, 3)], vec![]));
        let old = aged(&gone, 21);
        assert_eq!((old.entries, old.forgotten), (vec![(1, 8)], vec![subject()]));
        let here = aged(&Bundle::new("UTC", [], [person]), 21);
        assert_eq!((here.entries, here.forgotten), (vec![(3, 3), (8, 8)], vec![]));
    }

    #[test]
    fn who_confirmed_a_reset_that_is_kept_is_there_still() {
        let subject = |who: u8| format!("local/u-{who}").parse::<SubjectId>().unwrap();
        let actor = |who: u8| ActorRef::from_bytes([who; 16]);
        let name = |who: u8| format!("u-{who}").parse::<PersonName>().unwrap();
        let person = |who| PersonListed {
            subject: subject(who),
            name: name(who),
            groups: BTreeSet::new(),
            ssh_keys: Vec::new(),
        };
        let known = |who| -> (u64, ActorRef, Event) {
            let known = SubjectKnown { subject: subject(who), name: name(who), actor: actor(who) };
            (10, actor(who), known.into())
        };
        let reset = |of, who| -> (u64, ActorRef, Event) {
            let facts = Facts {
                action: Action::Administer,
                subject: subject(who),
                now: UnixTime::from_secs(11),
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                mfa_at: None,
                means: Default::default(),
                role: None,
                requester: None,
                hosts: None,
                duration: None,
                reason: None,
                ticket: None,
            };
            let decision = Decision { outcome: Outcome::Allow, rules: vec![], reasons: vec![] };
            let by = Resetter::Person {
                subject: subject(who),
                name: name(who),
                login: vec![who; 17].into(),
                decision: Box::new(Decided { facts, decision }),
                asked: 0,
            };
            (11, actor(who), MfaReset { subject: subject(of), by, code: None }.into())
        };
        let init =
            LogInit { origin: "ca.test/log".parse().unwrap(), keys: Vec::new(), succeeds: None };
        // The first is in the policy, was reset by the second, and that one by the third; the fifth by the fourth.
        let mut events = vec![(10, ActorRef::DAEMON, init.into())];
        events.extend((1..=5).map(known));
        events.extend([reset(2, 3), reset(1, 2), reset(5, 4)]);
        let snapshot = log(&events);
        let in_force = Bundle::new("UTC", [], [person(1)]);
        let aged = Plan::of_age(&snapshot, &in_force, UnixTime::from_secs(20)).unwrap();
        assert_eq!(aged.entries, [(4, 5), (8, 8)]);
        assert_eq!(aged.forgotten, [subject(4), subject(5)]);
    }

    #[test]
    fn neighbours_are_one_range() {
        assert_eq!(ranges([1, 2, 3, 7, 9, 10].into_iter()), [(1, 3), (7, 7), (9, 10)]);
        assert_eq!(ranges([].into_iter()), []);
    }
}
