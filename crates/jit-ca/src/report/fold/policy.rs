//! Bundles in force, and who could by them: the rules are asked again, as the daemon would ask them.

mod asked;
mod stand_in;

use std::collections::{BTreeMap, BTreeSet};

use jit_ca_core::event::{Asker, Event, PersonListed, SubjectVouched};
use jit_ca_core::{ActorRef, Digest, UnixTime};
use jit_ca_log::Bundle as Listed;
use jit_ca_log::archive::Payload;
use jit_ca_log::hash::sha256;
use jit_ca_policy::{Bundle, SourceFile};

use super::Entry;
use crate::report::model::{
    Changes, Period, PersonChange, PersonListing, PolicyFile, PolicyInForce, PolicyState,
};
use crate::report::names::Names;
use asked::Asked;
use stand_in::StandIns;

/// The bundles that were in force in the period.
pub(super) struct Policies {
    period: Period,
    listed: Listed,
    /// What issuers said last.
    vouched: BTreeMap<ActorRef, SubjectVouched>,
    /// The actors of people who are listed and whose payload has been erased.
    erased: BTreeSet<ActorRef>,
    /// The one in force when the period begins, and then each that came in force.
    in_force: Vec<Activated>,
}

struct Activated {
    entry: u64,
    ts_ms: u64,
    at: UnixTime,
    hash: Digest,
    asked: Asker,
    approved: Option<ActorRef>,
    listed: Listed,
    /// Whom issuers vouched for before it was over.
    vouched: BTreeMap<ActorRef, SubjectVouched>,
    is_whole: bool,
    /// The actors of people who have been erased from it.
    erased: BTreeSet<ActorRef>,
}

impl Policies {
    pub(super) fn new(period: Period) -> Self {
        let (vouched, erased, in_force) = Default::default();
        Self { period, listed: Listed::empty(), vouched, erased, in_force }
    }

    pub(super) fn take(&mut self, entry: &Entry<'_>) {
        if entry.kind() == "person" && *entry.payload == Payload::Erased {
            self.erased.insert(entry.actor());
        }
        let Some(event) = entry.event() else {
            return;
        };
        self.listed.apply(entry.actor(), event);
        match event {
            Event::PersonListed(_) => self.erased.remove(&entry.actor()),
            Event::PersonRemoved(removed) => self.erased.remove(&removed.actor),
            _ => false,
        };
        if let Event::SubjectVouched(said) = event {
            let vouched = self.in_force.last_mut().map(|last| &mut last.vouched);
            for vouched in vouched.into_iter().chain([&mut self.vouched]) {
                vouched.insert(entry.actor(), said.as_ref().clone());
            }
        }
        let Event::BundleActivated(activated) = event else {
            return;
        };
        // What another bundle has followed before the period is over before it.
        if !entry.is_told {
            self.in_force.clear();
        }
        self.in_force.push(Activated {
            entry: entry.leaf.idx,
            ts_ms: entry.leaf.ts_ms,
            at: entry.at,
            hash: activated.hash,
            asked: activated.asked,
            approved: activated.approved,
            is_whole: self.listed.hash() == activated.hash,
            listed: self.listed.clone(),
            vouched: self.vouched.clone(),
            erased: self.erased.clone(),
        });
    }

    pub(super) fn finish(self, names: &Names) -> Vec<PolicyInForce> {
        let befores = std::iter::once(None).chain(self.in_force.iter().map(Some));
        let nexts = self.in_force.iter().skip(1).map(Some).chain([None]);
        let each = self.in_force.iter().zip(befores).zip(nexts);
        let rows = each.map(|((own, before), next)| PolicyInForce {
            until: next.map(|next| next.at),
            changes: before.map(|before| changes(before, own, names)),
            ..own.row(self.period, names)
        });
        rows.collect()
    }
}

