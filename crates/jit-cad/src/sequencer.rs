//! The sequencer: the one task that writes. It owns the log's end.
//!
//! Decisions and to-be-signed bytes are made outside, on many threads, against snapshots. What they come to is
//! a [`Proposal`]: entries, and what they rest on. The sequencer takes proposals in batches; a batch is one
//! commit and one signed checkpoint. Inside the transaction it compares what each proposal rests on with what
//! is so now, and sends back, as a [`Clash`], what has to be decided again. Nothing is written that rests
//! on state that has changed.

#[cfg(test)]
pub mod by_hand;
mod draft;
mod queue;
mod signer;
mod tail;

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use jit_ca_cert::Key;
use jit_ca_cert::purpose::Log;
use jit_ca_core::event::Event;
use jit_ca_core::{ActorRef, Digest, Origin, RequestId, SubjectId, UnixTime};
use jit_ca_log::tree::Tree;
use jit_ca_log::{Checkpoint, Proof, Recorded, SignedCheckpoint};
use tokio::sync::{oneshot, watch};

use self::draft::Draft;
use self::queue::{Entrance, Full, Manner, Queue};
use self::signer::CheckpointSigner;
use self::tail::Tail;
use crate::failure::with_causes;
use crate::hold::Hold;
use crate::notify::Subscription;
use crate::policy::Policy;
use crate::store::{Clash, Delivery, Letter, Limits, Reply, Rewriting, Store, StoreError};

pub use self::queue::Approach;

/// Entries to be written together, and what they rest on.
#[derive(Debug)]
pub struct Proposal {
    /// When it was decided, if it is a decision: then it is written soon, or decided again. What has happened is
    /// written whenever that can be done.
    pub decided: Option<UnixTime>,
    /// The bundle that it was decided by.
    pub bundle: Option<Digest>,
    /// Whom issuers vouched for then, as [`PolicyVersion::vouching`](crate::store::PolicyVersion) says it.
    pub vouching: Option<u64>,
    /// The request that it was decided on, and the index of the last entry that had changed it.
    pub access: Option<(RequestId, u64)>,
    /// How long the log was when it was looked at who is locked: nobody must have been since.
    pub locks: Option<u64>,
    /// What the request among the entries must not exceed.
    pub limits: Option<Limits>,
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
    /// Whether it is kept how the clock stands when this is written.
    pub keep_clock: bool,
    /// Before when uses of logins are forgotten.
    pub forget: Option<UnixTime>,
    /// How messages stand from here on; without that, they are gone.
    pub letters: Vec<(Letter, Option<Delivery>)>,
    /// Announced when its making began, until it is handed in.
    pub approach: Option<Approach>,
}

impl Proposal {
    /// These entries, which tell what has happened. They rest on nothing but what every entry of their types rests on,
    /// and are never too late.
    pub fn new(entries: Vec<(ActorRef, Event)>) -> Self {
        Self {
            decided: None,
            bundle: None,
            vouching: None,
            access: None,
            locks: None,
            limits: None,
            entries,
            reply: None,
            secrets: Vec::new(),
            drop_secrets: Vec::new(),
            last_uses: Vec::new(),
            keep_clock: false,
            forget: None,
            letters: Vec::new(),
            approach: None,
        }
    }

    /// These entries, which are what was decided then.
    pub fn decided_at(at: UnixTime, entries: Vec<(ActorRef, Event)>) -> Self {
        Self { decided: Some(at), ..Self::new(entries) }
    }

    /// What was decided by a policy is written while it is in force.
    pub fn rest_on(&mut self, policy: &Policy) {
        (self.bundle, self.vouching) = (Some(policy.hash), Some(policy.vouching));
    }

    /// Drops the second factors of subjects, and those that were to be theirs.
    pub fn forget_secrets_of(&mut self, subjects: &[SubjectId]) {
        self.secrets.extend(subjects.iter().map(|subject| (subject.to_string(), None)));
        self.drop_secrets.extend(subjects.iter().map(|subject| format!("{subject} ")));
    }
}

/// Entries that were written and synced, under a signed checkpoint.
#[derive(Clone, Debug)]
pub struct Committed {
    batch: Arc<Batch>,
    /// The index of the first of them.
    pub first: u64,
    leaves: Arc<[Vec<u8>]>,
}

/// The tree as a batch left it, and the checkpoint that was signed for it.
#[derive(Debug)]
struct Batch {
    /// Locked for a proof, which it has all hashes for.
    tree: Mutex<Tree<Arc<Store>>>,
    note: SignedCheckpoint,
}

