//! Where entries come from: the CA, by its API.

use jit_ca_api::client::Client;
use jit_ca_api::{Entry, LogQuery};
use jit_ca_log::part::{Part, PartKind, WIDTH};
use jit_ca_log::tree::{TileId, TileReader};

use crate::error::{Error, Result};

/// Whoever gives entries, and parts of the log.
pub(crate) trait Source {
    fn entries(&self, query: &LogQuery) -> Result<Vec<Entry>>;
    fn entry(&self, index: u64) -> Result<Entry>;
    fn part(&self, part: Part) -> Result<Vec<u8>>;
}

impl Source for Client {
    fn entries(&self, query: &LogQuery) -> Result<Vec<Entry>> {
        Ok(Self::entries(self, query)?)
    }

    fn entry(&self, index: u64) -> Result<Entry> {
        Ok(Self::entry(self, index)?)
    }

    fn part(&self, part: Part) -> Result<Vec<u8>> {
        Ok(self.log_part(&part.to_string())?)
    }
}

/// The tiles of a tree of one size.
pub(crate) struct Tiles<'s, S> {
    pub(crate) source: &'s S,
    pub(crate) size: u64,
}

impl<S: Source> TileReader for Tiles<'_, S> {
    type Error = Error;

    fn tile(&self, id: TileId) -> Result<Vec<u8>> {
        let held = self.size.checked_shr(8 * u32::from(id.level)).unwrap_or(0);
        let width = held.saturating_sub(id.index.saturating_mul(WIDTH.into()));
        let width = u16::try_from(width).unwrap_or(WIDTH).min(WIDTH);
        if width == 0 {
            return Ok(Vec::new());
        }
        self.source.part(Part { kind: PartKind::Hashes(id.level), index: id.index, width })
    }
}

/// What went wrong in reading tiles, out of what the tree made of it.
pub(crate) fn unwrapped(error: jit_ca_log::Error) -> Error {
    match error {
        jit_ca_log::Error::Store { source, .. } => match source.downcast() {
            Ok(error) => *error,
            Err(source) => Error::unverified(source.to_string()),
        },
        error => Error::unverified(format!("the CA's tiles are not those of the log: {error}")),
    }
}
