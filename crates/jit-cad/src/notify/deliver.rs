//! A target's queue, brought to its end again and again.
//!
//! Messages go in the order of the log, one at a time. Where the target is ill, all of them wait, for longer each time;
//! where it does not want one of them, that one is tried again later, and the others go on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::target::{NotTaken, Target, id};
use crate::app::App;
use crate::clock::{self, Millis};
use crate::failure::with_causes;
use crate::sequencer::{CommitError, Proposal};
use crate::service::Fault;
use crate::store::{Delivery, Due, Letter};

/// How many messages are sent before it is written down that they were. A crash sends them once more.
const AT_ONCE: usize = 16;
/// How long it is waited after a first failure, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long the daemon's own store may be left alone after it could not be read or written.
const RECOVERY: Duration = Duration::from_secs(1);
/// The longest sleep: the clock may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// How often a message is tried at least, however old it is: the daemon may have been down for days.
const FEWEST_ATTEMPTS: u32 = 3;
/// How many messages of a target wait at most; the oldest are given up for more.
const MOST_WAITING: u64 = 10_000;
/// How many of a target's messages that were given up are kept; the oldest go for more.
const MOST_DEAD: u64 = 1_000;

/// What a turn came to.
enum Turn {
    /// There is nothing more to be sent before then.
    Done(Option<Millis>),
    /// There may be more.
    More,
    /// The target is ill; before, it may have taken something.
    Ill { why: NotTaken, was_well: bool },
}

/// How a target has been lately.
#[derive(Debug, Default)]
struct Health {
    /// How often in a row it was ill.
    failures: u32,
}

/// Runs until it is dropped.
pub async fn run(app: Arc<App>) -> Infallible {
    forget_others(&app).await;
    let mut queues = tokio::task::JoinSet::new();
    for target in app.targets.iter().map(Arc::clone) {
        let app = Arc::clone(&app);
        queues.spawn(async move { follow(&app, &target).await });
    }
    while let Some(Err(error)) = queues.join_next().await {
        tracing::error!(%error, "a target is not notified any more");
    }
    std::future::pending().await
}

