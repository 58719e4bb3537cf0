//! The watch by itself, on machines whose clocks the test sets.

use super::*;

const START: u64 = 1_795_338_000_000;
const SECOND: i64 = 1_000_000;
const YEAR: i64 = 365 * 24 * 60 * 60 * SECOND;

/// A machine: what its clock says, and for how long it has been running, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Machine {
    wall: i64,
    running: i64,
}

impl Machine {
    fn new() -> Self {
        Self { wall: i64::try_from(START).unwrap() * 1_000, running: 77 * SECOND }
    }

    fn reading(self) -> Reading {
        Reading { wall: millis(self.wall), running: self.running }
    }

    fn watch(self) -> Watch {
        self.watch_from(Begin { last: Millis(START), is_held: false, offset: None })
    }

    fn watch_from(self, begin: Begin) -> Watch {
        Watch::begin(self.reading(), begin)
    }

    /// Time passes, while the machine is awake or asleep.
    fn pass(&mut self, micros: i64) {
        self.wall += micros;
        self.running += micros;
    }
}

fn millis(micros: i64) -> Millis {
    Millis(u64::try_from(micros / 1_000).unwrap())
}

/// Numbers without an end, the same each time (xorshift64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> i64 {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << shift } else { self.0 >> shift };
        }
        i64::try_from(self.0 >> 1).unwrap()
    }

    /// From a microsecond to a year, each length as likely as its double.
    fn length(&mut self) -> i64 {
        let most = (1_i64 << (self.next() % 46)).min(YEAR);
        1 + self.next() % most
    }

    fn jump(&mut self) -> i64 {
        if self.next() % 2 == 0 { self.length() } else { -self.length() }
    }
}

#[test]
fn jumps_are_found_and_sleep_is_none() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut sleeps, mut small, mut faults) = (0, 0, 0);
    for _ in 0..1_000 {
        let mut machine = Machine::new();
        // Far enough from 1970 for all that may happen.
        machine.wall += 110 * YEAR;
        let mut watch = machine.watch();
        // Since the clock was believed without a doubt; and since it was not, what time it was then.
        let (mut believed, mut doubted) = (machine, None);
        for _ in 0..100 {
            let (before, jump) = (watch.fault, chance.next() % 2 == 0);
            let by = if jump { chance.jump() } else { chance.length() };
            if jump {
                machine.wall += by;
            } else {
                machine.pass(by);
                sleeps += 1;
            }
            let (now, fault) = watch.look(machine.reading(), Millis(0));
            let passed = machine.running - believed.running;
            let off = machine.wall - believed.wall - passed;
            match (fault, doubted) {
                (None, _) => {
                    assert_eq!(now, machine.reading().wall);
                    // However many they were.
                    assert!(off.abs() <= 5 * SECOND + passed / 2_000, "{off} in {passed}");
                    small += i32::from(jump);
                }
                (Some(_), None) => {
                    assert!(jump, "time that passed is a fault");
                    assert!(off.abs() + passed / 2_000 > 5 * SECOND, "{off} is a fault");
                    let last = machine.wall - by;
                    let moved = i64::try_from(now.0).unwrap() * 1_000 - last;
                    assert!(moved.abs() <= 5 * SECOND + 1_000, "time jumps by {moved}");
                    (faults, doubted) = (faults + 1, Some((now, machine.running)));
                }
                (Some(_), Some((then, at))) => {
                    assert_eq!(fault, before);
                    let expected = then.0 + u64::try_from((machine.running - at) / 1_000).unwrap();
                    assert!(now.0.abs_diff(expected) <= 1, "{now:?} is not {expected}");
                }
            }
            if fault.is_some() && chance.next() % 3 == 0 {
                watch.acknowledge(machine.reading());
                (believed, doubted) = (machine, None);
                assert_eq!(watch.look(machine.reading(), now.min(machine.reading().wall)).1, None);
            }
        }
    }
    assert!(sleeps > 45_000 && small > 9_000 && faults > 5_000, "{sleeps} {small} {faults}");
}

