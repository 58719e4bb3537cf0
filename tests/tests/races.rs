//! What two people do to one thing at the same moment, through the API: one wins, one entry says so, and the other is
//! told plainly.
//!
//! Each of the two has a connection open, and has sent all of a call but its last byte.

mod line;
mod rows;
mod scene;

use std::collections::BTreeMap;
use std::env;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use jit_ca_core::RequestId;
use jit_ca_log::Leaf;
use jit_ca_tests::stored::{self, Signer};
use jit_ca_tests::{Ca, mix, now, seconds};
use jit_cad::store::Store;
use serde_json::Value;

use self::line::Answer;
use self::rows::{ROWS, Row, Wins};
use self::scene::{Call, OPEN, Scene, Who};

/// How often each race is run.
const ROUNDS: (u64, u64) = (20, 500);
/// Of so many who lost, at least this many were told why; others had lost too often in that minute.
const TOLD: u64 = 10;

/// A round that was run, to be looked up in the log.
struct Round {
    row: &'static Row,
    /// The request that was raced for, where there was one.
    request: Option<RequestId>,
    /// Of the request that was made by the first, where one was.
    more: Option<RequestId>,
    is_first_done: bool,
}

#[test]
fn one_wins_and_one_entry_says_so() {
    let mut scene = Scene::new();
    let rounds = if env::var_os("JIT_CA_LONG").is_some() { ROUNDS.1 } else { ROUNDS.0 };
    let mut run = Vec::new();
    for row in ROWS {
        let (mut firsts, mut losers, mut told) = (0, 0, 0);
        scene.asker = if scene.asker == Who::Alice { Who::Eve } else { Who::Alice };
        for nth in 0..rounds {
            let (request, calls) = (row.set_up)(&mut scene);
            let answers = at_once(&mut scene, &calls, nth);
            let shown = || format!("{}, round {nth}: {answers:#?}", row.name);
            let done = answers.each_ref().map(Answer::is_done);
            match row.wins {
                Wins::One => assert!(done[0] != done[1], "{}", shown()),
                Wins::Both => assert!(done[0] && done[1], "{}", shown()),
                Wins::FirstBefore(..) => assert!(done[1], "{}", shown()),
            }
            for answer in answers.iter().filter(|answer| !answer.is_done()) {
                losers += 1;
                // Whoever is refused all the time is slowed down.
                if answer.status != 429 {
                    told += 1;
                    assert!(matches!(answer.status, 409 | 423), "{}", shown());
                    assert!(row.told.contains(&answer.code()), "{}", shown());
                }
            }
            firsts += u64::from(done[0]);
            // What was made is raced for where nothing was there before.
            let won = answers.iter().find(|answer| answer.is_done()).map(|answer| &answer.body);
            let raced = if request.is_null() { won.unwrap_or(&request) } else { &request };
            if matches!(row.wins, Wins::Both) && request.is_null() {
                assert_eq!(answers[0].body["id"], answers[1].body["id"], "{}", shown());
            }
            let id = |value: &Value| value["id"].as_str().and_then(|id| id.parse().ok());
            let more = id(&answers[0].body).filter(|more| Some(*more) != id(raced));
            let request = id(raced);
            run.push(Round { row, request, more, is_first_done: done[0] });
            (row.tidy)(&mut scene, raced);
        }
        println!("{}: the first was done {firsts} times of {rounds}, {told} were told", row.name);
        assert!(losers == 0 || told >= TOLD.min(losers), "{}: {told} of {losers}", row.name);
    }
    let log = kept(&mut scene.ca);
    run.iter().for_each(|round| log.must_say(round));
}

#[test]
fn nobody_approves_what_has_lapsed_and_nothing_lapses_that_was_approved() {
    let mut scene = Scene::new();
    let rounds = if env::var_os("JIT_CA_LONG").is_some() { ROUNDS.1 } else { ROUNDS.0 };
    let mut approved = Vec::new();
    while approved.len() < usize::try_from(rounds).unwrap() {
        let mut requests: Vec<Value> = (0..OPEN).map(|_| scene.asked("hasty")).collect();
        let lapses = requests.iter().map(|request| seconds(&request["lapses"])).max().unwrap();
        // The second before begins now.
        while now() < lapses - 1 {
            thread::yield_now();
        }
        let moment = Instant::now() + Duration::from_secs(1);
        requests.retain(|request| seconds(&request["lapses"]) == lapses);
        let calls: Vec<Call> = requests.iter().map(|it| scene.approve(Who::Bob, it)).collect();
        for (nth, (request, call)) in requests.iter().zip(calls).enumerate() {
            // Some before its end, and some after.
            let chance = mix(approved.len() as u64) % 10;
            let early = Duration::from_millis((20 + chance).saturating_sub(10 * nth as u64));
            while Instant::now() + early < moment {
                thread::yield_now();
            }
            let answer = scene.line(Who::Bob, 0).post(&call.path, &call.body);
            if !answer.is_done() && answer.status != 429 {
                assert_eq!((answer.status, answer.code()), (409, "not-pending"), "{answer:#?}");
            }
            approved.push((request["id"].as_str().unwrap().to_owned(), answer.is_done()));
        }
        jit_ca_tests::wait_for("all to lapse", || (now() > lapses + 1).then_some(()));
    }
    let log = kept(&mut scene.ca);
    for (id, is_approved) in &approved {
        let types = log.types_of(id.parse().unwrap());
        let expected: &[&str] = match is_approved {
            true => &["request", "approval", "grant"],
            false => &["request", "lapse"],
        };
        assert_eq!(types, expected, "{id}");
    }
    let count = approved.iter().filter(|(_, is_approved)| *is_approved).count();
    println!("{count} of {} were approved before they lapsed", approved.len());
    assert!(0 < count && count < approved.len(), "nobody raced");
}

