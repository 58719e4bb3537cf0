//! The daemon's services on a store in memory, by a clock that the test sets, without threads: each day begins alike.

use std::fs;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use jit_ca_api::{Factor, LoginCall};
use jit_ca_cert::pkcs10;
use jit_ca_core::event::{Asker, Event};
use jit_ca_core::statement::{Kind, Login};
use jit_ca_core::{ActorRef, Digest, Span, SubjectId};
use jit_ca_log::Leaf;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, LineEnding, SshSig};
use tokio::runtime::{Builder, Runtime};

use super::world::{ACTORS, OPEN_REQUESTS, PEOPLE, worlds};
use crate::app::App;
use crate::clock::{self, Millis};
use crate::config::EMBEDDED;
use crate::identity::totp::Secret;
use crate::identity::{Limiter, Quota};
use crate::init::init;
use crate::issuer::Issuer;
use crate::last_uses::LastUses;
use crate::policy::Policy;
use crate::reload::{self, Ready};
use crate::sequencer::{Proposal, by_hand::Hand};
use crate::service::certificate::csr_der;
use crate::service::{CallKey, Caller, Fault, login, second_factor};
use crate::store::{KeyName, Store};

pub(super) struct Lab {
    pub(super) app: Arc<App>,
    pub(super) people: Vec<Person>,
    /// When each day begins.
    pub(super) start: u64,
    runtime: Runtime,
    hand: Option<Hand>,
    policies: Vec<Arc<Policy>>,
    /// The log's beginning, up to the moment when everybody is logged in; and people's second factors.
    beginning: Vec<(ActorRef, Event)>,
    secrets: Vec<(String, Option<Vec<u8>>)>,
    calls: u64,
    _folder: tempfile::TempDir,
}

pub(super) struct Person {
    pub(super) id: SubjectId,
    key: Ed25519KeyPair,
    pub(super) openssh: String,
    csr: String,
    secret: Option<Secret>,
    /// Of the newest login, and of that with which each day begins.
    serial: Vec<u8>,
    first_serial: Vec<u8>,
}

pub(super) const ADDRESS: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

impl Lab {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let people: Vec<Person> = (0..ACTORS).map(Person::new).collect();
        let keys: Vec<String> = people.iter().map(|person| person.openssh.clone()).collect();
        let read = |number: usize, world: &super::world::World| {
            let config = folder.path().join(format!("world-{number}"));
            world.write(&config, &keys);
            let (name, text) = EMBEDDED[0];
            let text =
                text.replace("{ env = \"JIT_CAD_PASSPHRASE\" }", "{ file = \"passphrase\" }");
            fs::write(config.join(name), text).unwrap();
            fs::write(config.join("passphrase"), "of a day\n").unwrap();
            Arc::new(Policy::read(&config).unwrap())
        };
        let policies: Vec<_> =
            worlds().iter().enumerate().map(|(number, world)| read(number, world)).collect();

