//! Sizes as people write them.

use std::fmt;
use std::str::FromStr;

use crate::ValueError;
use crate::value::serde_by_text;

/// A number of bytes, written as `256 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(u64);

const UNITS: [(&str, u32); 3] = [("KiB", 10), ("MiB", 20), ("GiB", 30)];

impl Size {
    /// So many bytes.
    pub const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// How many.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let read = || {
            let (number, unit) = text.split_once(' ')?;
            let (_, shift) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
            let number: u64 = number.parse().ok()?;
            number.checked_mul(1 << shift)
        };
        read().map(Self).ok_or_else(|| {
            let expected = "write a number and KiB, MiB or GiB, such as 256 MiB";
            ValueError::new("size", text, expected)
        })
    }
}

impl fmt::Display for Size {
    /// In the largest unit that it is a whole number of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_whole = |(_, shift): &(&str, u32)| self.0 & ((1 << shift) - 1) == 0;
        let found = UNITS.into_iter().rev().find(is_whole);
        // No size is read that is a whole number of none.
        let (name, shift) = found.unwrap_or(("bytes", 0));
        write!(f, "{} {name}", self.0 >> shift)
    }
}

serde_by_text!(Size);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in
            [("0 MiB", 0), ("4 KiB", 4_096), ("256 MiB", 268_435_456), ("1 GiB", 1 << 30)]
        {
            assert_eq!(text.parse::<Size>().unwrap().bytes(), bytes);
        }
        for text in ["4 KiB", "256 MiB", "1 GiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for wrong in ["", "256", "256MiB", "256 MB", "-1 MiB", "1.5 GiB", "99999999999999 GiB"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong:?}");
        }
    }
}
