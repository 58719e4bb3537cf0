//! The daemon's parts, put together.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jit_ca_core::event::{Asker, Event, LogInit, StrangersRefused, Succession};
use jit_ca_core::{Digest, Origin, SubjectId, UnixTime};
use jit_ca_log::LogKey;
use tokio::sync::watch;

use crate::anchor::{self, Anchor, Log};
use crate::authority::Authorities;
use crate::clock;
use crate::config::{Config, RecordingsKept};
use crate::failure::Failure;
use crate::identity::{Challenges, Devices, Limiter, Links, Network, Quota};
use crate::issuer::Issuer;
use crate::keys::{self, Keys};
use crate::last_uses::LastUses;
use crate::notify::{self, Subscription, Target};
use crate::page::Page;
use crate::policy::{InForce, Policy};
use crate::providers::Providers;
use crate::recordings::Recordings;
use crate::reload::{self, Proposed, Ready};
use crate::sequencer::{CommitError, Sequencer};
use crate::store::{Snapshot, Store, StoreError};
use crate::succeed;
use crate::turns::Turns;

/// Everything that a call needs.
#[derive(Debug)]
pub struct App {
    /// The configuration.
    pub config: Config,
    /// Its file, beside which the policy lies.
    pub config_file: PathBuf,
    /// The CA's keys.
    pub keys: Keys,
    /// The CA's certificates.
    pub authorities: Authorities,
    /// The log's public key.
    pub log_key: LogKey,
    /// The log that this one goes on from.
    pub succeeds: Option<Succession>,
    /// All logs that it goes on from, the last one first, as far as that is known here.
    pub ancestors: Vec<Origin>,
    /// Where checkpoints are kept off this host.
    pub anchors: Vec<Anchor>,
    /// Who is notified.
    pub targets: Vec<Arc<Target>>,
    /// For reading.
    pub store: Arc<Store>,
    /// For writing.
    pub sequencer: Sequencer,
    /// For certificates.
    pub issuer: Issuer,
    /// The issuers that the policy names.
    pub providers: Arc<Providers>,
    /// The challenges of logins.
    pub challenges: Challenges,
    /// The page for browsers, once it is served.
    pub page: OnceLock<Page>,
    /// Links to it.
    pub links: Links,
    /// Logins that were begun without a browser.
    pub devices: Devices,
    /// When logins were last used.
    pub last_uses: LastUses,
    /// Failed logins by where they come from.
    pub failed_addresses: Limiter<Network>,
    /// Wrong codes by subject, counted only where the SSH key was right, so that no stranger locks a person out.
    pub failed_codes: Limiter<SubjectId>,
    /// Refusals by subject, so that none fills the log.
    pub refusals: Quota,
    /// And its logins: a security key or a passkey is touched, or pretends to be, as often as somebody likes.
    pub logins: Quota,
    /// What was recorded of sessions, if this CA keeps it.
    pub recordings: Option<Arc<Recordings>>,
    /// For calls that read much.
    pub turns: Turns,
    /// Held while the store is copied, for a backup or to be written anew: one at a time, and no erasure meanwhile.
    pub copying: tokio::sync::Mutex<()>,
    /// Held while payloads are erased, and while the policy is exchanged; taken after the other.
    pub erasing: tokio::sync::Mutex<()>,
    /// The policy that waits for a second administrator. Held while another is read, proposed or activated: one at a
    /// time; taken before [`App::erasing`].
    pub proposed: tokio::sync::Mutex<Option<Proposed>>,
    policy: InForce,
    /// Held while another policy takes the place of the one in force, so that none is put back.
    exchanging: Mutex<()>,
    strangers: Mutex<Option<StrangersRefused>>,
    written_at: tokio::sync::Mutex<Option<Instant>>,
    stopping: watch::Sender<bool>,
}

/// For how long a successful write says that the log can be written.
const WRITTEN_LIFE: Duration = Duration::from_secs(1);

