//! Random days: many people, many requests, time that jumps, policies that are exchanged, against a model that is small
//! enough to be seen to be right.
//!
//! ```text
//! world   who there is and what the roles are, in several policies        step   what may happen
//! model   what should come of it: plain numbers, no part of the daemon    lab    the daemon's services, by hand
//! act     each step as a call of its service                              agree  whether store and model say the same
//! audit   what must hold of any log, read off its entries alone
//! ```
//!
//! `cut_off` is no day by chance: it says what becomes of calls that were recorded and not signed when the daemon died.

mod act;
mod agree;
mod audit;
mod cut_off;
mod lab;
mod model;
mod step;
mod world;

use std::collections::BTreeMap;
use std::env;
use std::time::Instant;

use self::act::Day;
use self::lab::{Lab, leaves};
use self::model::Model;
use self::step::{Step, day};
use crate::store::tests::chance::Chance;

/// How many days there are in the short form, and in the long one.
const DAYS: (u64, u64) = (2_000, 100_000);
/// The log of one day in so many is exported and verified.
const VERIFIED: (u64, u64) = (200, 1_000);
const SEED: u64 = 5;

#[test]
fn many_days_are_as_the_model_says() {
    let is_long = env::var_os("JIT_CA_LONG").is_some();
    let (days, every) = if is_long { (DAYS.1, VERIFIED.1) } else { (DAYS.0, VERIFIED.0) };
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    let days = number("JIT_CA_DAYS").unwrap_or(days);
    let seed = number("JIT_CA_SEED").unwrap_or(SEED);
    let (mut lab, began) = (Lab::new(), Instant::now());
    let mut came = BTreeMap::new();
    for number in 0..days {
        let steps = day(&mut Chance::new(seed, number), world::worlds().len());
        if let Err(what) = lived(&mut lab, &steps, number % every == 0, &mut came) {
            let (steps, what) = shortest(&mut lab, steps, what);
            let steps: Vec<String> = steps.iter().map(|step| format!("  {step:?}")).collect();
            panic!("day {number} of seed {seed}: {what}\nin short:\n{}", steps.join("\n"));
        }
    }
    println!("{days} days in {:.0} s; what came of their steps:", began.elapsed().as_secs_f64());
    came.iter().for_each(|(what, count)| println!("{count:9} {what}"));
}

/// Lives a day, and says what was not as it should be.
fn lived(
    lab: &mut Lab,
    steps: &[Step],
    verifies: bool,
    came: &mut BTreeMap<String, u64>,
) -> Result<(), String> {
    let mut model = Model::new(lab.start);
    let mut day = Day::new(lab);
    let mut size = day.lab.app.store.read().unwrap().size().unwrap();
    for step in steps {
        let step = &model.meant(step);
        let told = |what| format!("{step:?}: {what}");
        let done = day.act(step, &model);
        let expected = model.step(step);
        let code = done.as_ref().err().map(String::as_str);
        if code != expected.as_ref().err().copied() {
            return Err(told(format!("{done:?}, where {expected:?} is expected")));
        }
        let verb = format!("{step:?}");
        let verb = verb.split(' ').next().unwrap_or_default();
        *came.entry(format!("{verb}: {}", code.unwrap_or("done"))).or_default() += 1;

        let mut written: Vec<String> = leaves(&day.lab.app.store, size)
            .into_iter()
            .map(|(leaf, _)| leaf.entry_type.as_str().to_owned())
            .filter(|it| !BESIDE.contains(&it.as_str()))
            .collect();
        size = day.lab.app.store.read().unwrap().size().unwrap();
        if let Ok(mut expected) = expected {
            written.sort();
            expected.sort_unstable();
            if written != expected {
                return Err(told(format!("{written:?} is written and not {expected:?}")));
            }
        }
        if let Ok(Some(end)) = &done {
            let expected = match step {
                Step::Issue { of, .. } => {
                    model.nth(*of).ok().and_then(|of| model.certificate_end(of))
                }
                _ => model.cut_off.map(|cut_off| cut_off.end),
            };
            if Some(end.secs()) != expected {
                return Err(told(format!("the certificate ends at {end}, not at {expected:?}")));
            }
        }
        agree::compare(&day, &model).map_err(told)?;
    }
    // State is the fold of the entries, and of nothing else.
    day.lab.app.store.check().map_err(|error| error.to_string())?;
    audit::audit(day.lab)?;
    if verifies { audit::verified(day.lab) } else { Ok(()) }
}

/// Entries that come with others, or with the next that are written.
const BESIDE: [&str; 7] = [
    "refusal",
    "clock.fault",
    "bundle.file",
    "bundle.file.removed",
    "person",
    "person.removed",
    "subject",
];

/// The same with every step left out that can be.
fn shortest(lab: &mut Lab, mut steps: Vec<Step>, mut what: String) -> (Vec<Step>, String) {
    let mut nth = steps.len();
    while nth > 0 {
        nth -= 1;
        let mut fewer = steps.clone();
        fewer.remove(nth);
        if let Err(still) = lived(lab, &fewer, true, &mut BTreeMap::new()) {
            // What came before may be needed no longer.
            (nth, steps, what) = (fewer.len(), fewer, still);
        }
    }
    (steps, what)
}
