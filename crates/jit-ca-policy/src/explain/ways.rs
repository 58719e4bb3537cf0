//! Ways out: the fewest changes of what is asked that make a denial an allow.

use jit_ca_core::Facts;

use super::WayOut;
use super::changes::{Change, changes};
use crate::engine::Unasked;
use crate::{Bundle, decide};

/// Every single change that helps, one of each kind; if there is none, the first two or three that do together.
pub(super) fn ways(bundle: &Bundle, facts: &Facts) -> Result<Vec<WayOut>, Unasked> {
    let kinds = changes(bundle, facts)?;
    let mut search = Search { bundle, kinds: &kinds, tries: MOST_TRIES };
    let single = (0..kinds.len()).filter_map(|kind| search.first(facts, &[kind]));
    let single: Vec<WayOut> = single.collect();
    if !single.is_empty() {
        return Ok(single);
    }
    let together = sets(kinds.len()).find_map(|set| search.first(facts, &set));
    Ok(together.into_iter().collect())
}

/// More questions than this are not asked to explain one: they take a tenth of a second.
const MOST_TRIES: usize = 3_000;

struct Search<'a> {
    bundle: &'a Bundle,
    /// For each kind of change, the ways to make it, the mildest first.
    kinds: &'a [Vec<Change>],
    tries: usize,
}

impl Search<'_> {
    /// The first changes, one of each of these kinds, that make it an allow.
    fn first(&mut self, facts: &Facts, kinds: &[usize]) -> Option<WayOut> {
        let Some((kind, rest)) = kinds.split_first() else {
            self.tries = self.tries.checked_sub(1)?;
            let decision = decide(self.bundle, facts);
            let rules = decision.rules.clone();
            return decision.allows().then(|| WayOut { changes: Vec::new(), rules });
        };
        let all: &[Vec<Change>] = self.kinds;
        all.get(*kind)?.iter().find_map(|change| {
            let mut changed = facts.clone();
            (change.make)(&mut changed);
            let mut way = self.first(&changed, rest)?;
            way.changes.insert(0, change.text.clone());
            Some(way)
        })
    }
}

/// Each two of so many kinds, and then each three.
fn sets(count: usize) -> impl Iterator<Item = Vec<usize>> {
    let pairs = (0..count).flat_map(move |a| (a + 1..count).map(move |b| vec![a, b]));
    let threes = (0..count).flat_map(move |a| {
        (a + 1..count).flat_map(move |b| (b + 1..count).map(move |c| vec![a, b, c]))
    });
    pairs.chain(threes)
}
