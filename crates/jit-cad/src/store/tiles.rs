//! Tiles as they are stored: in rows of 16 hashes.
//!
//! A whole tile has 8 KiB, of which a batch changes the end; and of rows so large hardly one goes into a page.

use jit_ca_log::tree::{TileId, TileReader, Tree};
use redb::{ReadableTable, Table, TableDefinition};

use super::StoreError;

/// Level, and which row among those of its level, to 16 hashes or, at the right edge, fewer.
pub(super) const TILES: TableDefinition<'_, (u8, u64), &[u8]> = TableDefinition::new("log.tiles");

/// How many rows a full tile (C2SP tlog-tiles) has, and how long each is.
const ROWS: u64 = 16;
const ROW_BYTES: usize = 16 * 32;

/// The hashes of a tile, as many as there are.
pub(super) fn read(
    table: &impl ReadableTable<(u8, u64), &'static [u8]>,
    TileId { level, index }: TileId,
) -> Result<Vec<u8>, StoreError> {
    let first = index.saturating_mul(ROWS);
    let mut hashes = Vec::new();
    for row in table.range((level, first)..(level, first.saturating_add(ROWS)))? {
        hashes.extend_from_slice(row?.1.value());
    }
    Ok(hashes)
}

/// Writes what appending has changed.
pub(super) fn write<R: TileReader>(
    table: &mut Table<'_, (u8, u64), &'static [u8]>,
    tree: &Tree<R>,
) -> Result<(), StoreError> {
    for (TileId { level, index }, from, hashes) in tree.changed_tiles() {
        let rows = (index.saturating_mul(ROWS)..).zip(hashes.chunks(ROW_BYTES));
        for (row, hashes) in rows.skip(from / ROW_BYTES) {
            table.insert((level, row), hashes)?;
        }
    }
    Ok(())
}
