//! `jit-cad log succeed`: a new log that goes on from one whose store was set back, or is lost.
//!
//! ```text
//! store of the log before ─┐                      ┌─> log.init, which names the last checkpoint and the reason
//! or an anchor's checkpoint ┴─> Before ──> beside ─┤   subject, mfa.kept: people keep pseudonym and second factor
//!                                                  └─> the bundle in force
//! used   the new origin was never one; those of before are written beside the keys
//! link   the store of before gets a second name, which says of what log it is and how large
//! rename the new store takes its first name
//! ```
//!
//! The CA keeps its keys, so that hosts and services notice nothing. Requests, grants and logins stay behind:
//! what the new log does not say was not agreed to. Nothing is ever removed, and a crash at any point leaves the
//! store of before, or the new one whole, under the store's name.

mod files;
mod kept;
mod used;

use std::fmt;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jit_ca_cert::Key;
use jit_ca_cert::purpose::Log;
use jit_ca_core::event::{Asker, Event, LogInit, MfaKept, SubjectKnown, Succession};
use jit_ca_core::{ActorRef, Origin, SubjectId, Text};
use jit_ca_log::{Bundle, Checkpoint, SignedCheckpoint};

use crate::activation::{Activation, Pseudonyms};
use crate::anchor;
use crate::anchor::Anchor;
use crate::app::beginning;
use crate::clock;
use crate::config::Config;
use crate::failure::{Failure, with_causes};
use crate::identity::totp::newest_step;
use crate::keys::{self, Keys, make_private_folder};
use crate::policy::Policy;
use crate::sequencer::{Proposal, Sequencer};
use crate::store::{Store, StoreError};

use self::files::{Account, folder_of, keep_aside, with_ending};
use self::used::Used;

pub use kept::ancestors;

/// The ending of the new store's file until it takes its place.
const UNFINISHED: &str = "succession";

/// What was done.
#[derive(Debug)]
pub struct Succeeded {
    /// How many entries the new log begins with.
    pub size: u64,
    /// What the log before had come to.
    pub before: Checkpoint,
    /// How many people keep their second factor.
    pub kept: usize,
    /// Where the store of before lies now; none if there was none.
    pub aside: Option<PathBuf>,
}

impl fmt::Display for Succeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checkpoint { origin, size, .. } = &self.before;
        write!(f, "{} entries begin a log that goes on from the {size} of {origin}", self.size)?;
        write!(f, "\nsecond factors that are kept: {}", self.kept)?;
        self.aside
            .iter()
            .try_for_each(|aside| write!(f, "\nthe store of before is {}", aside.display()))
    }
}

/// The log before, and what of it goes on.
struct Before {
    checkpoint: Checkpoint,
    signed: SignedCheckpoint,
    /// Its first entry; none if that is lost.
    begin: Option<LogInit>,
    people: Vec<Known>,
    /// Open, so that no daemon begins to serve it meanwhile.
    store: Option<Store>,
}

/// A person whom the log before knew.
struct Known {
    subject: SubjectId,
    actor: ActorRef,
    /// The last step used, and the sealed secret.
    second_factor: Option<(u64, Vec<u8>)>,
}

/// Begins a log of the new origin, for the reason given, and puts its store in the place of the one before.
///
/// # Errors
/// If the configuration does not name the new origin, that was used before, a daemon runs, the store is another CA's
/// or that of the new log already, or something can't be written.
pub async fn succeed(
    file: &Path,
    origin: &Origin,
    reason: Text,
    from_anchor: bool,
) -> Result<Succeeded, Failure> {
    let (config, policy) = Config::read_with_policy(file)?;
    if config.origin != *origin {
        let message = format!("{} names the origin {}", file.display(), config.origin);
        return Err(Failure::usage(message, format!("write origin = \"{origin}\" there first")));
    }
    let (keys, log) = Keys::open(&config.keys, &config.passphrase.read()?)?;
    let public_keys = keys::logged(&keys.public(&log));

    let anchors = anchor::open_all(&config.anchors, &config.store).await?;

    // 1. What the log before had come to, and who goes on.
    let before = match from_anchor {
        false => Before::of_store(&config, &policy, &log, &public_keys)?,
        true => Before::of_anchor(&config, &log, &anchors).await?,
    };
    if before.checkpoint.origin == *origin {
        let hint = "if `jit-cad log succeed` was interrupted, it was done, and the daemon can be started; else choose an \
                    origin that was never used, and write it into jit-cad.toml";
        return Err(Failure::usage(format!("the log of {origin} has begun already"), hint));
    }

    // 2. The key has signed no log of the new origin, and won't sign one more of the old.
    let kept = kept::beside(&config.store, &public_keys).await?;
    let mut used = Used::recorded(&config.keys)?;
    used.add_before(&before.checkpoint.origin, before.begin.as_ref());
    used.add_kept(&kept);
    used.must_lack(origin, &kept, &anchors).await?;
    used.write(&config.keys)?;

    // 3. The new log, in a file beside. What a crash left of one is no log.
    let account = Account::of(if from_anchor { &config.keys } else { &config.store })?;
    let unfinished = with_ending(&config.store, UNFINISHED);
    if !folder_of(&config.store).exists() {
        make_private_folder(folder_of(&config.store))?;
        account.take(folder_of(&config.store))?;
    }
    if unfinished.exists() {
        fs::remove_file(&unfinished)?;
    }
    let checkpoint = before.signed.to_string();
    let init = LogInit {
        origin: origin.clone(),
        keys: public_keys,
        succeeds: Some(Succession { checkpoint, reason }),
    };
    let (entries, secrets) = first_entries(init, &before.people, &policy.listed)?;
    let size = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    let kept = secrets.len();
    let store = Arc::new(Store::create(&unfinished)?);
    account.take(&unfinished)?;
    let sequencer = Sequencer::start(store, log, origin)?;
    let mut proposal = Proposal::new(entries);
    proposal.secrets = secrets;
    sequencer.commit(proposal).await?;

    // 4. It takes the place of the one before.
    let aside = match &before.store {
        Some(_) => Some(keep_aside(&config.store, &before.checkpoint)?),
        None => None,
    };
    fs::rename(&unfinished, &config.store)?;
    File::open(folder_of(&config.store))?.sync_all()?;
    if let Some(aside) = &aside {
        fs::set_permissions(aside, Permissions::from_mode(0o400))?;
    }
    used.add_new(origin);
    if let Err(failure) = used.write(&config.keys) {
        tracing::warn!(%failure, "should this store be lost as well, nothing beside the keys says that its origin was used");
    }
    // For people to read: without the ".." that configurations have.
    let aside = aside.map(|aside| fs::canonicalize(&aside).unwrap_or(aside));
    Ok(Succeeded { size, before: before.checkpoint, kept, aside })
}

