//! The sequencer: the one task that writes. It owns the log's end.
//!
//! Decisions and to-be-signed bytes are made outside, on many threads, against snapshots. What they come to is
//! a [`Proposal`]: entries, and what they rest on. The sequencer takes proposals in batches; a batch is one
//! commit and one signed checkpoint. Inside the transaction it compares what each proposal rests on with what
//! is so now, and sends back, as a [`Clash`], what has to be decided again. Nothing is written that rests
//! on state that has changed.

mod signer;
mod tail;

use std::sync::Arc;
use std::thread;

use jit_ca_cert::Key;
use jit_ca_cert::purpose::Log;
use jit_ca_core::event::Event;
use jit_ca_core::{ActorRef, Digest, Origin, RequestId, SubjectId, UnixTime};
use jit_ca_log::tree::Tree;
use jit_ca_log::{Checkpoint, LogKey, Proof, Recorded, SignedCheckpoint};
use tokio::sync::{mpsc, oneshot, watch};

use self::signer::CheckpointSigner;
use self::tail::Tail;
use crate::clock::{self, Millis};
use crate::store::{Clash, Reply, Rewriting, Snapshot, Store, StoreError};

/// How many proposals wait at most; one more is told to come back.
const QUEUE: usize = 1_024;

/// Entries to be written together, and what they rest on.
#[derive(Debug)]
pub struct Proposal {
    /// When it was decided.
    pub at: UnixTime,
    /// The bundle that it was decided by.
    pub bundle: Option<Digest>,
    /// The request that it was decided on, and the index of the last entry that had changed it.
    pub access: Option<(RequestId, u64)>,
    /// What happened, and by whom.
    pub entries: Vec<(ActorRef, Event)>,
    /// What the call made, for the same call made again.
    pub reply: Option<Reply>,
    /// Sealed secrets by their names; none in place of one that is dropped.
    pub secrets: Vec<(String, Option<Vec<u8>>)>,
    /// Sealed secrets whose names begin so are dropped.
    pub drop_secrets: Vec<String>,
    /// When logins were last used.
    pub last_uses: Vec<(Vec<u8>, UnixTime)>,
    /// Before when calls that can be repeated, and uses of logins, are forgotten.
    pub forget: Option<UnixTime>,
}

impl Proposal {
    /// These entries, which rest on nothing but what every entry of their types rests on.
    pub fn new(at: UnixTime, entries: Vec<(ActorRef, Event)>) -> Self {
        Self {
            at,
            bundle: None,
            access: None,
            entries,
            reply: None,
            secrets: Vec::new(),
            drop_secrets: Vec::new(),
            last_uses: Vec::new(),
            forget: None,
        }
    }
}

impl Proposal {
    /// Drops the second factors of subjects, and those that were to be theirs.
    pub fn forget_secrets_of(&mut self, subjects: &[SubjectId]) {
        self.secrets.extend(subjects.iter().map(|subject| (subject.to_string(), None)));
        self.drop_secrets.extend(subjects.iter().map(|subject| format!("{subject} ")));
    }
}

/// Entries that were written and synced, under a signed checkpoint.
#[derive(Clone, Debug)]
pub struct Committed {
    store: Arc<Store>,
    signer: Arc<CheckpointSigner>,
    /// The index of the first of them.
    pub first: u64,
    leaves: Arc<[Vec<u8>]>,
    newest: Checkpoint,
}

impl Committed {
    /// The witness that `value` is what the `nth` of these entries is about, with the proof that it is in the log.
    ///
    /// # Errors
    /// If there is no such entry, or the store fails.
    pub fn recorded<T>(&self, nth: usize, value: T) -> Result<Recorded<T>, StoreError> {
        let leaf = self
            .leaves
            .get(nth)
            .ok_or_else(|| StoreError::Damaged("an entry that was not written".into()))?;
        let index = self.first + u64::try_from(nth).unwrap_or(u64::MAX);
        recorded(&self.store.read()?, &self.signer, &self.newest, (index, leaf.clone()), value)
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// What the proposal rests on has changed: decide again.
    #[error("what it rests on has changed: {0}")]
    Clash(Clash),
    /// Too many proposals wait.
    #[error("too many calls are waiting for the log")]
    Busy,
    /// The clock is behind the log.
    #[error("the clock is behind the log's last entry, which was written at {}", .0.time())]
    ClockBehind(Millis),
    /// The daemon stops.
    #[error("the daemon is stopping")]
    Stopped,
}

/// The way to the sequencer.
#[derive(Clone, Debug)]
pub struct Sequencer {
    store: Arc<Store>,
    jobs: mpsc::Sender<Job>,
    checkpoints: watch::Receiver<Arc<SignedCheckpoint>>,
    signer: Arc<CheckpointSigner>,
    log_key: LogKey,
}

/// What the sequencer does.
#[derive(Debug)]
enum Job {
    /// Write entries.
    Write(Box<Wanted>),
    /// Go on in a file written anew.
    Replace(Box<Rewriting>, oneshot::Sender<Result<(), StoreError>>),
}

/// A proposal, and who waits for its answer.
#[derive(Debug)]
struct Wanted {
    proposal: Proposal,
    done: oneshot::Sender<Result<Committed, CommitError>>,
}

impl Job {
    fn write(proposal: Proposal) -> (Self, oneshot::Receiver<Result<Committed, CommitError>>) {
        let (done, answer) = oneshot::channel();
        (Self::Write(Box::new(Wanted { proposal, done })), answer)
    }
}

impl Sequencer {
    /// Starts it on a store whose head was verified.
    ///
    /// # Errors
    /// If the store fails, or the checkpoint of its head can't be signed.
    pub fn start(store: Arc<Store>, key: Key<Log>, origin: &Origin) -> Result<Self, StoreError> {
        let head = store.read()?.head()?;
        let signer = Arc::new(CheckpointSigner::new(key, origin.clone()));
        let log_key = signer.log_key();
        let (_, checkpoint) = signer.sign_head(head)?;
        let (jobs, received) = mpsc::channel(QUEUE);
        let (announce, checkpoints) = watch::channel(Arc::new(checkpoint));
        let tail = Tail { store: Arc::clone(&store), signer: Arc::clone(&signer), head, announce };
        thread::Builder::new().name("sequencer".into()).spawn(move || tail.run(received)).map_err(
            |error| StoreError::Damaged(format!("its writer can't be started: {error}")),
        )?;
        Ok(Self { store, jobs, checkpoints, signer, log_key })
    }

