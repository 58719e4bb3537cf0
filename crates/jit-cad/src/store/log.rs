//! The log's own tables.

use redb::TableDefinition;

/// Index to leaf, as hashed.
pub(super) const LEAVES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log.leaves");
/// Index to salt (32 bytes) and payload; absent once erased.
pub(super) const PAYLOADS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log.payloads");
/// The size and root of the tree, and the time of the last entry in milliseconds: one row.
pub(super) const HEAD: TableDefinition<'_, (), (u64, &[u8; 32], u64)> =
    TableDefinition::new("log.head");