        let runtime = Builder::new_current_thread().build().unwrap();
        let ca = folder.path().join("ca");
        let mut app = runtime.block_on(async {
            init(&ca, Some(&folder.path().join("world-0"))).await.unwrap();
            opened(&ca.join("config/jit-cad.toml")).await
        });
        let changed = Arc::get_mut(&mut app).unwrap();
        changed.config.open_requests = u32::try_from(OPEN_REQUESTS).unwrap();
        // When logins end that are not used is another test's.
        changed.config.login_idle = Span::from_secs(1 << 32);
        let beginning = entries(&app.store, 0);
        let start = clock::now().secs();
        let secrets = Vec::new();
        let (hand, calls) = (None, 0);
        let mut lab = Self {
            app,
            people,
            start,
            runtime,
            hand,
            policies,
            beginning,
            secrets,
            calls,
            _folder: folder,
        };
        lab.begin();
        lab.enrol();
        lab.beginning = entries(&lab.app.store, 0);
        lab
    }

    /// A new day.
    pub(super) fn begin(&mut self) {
        clock::set::begin(Millis(self.start * 1_000));
        self.start(Arc::new(Store::in_memory().unwrap()));
        let app = Arc::get_mut(&mut self.app).unwrap();
        app.last_uses = LastUses::default();
        (app.failed_addresses, app.failed_codes) = (Limiter::default(), Limiter::default());
        (app.refusals, app.logins) = (Quota::default(), Quota::default());
        app.exchange_policy(&self.policies[0]).unwrap();
        for (actor, event) in &self.beginning {
            app.sequencer.commit_soon(Proposal::new(vec![(*actor, event.clone())]));
        }
        let mut secrets = Proposal::new(Vec::new());
        secrets.secrets.clone_from(&self.secrets);
        app.sequencer.commit_soon(secrets);
        self.run(async |_| {});
        for person in &mut self.people {
            person.serial.clone_from(&person.first_serial);
        }
    }

    /// Has a call done, and written what comes of it.
    pub(super) fn run<T>(&mut self, call: impl AsyncFnOnce(&Arc<App>) -> T) -> T {
        let done = self.until_answered(call);
        self.hand.as_mut().unwrap().turn();
        done
    }

    /// Has a call done; then the daemon dies, and another one goes on with what is in the log.
    pub(super) fn run_and_die<T>(&mut self, call: impl AsyncFnOnce(&Arc<App>) -> T) -> T {
        let done = self.until_answered(call);
        let store = Arc::clone(&self.app.store);
        self.start(store);
        done
    }

    /// A daemon begins, by hand, on this store.
    fn start(&mut self, store: Arc<Store>) {
        let app = Arc::get_mut(&mut self.app).unwrap();
        let (sequencer, hand) = app.sequencer.by_hand(Arc::clone(&store));
        app.issuer = Issuer::new(sequencer.clone(), app.log_key.clone());
        (app.sequencer, app.store) = (sequencer, store);
        self.hand = Some(hand);
    }

    /// The call alone: what nobody waits for is written with the next one.
    fn until_answered<T>(&mut self, call: impl AsyncFnOnce(&Arc<App>) -> T) -> T {
        let hand = self.hand.as_mut().unwrap();
        self.runtime.block_on(async {
            let mut call = pin!(call(&self.app));
            poll_fn(|context| match call.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(done),
                // It waits for the log, or for what it has spawned.
                Poll::Pending => {
                    hand.turn();
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            })
            .await
        })
    }

    pub(super) fn key(&mut self) -> CallKey {
        self.calls += 1;
        let key = KeyName::new(&self.calls.to_string());
        CallKey { key, call: Digest::from_bytes([0; 32]) }
    }

    pub(super) fn caller(&self, by: usize) -> Result<Caller, Fault> {
        Caller::identify(&self.app, &self.people[by].serial, ADDRESS, clock::now())
    }

    /// Everybody enrols a second factor, and logs in with it.
    fn enrol(&mut self) {
        for (by, name) in PEOPLE.iter().enumerate().take(ACTORS) {
            let name = name.parse().unwrap();
            let code =
                self.run(async |app| second_factor::make_code(app, &name).await.unwrap().code);
            self.log_in(by, Factor::EnrolmentCode(code)).unwrap();
            let (caller, key) = (self.caller(by).unwrap(), self.key());
            let step = clock::now().secs() / 30;
            let secret = self.run(async |app| {
                let secret = second_factor::begin(app, &caller).await.unwrap();
                let code = secret.code(step - 1);
                second_factor::confirm(app, &caller, &code, &key).await.unwrap();
                secret
            });
            let id = self.people[by].id.to_string();
            let sealed = self.app.store.read().unwrap().secret(&id).unwrap();
            self.secrets.push((id, sealed));
            self.people[by].secret = Some(secret);
            self.login(by).unwrap();
            self.people[by].first_serial = self.people[by].serial.clone();
        }
    }

    pub(super) fn login(&mut self, by: usize) -> Result<(), Fault> {
        let code = self.code(by);
        self.log_in(by, code)
    }

    /// What somebody's authenticator shows now.
    pub(super) fn code(&self, by: usize) -> Factor {
        let step = clock::now().secs() / 30;
        Factor::Totp(self.people[by].secret.as_ref().unwrap().code(step))
    }

    fn log_in(&mut self, by: usize, factor: Factor) -> Result<(), Fault> {
        let (call, key) = (self.login_call(by, factor), self.key());
        let done = self.run(async |app| login::log_in(app, &call, ADDRESS, &key).await)?;
        self.people[by].serial = done.serial;
        Ok(())
    }

    pub(super) fn login_call(&self, by: usize, factor: Factor) -> LoginCall {
        let (challenge, _) = self.app.challenges.make(clock::now()).unwrap();
        let person = &self.people[by];
        let login_key = pkcs10::public_key(&csr_der(&person.csr).unwrap()).unwrap();
        let name = PEOPLE[by].parse().unwrap();
        let statement = Login {
            origin: &self.app.config.origin,
            pin: &self.app.pin(),
            subject: &name,
            challenge: &challenge,
            login_key: &login_key.spki_digest(),
        };
        let signature = person.sign(Kind::Login, &statement.text());
        LoginCall { challenge, csr: person.csr.clone(), signature, factor, name }
    }

    /// Exchanges the policy for another.
    pub(super) fn reload(&mut self, world: usize) {
        let policy = Arc::clone(&self.policies[world]);
        if policy.hash != self.app.policy().hash {
            self.run(async |app| {
                reload::activate(app, policy, Asker::Signal, Ready::default()).await.unwrap();
            });
        }
    }
}

