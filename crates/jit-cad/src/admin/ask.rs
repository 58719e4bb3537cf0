//! The administrators' end of the socket: what `jit-cad` commands ask the running daemon.

use std::path::{Path, PathBuf};

use jit_ca_api::{Lock, LockCall, ResetDone};
use jit_ca_core::{PersonName, Text, UnixTime};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::{Answer, ClockShown, LONGEST_LINE, Question, ToErase};
use crate::config::Faults;
use crate::erasure::Order;
use crate::failure::Failure;
use crate::notify::{ListedTarget, Retried};
use crate::reload::{NotReloaded, Reloaded};
use crate::service::second_factor::EnrolmentCode;
use crate::upkeep::{Backup, Compacted};

/// Asks the running daemon for an enrolment code.
///
/// # Errors
/// If no daemon answers at this socket, or it refuses.
pub async fn ask_for_code(socket: &Path, name: PersonName) -> Result<EnrolmentCode, Failure> {
    match ask(socket, &Question::EnrolmentCode(name), PEOPLE_HINT).await? {
        Answer::EnrolmentCode(made) => Ok(made),
        other => Err(unexpected(&other)),
    }
}

/// Has the running daemon reset a person's second factors.
///
/// # Errors
/// If no daemon answers at this socket, or it refuses.
pub async fn ask_to_reset(
    socket: &Path,
    name: PersonName,
    reason: Text,
) -> Result<ResetDone, Failure> {
    match ask(socket, &Question::Reset { name, reason }, PEOPLE_HINT).await? {
        Answer::Reset(done) => Ok(done),
        other => Err(unexpected(&other)),
    }
}

const PEOPLE_HINT: &str = "people are named in users.toml; `jit-cad reload` after a change";

/// Asks the running daemon what it would erase of a subject.
///
/// # Errors
/// If no daemon answers at this socket, or something stands against it.
pub async fn ask_what_to_erase(socket: &Path, subject: &str) -> Result<ToErase, Failure> {
    let question = Question::WhatToErase { subject: subject.to_owned() };
    match ask(socket, &question, ERASE_HINT).await? {
        Answer::ToErase(plan) => Ok(plan),
        other => Err(unexpected(&other)),
    }
}

/// Has the running daemon erase a subject. Gives the entry's index and the number of payloads.
///
/// # Errors
/// If no daemon answers at this socket, or it refuses.
pub async fn ask_to_erase(socket: &Path, order: Order) -> Result<(u64, u64), Failure> {
    match ask(socket, &Question::Erase(order), ERASE_HINT).await? {
        Answer::Erased { entry, payloads } => Ok((entry, payloads)),
        other => Err(unexpected(&other)),
    }
}

/// Asks the running daemon how the clock stands.
///
/// # Errors
/// If no daemon answers at this socket.
pub async fn ask_for_clock(socket: &Path) -> Result<ClockShown, Failure> {
    match ask(socket, &Question::Clock, CLOCK_HINT).await? {
        Answer::Clock(shown) => Ok(shown),
        other => Err(unexpected(&other)),
    }
}

/// Tells the running daemon that the machine's clock is right. Gives the entry's index and the time.
///
/// # Errors
/// If no daemon answers at this socket, or it refuses.
pub async fn acknowledge_clock(socket: &Path, reason: Text) -> Result<(u64, UnixTime), Failure> {
    match ask(socket, &Question::AcknowledgeClock(reason), CLOCK_HINT).await? {
        Answer::ClockAcknowledged { entry, now } => Ok((entry, now)),
        other => Err(unexpected(&other)),
    }
}

/// Whether a daemon answers at this socket.
pub async fn is_there(socket: &Path) -> bool {
    UnixStream::connect(socket).await.is_ok()
}

/// Has the running daemon copy its store into a new file.
///
/// # Errors
/// If no daemon answers at this socket, or it refuses.
pub async fn ask_for_backup(socket: &Path, file: PathBuf) -> Result<Backup, Failure> {
    match ask(socket, &Question::Backup { file }, UPKEEP_HINT).await? {
        Answer::Backup(made) => Ok(made),
        other => Err(unexpected(&other)),
    }
}

const CLOCK_HINT: &str = "see docs/guides/trouble.md";

