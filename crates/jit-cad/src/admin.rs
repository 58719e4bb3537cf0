//! The administrators' socket: one line of JSON in, one out, for the daemon's own account and root alone.

mod ask;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jit_ca_api::{Lock, LockCall, ResetDone};
use jit_ca_core::event::Asker;
use jit_ca_core::{ActorRef, PersonName, Text, UnixTime};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::app::App;
use crate::clock;
use crate::erasure::{self, Order};
use crate::failure::Failure;
use crate::notify::{self, ListedTarget, Retried};
use crate::reload::{self, NotReloaded, Reloaded};
use crate::service::second_factor::{self, EnrolmentCode};
use crate::service::{self, Fault, locking, resets};
use crate::upkeep::{self, Backup, Compacted};

pub use ask::{
    acknowledge_clock, ask_for_backup, ask_for_clock, ask_for_code, ask_for_locks, ask_for_outbox,
    ask_to_compact, ask_to_erase, ask_to_reload, ask_to_reset, ask_to_retry, ask_to_unlock,
    ask_what_to_erase, is_there,
};

/// The longest line.
const LONGEST_LINE: u64 = 64 << 20;
/// How long a question may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an administrator asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Question {
    /// A one-use code for a person's first second factor.
    EnrolmentCode(PersonName),
    /// Reset a person's second factors, by nobody else's leave.
    Reset {
        /// Whose.
        name: PersonName,
        /// Why.
        reason: Text,
    },
    /// What would be erased of a subject.
    WhatToErase {
        /// A subject's id, or the name that it had last.
        subject: String,
    },
    /// Erase what the log says of a subject.
    Erase(Order),
    /// How the clock stands.
    Clock,
    /// The machine's clock is right, for this reason.
    AcknowledgeClock(Text),
    /// Copy the store into a new file.
    Backup {
        /// Which, from the root of all folders.
        file: PathBuf,
    },
    /// Write the store's file anew, without the room that is not used.
    Compact,
    /// Read the policy again.
    Reload,
    /// What is locked.
    Locks,
    /// Lift a lock.
    Unlock(LockCall),
    /// What is in the outbox.
    Outbox,
    /// Send this message again, or all.
    Retry(String),
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Answer {
    /// A code was made.
    EnrolmentCode(EnrolmentCode),
    /// Second factors were reset.
    Reset(ResetDone),
    /// What would be erased.
    ToErase(ToErase),
    /// It was erased.
    Erased {
        /// The index of the entry that says so.
        entry: u64,
        /// How many payloads are gone.
        payloads: u64,
    },
    /// How the clock stands.
    Clock(ClockShown),
    /// Certificates are issued again.
    ClockAcknowledged {
        /// The index of the entry that says so.
        entry: u64,
        /// What time it is.
        now: UnixTime,
    },
    /// A backup was made.
    Backup(Backup),
    /// The file was written anew.
    Compacted(Compacted),
    /// The policy was read again.
    Reloaded(Reloaded),
    /// What is locked.
    Locks(Vec<Lock>),
    /// A lock was lifted.
    Unlocked {
        /// The index of the entry that says so.
        entry: u64,
    },
    /// The policy was read, and has faults: nothing was done.
    Faults(Vec<String>),
    /// What is in the outbox.
    Outbox(Vec<ListedTarget>),
    /// Messages are sent again.
    Retried(Retried),
    /// It was not done.
    Refused {
        /// Why not.
        why: String,
        /// What to do.
        hint: Option<String>,
        /// Whether the command names something that is not there.
        is_absent: bool,
    },
}

/// How the clock stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockShown {
    /// What time it is for the daemon.
    pub now: UnixTime,
    /// What the machine's clock says.
    pub machine: UnixTime,
    /// Whether that is wrong, and nobody has said otherwise.
    pub is_held: bool,
}

