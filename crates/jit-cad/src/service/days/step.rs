//! What may happen on a day, and a day of it by chance.

use super::world::{ACTORS, ROLES};
use crate::store::tests::chance::Chance;

/// One thing that somebody does, or that time does. Requests are counted from the newest, which has 0.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Login {
        by: usize,
    },
    Request {
        by: usize,
        role: usize,
        hosts: u8,
        duration: u64,
        ahead: Option<u64>,
    },
    Extend {
        by: usize,
        of: usize,
        duration: u64,
    },
    BreakGlass {
        by: usize,
        role: usize,
        hosts: u8,
        duration: u64,
    },
    Approve {
        by: usize,
        of: usize,
        part: Part,
    },
    Deny {
        by: usize,
        of: usize,
    },
    Cancel {
        by: usize,
        of: usize,
    },
    Issue {
        by: usize,
        of: usize,
        row: usize,
    },
    /// The same, and the daemon dies before it is signed as far as anybody knows.
    CutOff {
        by: usize,
        of: usize,
        row: usize,
    },
    /// The last call that was cut off is made again.
    Again,
    GiveBack {
        by: usize,
        of: usize,
    },
    Revoke {
        by: usize,
        of: usize,
    },
    Review {
        by: usize,
        of: usize,
    },
    Lock {
        by: usize,
        what: What,
    },
    Unlock {
        by: usize,
        what: What,
    },
    UnlockHere {
        what: What,
    },
    Reload {
        world: usize,
    },
    Pass {
        seconds: u64,
    },
    Tick,
    SetClock {
        seconds: i64,
    },
    Acknowledge,
}

/// What of a request somebody approves: less than was asked for, or more.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) duration: Option<u64>,
    /// Bits of the request's rows.
    pub(super) rows: u8,
    pub(super) hosts: Option<u8>,
    pub(super) signed: bool,
    pub(super) says_why: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    All,
    Person(usize),
    Role(usize),
    /// What is locked, if anything is.
    Held,
}

/// From here on, `of` is any request; before, the newest that fits.
pub(super) const ANY: usize = 2;

/// In a person's place: whoever asked.
pub(super) const WHO_ASKED: usize = ACTORS;

/// So many steps, as they come.
pub(super) fn day(chance: &mut Chance, worlds: usize) -> Vec<Step> {
    let length = 8 + chance.below(28);
    let mut steps = Vec::new();
    for _ in 0..length {
        steps.push(step(chance, worlds));
        if matches!(steps.last(), Some(Step::Pass { seconds: A_NIGHT })) {
            steps.extend((0..ACTORS).map(|by| Step::Login { by }));
        }
        // Whoever got no answer asks again, soon.
        if matches!(steps.last(), Some(Step::CutOff { .. })) {
            let between = chance.below(3);
            steps.extend((0..between).map(|_| step(chance, worlds)));
            steps.push(Step::Again);
        }
    }
    steps.extend(change_of_mind(chance, worlds));
    steps
}

/// Something is asked for and agreed to; then the policy changes, or somebody is locked; and then it is to be granted, or
/// to begin.
fn change_of_mind(chance: &mut Chance, worlds: usize) -> Vec<Step> {
    let whole = Part { duration: None, rows: 3, hosts: None, signed: true, says_why: false };
    let (by, role) = ([0, 1, 5][chance.below(3)], chance.below(ROLES.len()));
    let ahead = (chance.below(3) > 0 && ROLES[role] != "use").then_some(30);
    let mut steps = vec![Step::Request { by, role, hosts: 0, duration: 60, ahead }];
    let approve = |steps: &mut Vec<Step>, chance: &mut Chance| {
        let (by, part) = (1 + chance.below(4), whole.clone());
        steps.push(Step::Approve { by, of: 0, part });
    };
    approve(&mut steps, chance);
    steps.push(match chance.below(3) {
        0 => Step::Lock { by: 2, what: What::Person(1 + chance.below(4)) },
        _ => Step::Reload { world: chance.below(worlds) },
    });
    approve(&mut steps, chance);
    steps.extend([Step::Pass { seconds: 30 }, Step::Tick]);
    let issue = Step::Issue { by: WHO_ASKED, of: 0, row: 0 };
    steps.extend([issue.clone(), Step::UnlockHere { what: What::Held }, issue]);
    approve(&mut steps, chance);
    steps
}