/// Has the running daemon write its store's file anew.
///
/// # Errors
/// If no daemon answers at this socket, or it refuses.
pub async fn ask_to_compact(socket: &Path) -> Result<Compacted, Failure> {
    match ask(socket, &Question::Compact, UPKEEP_HINT).await? {
        Answer::Compacted(done) => Ok(done),
        other => Err(unexpected(&other)),
    }
}

/// Asks the running daemon what is in its outbox.
///
/// # Errors
/// If no daemon answers at this socket.
pub async fn ask_for_outbox(socket: &Path) -> Result<Vec<ListedTarget>, Failure> {
    match ask(socket, &Question::Outbox, NOTIFY_HINT).await? {
        Answer::Outbox(targets) => Ok(targets),
        other => Err(unexpected(&other)),
    }
}

/// Has the running daemon send messages again that were not taken.
///
/// # Errors
/// If no daemon answers at this socket, or there is no such message.
pub async fn ask_to_retry(socket: &Path, which: String) -> Result<Retried, Failure> {
    match ask(socket, &Question::Retry(which), NOTIFY_HINT).await? {
        Answer::Retried(retried) => Ok(retried),
        other => Err(unexpected(&other)),
    }
}

const NOTIFY_HINT: &str = "see docs/guides/notifications.md";
const UPKEEP_HINT: &str =
    "the daemon writes the file, and needs room for it; see docs/guides/upkeep.md";
const ERASE_HINT: &str = "see docs/guides/erasure.md";

/// Has the running daemon read its policy again.
///
/// # Errors
/// If no daemon answers at this socket, or the policy has faults.
pub async fn ask_to_reload(socket: &Path) -> Result<Reloaded, Failure> {
    match ask(socket, &Question::Reload, "the daemon's own log says more").await? {
        Answer::Reloaded(reloaded) => Ok(reloaded),
        Answer::Faults(faults) => Err(NotReloaded::Faults(Faults(faults)).into()),
        other => Err(unexpected(&other)),
    }
}

/// Asks the running daemon what is locked.
///
/// # Errors
/// If no daemon answers at this socket.
pub async fn ask_for_locks(socket: &Path) -> Result<Vec<Lock>, Failure> {
    match ask(socket, &Question::Locks, LOCK_HINT).await? {
        Answer::Locks(locks) => Ok(locks),
        other => Err(unexpected(&other)),
    }
}

/// Has the running daemon lift a lock. Gives the entry's index.
///
/// # Errors
/// If no daemon answers at this socket, or there is no such lock.
pub async fn ask_to_unlock(socket: &Path, call: LockCall) -> Result<u64, Failure> {
    match ask(socket, &Question::Unlock(call), LOCK_HINT).await? {
        Answer::Unlocked { entry } => Ok(entry),
        other => Err(unexpected(&other)),
    }
}

const LOCK_HINT: &str = "see docs/guides/access.md";

async fn ask(socket: &Path, question: &Question, hint: &str) -> Result<Answer, Failure> {
    let silent = |error: std::io::Error| {
        let message = format!("no daemon answers at {}: {error}", socket.display());
        Failure::failed(message)
            .with_hint("start it with `jit-cad serve`, and run this as its account or as root")
    };
    let mut stream = UnixStream::connect(socket).await.map_err(silent)?;
    let mut line =
        serde_json::to_vec(question).map_err(|error| Failure::failed(error.to_string()))?;
    line.push(b'\n');
    stream.write_all(&line).await.map_err(silent)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST_LINE)).read_line(&mut answer).await.map_err(silent)?;
    match serde_json::from_str(&answer) {
        Ok(Answer::Refused { why, hint: own, is_absent }) => {
            let hint = own.as_deref().unwrap_or(hint);
            Err(match is_absent {
                true => Failure::usage(why, hint),
                false => Failure::failed(why).with_hint(hint),
            })
        }
        Ok(answer) => Ok(answer),
        Err(error) => {
            Err(Failure::failed(format!("the daemon's answer can't be understood: {error}")))
        }
    }
}

fn unexpected(answer: &Answer) -> Failure {
    Failure::failed(format!("the daemon answered something else: {answer:?}"))
}