impl App {
    /// Opens what the configuration names and checks that it belongs together: keys, certificates, the log's head,
    /// and what anchors have seen of the log. Brings the log up to the bundle in force.
    ///
    /// # Errors
    /// If anything does not hold.
    pub async fn open(path: &Path) -> Result<Arc<Self>, Failure> {
        // The key that opens the others takes its time to come from the passphrase, on purpose: meanwhile the policy is
        // read and tested, and the store is opened.
        // By the same path as a reload reads it, so that what it names is the same then.
        let config_file = std::path::absolute(path)?;
        let (config, policy, opening) = Config::read_and_begin(&config_file, |dir, passphrase| {
            thread::spawn(move || Ok::<_, Failure>(Keys::open(&dir, &passphrase.read()?)?))
        })?;
        let policy = Arc::new(policy);
        let store = Store::open(&config.store).and_then(|store| {
            let head = store.read()?.verify_head()?;
            Ok((Arc::new(store.keeping_free(config.keep_free)), head))
        });
        let opened = opening.join().map_err(|_| Failure::failed("the keys can't be opened"))?;
        let ((keys, log), (store, head)) = (opened?, store?);
        let authorities = Authorities::read(&config.keys, &keys)?;
        let public_keys = keys::logged(&keys.public(&log));
        let snapshot = store.read()?;
        clock::begin(head.last, snapshot.clock_fault()?.is_some(), snapshot.clock_standing()?);
        let begin = must_be_this_cas(&snapshot, &config, &public_keys)?;
        let in_force = Arc::new(in_force(&snapshot, &config, &policy)?.vouching(&snapshot)?);
        let ancestors = succeed::ancestors(&config.store, &begin, &public_keys).await;
        let log_key = log.log_key(config.origin.clone());

        // Before anything can be signed: a store that was set back would sign another history.
        let anchors = anchor::open_all(&config.anchors, &config.store).await?;
        let seen = Log { key: &log_key, ancestors: &ancestors, snapshot: &snapshot };
        anchor::must_extend(seen, &anchors).await?;
        drop(snapshot);
        let targets = notify::open_all(&config.notify)?;
        let subscriptions = config.notify.iter().map(Subscription::of).collect();
        let sequencer =
            Sequencer::start_telling(Arc::clone(&store), log, &config.origin, subscriptions)?;

        let recordings = match &config.recordings {
            Some(kept) => Some(Arc::new(open_recordings(kept)?)),
            None => None,
        };

        let app = Arc::new(Self {
            recordings,
            issuer: Issuer::new(sequencer.clone(), log_key.clone()),
            providers: Arc::new(Providers::new(&config.issuers)),
            challenges: Challenges::new()?,
            page: OnceLock::new(),
            links: Links::default(),
            devices: Devices::default(),
            last_uses: LastUses::default(),
            failed_addresses: Limiter::default(),
            failed_codes: Limiter::default(),
            refusals: Quota::default(),
            logins: Quota::default(),
            turns: Turns::default(),
            copying: tokio::sync::Mutex::default(),
            erasing: tokio::sync::Mutex::default(),
            proposed: tokio::sync::Mutex::default(),
            policy: InForce::new(in_force),
            exchanging: Mutex::default(),
            config_file,
            strangers: Mutex::default(),
            written_at: tokio::sync::Mutex::new(None),
            stopping: watch::Sender::new(false),
            config,
            keys,
            authorities,
            log_key,
            succeeds: begin.succeeds,
            ancestors,
            anchors,
            targets,
            store,
            sequencer,
        });
        app.begin_policy(policy).await?;
        Ok(app)
    }