/// Longer than a login lasts.
const A_NIGHT: u64 = 50_000;

fn step(chance: &mut Chance, worlds: usize) -> Step {
    let by = chance.below(ACTORS);
    let role = chance.below(ROLES.len());
    // Mostly the newest.
    let of = if chance.below(3) > 0 { 0 } else { chance.below(ANY + 3) };
    let hosts = [0, 0, 0, 1, 2][chance.below(5)];
    let what = match chance.below(5) {
        0 => What::All,
        1 | 2 => What::Person(chance.below(ACTORS)),
        _ => What::Role(role),
    };
    let mut own = |most| if chance.below(10) < most { WHO_ASKED } else { by };
    let (mostly, seldom) = (own(9), own(1));
    let held = if chance.below(4) > 0 { What::Held } else { what };
    match chance.below(100) {
        0..18 => {
            let ahead = (chance.below(4) == 0).then(|| pick(chance, &[0, 30, 100, 400, 600]));
            // Whoever has nobody to ask asks more often.
            let by = if chance.below(3) > 0 { by } else { 0 };
            let duration = pick(chance, &[20, 60, 100, 101, 300, 600, 601]);
            Step::Request { by, role, hosts, duration, ahead }
        }
        18..23 => Step::Extend { by: mostly, of, duration: pick(chance, &[30, 100, 300]) },
        23..26 => Step::BreakGlass { by, role: 1, hosts, duration: pick(chance, &[50, 200, 201]) },
        26..28 => Step::BreakGlass { by, role, hosts, duration: 50 },
        28..32 => Step::Approve { by: seldom, of, part: part(chance) },
        32..50 => Step::Approve { by: 1 + chance.below(4), of, part: part(chance) },
        50..52 => Step::Deny { by, of },
        52..54 => Step::Cancel { by: mostly, of },
        54..63 => Step::Issue { by: mostly, of, row: chance.below(5) / 4 },
        63..66 => Step::CutOff { by: mostly, of, row: chance.below(5) / 4 },
        66..68 => Step::GiveBack { by: mostly, of },
        68..71 => Step::Revoke { by, of },
        71..75 => Step::Review { by, of },
        75..77 => Step::Lock { by, what },
        77..79 => Step::Unlock { by, what: held },
        79..81 => Step::UnlockHere { what: held },
        81..84 => Step::Reload { world: chance.below(worlds) },
        84..92 => Step::Pass { seconds: pick(chance, &[1, 10, 30, 60, 100, 300, 600, A_NIGHT]) },
        92..97 => Step::Tick,
        97 => Step::SetClock { seconds: [-400, -60, -20, 20, 400][chance.below(5)] },
        98 => Step::Acknowledge,
        _ => Step::Login { by },
    }
}

fn part(chance: &mut Chance) -> Part {
    let whole = chance.below(3) > 0;
    let part = Part {
        duration: (chance.below(2) == 0).then(|| pick(chance, &[0, 10, 50, 100, 300, 700])),
        rows: [3, 3, 1, 2, 0][chance.below(5)],
        hosts: (chance.below(2) == 0).then(|| [0, 1, 2][chance.below(3)]),
        signed: chance.below(2) == 0,
        says_why: chance.below(4) > 0,
    };
    match whole {
        true => Part { duration: None, rows: 3, hosts: None, ..part },
        false => part,
    }
}

fn pick(chance: &mut Chance, from: &[u64]) -> u64 {
    from[chance.below(from.len())]
}