    /// Writes the entries, and returns once they are durable.
    ///
    /// # Errors
    /// If nothing was written. An error of the store is not among them: it ends the process.
    pub async fn commit(&self, proposal: Proposal) -> Result<Committed, CommitError> {
        let (job, answer) = Job::write(proposal);
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommitError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommitError::Stopped,
        })?;
        answer.await.map_err(|_| CommitError::Stopped)?
    }

    /// Has the entries written with the next batch, without waiting for it.
    pub fn commit_soon(&self, proposal: Proposal) {
        let (job, _) = Job::write(proposal);
        // The queue is full of calls that wait: this one waits behind them, and nobody for it.
        if let Err(mpsc::error::TrySendError::Full(job)) = self.jobs.try_send(job) {
            let jobs = self.jobs.clone();
            tokio::spawn(async move { jobs.send(job).await });
        }
    }

    /// Returns once everything that was handed in before is written.
    ///
    /// # Errors
    /// If the log can't be written.
    pub async fn flush(&self) -> Result<(), CommitError> {
        self.commit(Proposal::new(clock::now(), Vec::new())).await.map(drop)
    }

    /// Goes on in the file that was written anew, once it holds what has been written since.
    ///
    /// # Errors
    /// If the daemon stops, or the new file can't be finished; then it goes on in the old one.
    pub async fn replace(
        &self,
        rewriting: Rewriting,
    ) -> Result<Result<(), StoreError>, CommitError> {
        let (done, answer) = oneshot::channel();
        let job = Job::Replace(Box::new(rewriting), done);
        self.jobs.send(job).await.map_err(|_| CommitError::Stopped)?;
        answer.await.map_err(|_| CommitError::Stopped)
    }

    /// The newest checkpoint, as it changes.
    pub fn checkpoints(&self) -> watch::Receiver<Arc<SignedCheckpoint>> {
        self.checkpoints.clone()
    }

    /// What the newest checkpoint says. A snapshot that is read after it covers it.
    ///
    /// # Errors
    /// If it is not the log's, which can't be.
    pub fn newest(&self) -> Result<Checkpoint, StoreError> {
        Ok(self.checkpoints.borrow().open(&self.log_key)?)
    }

    /// The checkpoint of the first `size` entries; none if the newest covers fewer.
    ///
    /// # Errors
    /// If the store fails.
    pub fn checkpoint_at(&self, size: u64) -> Result<Option<SignedCheckpoint>, StoreError> {
        let newest = self.newest()?;
        if size > newest.size {
            return Ok(None);
        }
        self.signer.sign_earlier(&self.store.read()?, size, &newest).map(Some)
    }

    /// The witness that `value` is what the entry at `index`, written some time ago, is about.
    ///
    /// # Errors
    /// If there is no such entry, or the store fails.
    pub async fn recorded<T>(&self, index: u64, value: T) -> Result<Recorded<T>, StoreError> {
        // A reader may see an entry a moment before the checkpoint that covers it is signed.
        let covers = |checkpoint: &Arc<SignedCheckpoint>| {
            checkpoint.open(&self.log_key).map_or(true, |checkpoint| checkpoint.size > index)
        };
        let newest =
            self.checkpoints.clone().wait_for(covers).await.map(|found| Arc::clone(&found));
        let newest = newest.map_err(|_| StoreError::Damaged("the sequencer has ended".into()))?;
        let newest = newest.open(&self.log_key)?;
        let snapshot = self.store.read()?;
        let leaf = snapshot.leaf(index)?;
        let leaf = leaf.ok_or_else(|| StoreError::Damaged(format!("entry {index} is missing")))?;
        recorded(&snapshot, &self.signer, &newest, (index, leaf), value)
    }
}

/// INVARIANT (log before sign): the one place that makes a [`Recorded`], from entries that a commit made durable.
///
/// Its proof is under the checkpoint that ends with the entry itself, and not under the one of the batch, which
/// nobody could tell later: so a call that is made again gives the same proof, to the byte.
fn recorded<T>(
    snapshot: &Snapshot,
    signer: &CheckpointSigner,
    newest: &Checkpoint,
    (index, leaf): (u64, Vec<u8>),
    value: T,
) -> Result<Recorded<T>, StoreError> {
    let size = index + 1;
    let checkpoint = signer.sign_earlier(snapshot, size, newest)?;
    let hashes = Tree::at(snapshot, size).inclusion_proof(index)?;
    Ok(Recorded::assertion(value, Proof { leaf, index, hashes, checkpoint }))
}

#[cfg(test)]
mod tests;
