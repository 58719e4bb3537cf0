//! Chance that can be had again: the same seed gives the same numbers in every run.

/// A stream of numbers (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream of this seed, and of the number of what it decides.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut chance = Self(seed);
        let seed = chance.next();
        Self(seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
