//! Inputs made of others, the same ones each time.

/// What parsers stumble over, put where it does not belong.
const STRANGE: [&[u8]; 16] = [
    b"\0",
    b"\xff",
    b"\"",
    b"\\u0000",
    b"{",
    b"}",
    b"[[[[",
    b",",
    b":",
    b"null",
    b"-1",
    b"1e999",
    b"=",
    b".",
    b"\xc3\x28",
    b"18446744073709551616",
];

/// The input of this number of `seed`, between one and four changes away from it.
pub(crate) fn of(seed: &[u8], others: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut chance = Chance(number.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9);
    let mut bytes = seed.to_vec();
    for _ in 0..=chance.below(4) {
        let (from, to) = chance.range(bytes.len());
        match chance.below(7) {
            0 => bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= 1 << chance.below(8)),
            1 => drop(bytes.drain(from..to)),
            2 => drop(bytes.splice(from..from, bytes.get(from..to).unwrap_or_default().to_vec())),
            3 => {
                let strange = STRANGE.get(chance.below(STRANGE.len())).copied().unwrap_or_default();
                drop(bytes.splice(from..from, strange.iter().copied()));
            }
            4 => {
                let other = others.get(chance.below(others.len())).cloned().unwrap_or_default();
                let (start, end) = chance.range(other.len());
                drop(bytes.splice(from..to, other.get(start..end).unwrap_or_default().to_vec()));
            }
            5 => bytes.truncate(from),
            _ => bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte = byte.wrapping_add(1)),
        }
    }
    bytes
}

/// xorshift64*: enough to choose by.
struct Chance(u64);

impl Chance {
    /// Below `bound`, or 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound).unwrap_or_default()
    }

    /// Two places, in order.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let (one, other) = (self.below(length + 1), self.below(length + 1));
        (one.min(other), one.max(other))
    }
}
