//! How far the log has been followed.

use std::path::Path;

use jit_ca_core::{Digest, Origin};
use jit_ca_log::tree::Frontier;
use serde::{Deserialize, Serialize};

use crate::chain::Chain;
use crate::error::{Error, Result};
use crate::files;

/// What is remembered between two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// The log.
    origin: Origin,
    /// The index of the entry that comes next.
    next: u64,
    /// The right edge of the tree over the entries before it: what later ones are hashed on to.
    edge: Vec<Digest>,
    /// How long the file of lines is that it goes with.
    length: Option<u64>,
}

impl Cursor {
    /// The cursor behind the chain's last entry.
    pub(super) fn behind(chain: &Chain, origin: &Origin, length: Option<u64>) -> Self {
        let edge = chain.0.edge().to_vec();
        Self { origin: origin.clone(), next: chain.next(), edge, length }
    }

    /// The cursor kept, if there is one; and what it says is the chain.
    pub(super) fn load(file: &Path, origin: &Origin) -> Result<Option<(Self, Chain)>> {
        let Some(cursor) = files::read_json::<Self>(file)? else {
            return Ok(None);
        };
        if cursor.origin != *origin {
            return Err(Error::usage(
                format!(
                    "{} is of the log {}, and the CA's is {origin}",
                    file.display(),
                    cursor.origin
                ),
                "follow each log with a cursor, and into a file, of its own",
            ));
        }
        let frontier = Frontier::from_edge(cursor.next, cursor.edge.clone())
            .map_err(|source| files::fault(file, "understood", source))?;
        Ok(Some((cursor, Chain(frontier))))
    }

    /// Replaces the cursor kept.
    pub(super) fn save(&self, file: &Path) -> Result<()> {
        files::write_json(file, self)
    }

    /// How long the file of lines was; none if they were printed.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::tests::entry;

    #[test]
    fn survives_and_is_of_one_log() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cursor");
        let origin: Origin = "ca.example.org/jit-ca".parse().unwrap();
        assert!(Cursor::load(&file, &origin).unwrap().is_none());
        let mut chain = Chain::default();
        for index in 0..7 {
            chain.take(&entry(index)).unwrap();
            let cursor = Cursor::behind(&chain, &origin, Some(index * 100));
            cursor.save(&file).unwrap();
            assert_eq!(Cursor::load(&file, &origin).unwrap().unwrap(), (cursor, chain.clone()));
        }
        assert!(Cursor::load(&file, &"other.example.org/jit-ca".parse().unwrap()).is_err());

        // Three bits are set in 7, and so many hashes are at the edge.
        let cursor = Cursor::behind(&chain, &origin, None);
        Cursor { next: 8, ..cursor }.save(&file).unwrap();
        assert!(Cursor::load(&file, &origin).is_err());
        std::fs::write(&file, "{}").unwrap();
        assert!(Cursor::load(&file, &origin).is_err());
    }
}