    /// The policy in force, to be taken once by each call.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.now()
    }

    /// The policy in force, to decide again by what was decided by `policy` and came back with [`Bundle`](crate::store::Clash::Bundle).
    ///
    /// # Errors
    /// If the store fails.
    pub async fn policy_after(&self, policy: &Arc<Policy>) -> Result<Arc<Policy>, StoreError> {
        let now = self.policy_with_vouched()?;
        Ok(if Arc::ptr_eq(&now, policy) { self.policy.after(policy).await } else { now })
    }

    /// The policy in force, with those for whom issuers vouch as the store has them now.
    ///
    /// # Errors
    /// If the store fails.
    pub fn policy_with_vouched(&self) -> Result<Arc<Policy>, StoreError> {
        let _alone = self.exchanging.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, policy) = (self.store.read()?, self.policy());
        let version = snapshot.policy()?;
        // Another bundle is brought into force by whoever had the log say so.
        if version.bundle == Some(policy.hash) && version.vouching != policy.vouching {
            self.policy.exchange(Arc::new(policy.vouching(&snapshot)?));
        }
        Ok(self.policy())
    }

    /// The CA's pin.
    pub fn pin(&self) -> Digest {
        self.authorities.pin()
    }

    /// Whether the log can be written, as a write within the last second has shown: however many ask, it is
    /// tried once a second.
    ///
    /// # Errors
    /// If it can't.
    pub async fn can_write(&self) -> Result<(), CommitError> {
        let mut written_at = self.written_at.lock().await;
        if written_at.is_none_or(|at| at.elapsed() >= WRITTEN_LIFE) {
            self.sequencer.flush().await?;
            *written_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Has calls go by those for whom issuers vouch as the store has them now, also where it has lost some: no entry says
    /// so.
    ///
    /// # Errors
    /// If the store fails.
    pub fn forget_vouched(&self) -> Result<(), StoreError> {
        let _alone = self.exchanging.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = self.policy().vouching(&self.store.read()?)?;
        self.policy.exchange(Arc::new(policy));
        Ok(())
    }

    /// The policy in force, as it is exchanged from here on.
    pub fn policy_changes(&self) -> watch::Receiver<Arc<Policy>> {
        self.policy.changes()
    }

    /// Has every call that begins from here on go by another policy, which the log says is in force.
    ///
    /// # Errors
    /// If the store fails.
    pub fn exchange_policy(&self, policy: &Policy) -> Result<(), StoreError> {
        let _alone = self.exchanging.lock().unwrap_or_else(PoisonError::into_inner);
        self.policy.exchange(Arc::new(policy.vouching(&self.store.read()?)?));
        Ok(())
    }

    /// Tells calls that wait for something that there is no more time.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns once the daemon is told to stop.
    pub async fn stopped(&self) {
        // The sender lives as long as `self`, so that waiting can't fail.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Counts a refused login by nobody that is known.
    pub fn count_stranger(&self, now: UnixTime) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.get_or_insert(StrangersRefused { count: 0, since: now }).count += 1;
    }

    /// The entry for the strangers since the last one, if there were any.
    pub fn take_strangers(&self) -> Option<Event> {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.take().map(Event::from)
    }

    /// Brings the policy that was read at the start into force, or proposes it, where the log says another.
    async fn begin_policy(&self, read: Arc<Policy>) -> Result<(), Failure> {
        let mut proposed = self.proposed.lock().await;
        if self.store.read()?.bundle()? == Some(read.hash) {
            return Ok(());
        }
        if self.policy().hash == read.hash {
            reload::activate(self, read, Asker::Start, Ready::default()).await?;
            return Ok(());
        }
        let (waits, _) = reload::propose(self, read, Asker::Start).await?;
        tracing::warn!(
            in_force = %self.policy().hash,
            proposed = %waits.hash(),
            "the policy has changed, and waits for a second administrator"
        );
        *proposed = Some(waits);
        Ok(())
    }
}

/// The policy that calls go by from the start on: the one that was read, unless a second administrator has to approve
/// what the log does not say is in force.
fn in_force(
    snapshot: &Snapshot,
    config: &Config,
    read: &Arc<Policy>,
) -> Result<Arc<Policy>, Failure> {
    let logged = snapshot.bundle()?;
    if !config.second_administrator || logged.is_none() || logged == Some(read.hash) {
        return Ok(Arc::clone(read));
    }
    let policy = Policy::of_log(snapshot.listed()?).map_err(|faults| {
        let message = format!("the policy in force can't be read by this version\n{faults}");
        let hint = "to bring the one in the files into force without an approval, start once with second_administrator = false";
        Failure::usage(message, hint)
    })?;
    match logged == Some(policy.hash) {
        true => Ok(Arc::new(policy)),
        false => {
            Err(StoreError::Damaged("the files and people of the policy in force".into()).into())
        }
    }
}

fn open_recordings(kept: &RecordingsKept) -> Result<Recordings, Failure> {
    let opened = Recordings::open(kept.dir.clone(), kept.session);
    opened.map_err(|error| {
        let dir = kept.dir.display();
        Failure::failed(format!("{dir}: {error}; [recordings] names it to keep recordings in"))
    })
}

/// The log must have been begun by this CA: with this origin and these keys.
fn must_be_this_cas(
    snapshot: &Snapshot,
    config: &Config,
    keys: &[jit_ca_core::event::PublicKey],
) -> Result<LogInit, Failure> {
    let begin = beginning(snapshot, keys)?;
    if begin.origin == config.origin {
        return Ok(begin);
    }
    let message =
        format!("the log is of {} and the configuration names {}", begin.origin, config.origin);
    let hint = "the origin is for ever: put it back. Only a CA whose store was set back takes another, by `jit-cad log succeed`";
    Err(Failure::usage(message, hint))
}

/// The log's first entry, which must name these keys.
///
/// # Errors
/// If it does not, or can't be read.
pub fn beginning(
    snapshot: &Snapshot,
    keys: &[jit_ca_core::event::PublicKey],
) -> Result<LogInit, Failure> {
    let first = snapshot.leaf(0)?.map(|leaf| jit_ca_log::Leaf::decode(&leaf)).transpose();
    let first = first.map_err(StoreError::from)?;
    match first.map(|leaf| snapshot.event(&leaf)).transpose()?.flatten() {
        Some(Event::LogInit(init)) if init.keys == keys => Ok(*init),
        _ => Err(Failure::failed("the keys are not those that the log began with")
            .with_hint("put the keys of this log back")),
    }
}
