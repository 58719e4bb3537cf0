//! The end of the log, and the thread that moves it.

use std::sync::{Arc, Mutex};

use jit_ca_core::event::{ClockFaulted, Event};
use jit_ca_core::{ActorRef, UnixTime};
use tokio::sync::{oneshot, watch};

use super::draft::Draft;
use super::queue::Queue;
use super::signer::CheckpointSigner;
use super::{Announced, Batch, CommitError, Committed, Done, Job, Proposal, Wanted};
use crate::clock::{self, Millis, Reading};
use crate::failure::with_causes;
use crate::hold;
use crate::notify::{Subscription, told_of};
use crate::store::{Clash, Delivery, Head, Letter, Rewriting, Store, StoreError, Tables};

/// How old a decision may be when its entries are written.
const LONGEST_DELAY_SECS: u64 = 10;

/// The end of the log, and the only hand that moves it.
pub(super) struct Tail {
    pub(super) store: Arc<Store>,
    pub(super) signer: Arc<CheckpointSigner>,
    pub(super) head: Option<Head>,
    pub(super) announce: watch::Sender<Arc<Announced>>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) tell: watch::Sender<()>,
}

/// A proposal whose entries are in the transaction.
struct Written {
    done: Option<Done>,
    first: u64,
    leaves: Vec<Vec<u8>>,
}

impl Tail {
    pub(super) fn run(mut self, queue: &Queue) {
        let _end = EndsWithTheProcess;
        while let Some(jobs) = queue.take() {
            let (mut batch, mut replacements) = (Vec::new(), Vec::new());
            for job in jobs {
                match job {
                    Job::Write(wanted) => batch.push(*wanted),
                    Job::Replace(rewriting, done) => replacements.push((rewriting, done)),
                }
            }
            let done = self.write(batch).and_then(|()| {
                let mut replacements = replacements.into_iter();
                replacements.try_for_each(|(rewriting, done)| self.replace(*rewriting, done))
            });
            if let Err(error) = done {
                // Whether the commit is durable is not known. Nobody has been answered; a restart finds out.
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the log can't be written: the daemon ends"
                );
                std::process::exit(EXIT_STORE);
            }
        }
    }

    /// Between two batches nothing is being written: what the new file lacks is little, and soon copied.
    fn replace(
        &self,
        rewriting: Rewriting,
        done: oneshot::Sender<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        let mut replaced = self.store.catch_up(&rewriting);
        if replaced.is_ok() {
            replaced = self.store.replace(&rewriting)?;
        }
        // Before anybody is answered, who could begin the next one beside it.
        drop(rewriting);
        // Nobody listens where the caller has gone away.
        let _ = done.send(replaced);
        Ok(())
    }

    pub(super) fn write(&mut self, mut batch: Vec<Wanted>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let last = self.head.map_or(Millis(0), |head| head.last);
        let (now, fault) = clock::look(last);
        let (mut now, mut acknowledged) = (now.max(last), None);
        let transaction = self.store.write()?;
        let mut tables = transaction.tables()?;
        // Before anything else that is written by the time that the daemon goes by from here on.
        if let Some(fault) = fault
            && tables.clock_fault()?.is_none()
        {
            batch.insert(0, told(fault)?);
        }

        // 1. Take in what still rests on what is so, and is no certificate while none is issued.
        let hold = hold::hold(&self.store);
        let mut written: Vec<Written> = Vec::new();
        let mut clashed: Vec<(Wanted, Clash)> = Vec::new();
        let mut next = self.head.map_or(0, |head| head.size);
        let mut is_told = false;
        for wanted in batch {
            if let Some(hold) = hold
                && wanted.drafts.iter().any(|it| hold::gives_access(it.actor(), it.event()))
            {
                send_back(wanted, CommitError::Held(hold));
                continue;
            }
            match admit(&tables, &wanted, now.time())? {
                Ok(()) => {
                    let acknowledges = wanted.drafts.iter().any(is_acknowledgement);
                    if acknowledges {
                        // Time goes by the machine's clock again, wherever that leads.
                        let reading = clock::read();
                        (now, acknowledged) = (reading.wall, Some(reading));
                        tables.take_back_uses(now.time())?;
                    }
                    if (acknowledges || wanted.proposal.keep_clock)
                        && let Some(standing) =
                            acknowledged.map_or_else(clock::standing, Reading::standing)
                    {
                        tables.put_clock(&standing)?;
                    }
                    is_told |= self.put_letters(&mut tables, &wanted, next, now)?;
                    let (done, first) = (wanted.done, next);
                    let leaves = append(&mut tables, &wanted.proposal, wanted.drafts, next, now)?;
                    next += u64::try_from(leaves.len()).unwrap_or(u64::MAX);
                    written.push(Written { done, first, leaves });
                }
                Err(clash) => clashed.push((wanted, clash)),
            }
        }
        // What it clashes with may be of this batch: whoever decides again has to find it in the store.
        let send_back_clashed = || {
            clashed.into_iter().for_each(|(it, clash)| send_back(it, CommitError::Clash(clash)));
        };
        if written.is_empty() {
            send_back_clashed();
            return Ok(());
        }

        // 2. One commit: when it has returned, all of it is durable.
        let leaves = written.iter().flat_map(|written| &written.leaves).map(Vec::as_slice);
        let store = Arc::clone(&self.store);
        let (head, tree) = tables.end(self.head, leaves, now, store)?;
        transaction.commit()?;
        self.head = Some(head);
        if let Some(reading) = acknowledged {
            clock::acknowledge(reading);
        }

        // 3. One checkpoint, signed only now. INVARIANT (append only): what it covers can't be undone any more.
        let newest = Arc::new(self.signer.sign_head(self.head)?);
        self.announce.send_replace(Arc::clone(&newest));
        send_back_clashed();
        if is_told {
            self.tell.send_replace(());
        }
        let batch = Arc::new(Batch { tree: Mutex::new(tree), note: newest.note.clone() });
        for Written { done, first, leaves } in written {
            if let Some(done) = done {
                let batch = Arc::clone(&batch);
                // Nobody listens where the caller has gone away.
                let _ = done.send(Ok(Committed { batch, first, leaves: leaves.into() }));
            }
        }
        Ok(())
    }

    /// Puts into the outbox what targets are to be told of the entries, which begin at `first`, and whatever else the
    /// proposal says of it. Says whether anything is new there.
    fn put_letters(
        &self,
        tables: &mut Tables<'_>,
        Wanted { proposal, drafts, .. }: &Wanted,
        first: u64,
        now: Millis,
    ) -> Result<bool, StoreError> {
        for (letter, delivery) in &proposal.letters {
            tables.put_letter(letter, delivery.as_ref())?;
        }
        if self.subscriptions.is_empty() {
            return Ok(false);
        }
        let mut is_told = false;
        for told in told_of(drafts.iter().map(Draft::event)) {
            let entry = first + u64::try_from(told.nth).unwrap_or(u64::MAX);
            for subscription in &self.subscriptions {
                if let Some(due) = subscription.due(told, now) {
                    let target = subscription.target.clone();
                    let letter = Letter { target, entry, kind: told.kind };
                    tables.put_letter(&letter, Some(&Delivery::due_at(due)))?;
                    is_told = true;
                }
            }
        }
        Ok(is_told)
    }
}

