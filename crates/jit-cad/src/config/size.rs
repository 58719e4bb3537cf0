//! Sizes as people write them.

use std::str::FromStr;

use jit_ca_core::ValueError;

/// A number of bytes, written as `256 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(u64);

const UNITS: [(&str, u32); 3] = [("KiB", 10), ("MiB", 20), ("GiB", 30)];

impl Size {
    pub(super) fn bytes(self) -> u64 {
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
        read().map(Self).ok_or_else(|| ValueError {
            kind: "size",
            given: text.chars().take(80).collect(),
            expected: "write a number and KiB, MiB or GiB, such as 256 MiB",
        })
    }
}

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
        for wrong in ["", "256", "256MiB", "256 MB", "-1 MiB", "1.5 GiB", "99999999999999 GiB"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong:?}");
        }
    }
}