impl Committed {
    /// The witness that `value` is what the `nth` of these entries is about, with the proof that it is in the log.
    ///
    /// # Errors
    /// If there is no such entry, or the store fails.
    pub fn recorded<T>(&self, nth: usize, value: T) -> Result<Recorded<T>, StoreError> {
        let leaf = self.leaves.get(nth).cloned();
        let leaf =
            leaf.ok_or_else(|| StoreError::Damaged("an entry that was not written".into()))?;
        let index = self.first + u64::try_from(nth).unwrap_or(u64::MAX);
        let mut tree = self.batch.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let hashes = tree.inclusion_proof(index)?;
        drop(tree);
        let checkpoint = self.batch.note.clone();
        Ok(recorded(value, Proof { leaf, index, hashes, checkpoint }))
    }
}

/// INVARIANT (log before sign): the one place that makes a [`Recorded`], of entries that a commit made durable.
fn recorded<T>(value: T, proof: Proof) -> Recorded<T> {
    Recorded::assertion(value, proof)
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
    /// It would give somebody a certificate, and none is issued now.
    #[error(transparent)]
    Held(Hold),
    /// The entries can't be made: a fault of ours, or of the system's randomness.
    #[error("the entries can't be made")]
    Entry(#[source] StoreError),
}

/// The newest checkpoint.
#[derive(Clone, Debug)]
pub struct Announced {
    /// What it says. A snapshot that is read after it covers it.
    pub checkpoint: Checkpoint,
    /// The same, signed.
    pub note: SignedCheckpoint,
}

/// The way to the sequencer.
#[derive(Clone, Debug)]
pub struct Sequencer {
    store: Arc<Store>,
    entrance: Arc<Entrance>,
    announced: watch::Receiver<Arc<Announced>>,
    told: watch::Receiver<()>,
    signer: Arc<CheckpointSigner>,
}

/// What the sequencer does.
#[derive(Debug)]
enum Job {
    /// Write entries.
    Write(Box<Wanted>),
    /// Go on in a file written anew.
    Replace(Box<Rewriting>, oneshot::Sender<Result<(), StoreError>>),
}

/// A proposal with its entries made, and who waits for its answer, if anybody does.
#[derive(Debug)]
struct Wanted {
    proposal: Proposal,
    drafts: Vec<Draft>,
    done: Option<Done>,
}

/// The way of an answer.
type Done = oneshot::Sender<Result<Committed, CommitError>>;

impl Job {
    /// Makes the entries, on the caller's thread.
    fn write(mut proposal: Proposal, done: Option<Done>) -> Result<Self, CommitError> {
        let entries = mem::take(&mut proposal.entries);
        let drafts = entries.into_iter().map(|(actor, event)| Draft::new(actor, event));
        let drafts = drafts.collect::<Result<_, _>>().map_err(CommitError::Entry)?;
        Ok(Self::Write(Box::new(Wanted { proposal, drafts, done })))
    }
}

impl Sequencer {
    /// Starts it on a store whose head was verified.
    ///
    /// # Errors
    /// If the store fails, or the checkpoint of its head can't be signed.
    pub fn start(store: Arc<Store>, key: Key<Log>, origin: &Origin) -> Result<Self, StoreError> {
        Self::start_telling(store, key, origin, Vec::new())
    }

    /// The same; what these targets are to be told of is put into the outbox with the entries.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_telling(
        store: Arc<Store>,
        key: Key<Log>,
        origin: &Origin,
        subscriptions: Vec<Subscription>,
    ) -> Result<Self, StoreError> {
        let signer = Arc::new(CheckpointSigner::new(key, origin.clone()));
        let (sequencer, tail, queue) = Self::at_rest(store, signer, subscriptions)?;
        thread::Builder::new().name("sequencer".into()).spawn(move || tail.run(&queue)).map_err(
            |error| StoreError::Damaged(format!("its writer can't be started: {error}")),
        )?;
        Ok(sequencer)
    }

    /// Its parts, before anything is written.
    fn at_rest(
        store: Arc<Store>,
        signer: Arc<CheckpointSigner>,
        subscriptions: Vec<Subscription>,
    ) -> Result<(Self, Tail, Arc<Queue>), StoreError> {
        let head = store.read()?.head()?;
        let newest = signer.sign_head(head)?;
        let (entrance, queue) = Queue::new();
        let (announce, announced) = watch::channel(Arc::new(newest));
        let (tell, told) = watch::channel(());
        let tail = Tail {
            store: Arc::clone(&store),
            signer: Arc::clone(&signer),
            head,
            announce,
            subscriptions,
            tell,
        };
        Ok((Self { store, entrance: Arc::new(entrance), announced, told, signer }, tail, queue))
    }

    /// Writes the entries, and returns once they are durable.
    ///
    /// # Errors
    /// If nothing was written. An error of the store is not among them: it ends the process.
    pub async fn commit(&self, proposal: Proposal) -> Result<Committed, CommitError> {
        self.handed_in(proposal, Manner::Awaited).await
    }

    /// The same for the daemon's last entry: there is always room for it, as nobody comes back with it.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn commit_last(&self, proposal: Proposal) -> Result<Committed, CommitError> {
        self.handed_in(proposal, Manner::Unawaited).await
    }

    async fn handed_in(
        &self,
        mut proposal: Proposal,
        manner: Manner,
    ) -> Result<Committed, CommitError> {
        let approach = proposal.approach.take();
        let (done, answer) = oneshot::channel();
        let job = Job::write(proposal, Some(done))?;
        self.entrance.push(job, manner).map_err(|Full| CommitError::Busy)?;
        drop(approach);
        answered(answer).await
    }

    /// Has the entries written with the next batch, without waiting for it. Where that can't be done the daemon's own
    /// log says so.
    pub fn commit_soon(&self, proposal: Proposal) {
        let pushed = Job::write(proposal, None).map(|job| {
            // There is always room for what nobody waits for.
            let _ = self.entrance.push(job, Manner::Unawaited);
        });
        if let Err(error) = pushed {
            tracing::error!(error = with_causes(&error), "an entry is lost");
        }
    }

    /// Says that a proposal will be committed soon, for as long as the answer is kept: a batch that is about to begin
    /// waits for it a little.
    pub fn approach(&self) -> Approach {
        self.entrance.approach()
    }

    /// Returns once everything that was handed in before is written.
    ///
    /// # Errors
    /// If the log can't be written.
    pub async fn flush(&self) -> Result<(), CommitError> {
        self.commit(Proposal::new(Vec::new())).await.map(drop)
    }

    /// Goes on in the file that was written anew, once it holds what has been written since.
    ///
    /// # Errors
    /// If too many calls wait, or the new file can't be finished; then it goes on in the old one.
    pub async fn replace(
        &self,
        rewriting: Rewriting,
    ) -> Result<Result<(), StoreError>, CommitError> {
        let (done, answer) = oneshot::channel();
        let job = Job::Replace(Box::new(rewriting), done);
        self.entrance.push(job, Manner::Awaited).map_err(|Full| CommitError::Busy)?;
        Ok(answered(answer).await)
    }

    /// The newest checkpoint, as it changes.
    pub fn announced(&self) -> watch::Receiver<Arc<Announced>> {
        self.announced.clone()
    }

    /// Changes whenever there is something new in the outbox.
    pub fn told(&self) -> watch::Receiver<()> {
        self.told.clone()
    }

    /// The newest checkpoint.
    pub fn newest(&self) -> Arc<Announced> {
        Arc::clone(&self.announced.borrow())
    }

    /// The checkpoint of the first `size` entries; none if the newest covers fewer.
    ///
    /// # Errors
    /// If the store fails.
    pub fn checkpoint_at(&self, size: u64) -> Result<Option<SignedCheckpoint>, StoreError> {
        let newest = self.newest();
        if size > newest.checkpoint.size {
            return Ok(None);
        }
        self.signer.sign_earlier(&self.store.read()?, size, &newest.checkpoint).map(Some)
    }

    /// The witness that `value` is what the entry at `index`, written some time ago, is about. Its proof is under
    /// the newest checkpoint.
    ///
    /// # Errors
    /// If there is no such entry, or the store fails.
    pub async fn recorded<T>(&self, index: u64, value: T) -> Result<Recorded<T>, StoreError> {
        // A reader may see an entry a moment before the checkpoint that covers it is signed.
        let covers = |newest: &Arc<Announced>| newest.checkpoint.size > index;
        let newest = self.announced.clone().wait_for(covers).await.map(|found| Arc::clone(&found));
        let newest = newest.map_err(|_| StoreError::Damaged("the sequencer has ended".into()))?;
        let snapshot = self.store.read()?;
        let leaf = snapshot.leaf(index)?;
        let leaf = leaf.ok_or_else(|| StoreError::Damaged(format!("entry {index} is missing")))?;
        let hashes = Tree::at(&snapshot, newest.checkpoint.size).inclusion_proof(index)?;
        let checkpoint = newest.note.clone();
        Ok(recorded(value, Proof { leaf, index, hashes, checkpoint }))
    }
}

/// An answer is dropped only where the sequencer has failed: it says why, and ends the process. Whoever went on
/// from here would be faster, and end it for another reason.
async fn answered<T>(answer: oneshot::Receiver<T>) -> T {
    match answer.await {
        Ok(answer) => answer,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
