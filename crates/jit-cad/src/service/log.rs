//! The log as it is read from outside: as far as the newest checkpoint goes, and no further.

use jit_ca_api::{Consistency, ConsistencyQuery};
use jit_ca_log::tree::Tree;
use jit_ca_log::{Part, SignedCheckpoint};

use super::Fault;
use crate::app::App;
use crate::store::StoreError;

/// The checkpoint of the log's first `size` entries.
///
/// # Errors
/// If the log has not as many, or `size` is 0, of which nothing can be read.
pub fn checkpoint(app: &App, size: u64) -> Result<SignedCheckpoint, Fault> {
    let found = if size == 0 { None } else { app.sequencer.checkpoint_at(size)? };
    found.ok_or(Fault::NotFound("checkpoint"))
}

/// The proof that the tree of `from` entries is the beginning of that of `to`, and the checkpoint of the latter.
///
/// # Errors
/// If there is no such checkpoint.
pub fn consistency(app: &App, query: &ConsistencyQuery) -> Result<Consistency, Fault> {
    let newest = app.sequencer.newest();
    let to = query.to.unwrap_or(newest.checkpoint.size);
    if to > newest.checkpoint.size {
        let detail =
            format!("the log has {} entries, which is fewer than {to}", newest.checkpoint.size);
        return Err(Fault::bad(detail, "leave out `to`: the newest checkpoint is the default"));
    }
    if query.to.is_some_and(|to| to < query.from) {
        return Err(Fault::bad(
            "`to` is smaller than `from`",
            "`from` is the size of the older tree, `to` that of the newer",
        ));
    }
    let checkpoint = app.sequencer.checkpoint_at(to)?.ok_or(Fault::NotFound("checkpoint"))?;
    // Whoever has seen more than there is has seen a history that was lost, and learns so from the checkpoint.
    let proof = match query.from <= to {
        true => Tree::at(&app.store.read()?, to)
            .consistency_proof(query.from)
            .map_err(StoreError::from)?,
        false => Vec::new(),
    };
    Ok(Consistency { checkpoint: checkpoint.to_string(), proof })
}

/// The bytes of a part of the log.
///
/// # Errors
/// If the newest checkpoint does not cover it.
pub fn part(app: &App, part: Part) -> Result<Vec<u8>, Fault> {
    let size = app.sequencer.newest().checkpoint.size;
    app.store.read()?.part(part, size)?.ok_or(Fault::NotFound("part of the log"))
}