#[test]
fn a_step_of_five_seconds_is_followed_and_of_more_is_a_fault() {
    for sign in [1, -1] {
        for (by, is_fault) in [
            (SECOND, false),
            (2 * SECOND, false),
            (5 * SECOND, false),
            (5 * SECOND + 1_000, true),
            (60 * SECOND, true),
            (3_600 * SECOND, true),
            (24 * 3_600 * SECOND, true),
            (YEAR, true),
        ] {
            let (mut machine, mut watch) = (Machine::new(), Machine::new().watch());
            machine.pass(SECOND);
            machine.wall += sign * by;
            let (now, fault) = watch.look(machine.reading(), Millis(0));
            assert_eq!(fault.is_some(), is_fault, "{by}");
            let expected = if is_fault { Millis(START + 1_000) } else { machine.reading().wall };
            assert_eq!(now, expected);
            // It stays one when the clock is put back, until somebody says so.
            machine.wall -= sign * by;
            assert_eq!(watch.look(machine.reading(), Millis(0)).1, fault);
            watch.acknowledge(machine.reading());
            assert_eq!(watch.look(machine.reading(), Millis(0)), (Millis(START + 1_000), None));
        }
    }
}

#[test]
fn many_small_steps_are_one_large_one() {
    // A leap second a day is followed.
    let (mut machine, mut watch) = (Machine::new(), Machine::new().watch());
    for _ in 0..1_000 {
        machine.pass(24 * 3_600 * SECOND);
        machine.wall -= SECOND;
        assert_eq!(watch.look(machine.reading(), Millis(0)).1, None);
    }
    // One a minute is not, however often it is looked.
    let found = (0..60 * 60).find(|second| {
        machine.pass(SECOND);
        machine.wall += if second % 60 == 0 { SECOND } else { 0 };
        watch.look(machine.reading(), Millis(0)).1.is_some()
    });
    assert_eq!(found, Some(300));
}

#[test]
fn a_clock_behind_the_log_is_at_fault_from_the_start() {
    let machine = Machine::new();
    for (ahead, is_fault) in [(0, false), (2_000, false), (2_001, true), (3_600_000, true)] {
        let last = Millis(START + ahead);
        let begin = Begin { last, is_held: false, offset: None };
        let mut watch = machine.watch_from(begin);
        let (now, fault) = watch.look(machine.reading(), last);
        assert_eq!(fault.is_some(), is_fault, "{ahead}");
        assert_eq!(now, if is_fault { last } else { Millis(START) });
    }
}

#[test]
fn a_start_knows_what_the_one_before_knew() {
    let mut machine = Machine::new();
    let (last, offset) = (Millis(START), Some(machine.watch().offset()));
    // Down for an hour, in which nothing was set; then with a clock that was.
    machine.pass(3_600 * SECOND);
    let expected = Millis(START + 3_600_000);
    for (by, is_fault) in [(0, false), (5, false), (6, true), (-6, true), (86_400, true)] {
        machine.wall += by * SECOND;
        let mut watch = machine.watch_from(Begin { last, is_held: false, offset });
        let (now, fault) = watch.look(machine.reading(), last);
        assert_eq!(fault.is_some(), is_fault, "{by}");
        assert_eq!(now, if is_fault { expected } else { machine.reading().wall });
        machine.wall -= by * SECOND;
    }
    // Nobody has acknowledged it yet, and the clock is right by now.
    let mut watch = machine.watch_from(Begin { last, is_held: true, offset });
    assert!(watch.look(machine.reading(), last).1.is_some());
    assert_eq!(watch.look(machine.reading(), last).0, expected);
    // The same after a start of the machine: time goes on from the last entry.
    let mut watch = machine.watch_from(Begin { last, is_held: true, offset: None });
    assert_eq!(watch.look(machine.reading(), last).0, last);
    machine.pass(SECOND);
    assert_eq!(watch.look(machine.reading(), last).0, Millis(START + 1_000));
}
