//! Connections that have shown a login certificate.

use std::collections::{BTreeMap, HashMap};

use super::{End, Holder, Number};
use crate::http::calls::LARGEST_BODY;

/// How many connections of one login holder there are at most, and how many calls under way on them.
const MOST_OF_ONE: usize = 512;
const MOST_CALLS_OF_ONE: usize = 512;
/// How many calls with a large body there are at once at most, and how many of one: 32 MiB, and 4 MiB.
const MOST_LARGE: usize = 32 * 1024 * 1024 / LARGEST_BODY;
const MOST_LARGE_OF_ONE: usize = MOST_LARGE / 8;

/// They, by who holds the login.
#[derive(Debug)]
pub(super) struct Known {
    most: usize,
    large: usize,
    /// Counts what happens, so that it has an order.
    turn: u64,
    connections: HashMap<Number, Connection>,
    holders: HashMap<Holder, Held>,
}

#[derive(Debug)]
struct Connection {
    holder: Holder,
    calls: usize,
    rank: Rank,
    end: End,
}

#[derive(Debug, Default)]
struct Held {
    connections: BTreeMap<Rank, Number>,
    calls: usize,
    /// How many of these have a large body.
    large: usize,
}

/// The least goes first: who is idle before who has a call under way, and who has been so for longer before others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_busy: bool,
    since: u64,
}

impl Known {
    pub(super) fn new(most: usize) -> Self {
        Self { most, large: 0, turn: 0, connections: HashMap::new(), holders: HashMap::new() }
    }

    /// Lets one in; gives whoever has to go for it.
    pub(super) fn enter(&mut self, number: Number, holder: Holder, end: End) -> Option<End> {
        let own = self.holders.get(&holder);
        let loser = match own {
            Some(own) if own.connections.len() >= MOST_OF_ONE => Some(own),
            _ if self.connections.len() >= self.most => {
                self.holders.values().max_by_key(|held| held.connections.len())
            }
            _ => None,
        };
        let least = loser.and_then(|held| held.connections.values().next()).copied();
        let ended = least.and_then(|least| self.remove(least));

        let rank = Rank { is_busy: false, since: self.turn() };
        self.holders.entry(Holder::clone(&holder)).or_default().connections.insert(rank, number);
        self.connections.insert(number, Connection { holder, calls: 0, rank, end });
        ended
    }

    pub(super) fn leave(&mut self, number: Number) {
        self.remove(number);
    }

    /// One more call, if its holder may have it.
    pub(super) fn begin(&mut self, number: Number, holder: &Holder) -> bool {
        let held = self.holders.entry(Holder::clone(holder)).or_default();
        if held.calls >= MOST_CALLS_OF_ONE {
            return false;
        }
        held.calls += 1;
        self.count(number, |calls| calls + 1);
        true
    }

    /// A call is over, also where its connection has ended before.
    pub(super) fn finish(&mut self, number: Number, holder: &Holder) {
        if let Some(held) = self.holders.get_mut(holder) {
            held.calls -= 1;
        }
        self.count(number, |calls| calls - 1);
        self.forget(holder);
    }

    /// One more of the calls under way has a large body, if there is room for it.
    pub(super) fn begin_large(&mut self, holder: &Holder) -> bool {
        let Some(held) = self.holders.get_mut(holder) else { return false };
        let has_room = self.large < MOST_LARGE && held.large < MOST_LARGE_OF_ONE;
        if has_room {
            self.large += 1;
            held.large += 1;
        }
        has_room
    }

    /// Nothing is left of a large body. Its call is still under way.
    pub(super) fn finish_large(&mut self, holder: &Holder) {
        self.large -= 1;
        if let Some(held) = self.holders.get_mut(holder) {
            held.large -= 1;
        }
    }

    fn count(&mut self, number: Number, change: impl Fn(usize) -> usize) {
        let since = self.turn();
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.calls = change(connection.calls);
        let rank = Rank { is_busy: connection.calls > 0, since };
        if rank.is_busy == connection.rank.is_busy {
            return;
        }
        let before = std::mem::replace(&mut connection.rank, rank);
        if let Some(held) = self.holders.get_mut(&connection.holder) {
            held.connections.remove(&before);
            held.connections.insert(rank, number);
        }
    }

