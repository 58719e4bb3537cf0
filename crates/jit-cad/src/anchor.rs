//! Anchors: places off this host that keep the log's newest checkpoint.
//!
//! ```text
//! start  newest() ─ standing ─> the store's head extends it ─> the sequencer starts
//!                           └─> it does not: the store was set back; the daemon refuses to start
//! then   a commit ─ 5 s ─> newest() ─ standing ─> keep()
//!                                            └─> not this log: another daemon writes; this one ends
//! ```
//!
//! A checkpoint says nothing that is secret and bears the log's signature, so that an anchor needs no secret of ours
//! and is believed nothing: it can be silent, and it can stop the daemon, but it can't make history.
//! An anchor that is not reached is warned of, and stops nothing.

mod file;
mod follow;
mod lost;
mod standing;
mod webhook;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jit_ca_core::Origin;
use jit_ca_log::SignedCheckpoint;

use crate::config::AnchorPlace;
use crate::failure::Failure;

use self::file::AnchorFile;
use self::webhook::Webhook;

pub use follow::{finish, run};
pub use lost::newest_of;
pub use standing::{Log, Standing, must_extend, origin_of};

/// The longest checkpoint that is read: more than any is long.
const LARGEST_NOTE: u64 = 64 * 1024;
/// How long an anchor may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A place that keeps checkpoints.
#[derive(Clone)]
pub struct Anchor {
    name: String,
    kind: Arc<Kind>,
    /// Held by the call under way: one that hangs, as on a dead network mount, is waited for and not repeated.
    busy: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
enum Kind {
    File(AnchorFile),
    Webhook(Webhook),
}

/// An anchor is not reached, or does not do what it is for.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The file can't be read or written.
    #[error("the file can't be used")]
    File(#[from] std::io::Error),
    /// The webhook does not answer.
    #[error("the webhook does not answer")]
    Webhook(#[from] ureq::Error),
    /// The webhook answers something else.
    #[error("the webhook answers with the status {0}")]
    Status(u16),
    /// It takes too long.
    #[error("it has not answered within {} seconds", PATIENCE.as_secs())]
    Silent,
    /// The program could not be asked.
    #[error("it can't be asked")]
    Task(#[from] tokio::task::JoinError),
}

impl Anchor {
    /// An anchor at this place. Nothing is read from it yet.
    ///
    /// # Errors
    /// If the roots that a webhook is trusted by can't be read.
    pub fn open(place: &AnchorPlace) -> Result<Self, Failure> {
        let kind = match place {
            AnchorPlace::File(path) => Kind::File(AnchorFile::new(path.clone())),
            AnchorPlace::Webhook { url, ca_file } => Kind::Webhook(Webhook::open(url, ca_file)?),
        };
        Ok(Self { name: place.to_string(), kind: Arc::new(kind), busy: Arc::default() })
    }

    /// The newest note that it has, as it is there; none if it has none.
    ///
    /// # Errors
    /// If it is not reached.
    pub async fn newest(&self) -> Result<Option<String>, AnchorError> {
        self.call(|kind| match kind {
            Kind::File(file) => Ok(file.newest()?),
            Kind::Webhook(webhook) => webhook.newest(),
        })
        .await
    }

    /// Has it keep this checkpoint in place of any before. When this has returned, it is durable there, as far as
    /// the anchor says so.
    ///
    /// # Errors
    /// If it is not reached, or does not take it.
    pub async fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<(), AnchorError> {
        let note = checkpoint.as_str().to_owned();
        self.call(move |kind| match kind {
            Kind::File(file) => Ok(file.keep(&note)?),
            Kind::Webhook(webhook) => webhook.keep(&note),
        })
        .await
    }

    /// Everything that it shows, also of logs before: the newest note, and those that were put aside.
    ///
    /// # Errors
    /// If it is not reached.
    pub async fn all(&self) -> Result<Vec<String>, AnchorError> {
        self.call(|kind| match kind {
            Kind::File(file) => Ok(file.newest()?.into_iter().chain(file.aside()?).collect()),
            Kind::Webhook(webhook) => Ok(webhook.newest()?.into_iter().collect()),
        })
        .await
    }

    /// Puts the last checkpoint of a log before aside, under that log's name. A webhook keeps what it wants.
    ///
    /// # Errors
    /// If it can't be done.
    pub async fn set_aside(&self, origin: &Origin) -> Result<(), AnchorError> {
        let origin = origin.clone();
        self.call(move |kind| match kind {
            Kind::File(file) => Ok(file.set_aside(&origin)?),
            Kind::Webhook(_) => Ok(()),
        })
        .await
    }

    /// Whether it lies on the disk that the store is on. Where that can't be told, it is not said.
    async fn is_beside(&self, store: &Path) -> bool {
        let store = store.to_owned();
        let told = self.call(move |kind| match kind {
            Kind::File(file) => Ok(file.is_beside(&store)),
            Kind::Webhook(_) => Ok(false),
        });
        told.await.unwrap_or(false)
    }

    /// Calls it on a thread that may block, and waits so long and no longer.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Kind) -> Result<T, AnchorError> + Send + 'static,
    ) -> Result<T, AnchorError> {
        let (kind, busy) = (Arc::clone(&self.kind), Arc::clone(&self.busy));
        let called = async {
            let turn = busy.lock_owned().await;
            let called = tokio::task::spawn_blocking(move || {
                let done = call(&kind);
                drop(turn);
                done
            });
            called.await?
        };
        tokio::time::timeout(PATIENCE, called).await.map_err(|_| AnchorError::Silent)?
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Anchor").field(&self.name).finish()
    }
}

/// Opens the anchors that the configuration names, and warns of those that would be lost with the store.
///
/// # Errors
/// If the roots that a webhook is trusted by can't be read.
pub async fn open_all(places: &[AnchorPlace], store: &Path) -> Result<Vec<Anchor>, Failure> {
    let anchors: Result<Vec<Anchor>, Failure> = places.iter().map(Anchor::open).collect();
    let anchors = anchors?;
    for anchor in &anchors {
        if anchor.is_beside(store).await {
            tracing::warn!(%anchor, "this anchor lies on the disk that the log is on, and is restored with it");
        }
    }
    Ok(anchors)
}