/// What would be erased of a subject.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToErase {
    /// The pseudonym, which the order names.
    pub actor: ActorRef,
    /// The entries, as ranges with both ends in them.
    pub entries: Vec<(u64, u64)>,
    /// How many payloads of each type.
    pub types: BTreeMap<String, u64>,
    /// The entries of others among them, which name the subject.
    pub of_others: Vec<u64>,
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        let hint = match &fault {
            Fault::Bad { hint, .. } | Fault::NoSuch { hint, .. } => Some((*hint).to_owned()),
            _ => None,
        };
        let is_absent = matches!(fault, Fault::NoSuch { .. } | Fault::NotFound(_));
        Self::Refused { why: crate::failure::with_causes(&fault), hint, is_absent }
    }
}

/// The socket, bound. The file is removed when this is dropped.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Binds it. A socket that a daemon left behind that was killed is replaced.
    ///
    /// # Errors
    /// If it can't be bound.
    pub fn bind(path: &Path) -> Result<Self, Failure> {
        let fault = |error: std::io::Error| {
            Failure::failed(format!("{} can't be bound: {error}", path.display()))
        };
        // The store's lock says that no other daemon runs on this CA.
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(fault)?,
            Ok(_) => {
                return Err(Failure::failed(format!(
                    "{} is there and is no socket",
                    path.display()
                )));
            }
            Err(_) => {}
        }
        crate::keys::make_private_folder(path.parent().unwrap_or(Path::new(".")))?;
        let listener = UnixListener::bind(path).map_err(fault)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(fault)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers until it is dropped.
    pub async fn serve(&self, app: Arc<App>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let app = Arc::clone(&app);
                    tokio::spawn(async move {
                        if let Err(error) = answer(&app, stream).await {
                            tracing::debug!(%error, "an administrator's question was not answered");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the administrators' socket can't accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(app: &Arc<App>, mut stream: UnixStream) -> std::io::Result<()> {
    let asker = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    let refused = |why: String| Answer::Refused { why, hint: None, is_absent: false };
    let answer = if asker != 0 && asker != own {
        refused("only root and the daemon's own account ask here".into())
    } else {
        let mut line = String::new();
        let mut reader = BufReader::new((&mut stream).take(LONGEST_LINE));
        tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
        match serde_json::from_str(&line) {
            Ok(question) => done(app, question, asker).await.unwrap_or_else(Answer::from),
            Err(error) => refused(error.to_string()),
        }
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

async fn done(app: &Arc<App>, question: Question, asker: u32) -> Result<Answer, Fault> {
    Ok(match question {
        Question::EnrolmentCode(name) => {
            Answer::EnrolmentCode(second_factor::make_code(app, &name).await?)
        }
        Question::Reset { name, reason } => {
            Answer::Reset(resets::alone(app, &name, &reason, asker).await?)
        }
        Question::WhatToErase { subject } => {
            let plan = erasure::plan(app, &subject).await?;
            let (actor, entries, types) = (plan.actor, plan.ranges(), plan.types());
            Answer::ToErase(ToErase { actor, entries, types, of_others: plan.of_others })
        }
        Question::Erase(order) => {
            let (entry, payloads) = erasure::order(app, &order).await?;
            Answer::Erased { entry, payloads }
        }
        Question::Clock => Answer::Clock(ClockShown {
            is_held: clock::fault().is_some(),
            now: clock::now(),
            machine: clock::read().wall.time(),
        }),
        Question::AcknowledgeClock(reason) => {
            let (entry, now) = service::acknowledgement::acknowledge(app, reason, asker).await?;
            Answer::ClockAcknowledged { entry, now }
        }
        Question::Backup { file } => Answer::Backup(upkeep::backup(app, file).await?),
        Question::Compact => Answer::Compacted(upkeep::compact(app).await?),
        Question::Reload => match reload::reload(app, Asker::Account(asker)).await {
            Ok(reloaded) => Answer::Reloaded(reloaded),
            Err(NotReloaded::Faults(faults)) => Answer::Faults(faults.0),
            Err(NotReloaded::Fault(fault)) => return Err(fault),
        },
        Question::Locks => Answer::Locks(locking::held(app)?),
        Question::Unlock(call) => {
            Answer::Unlocked { entry: locking::unlock_here(app, &call, asker).await? }
        }
        Question::Outbox => Answer::Outbox(notify::list(app)?),
        Question::Retry(which) => Answer::Retried(notify::retry(app, &which).await?),
    })
}