/// The entry that says what is wrong with the clock. Nobody waits for it.
fn told(fault: clock::Fault) -> Result<Wanted, StoreError> {
    let draft = Draft::new(ActorRef::DAEMON, ClockFaulted::from(fault).into())?;
    Ok(Wanted { proposal: Proposal::new(Vec::new()), drafts: vec![draft], done: None })
}

fn is_acknowledgement(draft: &Draft) -> bool {
    matches!(draft.event(), Event::ClockAcknowledged(_))
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

/// Tells who waits why it is not written. What nobody waits for is not decided again, and nothing of it may be lost
/// without a word.
fn send_back(Wanted { done, drafts, .. }: Wanted, why: CommitError) {
    match (done, &why) {
        (Some(done), _) => {
            // Nobody listens where the caller has gone away.
            let _ = done.send(Err(why));
        }
        // Of a call that was made again: the first one is in the log.
        (None, CommitError::Clash(Clash::Outcome)) => {}
        (None, _) => {
            let types: Vec<_> = drafts.iter().map(|draft| draft.event().entry_type()).collect();
            tracing::error!(
                entries = types.join(" "),
                error = with_causes(&why),
                "an entry is lost"
            );
        }
    }
}

fn admit(
    tables: &Tables<'_>,
    Wanted { proposal, drafts, .. }: &Wanted,
    now: UnixTime,
) -> Result<Result<(), Clash>, StoreError> {
    if let Some(decided) = proposal.decided {
        // By a clock that has been put right since, it may also have been decided later than now.
        let apart = now.since(decided).max(decided.since(now));
        if apart.secs() > LONGEST_DELAY_SECS {
            return Ok(Err(Clash::Late));
        }
    }
    if let Some(reply) = &proposal.reply
        && tables.reply(reply.actor, reply.key)?.is_some()
    {
        return Ok(Err(Clash::Call));
    }
    let policy = tables.policy()?;
    let is_other = proposal.bundle.is_some() && proposal.bundle != policy.bundle
        || proposal.vouching.is_some_and(|vouching| vouching != policy.vouching);
    if is_other {
        return Ok(Err(Clash::Bundle));
    }
    if let Some((request, generation)) = proposal.access
        && tables.generation(request)? != Some(generation)
    {
        return Ok(Err(Clash::Access));
    }
    if let Some(size) = proposal.locks
        && tables.is_locked_since(size)?
    {
        return Ok(Err(Clash::Lock));
    }
    if let Some(limits) = &proposal.limits
        && tables.exceeded(limits)?.is_some()
    {
        return Ok(Err(Clash::Limit));
    }
    tables.admit(drafts.iter().map(|draft| (draft.actor(), draft.event())), now)
}

/// Appends the entries, with what the proposal changes beside them. Gives their leaves.
fn append(
    tables: &mut Tables<'_>,
    proposal: &Proposal,
    drafts: Vec<Draft>,
    first: u64,
    now: Millis,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let entries = (first..).zip(drafts);
    let leaves = entries.map(|(index, draft)| draft.append(tables, index, now));
    let leaves = leaves.collect::<Result<_, _>>()?;
    if let Some(reply) = &proposal.reply {
        tables.put_reply(reply)?;
    }
    for (name, sealed) in &proposal.secrets {
        tables.put_secret(name, sealed.as_deref())?;
    }
    for prefix in &proposal.drop_secrets {
        tables.drop_secrets(prefix)?;
    }
    if let Some(before) = proposal.forget {
        tables.forget(before)?;
    }
    tables.put_last_uses(&proposal.last_uses)?;
    Ok(leaves)
}
