//! The end of the log, and the thread that moves it.

use std::sync::Arc;

use jit_ca_cert::Key;
use jit_ca_cert::purpose::Log;
use jit_ca_core::event::Event;
use jit_ca_core::{Digest, Origin, UnixTime};
use jit_ca_log::hash::sha256;
use jit_ca_log::{Ids, Leaf, SignedCheckpoint, entry, payload};
use tokio::sync::{mpsc, oneshot, watch};

use super::{CommitError, Committed, Job, Proposal, checkpoint};
use crate::clock::{self, Millis};
use crate::store::{Clash, Head, Store, StoreError, Write};

/// How many proposals one commit takes at most. A batch forms while the one before is being committed.
const LARGEST_BATCH: usize = 256;
/// How far the clock may be behind the last entry before nothing is written any more.
const CLOCK_TOLERANCE_MS: u64 = 2_000;
/// How old a decision may be when its entries are written.
const LONGEST_DELAY_SECS: u64 = 10;

/// The end of the log, and the only hand that moves it.
pub(super) struct Tail {
    pub(super) store: Arc<Store>,
    pub(super) key: Key<Log>,
    pub(super) origin: Origin,
    pub(super) head: Option<Head>,
    pub(super) announce: watch::Sender<Arc<SignedCheckpoint>>,
}

/// A proposal whose entries are in the transaction.
struct Written {
    done: oneshot::Sender<Result<Committed, CommitError>>,
    first: u64,
    leaves: Vec<Vec<u8>>,
}

impl Tail {
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let _end = EndsWithTheProcess;
        while let Some(job) = jobs.blocking_recv() {
            let mut batch = vec![job];
            while batch.len() < LARGEST_BATCH
                && let Ok(job) = jobs.try_recv()
            {
                batch.push(job);
            }
            if let Err(error) = self.write(batch) {
                // Whether the commit is durable is not known. Nobody has been answered; a restart finds out.
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the log can't be written: the daemon ends"
                );
                std::process::exit(EXIT_STORE);
            }
        }
    }

    fn write(&mut self, batch: Vec<Job>) -> Result<(), StoreError> {
        let now = clock::now_millis();
        let last = self.head.map_or(Millis(0), |head| head.last);
        if now.0.saturating_add(CLOCK_TOLERANCE_MS) < last.0 {
            batch.into_iter().for_each(|job| answer(job.done, Err(CommitError::ClockBehind(last))));
            return Ok(());
        }
        let now = now.max(last);

        // 1. Take in what still rests on what is so.
        let mut transaction = self.store.write()?;
        let mut written: Vec<Written> = Vec::new();
        let mut next = self.head.map_or(0, |head| head.size);
        for Job { proposal, done } in batch {
            match admit(&transaction, &proposal, now.time())? {
                Ok(()) => {
                    let leaves = append(&mut transaction, &proposal, next, now)?;
                    let first = next;
                    next += u64::try_from(leaves.len()).unwrap_or(u64::MAX);
                    written.push(Written { done, first, leaves });
                }
                Err(clash) => answer(done, Err(CommitError::Clash(clash))),
            }
        }
        if written.is_empty() {
            return Ok(());
        }

        // 2. One commit: when it has returned, all of it is durable.
        let leaves: Vec<Vec<u8>> =
            written.iter().flat_map(|written| written.leaves.iter().cloned()).collect();
        let head = transaction.extend_tree(self.head, &leaves, now)?;
        transaction.commit()?;
        self.head = Some(head);

        // 3. One checkpoint, signed only now. INVARIANT (append only): what it covers can't be undone any more.
        let checkpoint = self.key.sign_checkpoint(&checkpoint(&self.origin, self.head));
        let checkpoint =
            Arc::new(checkpoint.map_err(|error| StoreError::Damaged(error.to_string()))?);
        self.announce.send_replace(Arc::clone(&checkpoint));
        for Written { done, first, leaves } in written {
            let committed = Committed {
                store: Arc::clone(&self.store),
                first,
                leaves: leaves.into(),
                size: head.size,
                checkpoint: Arc::clone(&checkpoint),
            };
            answer(done, Ok(committed));
        }
        Ok(())
    }
}

