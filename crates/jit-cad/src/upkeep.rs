//! Upkeep: the store copied while it is in use, for a backup, or to make its file smaller.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jit_ca_core::Digest;
use serde::{Deserialize, Serialize};

use crate::admin;
use crate::app::App;
use crate::config::Config;
use crate::failure::Failure;
use crate::service::{Fault, blocking};
use crate::store::{Store, StoreError};

/// A backup that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// How many entries it holds.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// How large its file is.
    pub bytes: u64,
}

/// How much room the store's file took on the disk, and takes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Copies the store into a new file, as it is now.
///
/// # Errors
/// If there is such a file, or it can't be written.
pub async fn backup(app: &Arc<App>, file: PathBuf) -> Result<Backup, Fault> {
    let _alone = app.copying.lock().await;
    let store = Arc::clone(&app.store);
    blocking(move || copy(&store, &file).map_err(fault)).await
}

fn copy(store: &Store, file: &Path) -> Result<Backup, StoreError> {
    let (head, bytes) = store.backup(file)?;
    Ok(Backup { size: head.size, root: head.root, bytes })
}

/// Writes the store's file anew, without the room that is not used, and goes on in it.
///
/// # Errors
/// If it can't be written. The daemon goes on in the old one then.
pub async fn compact(app: &Arc<App>) -> Result<Compacted, Fault> {
    let _alone = app.copying.lock().await;
    let before = app.store.room_taken()?;
    rewrite(app).await?.map_err(fault)?;
    Ok(Compacted { before, after: app.store.room_taken()? })
}

/// Writes the store's file anew while it is in use. Whoever calls holds [`App::copying`].
///
/// # Errors
/// If the daemon stops; inside, if the file can't be written.
pub async fn rewrite(app: &Arc<App>) -> Result<Result<(), StoreError>, Fault> {
    let store = Arc::clone(&app.store);
    match blocking(move || Ok(store.rewrite())).await? {
        Ok(rewriting) => app.sequencer.replace(rewriting).await.map_err(Fault::Commit),
        Err(error) => Ok(Err(error)),
    }
}

const NEW_FILE: &str =
    "name a file that is not there; one that ends in .new is what an interrupted backup has left";
const ROOM: &str = "make room, or give the disk more; docs/guides/upkeep.md says how much";

/// What whoever asked can do about it.
fn fault(error: StoreError) -> Fault {
    match error {
        StoreError::Exists(_) => Fault::bad(error.to_string(), NEW_FILE),
        StoreError::NoRoom(_) => Fault::bad(error.to_string(), ROOM),
        _ => error.into(),
    }
}

/// `jit-cad log backup`: asks the running daemon, or copies the store of one that does not run.
///
/// # Errors
/// If there is such a file, or it can't be written.
pub async fn run_backup(config: &Config, file: &Path) -> Result<String, Failure> {
    // The daemon has another folder for its own.
    let file = std::path::absolute(file)?;
    let made = match admin::is_there(&config.admin_socket).await {
        true => admin::ask_for_backup(&config.admin_socket, file.clone()).await?,
        false => {
            let store = Store::open(&config.store)?.keeping_free(config.keep_free);
            store.read()?.verify_head()?;
            copy(&store, &file).map_err(|error| match fault(error) {
                Fault::Bad { detail, hint } => Failure::usage(detail, hint),
                fault => fault.into(),
            })?
        }
    };
    let Backup { size, root, bytes } = made;
    Ok(format!("{size} entries, with the root {root}, in {bytes} bytes: {}", file.display()))
}

/// `jit-cad log compact`: asks the running daemon.
///
/// # Errors
/// If no daemon runs, or the file can't be written.
pub async fn run_compact(config: &Config) -> Result<String, Failure> {
    let Compacted { before, after } = admin::ask_to_compact(&config.admin_socket).await?;
    Ok(format!("{before} bytes of the disk are {after} now"))
}