/// Has both calls made, so that their last bytes are sent at once, or one a little after the other.
fn at_once(scene: &mut Scene, calls: &[Call; 2], nth: u64) -> [Answer; 2] {
    let (barrier, late) = (Barrier::new(2), mix(nth) % 2);
    let later = Duration::from_micros(mix(nth + 1_000) % 4 * 150);
    let lines = scene.two(calls);
    thread::scope(|scope| {
        let barrier = &barrier;
        let mut nth = 0;
        let racers = lines.into_iter().zip(calls).map(|(line, call)| {
            let is_late = nth == late;
            nth += 1;
            line.begin(&call.path, &call.body, call.key.as_deref());
            scope.spawn(move || {
                barrier.wait();
                let begun = Instant::now();
                while is_late && begun.elapsed() < later {
                    std::hint::spin_loop();
                }
                line.end()
            })
        });
        let racers: Vec<_> = racers.collect();
        let answers = racers.into_iter().map(|racer| racer.join().unwrap());
        answers.collect::<Vec<_>>().try_into().unwrap()
    })
}

/// The log, once the daemon has stopped: checked by itself, and verified by what anybody has.
struct Log(Vec<Leaf>, BTreeMap<RequestId, Vec<usize>>);

fn kept(ca: &mut Ca) -> Log {
    ca.stop();
    ca.check_log().ok();
    let signer = Signer::of(ca);
    let export = stored::export(&ca.data(), &signer).unwrap();
    assert_eq!(stored::verdict(&export, &signer), None);
    let store = Store::open(&ca.data()).unwrap();
    let snapshot = store.read().unwrap();
    let leaf = |index| Leaf::decode(&snapshot.leaf(index).unwrap().unwrap()).unwrap();
    let leaves: Vec<Leaf> = (0..snapshot.size().unwrap()).map(leaf).collect();
    let grants: BTreeMap<_, _> = leaves
        .iter()
        .filter(|leaf| leaf.entry_type.as_str() == "grant")
        .filter_map(|leaf| leaf.ids.grant.zip(leaf.ids.request))
        .collect();
    let mut of_request: BTreeMap<RequestId, Vec<usize>> = BTreeMap::new();
    for (index, leaf) in leaves.iter().enumerate() {
        let of_grant = || grants.get(&leaf.ids.grant?).copied();
        if let Some(request) = leaf.ids.request.or_else(of_grant) {
            of_request.entry(request).or_default().push(index);
        }
    }
    Log(leaves, of_request)
}

impl Log {
    fn of(&self, request: RequestId) -> &[usize] {
        self.1.get(&request).map_or(&[], Vec::as_slice)
    }

    fn type_at(&self, index: usize) -> &str {
        self.0[index].entry_type.as_str()
    }

    fn types_of(&self, request: RequestId) -> Vec<&str> {
        self.of(request).iter().map(|index| self.type_at(*index)).collect()
    }

    fn must_say(&self, round: &Round) {
        let Some(request) = round.request else { return };
        let (row, types) = (round.row, self.types_of(request));
        for (kinds, expected) in row.entries {
            let count = types.iter().filter(|it| kinds.contains(it)).count();
            assert_eq!(count, *expected, "{}: {kinds:?} among {types:?}", row.name);
        }
        let Wins::FirstBefore(first, second) = row.wins else { return };
        let entries = self.of(request);
        // A lock is no entry of the request's: the first one after what it was locked for.
        let find =
            |of: &[usize], kind: &str| of.iter().copied().find(|at| self.type_at(*at) == kind);
        let all: Vec<usize> = (entries[0]..self.0.len()).collect();
        let stop = find(if second == "lock" { &all } else { entries }, second).unwrap();
        let got = match round.more {
            Some(more) if first == "request" => find(self.of(more), first),
            _ if first == "request" => None,
            _ => find(entries, first),
        };
        assert_eq!(got.is_some(), round.is_first_done, "{}: {types:?}", row.name);
        assert!(got.is_none_or(|got| got < stop), "{}: {got:?} after {stop}", row.name);
    }
}
