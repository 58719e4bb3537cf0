//! A bundle that an administrator approved, and what can be wrong with that.

use jit_ca_core::event::*;
use jit_ca_core::{Action, ActorRef, Digest};

use super::lies::{event, lock};
use super::story::*;
use super::told::Told;
use super::{Change, found};
use crate::verify::Code;

/// Where the entries stand, behind the story's beginning and Alice's login.
mod at {
    use super::super::story::at;

    pub(super) const PROPOSED: usize = at::ENROLLED + 1;
    pub(super) const FILE: usize = PROPOSED + 1;
    pub(super) const APPROVED: usize = FILE + 1;
    pub(super) const BUNDLE: usize = APPROVED + 1;
    pub(super) use at::LOGIN;
}

/// Another role is proposed, approved by Alice, and in force.
fn approved(teller: &Teller) -> Story {
    let daemon = ActorRef::DAEMON;
    let mut story = teller.story();
    story.truncate(at::PROPOSED);
    let login = match &story[at::LOGIN].1 {
        Event::LoggedIn(login) => login.serial.clone(),
        other => panic!("{other:?}"),
    };
    let file = FileListed { path: "roles/db.toml".into(), text: "role".into() };
    let mut wanted = story.clone();
    wanted.push((daemon, file.clone().into()));
    let BundleActivated { hash, zone, changes, .. } = activated(&wanted);
    let (asked, files) = (Asker::Account(1_000), Changed::default());
    story.push((daemon, BundleProposed { hash, zone, changes, files, asked }.into()));
    story.push((daemon, file.into()));
    let (by, name) = (subject("u-1"), "alice".parse().unwrap());
    let decision = decided(Action::Administer, "u-1");
    story.push((ALICE, BundleApproved { hash, by, name, login, decision }.into()));
    let activated = activated(&story);
    story.push((daemon, BundleActivated { asked, approved: Some(ALICE), ..activated }.into()));
    story
}

#[test]
fn what_an_administrator_approved_holds_and_lies_about_it_are_found() {
    let teller = Teller::new();
    assert_eq!(found(Told::of(&approved(&teller)).export(&teller)), None);
    let other = || Digest::from_bytes([9; 32]);
    let lies: [(Code, usize, Change); 14] = [
        (Code::Bundle, at::APPROVED - 1, |_, s| drop(s.remove(at::PROPOSED))),
        (Code::Bundle, at::APPROVED, |_, s| {
            event!(s, at::PROPOSED, BundleProposed).hash = Digest::from_bytes([9; 32]);
        }),
        (Code::Bundle, at::APPROVED, |_, s| {
            event!(s, at::APPROVED, BundleApproved).name = "alicia".parse().unwrap();
        }),
        (Code::Subject, at::APPROVED, |_, s| s[at::APPROVED].0 = BOB),
        (Code::Decision, at::APPROVED, |_, s| {
            event!(s, at::APPROVED, BundleApproved).decision = decided(Action::Request, "u-1");
        }),
        (Code::Under, at::APPROVED, |_, s| {
            event!(s, at::APPROVED, BundleApproved).login = vec![2; 17].into();
        }),
        (Code::Lock, at::APPROVED + 1, |_, s| lock(s, at::APPROVED, Locked::All)),
        (Code::Under, at::APPROVED + 1, |_, s| {
            lock(s, at::APPROVED, Locked::Subject(subject("u-1")));
        }),
        (Code::Sequence, at::APPROVED, |_, s| s.swap(at::FILE, at::APPROVED)),
        (Code::Bundle, at::BUNDLE, |_, s| {
            event!(s, at::BUNDLE, BundleActivated).approved = None;
        }),
        (Code::Bundle, at::BUNDLE, |_, s| {
            event!(s, at::BUNDLE, BundleActivated).approved = Some(BOB);
        }),
        (Code::Bundle, at::BUNDLE - 1, |_, s| drop(s.remove(at::APPROVED))),
        (Code::Bundle, at::BUNDLE, |_, s| {
            event!(s, at::BUNDLE, BundleActivated).changes.files.added = 0;
        }),
        (Code::Bundle, at::BUNDLE, |_, s| {
            let changes = &mut event!(s, at::BUNDLE, BundleActivated).changes;
            changes.people.changed.insert(BOB);
        }),
    ];
    for (nth, (code, index, lie)) in lies.into_iter().enumerate() {
        let mut story = approved(&teller);
        lie(&teller, &mut story);
        let index = u64::try_from(index).unwrap();
        assert_eq!(found(Told::of(&story).export(&teller)), Some((code, Some(index))), "lie {nth}");
    }
    // An approval of something else than what comes into force.
    let mut story = approved(&teller);
    event!(story, at::PROPOSED, BundleProposed).hash = other();
    event!(story, at::APPROVED, BundleApproved).hash = other();
    let index = u64::try_from(at::BUNDLE).unwrap();
    assert_eq!(found(Told::of(&story).export(&teller)), Some((Code::Bundle, Some(index))));
}

#[test]
fn of_an_approval_that_is_erased_its_leaf_still_counts() {
    let teller = Teller::new();
    let mut story = approved(&teller);
    let index = u64::try_from(at::APPROVED).unwrap();
    let cause = ErasureCause::Retention(jit_ca_core::UnixTime::from_secs(START + 1));
    let reason = "kept for a year".parse().unwrap();
    let erased = Erased { cause, reason, entries: vec![(index, index)] };
    story.push((ActorRef::DAEMON, erased.into()));
    assert_eq!(found(Told::of(&story).export(&teller)), None);
    event!(story, at::BUNDLE, BundleActivated).approved = Some(BOB);
    let found = found(Told::of(&story).export(&teller));
    assert_eq!(found, Some((Code::Bundle, Some(index + 1))));
}
