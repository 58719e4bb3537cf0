//! A clock that a test sets, in place of the machine's, on the test's own thread: hours pass in no time, and what is
//! written at which second is the same in every run.

use std::cell::RefCell;

use super::watch::{Begin, Watch};
use super::{Millis, Reading};

thread_local! {
    static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) };
}

/// A machine that has just been started.
struct Machine {
    reading: Reading,
    watch: Option<Watch>,
}

/// From here on this thread has a machine of its own, whose clock says `wall` and is right.
pub fn begin(wall: Millis) {
    let reading = Reading { wall, running: 0 };
    let begin = Begin { last: Millis(0), is_held: false, offset: None };
    let watch = Some(Watch::begin(reading, begin));
    MACHINE.with_borrow_mut(|machine| *machine = Some(Machine { reading, watch }));
}

/// Time passes.
pub fn pass(seconds: u64) {
    change(|reading| {
        reading.wall.0 += seconds * 1_000;
        reading.running += i64::try_from(seconds).unwrap() * 1_000_000;
    });
}

/// Somebody sets the clock, by so much forward or back.
pub fn put(seconds: i64) {
    change(|reading| reading.wall.0 = reading.wall.0.checked_add_signed(seconds * 1_000).unwrap());
}

fn change(change: impl FnOnce(&mut Reading)) {
    MACHINE.with_borrow_mut(|machine| change(&mut machine.as_mut().unwrap().reading));
}

/// What this thread's own clock says, if it has one.
pub(super) fn reading() -> Option<Reading> {
    MACHINE.with_borrow(|machine| machine.as_ref().map(|machine| machine.reading))
}

/// Looks at the watch of this thread's own clock; gives the look back if it has none.
pub(super) fn watched<T, F: FnOnce(&mut Option<Watch>) -> T>(look: F) -> Result<T, F> {
    MACHINE.with_borrow_mut(|machine| match machine {
        Some(machine) => Ok(look(&mut machine.watch)),
        None => Err(look),
    })
}