/// A daemon without its sequencer would answer and never write: a panic there ends it all.
struct EndsWithTheProcess;

impl Drop for EndsWithTheProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::exit(EXIT_STORE);
        }
    }
}

/// `EX_IOERR` of sysexits.h.
const EXIT_STORE: i32 = 74;

fn answer(
    done: oneshot::Sender<Result<Committed, CommitError>>,
    result: Result<Committed, CommitError>,
) {
    // Nobody listens where the caller has gone away, or never waited.
    let _ = done.send(result);
}

fn admit(
    transaction: &Write,
    proposal: &Proposal,
    now: UnixTime,
) -> Result<Result<(), Clash>, StoreError> {
    if now.since(proposal.at).secs() > LONGEST_DELAY_SECS {
        return Ok(Err(Clash::Late));
    }
    if let Some(reply) = &proposal.reply
        && transaction.reply(reply.actor, reply.key)?.is_some()
    {
        return Ok(Err(Clash::Call));
    }
    if proposal.bundle.is_some() && transaction.bundle()? != proposal.bundle {
        return Ok(Err(Clash::Bundle));
    }
    if let Some((request, generation)) = proposal.access
        && transaction.generation(request)? != Some(generation)
    {
        return Ok(Err(Clash::Access));
    }
    let events: Vec<&Event> = proposal.entries.iter().map(|(_, event)| event).collect();
    transaction.admit(&events, now)
}

fn append(
    transaction: &mut Write,
    proposal: &Proposal,
    first: u64,
    now: Millis,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut leaves = Vec::with_capacity(proposal.entries.len());
    for (idx, (actor, event)) in (first..).zip(&proposal.entries) {
        let payload = payload::encode(event)?;
        let salt = clock::random().map_err(|error| StoreError::Damaged(error.to_string()))?;
        let leaf = Leaf {
            entry_type: event.entry_type().parse()?,
            idx,
            ts_ms: now.0,
            actor: *actor,
            ids: ids(event),
            bundle: transaction.bundle()?,
            tbs: tbs(event),
            commit: entry::commit(&salt, &payload),
        };
        transaction.append(&leaf, &salt, &payload, event)?;
        leaves.push(leaf.encode());
    }
    if let Some(reply) = &proposal.reply {
        transaction.put_reply(reply)?;
    }
    for (name, sealed) in &proposal.secrets {
        transaction.put_secret(name, sealed.as_deref())?;
    }
    if let Some(before) = proposal.forget {
        transaction.forget(before)?;
    }
    transaction.put_last_uses(&proposal.last_uses)?;
    Ok(leaves)
}

/// The ids that stand openly in an event's leaf.
fn ids(event: &Event) -> Ids {
    let mut ids = Ids { request: event.request(), grant: None, issuance: None };
    match event {
        Event::GrantMade(event) => ids.grant = Some(event.grant),
        Event::GrantEnded(event) => ids.grant = Some(event.grant),
        Event::CertificateIntended(event) => {
            ids.issuance = Some(event.issuance);
            ids.grant = event.under.as_ref().map(|under| under.grant);
        }
        Event::CertificateIssued(event) => {
            (ids.issuance, ids.grant) = (Some(event.issuance), event.grant);
        }
        Event::IssuanceFailed(event) => {
            (ids.issuance, ids.grant) = (Some(event.issuance), event.grant);
        }
        _ => {}
    }
    ids
}

/// The hash that stands openly in an intent's leaf, and in no other.
fn tbs(event: &Event) -> Option<Digest> {
    match event {
        Event::CertificateIntended(intended) => Some(sha256(intended.tbs.as_slice())),
        _ => None,
    }
}