impl Before {
    /// The log that the store holds.
    fn of_store(
        config: &Config,
        policy: &Policy,
        log: &Key<Log>,
        public_keys: &[jit_ca_core::event::PublicKey],
    ) -> Result<Self, Failure> {
        let store = Store::open(&config.store).map_err(|error| {
            let hint = match error {
                StoreError::Missing(_) => "put a backup of it there; if there is none, --from-anchor goes on from what an anchor has seen",
                _ => "end the daemon first. A store that can't be opened is moved away, and --from-anchor goes on from what an anchor has seen",
            };
            Failure::failed(with_causes(&error)).with_hint(hint)
        })?;
        let snapshot = store.read()?;
        let head = snapshot.verify_head()?;
        let begin = beginning(&snapshot, public_keys)?;
        let origin = begin.origin.clone();
        let checkpoint = Checkpoint { origin, size: head.size, root: head.root };
        let signed = log.sign_checkpoint(&checkpoint)?;
        let mut people = Vec::new();
        for subject in policy.listed.people.keys() {
            let Some(known) = snapshot.subject(subject)? else { continue };
            let second_factor = known.totp_step.zip(snapshot.secret(&subject.to_string())?);
            people.push(Known { subject: subject.clone(), actor: known.actor, second_factor });
        }
        Ok(Self { checkpoint, signed, begin: Some(begin), people, store: Some(store) })
    }

    /// The log that is lost, as an anchor last saw it. Nobody is known any more.
    async fn of_anchor(
        config: &Config,
        log: &Key<Log>,
        anchors: &[Anchor],
    ) -> Result<Self, Failure> {
        if config.store.exists() {
            let message = format!("there is a store at {}", config.store.display());
            return Err(Failure::usage(
                message,
                "leave --from-anchor away, or move the store away",
            ));
        }
        let public_key = *log.log_key(config.origin.clone()).public_key();
        let (checkpoint, signed) = anchor::newest_of(anchors, &public_key).await?;
        Ok(Self { checkpoint, signed, begin: None, people: Vec::new(), store: None })
    }
}

/// Sealed secrets by their names, as proposals have them.
type Secrets = Vec<(String, Option<Vec<u8>>)>;

/// What the new log begins with, and the sealed secrets beside it.
fn first_entries(
    init: LogInit,
    people: &[Known],
    listed: &Bundle,
) -> Result<(Vec<(ActorRef, Event)>, Secrets), Failure> {
    let mut entries: Vec<(ActorRef, Event)> = vec![(ActorRef::DAEMON, init.into())];
    let mut secrets = Vec::new();
    // A code that was used in what was lost must not be taken again.
    let used = newest_step(clock::now());
    for Known { subject, actor, second_factor } in people {
        let Some(person) = listed.people.get(subject) else { continue };
        let (subject, name, actor) = (subject.clone(), person.name.clone(), *actor);
        entries.push((actor, SubjectKnown { subject: subject.clone(), name, actor }.into()));
        if let Some((step, sealed)) = second_factor {
            secrets.push((subject.to_string(), Some(sealed.clone())));
            entries.push((actor, MfaKept { subject, step: used.max(*step) }.into()));
        }
    }
    let actor = |subject: &SubjectId| -> Result<_, Failure> {
        Ok(people.iter().find(|known| known.subject == *subject).map(|known| known.actor))
    };
    let asked = Asker::Account(rustix::process::geteuid().as_raw());
    let first = Activation::new(&Bundle::empty(), listed, actor, Pseudonyms::new())?;
    entries.extend(first.into_iter().flat_map(|first| first.entries(asked, None)));
    Ok((entries, secrets))
}