    fn remove(&mut self, number: Number) -> Option<End> {
        let Connection { holder, rank, end, .. } = self.connections.remove(&number)?;
        if let Some(held) = self.holders.get_mut(&holder) {
            held.connections.remove(&rank);
        }
        self.forget(&holder);
        Some(end)
    }

    fn forget(&mut self, holder: &Holder) {
        let held = self.holders.get(holder);
        if held.is_some_and(|held| held.connections.is_empty() && held.calls == 0) {
            self.holders.remove(holder);
        }
    }

    fn turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.holders.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(name: &str) -> Holder {
        Holder::from(name.as_bytes())
    }

    fn enter(known: &mut Known, number: Number, name: &str) -> bool {
        known.enter(number, holder(name), End::default()).is_some()
    }

    fn has(known: &Known, number: Number) -> bool {
        known.connections.contains_key(&number)
    }

    #[test]
    fn whoever_holds_most_loses_what_has_been_idle_longest() {
        let mut known = Known::new(6);
        assert!(!enter(&mut known, 0, "alice"));
        for number in 1..6 {
            assert!(!enter(&mut known, number, "mallory"));
        }
        assert!(known.begin(1, &holder("mallory")));
        // Busy, and idle again: later than those that never were.
        assert!(known.begin(2, &holder("mallory")));
        known.finish(2, &holder("mallory"));

        for (number, loses) in [(10, 3), (11, 4), (12, 5)] {
            assert!(enter(&mut known, number, &format!("p{number}")));
            assert!(!has(&known, loses), "{loses}");
        }
        assert!(has(&known, 0) && has(&known, 1) && has(&known, 2));
        // All of the greediest's are busy: so it is one of these, and its call is still counted to its end.
        assert!(known.begin(2, &holder("mallory")));
        assert!(enter(&mut known, 13, "bob"));
        assert!(!has(&known, 1) && has(&known, 2) && has(&known, 0));
        assert_eq!(known.holders[&holder("mallory")].calls, 2);
        known.finish(1, &holder("mallory"));
        known.finish(2, &holder("mallory"));
        for number in [0, 2, 10, 11, 12, 13] {
            known.leave(number);
        }
        assert!(known.is_empty());
    }

    #[test]
    fn a_holder_has_a_share_and_no_more() {
        let mut known = Known::new(10_000);
        let most = u64::try_from(MOST_OF_ONE).unwrap();
        assert!(!enter(&mut known, 0, "alice"));
        for number in 1..=most {
            assert!(!enter(&mut known, number, "mallory"));
        }
        assert!(enter(&mut known, most + 1, "mallory"));
        assert!(has(&known, 0) && !has(&known, 1));

        let begun = (0..1_000).filter(|_| known.begin(2, &holder("mallory"))).count();
        assert_eq!(begun, MOST_CALLS_OF_ONE);
        assert!(known.begin(0, &holder("alice")));
        known.finish(2, &holder("mallory"));
        assert!(known.begin(3, &holder("mallory")));
    }

    #[test]
    fn large_bodies_have_a_bound_together_and_each_holder_a_share_of_it() {
        let mut known = Known::new(10_000);
        let begun = |known: &mut Known, name: &str| {
            (0..MOST_LARGE).filter(|_| known.begin_large(&holder(name))).count()
        };
        let all = (0..20).map(|number| {
            let name = format!("p{number}");
            assert!(known.begin(number, &holder(&name)));
            begun(&mut known, &name)
        });
        assert_eq!(all.sum::<usize>(), MOST_LARGE);
        assert_eq!(begun(&mut known, "p0"), 0);
        known.finish_large(&holder("p0"));
        assert_eq!(begun(&mut known, "p1"), 0);
        assert_eq!(begun(&mut known, "p19"), 1);
    }
}
