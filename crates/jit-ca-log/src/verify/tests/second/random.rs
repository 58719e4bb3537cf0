//! Logs that nobody would think of: lies with more lies on top, of which both verifiers have to say the same.

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::workflow::officer;
use super::*;

/// Something that is done to a story, at some of its places.
#[derive(Clone, Debug)]
enum Change {
    Lie(usize),
    Drop(usize),
    Again(usize, usize),
    Move(usize, usize),
    Actor(usize, usize),
    Lock(usize, usize),
    Pass(usize, u64),
    /// The clock was wrong: what was written since the second place is taken back.
    TakeBack(usize, usize),
    /// Erased, as if by age.
    Erase(Vec<usize>),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = || any::<usize>();
    let change = prop_oneof![
        2 => at().prop_map(Change::Drop),
        2 => (at(), at()).prop_map(|(from, to)| Change::Again(from, to)),
        3 => (at(), at()).prop_map(|(from, to)| Change::Move(from, to)),
        2 => (at(), at()).prop_map(|(index, actor)| Change::Actor(index, actor)),
        2 => (at(), at()).prop_map(|(index, what)| Change::Lock(index, what)),
        1 => (at(), 0..2_000u64).prop_map(|(index, seconds)| Change::Pass(index, seconds)),
        1 => (at(), at()).prop_map(|(index, since)| Change::TakeBack(index, since)),
        4 => prop::collection::vec(at(), 1..20).prop_map(Change::Erase),
    ];
    let lie = prop_oneof![Just(None), at().prop_map(|nth| Some(Change::Lie(nth)))];
    (lie, prop::collection::vec(change, 1..4))
        .prop_map(|(lie, changes)| lie.into_iter().chain(changes).collect())
}

#[test]
fn both_verifiers_say_the_same_of_whatever_is_told() {
    let teller = Teller::new();
    let count = if std::env::var_os("JIT_CA_LONG").is_some() { 20_000 } else { 600 };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut held = 0;
    for _ in 0..count / 200 {
        let exports = (0..200).map(|_| {
            let changes = changes().new_tree(&mut runner).unwrap().current();
            told(&teller, &changes).export(&teller)
        });
        held += found_by_both(exports.collect()).iter().filter(|found| found.is_none()).count();
    }
    // Neither do all of them hold, nor none.
    assert!((count / 50..count / 2).contains(&held), "{held} of {count} hold");
}

/// The story with these changes, one on top of the other.
fn told(teller: &Teller, changes: &[Change]) -> Told {
    let mut story = teller.story();
    let (mut gone, mut back) = (Vec::new(), Vec::new());
    for change in changes {
        let most = story.len() - 1;
        let at = |place: &usize| 1 + place % most;
        match change {
            Change::Lie(nth) => {
                let lies = lies();
                let (_, _, lie) = lies[nth % lies.len()];
                lie(teller, &mut story);
            }
            Change::Drop(index) => drop(story.remove(at(index))),
            Change::Again(from, to) => story.insert(at(to), story[at(from)].clone()),
            Change::Move(from, to) => {
                let moved = story.remove(at(from));
                story.insert(1 + to % (story.len() - 1), moved);
            }
            Change::Actor(index, actor) => {
                story[at(index)].0 = [ActorRef::DAEMON, ALICE, BOB, CAROL][actor % 4];
            }
            Change::Lock(index, what) => {
                let lock = match what % 4 {
                    0 => Locked::All,
                    1 => Locked::Subject(subject("u-1")),
                    2 => Locked::Subject(subject("u-2")),
                    _ => Locked::Role("web".parse().unwrap()),
                };
                let reason = "the laptop was stolen".parse().unwrap();
                story.insert(at(index), (CAROL, LockSet { lock, by: officer(), reason }.into()));
            }
            Change::Pass(index, seconds) => story.insert(at(index), passed(*seconds)),
            Change::TakeBack(index, since) => {
                let index = at(index);
                story.splice(index..index, [faulted(), acknowledged()]);
                back.push((index + 1, since % index.max(1)));
            }
            Change::Erase(places) => gone.extend(places.iter().map(at)),
        }
    }
    let may_go = |index: &&usize| {
        let kept = ["log.init", "bundle", "person", "erase"];
        !kept.contains(&story[**index % story.len()].1.entry_type())
    };
    let gone: BTreeSet<u64> =
        gone.iter().filter(may_go).map(|index| (index % story.len()) as u64).collect();
    let mut told = match gone.is_empty() {
        true => Told::of(&story),
        false => erased(&story, gone.into_iter().map(|index| (index, index)).collect()),
    };
    // Each is written a millisecond after the one before, so that there is something to take back.
    for (later, leaf) in (0..).zip(&mut told.leaves) {
        leaf.ts_ms += later;
    }
    for (ack, since) in back {
        if ack < told.leaves.len() {
            told.leaves[ack].ts_ms = told.leaves[since].ts_ms;
        }
    }
    told
}
