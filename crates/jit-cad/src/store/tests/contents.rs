//! Everything that a store holds, as one hash.

use redb::{Key, ReadableTable as _, TableDefinition, TableHandle as _, Value};
use ring::digest::{Context, SHA256};

use crate::store::{Snapshot, StoreError, beside, fold, format, log, outbox, tiles};

/// SHA-256 over the rows of all tables.
pub(super) fn contents(snapshot: &Snapshot) -> Result<[u8; 32], StoreError> {
    let mut hash = Context::new(&SHA256);
    let mut tables = 0;
    macro_rules! add {
        ($($table:expr),* $(,)?) => {$(
            add(snapshot, $table, &mut hash)?;
            tables += 1;
        )*};
    }
    add!(
        log::LEAVES,
        log::PAYLOADS,
        tiles::TILES,
        log::HEAD,
        fold::ACCESSES,
        fold::GRANTS,
        fold::REVIEWS,
        fold::LOCKS,
        fold::DUE,
        fold::REQUESTS,
        fold::SUBJECTS,
        fold::ACTORS,
        fold::LOGINS,
        fold::PASSKEYS,
        fold::RESETS,
        fold::HOSTS,
        fold::HOST_NAMES,
        fold::HOST_KEYS,
        fold::HOST_TOKENS,
        fold::OPEN_LOGINS,
        fold::SPENT,
        fold::ISSUANCES,
        fold::SSH_SERIALS,
        fold::SESSIONS,
        fold::SESSIONS_OF,
        fold::INDEX,
        fold::FILES,
        fold::PEOPLE,
        fold::VOUCHED,
        fold::VOUCHING,
        fold::BUNDLE,
        fold::CLOCK,
        beside::SECRETS,
        beside::LAST_USES,
        beside::REPLIES,
        beside::ERASED,
        beside::CLOCK,
        outbox::OUTBOX,
        format::FORMAT,
    );
    assert_eq!(snapshot.transaction.list_tables()?.count(), tables, "a table is not compared");
    Ok(hash.finish().as_ref().try_into().unwrap())
}

fn add<K: Key + 'static, V: Value + 'static>(
    snapshot: &Snapshot,
    definition: TableDefinition<'_, K, V>,
    hash: &mut Context,
) -> Result<(), StoreError> {
    hash.update(definition.name().as_bytes());
    for row in snapshot.transaction.open_table(definition)?.iter()? {
        let (key, value) = row?;
        for bytes in [K::as_bytes(&key.value()).as_ref(), V::as_bytes(&value.value()).as_ref()] {
            hash.update(&(bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
    }
    Ok(())
}