impl Activated {
    fn row(&self, period: Period, names: &Names) -> PolicyInForce {
        let asked_at = match period.is_after(self.ts_ms) {
            true => period.from,
            false => self.at,
        };
        let mut listed = self.listed.clone();
        let stand_ins = StandIns::add(&mut listed, self.erased.len());
        let (state, bundle) = read(&listed, self.is_whole);
        let bundle = bundle.map(|bundle| bundle.vouching(self.vouched.values()));
        let asked = bundle.as_ref();
        let asked =
            asked.map(|bundle| Asked { bundle, at: asked_at, names, stand_ins: &stand_ins });
        let can_ask = matches!(state, PolicyState::Whole | PolicyState::PartErased);
        let files = self.listed.all_files();
        let files = files.into_iter();
        PolicyInForce {
            entry: self.entry,
            hash: self.hash,
            from: self.at,
            until: None,
            read_by: match self.asked {
                Asker::Start => "the daemon, as it began".to_owned(),
                Asker::Signal => "whoever sent the daemon SIGHUP".to_owned(),
                Asker::Account(uid) => format!("uid {uid} on the daemon's machine"),
            },
            approved_by: self.approved.map(|actor| names.of_actor(actor)),
            asked_at,
            zone: self.listed.zone.clone(),
            state,
            people_erased: self.erased.len(),
            files: files
                .map(|(path, text)| PolicyFile { path, digest: sha256(text.as_bytes()) })
                .collect(),
            people: self.people(names),
            roles: asked.as_ref().map(|asked| asked.roles(can_ask)).unwrap_or_default(),
            powers: asked.filter(|_| can_ask).map(|asked| asked.powers()),
            changes: None,
        }
    }
}

impl Activated {
    /// Those whom it lists, and those for whom issuers vouched.
    fn people(&self, names: &Names) -> Vec<PersonListing> {
        let listed = self.listed.people.values().map(|person| listing(person, names));
        let vouched = self.vouched.values().map(|said| PersonListing {
            name: names.of_subject(&said.subject),
            subject: said.subject.to_string(),
            groups: texts(&said.groups),
            keys: 0,
        });
        listed.chain(vouched).collect()
    }
}

/// The bundle, as far as it can be read. Its own tests say nothing about who could.
fn read(listed: &Listed, is_whole: bool) -> (PolicyState, Option<Bundle>) {
    let parse = |folders: &[&str]| {
        let files = listed.all_files().into_iter();
        let meant = files.filter(|(path, _)| folders.iter().any(|folder| path.starts_with(folder)));
        let sources = meant.map(|(path, text)| SourceFile { path, text });
        Bundle::parse(sources).ok()
    };
    match (parse(&["users.toml", "issuers/", "roles/", "policies/"]), is_whole) {
        (Some(bundle), true) => (PolicyState::Whole, Some(bundle)),
        (Some(bundle), false) => (PolicyState::PartErased, Some(bundle)),
        // A rule is about something that has been erased; roles alone are still read.
        (None, _) => match parse(&["users.toml", "issuers/", "roles/"]) {
            Some(bundle) => (PolicyState::RulesUnreadable, Some(bundle)),
            None => (PolicyState::RolesUnreadable, None),
        },
    }
}

fn listing(person: &PersonListed, names: &Names) -> PersonListing {
    PersonListing {
        name: names.of_subject(&person.subject),
        subject: person.subject.to_string(),
        groups: texts(&person.groups),
        keys: person.ssh_keys.len(),
    }
}

fn changes(before: &Activated, own: &Activated, names: &Names) -> Changes {
    // Of somebody who has been erased it is still known when they came and went.
    let only_in = |these: &Activated, others: &Activated| {
        let people = these.listed.people.keys();
        let known = people.filter(|subject| !others.listed.people.contains_key(*subject));
        let erased = these.erased.difference(&others.erased).map(|actor| names.of_actor(*actor));
        known.map(|subject| names.of_subject(subject)).chain(erased).collect::<Vec<_>>()
    };
    let (people_added, people_removed) = (only_in(own, before), only_in(before, own));
    let (before, own) = (&before.listed, &own.listed);
    let files_only_in = |these: &Listed, others: &Listed| {
        let files = these.files.keys().filter(|path| !others.files.contains_key(*path));
        files.cloned().collect::<Vec<_>>()
    };
    let pairs = own.people.iter().filter_map(|(id, person)| Some((before.people.get(id)?, person)));
    let changed = pairs.filter(|(old, new)| old != new).map(|(old, new)| PersonChange {
        name: names.of_subject(&new.subject),
        joined: texts(new.groups.difference(&old.groups)),
        left: texts(old.groups.difference(&new.groups)),
        keys_changed: old.ssh_keys != new.ssh_keys,
        name_before: (old.name != new.name).then(|| old.name.to_string()),
    });
    let files = own.files.iter();
    let files_changed =
        files.filter(|(path, text)| before.files.get(*path).is_some_and(|old| old != *text));
    Changes {
        people_added,
        people_removed,
        people_changed: changed.collect(),
        files_added: files_only_in(own, before),
        files_removed: files_only_in(before, own),
        files_changed: files_changed.map(|(path, _)| path.clone()).collect(),
        zone_before: (before.zone != own.zone).then(|| before.zone.clone()),
    }
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}
