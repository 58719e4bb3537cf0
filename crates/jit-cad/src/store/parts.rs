//! Parts of the log, in the bytes that everybody gets.

use jit_ca_log::part::{write_entries, write_payloads};
use jit_ca_log::tree::TileReader as _;
use jit_ca_log::{Part, PartKind};

use super::{Snapshot, StoreError};

impl Snapshot {
    /// The bytes of a part; none if the log's first `size` entries do not fill it.
    ///
    /// What is stored may go on behind the part and behind `size`: it is left out.
    ///
    /// # Errors
    /// If redb fails, or the log lacks something before its head.
    pub fn part(&self, part: Part, size: u64) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_filled(part, size) {
            return Ok(None);
        }
        let missing = || StoreError::Damaged(format!("its part {part} is not whole"));
        let (first, end) = part.range();
        let bytes = match part.kind {
            PartKind::Hashes(level) => {
                let id = jit_ca_log::tree::TileId { level, index: part.index };
                let mut hashes = self.tile(id)?;
                let length = 32 * usize::from(part.width);
                if hashes.len() < length {
                    return Err(missing());
                }
                hashes.truncate(length);
                hashes
            }
            PartKind::Entries => {
                let leaf = |index| self.leaf(index)?.ok_or_else(missing);
                let leaves = (first..end).map(leaf).collect::<Result<Vec<_>, _>>()?;
                write_entries(leaves.iter().map(Vec::as_slice))?
            }
            PartKind::Payloads => {
                let payloads = (first..end).map(|index| self.payload(index));
                let payloads = payloads.collect::<Result<Vec<_>, _>>()?;
                write_payloads(payloads.iter().map(Option::as_deref))?
            }
        };
        Ok(Some(bytes))
    }
}

fn is_filled(part: Part, size: u64) -> bool {
    let held = match part.kind {
        // Level by level a full tile becomes one hash.
        PartKind::Hashes(level) => size.checked_shr(8 * u32::from(level)).unwrap_or(0),
        PartKind::Entries | PartKind::Payloads => size,
    };
    let (_, end) = part.range();
    end <= held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_there_once_all_of_it_is() {
        for (path, size) in [
            ("tile/0/000", 256),
            ("tile/0/000.p/1", 1),
            ("tile/0/001.p/17", 273),
            ("tile/1/000.p/1", 256),
            ("tile/1/000.p/2", 512),
            ("tile/2/000.p/1", 65_536),
            ("tile/entries/001", 512),
            ("payloads/001.p/255", 511),
        ] {
            let part = path.parse().unwrap();
            assert!(is_filled(part, size) && is_filled(part, size + 1), "{path}");
            assert!(!is_filled(part, size - 1), "{path}");
        }
        let last = Part { kind: PartKind::Entries, index: u64::MAX, width: 1 };
        assert!(!is_filled(last, u64::MAX - 1));
    }
}