async fn follow(app: &Arc<App>, target: &Arc<Target>) -> Infallible {
    let mut told = app.sequencer.told();
    let mut health = Health::default();
    loop {
        told.borrow_and_update();
        match turn(app, target).await {
            Ok(Turn::More) => health.is_well(target),
            Ok(Turn::Done(next)) => {
                let sleep = next.map_or(LONGEST_SLEEP, until).min(LONGEST_SLEEP);
                tokio::select! {
                    // Where the sequencer has ended, the process does.
                    _ = told.changed() => {}
                    () = target.hurry.notified() => {}
                    () = tokio::time::sleep(sleep) => {}
                }
            }
            Ok(Turn::Ill { why, was_well }) => {
                if was_well {
                    health.is_well(target);
                }
                let pause = health.is_ill(target, &why);
                tokio::select! {
                    () = target.hurry.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(%target, error, "the outbox can't be used now");
                tokio::time::sleep(RECOVERY).await;
            }
        }
    }
}

/// Sends what is due, and writes down what came of it.
async fn turn(app: &Arc<App>, target: &Arc<Target>) -> Result<Turn, Fault> {
    let now = clock::now_millis();
    let (due, messages) = messages(app, target, now)?;
    let mut letters = surplus(app, target, &due)?;
    let more = messages.len() == AT_ONCE || !letters.is_empty();
    let (mut ill, mut was_well) = (None, false);
    for (letter, mut delivery, message) in messages {
        let Some(message) = message else {
            letters.push((letter, None));
            continue;
        };
        let why = match send(app, target, &letter, message).await? {
            Ok(()) => {
                was_well = true;
                letters.push((letter, None));
                continue;
            }
            Err(why) => why,
        };
        delivery.attempts = delivery.attempts.saturating_add(1);
        delivery.error = why.to_string();
        let now = clock::now_millis();
        if delivery.attempts >= FEWEST_ATTEMPTS
            && now.time().since(delivery.since.time()) >= target.give_up
        {
            delivery.dead = true;
            let (id, error) = (id(&app.config.origin, &letter), &delivery.error);
            tracing::warn!(
                %target, id, kind = %letter.kind, error, given_up = due.dead + 1,
                "a message is given up: jit-cad notify list",
            );
        } else if why.is_of_the_message() {
            delivery.due = after(now, pause(delivery.attempts));
        }
        letters.push((letter, Some(delivery)));
        if !why.is_of_the_message() {
            ill = Some(why);
            break;
        }
    }
    let is_changed = !letters.is_empty();
    if is_changed {
        write_down(app, &letters).await?;
    }
    Ok(match ill {
        Some(why) => Turn::Ill { why, was_well },
        None if more || is_changed => Turn::More,
        None => Turn::Done(due.next),
    })
}

/// Writes down how messages stand, for as long as it takes: what was sent is not sent again for want of room for that.
async fn write_down(app: &App, letters: &[(Letter, Option<Delivery>)]) -> Result<(), Fault> {
    loop {
        let mut proposal = Proposal::new(Vec::new());
        proposal.letters = letters.to_vec();
        match app.sequencer.commit(proposal).await {
            Err(CommitError::Busy) => tokio::time::sleep(RECOVERY).await,
            done => return done.map(drop).map_err(Fault::Commit),
        }
    }
}

/// A letter, how it stands, and what it says, if there still is anything to say.
type Ready = (Letter, Delivery, Option<Message>);

/// What is due. The snapshot is let go before anything is sent: a file that is read can't reuse its room.
fn messages(app: &App, target: &Target, now: Millis) -> Result<(Due, Vec<Ready>), Fault> {
    let snapshot = app.store.read()?;
    let mut due = snapshot.due(&target.name, now, after(now, PAUSES.1), AT_ONCE)?;
    let policy = app.policy();
    let mut ready = Vec::new();
    for (letter, delivery) in std::mem::take(&mut due.now) {
        let message = Message::of(&letter, target.ending_soon, &snapshot, &policy, now.time())?;
        let wanted = message.filter(|message| target.is_told_of(message.role()));
        ready.push((letter, delivery, wanted));
    }
    Ok((due, ready))
}

/// What has to make room: the oldest messages that wait are given up, and the oldest that were given up go.
fn surplus(
    app: &App,
    target: &Target,
    due: &Due,
) -> Result<Vec<(Letter, Option<Delivery>)>, Fault> {
    let (waiting, dead) =
        (due.waiting.saturating_sub(MOST_WAITING), due.dead.saturating_sub(MOST_DEAD));
    if waiting == 0 && dead == 0 {
        return Ok(Vec::new());
    }
    let letters = app.store.read()?.letters(&target.name)?;
    let most = |surplus: u64| usize::try_from(surplus).unwrap_or(usize::MAX);
    let mut changed: Vec<(Letter, Option<Delivery>)> = Vec::new();
    let (gone, waits): (Vec<_>, Vec<_>) = letters.into_iter().partition(|(_, it)| it.dead);
    for (letter, _) in gone.into_iter().take(most(dead)) {
        let id = id(&app.config.origin, &letter);
        tracing::warn!(%target, id, kind = %letter.kind, "a message that was given up makes room for others");
        changed.push((letter, None));
    }
    for (letter, mut delivery) in waits.into_iter().take(most(waiting)) {
        let id = id(&app.config.origin, &letter);
        tracing::warn!(%target, id, kind = %letter.kind, "too many messages wait: the oldest is given up");
        (delivery.dead, delivery.error) = (true, "too many messages wait".to_owned());
        changed.push((letter, Some(delivery)));
    }
    Ok(changed)
}

/// Sends a message from a thread that may block.
async fn send(
    app: &App,
    target: &Arc<Target>,
    letter: &Letter,
    message: Message,
) -> Result<Result<(), NotTaken>, Fault> {
    let (target, id) = (Arc::clone(target), id(&app.config.origin, letter));
    let sent = tokio::task::spawn_blocking(move || target.send(&id, &message, clock::now()));
    sent.await.map_err(|error| Fault::Internal(Box::new(error)))
}

/// Messages for targets that the configuration no longer names are for nobody.
async fn forget_others(app: &App) {
    let others = || -> Result<Vec<(Letter, Option<Delivery>)>, Fault> {
        let snapshot = app.store.read()?;
        let mut letters = Vec::new();
        for name in snapshot.told()? {
            if app.targets.iter().all(|target| target.name != name) {
                let of_it = snapshot.letters(&name)?;
                tracing::warn!(
                    target = name,
                    messages = of_it.len(),
                    "messages go unsent: jit-cad.toml names this target no longer"
                );
                letters.extend(of_it.into_iter().map(|(letter, _)| (letter, None)));
            }
        }
        Ok(letters)
    };
    let forgotten = match others() {
        Ok(letters) if letters.is_empty() => Ok(()),
        Ok(letters) => write_down(app, &letters).await,
        Err(error) => Err(error),
    };
    if let Err(error) = forgotten {
        tracing::warn!(error = with_causes(&error), "the outbox can't be used now");
    }
}

impl Health {
    fn is_well(&mut self, target: &Target) {
        if self.failures > 0 {
            tracing::info!(%target, "this target is reached again");
        }
        self.failures = 0;
    }

    /// Gives how long it is left alone.
    fn is_ill(&mut self, target: &Target, why: &NotTaken) -> Duration {
        if self.failures == 0 {
            let error = why.to_string();
            tracing::warn!(%target, error, "this target is not reached: what it is to be told waits");
        }
        self.failures = self.failures.saturating_add(1);
        why.rest().unwrap_or_default().max(pause(self.failures))
    }
}

/// How long it is waited after so many failures in a row: twice as long each time, less up to half of it by chance, so
/// that nothing comes in waves.
fn pause(failures: u32) -> Duration {
    let doubled = PAUSES.0.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    let whole = doubled.min(PAUSES.1);
    // Without chance it is the whole of it.
    let [chance] = clock::random().unwrap_or([0]);
    whole - whole.mul_f64(f64::from(chance) / 512.0)
}

fn after(now: Millis, pause: Duration) -> Millis {
    Millis(now.0.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)))
}

fn until(then: Millis) -> Duration {
    Duration::from_millis(then.0.saturating_sub(clock::now_millis().0))
}