/// The CA, as soon as its store's lock is free: what one test has open when another one starts a program, that one's child
/// has open as well until it is that program.
async fn opened(config: &Path) -> Arc<App> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match App::open(config).await {
            Err(busy) if busy.to_string().contains("already open") && Instant::now() < until => {
                thread::yield_now();
            }
            app => return app.unwrap(),
        }
    }
}

impl Person {
    fn new(number: usize) -> Self {
        let seed = [u8::try_from(number).unwrap() + 1; 32];
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let public = ssh_key::PublicKey::new(key_data(&key), "");
        let login_key = rcgen::KeyPair::generate().unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&login_key).unwrap();
        Self {
            id: format!("local/u-{number}").parse().unwrap(),
            openssh: public.to_openssh().unwrap().trim_end().to_owned(),
            key,
            csr: csr.pem().unwrap(),
            secret: None,
            serial: Vec::new(),
            first_serial: Vec::new(),
        }
    }

    /// As `ssh-keygen -Y sign` does.
    pub(super) fn sign(&self, kind: Kind, statement: &str) -> String {
        let namespace = kind.namespace();
        let signed =
            SshSig::signed_data(&namespace, HashAlg::Sha512, statement.as_bytes()).unwrap();
        let signature = self.key.sign(&signed);
        let signature = ssh_key::Signature::new(Algorithm::Ed25519, signature.as_ref()).unwrap();
        let signed = SshSig::new(key_data(&self.key), namespace, HashAlg::Sha512, signature);
        signed.unwrap().to_pem(LineEnding::LF).unwrap()
    }
}

/// A key for certificates of everybody, which is nobody's login key.
pub(super) fn work_key() -> Person {
    Person::new(200)
}

fn key_data(key: &Ed25519KeyPair) -> KeyData {
    KeyData::Ed25519(Ed25519PublicKey(key.public_key().as_ref().try_into().unwrap()))
}

/// The entries from this one on.
pub(super) fn entries(store: &Store, from: u64) -> Vec<(ActorRef, Event)> {
    leaves(store, from).into_iter().map(|(leaf, event)| (leaf.actor, event)).collect()
}

pub(super) fn leaves(store: &Store, from: u64) -> Vec<(Leaf, Event)> {
    let snapshot = store.read().unwrap();
    let entry = |index| {
        let leaf = Leaf::decode(&snapshot.leaf(index).unwrap().unwrap()).unwrap();
        let event = snapshot.event(&leaf).unwrap().unwrap();
        (leaf, event)
    };
    (from..snapshot.size().unwrap()).map(entry).collect()
}
