//! A stopped CA's log, grown to the size that a measurement needs: true entries, written by the store's own hands.
//!
//! ```text
//! a daemon     somebody logs in, asks, is granted, and gets one certificate of each kind that is wanted more of
//! grow         those issuances again and again: intents and outcomes, folded, hashed and committed as the daemon does
//! ```
//!
//! Each certificate has an id, serial, nonce and signature of its own, and each call an idempotency key and, for SSH,
//! a proof of possession of its own, so that both verifiers accept the log. What is not as in life: one login, one
//! grant and one key to be certified of each kind serve them all; a commit takes twenty thousand entries; the
//! decision is the first one's; and nobody was asked by TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

use jit_ca_cert::ssh::{SshSerial, UserCertificate};
use jit_ca_cert::x509::ClientCertificate;
use jit_ca_cert::{Intent, Profile, PublicKey, Purpose, SubjectKey};
use jit_ca_core::event::{
    CertificateIntended, CertificateIssued, Event, Ids, IssuedUnder, ProofOfPossession,
};
use jit_ca_core::statement::{Kind, Possession};
use jit_ca_core::{ActorRef, CallId, IssuanceId};
use jit_ca_log::hash::sha256;
use jit_ca_log::tree::Tree;
use jit_ca_log::{EntryType, Leaf, entry, payload};
use jit_cad::authority::Authorities;
use jit_cad::clock::{self, Millis};
use jit_cad::config::Config;
use jit_cad::issuer::{intended, x509_serial};
use jit_cad::keys::Keys;
use jit_cad::store::{Head, KeyName, Reply, Resource, Snapshot, Store, TableSize, Tables};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use crate::ca::PASSPHRASE;
use crate::{Ca, Lab};

/// How many proofs are timed.
const PROOFS: usize = 10_000;
/// How many issuances are made in one commit.
const BATCH: u64 = 10_000;

/// An issuance that was made, to make more like it.
struct Pattern {
    actor: ActorRef,
    event: CertificateIntended,
    under: IssuedUnder,
}

/// An issuance, ready to be written.
struct Made {
    actor: ActorRef,
    intent: Event,
    done: Event,
    reply: Reply,
}

/// Makes a CA whose log can be grown, in a folder that stays: Alice has a login, two grants, and a certificate of each
/// kind. Gives its configuration; the daemon is stopped.
pub fn begin(lab: &Lab) -> PathBuf {
    let mut ca = Ca::start(lab);
    let (alice, bob) = (ca.caller("alice"), ca.caller("bob"));
    let four_hours = json!({"duration": "4h", "hosts": ["web1"]});
    let shell = alice.granted("web-shell", four_hours, &[&bob])["grant"].clone();
    let orders = alice.granted("orders-api", json!({"duration": "4h"}), &[&bob])["grant"].clone();
    alice.take_ssh(&shell, &alice.person.make_key("work", "ed25519"));
    alice.take_x509(&orders, &["-subj", "/CN=alice"]);
    ca.stop();
    let config = ca.config();
    drop(ca);
    config
}

/// Grows the log of the stopped CA with this configuration to at least so many entries. Gives its new end.
pub fn grow(config: &Path, entries: u64) -> Head {
    let config = Config::read(config).expect("a configuration");
    let store = Store::open(&config.store).expect("a stopped CA's store");
    let snapshot = store.read().expect("a snapshot");
    let mut head = snapshot.verify_head().expect("a sound store");
    let issuances = entries.saturating_sub(head.size).div_ceil(2);
    let maker = Maker::new(&config, &patterns(&snapshot));
    let bundle = snapshot.bundle().expect("a bundle");
    drop(snapshot);

    for batch in maker.batches(issuances) {
        let now = clock::now_millis().max(head.last);
        let write = store.write().expect("a transaction");
        let mut tables = write.tables().expect("tables");
        let mut leaves = Vec::with_capacity(batch.len() * 2);
        // As in the daemon, where outcomes join the batch after their intents'.
        let intents = batch.iter().map(|made| (made.actor, &made.intent));
        let outcomes = batch.iter().map(|made| (made.actor, &made.done));
        for (idx, (actor, event)) in (head.size..).zip(intents.chain(outcomes)) {
            let entry_type: EntryType = event.entry_type().parse().expect("a type");
            let stamp = Leaf {
                bundle: bundle.filter(|_| entry_type.has_bundle()),
                entry_type,
                idx,
                ts_ms: now.0,
                actor,
                ids: Ids::of(event),
                tbs: entry::tbs(event),
                commit: sha256(b""),
            };
            leaves.push(append(&mut tables, stamp, event));
        }
        for made in &batch {
            tables.put_reply(&made.reply).expect("a reply");
        }
        let leaves = leaves.iter().map(Vec::as_slice);
        head = tables.end(Some(head), leaves, now, &store).expect("a longer tree").0;
        write.commit().expect("a commit");
    }
    head
}

fn append(tables: &mut Tables<'_>, mut leaf: Leaf, event: &Event) -> Vec<u8> {
    let payload = payload::encode(event).expect("a payload");
    let salt = clock::random().expect("randomness");
    leaf.commit = entry::commit(&salt, &payload);
    tables.append(&leaf, &salt, &payload, event).expect("an entry")
}

/// The last issuance of each kind.
fn patterns(snapshot: &Snapshot) -> Vec<Pattern> {
    let mut found: Vec<Pattern> = Vec::new();
    for index in (0..snapshot.size().expect("a size")).rev() {
        let leaf = snapshot.leaf(index).expect("a leaf").expect("a leaf");
        let leaf = Leaf::decode(&leaf).expect("a leaf");
        if let Some(Event::CertificateIntended(intended)) = snapshot.event(&leaf).expect("an event")
            && let Some(under) = intended.under.clone()
            && !found.iter().any(|pattern| pattern.event.purpose == intended.purpose)
        {
            found.push(Pattern { actor: leaf.actor, event: *intended, under });
        }
        if found.len() == 2 {
            break;
        }
    }
    assert!(!found.is_empty(), "get a certificate under a grant first, and stop the daemon");
    found
}

/// Makes issuances like those that were found.
struct Maker {
    kinds: Vec<Pattern>,
    origin: jit_ca_core::Origin,
    ssh_ca: (PublicKey, Ed25519KeyPair),
    clients: jit_ca_cert::x509::CaCertificate<jit_ca_cert::purpose::Clients>,
    clients_key: EcdsaKeyPair,
    /// The key to be certified by SSH.
    subject: Ed25519KeyPair,
}

impl Maker {
    fn new(config: &Config, kinds: &[Pattern]) -> Self {
        let (keys, _) = Keys::open(&config.keys, PASSPHRASE).expect("the CA's keys");
        let authorities = Authorities::read(&config.keys, &keys).expect("its certificates");
        let pkcs8 = |purpose, public: &PublicKey| unsealed(&config.keys, &keys, purpose, public);
        let random = SystemRandom::new();
        let ssh = pkcs8(Purpose::SshUser, keys.ssh_user.public());
        let clients = pkcs8(Purpose::Clients, keys.clients.public());
        let subject = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
        Self {
            kinds: kinds.iter().map(Pattern::copy).collect(),
            origin: config.origin.clone(),
            ssh_ca: (
                keys.ssh_user.public().clone(),
                Ed25519KeyPair::from_pkcs8(&ssh).expect("an ed25519 key"),
            ),
            clients: authorities.clients,
            clients_key: EcdsaKeyPair::from_pkcs8(
                &ECDSA_P256_SHA256_ASN1_SIGNING,
                &clients,
                &random,
            )
            .expect("a P-256 key"),
            subject: Ed25519KeyPair::from_pkcs8(subject.as_ref()).expect("a key"),
        }
    }

    /// Batches, made on a thread of their own while the one before is written.
    fn batches(self, issuances: u64) -> Receiver<Vec<Made>> {
        let (sender, batches) = sync_channel(1);
        let maker = Arc::new(self);
        thread::spawn(move || {
            let mut number = 0;
            while number < issuances {
                let end = issuances.min(number + BATCH);
                let now = clock::now_millis();
                let batch = (number..end).map(|number| maker.make(number, now)).collect();
                if sender.send(batch).is_err() {
                    return;
                }
                number = end;
            }
        });
        batches
    }

    fn make(&self, number: u64, now: Millis) -> Made {
        let place = usize::try_from(number).expect("a number") % self.kinds.len();
        let Pattern { actor, event, under } = &self.kinds[place];
        let id = IssuanceId::new(now.0, clock::random().expect("randomness"));
        let key = CallId::new(now.0, clock::random().expect("randomness")).to_string();
        let mut under = under.clone();
        under.idempotency_key.clone_from(&key);
        under.decision.now = now.time();
        let (intent, signature) = match event.purpose.as_str() {
            "ssh-user" => self.ssh(id, now, number, event, under),
            _ => self.x509(id, event, under),
        };
        let done = CertificateIssued {
            issuance: id,
            grant: event.under.as_ref().map(|under| under.grant),
            signature: signature.into(),
        };
        let (key, call) = (KeyName::new(&key), sha256(id.as_bytes()));
        let resource = Resource::Issuance(id);
        let reply = Reply { actor: *actor, key, call, resource, at: now.time() };
        Made { actor: *actor, intent, done: done.into(), reply }
    }

    fn ssh(
        &self,
        id: IssuanceId,
        now: Millis,
        number: u64,
        like: &CertificateIntended,
        mut under: IssuedUnder,
    ) -> (Event, Vec<u8>) {
        let (issuer, key) = &self.ssh_ca;
        let intent = Intent::<UserCertificate>::restore(like.tbs.as_slice().to_vec(), issuer);
        let mut content = intent.expect("an intent").content().clone();
        // Its random bits are counted, so that no two of a millisecond are the same.
        content.serial = SshSerial::new(now.0, u32::try_from(number % (1 << 21)).expect("21 bits"));
        content.issuance = id;
        content.nonce = clock::random().expect("randomness");
        let point = self.subject.public_key();
        let subject = PublicKey::from_point(jit_ca_cert::Algorithm::Ed25519, point.as_ref());
        let subject = subject.expect("a key");
        under.possession = self.possession(&subject, &under);
        content.key = SubjectKey::from_openssh(&subject.to_openssh("")).expect("a key");
        let serial = content.serial.as_u64().to_be_bytes().to_vec();
        let intent = Intent::new(content, issuer).expect("an intent");
        let signature = key.sign(intent.to_be_signed()).as_ref().to_vec();
        (again(id, &intent, serial, like, under), signature)
    }

    fn possession(&self, subject: &PublicKey, under: &IssuedUnder) -> ProofOfPossession {
        let blob = subject.ssh_blob();
        let statement = Possession {
            origin: &self.origin,
            grant: &under.grant,
            login: &hex(under.login.as_slice()),
            key: &sha256(&blob),
            idempotency_key: &under.idempotency_key,
        };
        let namespace = Kind::Possession.namespace();
        let digest = ring::digest::digest(&ring::digest::SHA512, statement.text().as_bytes());
        let covered: [&[u8]; 4] = [namespace.as_bytes(), b"", b"sha512", digest.as_ref()];
        let signed = [b"SSHSIG".as_slice(), &strings(&covered)].concat();
        ProofOfPossession::Sha512(self.subject.sign(&signed).as_ref().to_vec().into())
    }

    fn x509(
        &self,
        id: IssuanceId,
        like: &CertificateIntended,
        under: IssuedUnder,
    ) -> (Event, Vec<u8>) {
        let tbs = like.tbs.as_slice().to_vec();
        let intent = Intent::<ClientCertificate>::restore(tbs, &self.clients);
        let mut content = intent.expect("an intent").content().clone();
        content.issuance = id;
        let intent = Intent::new(content, &self.clients).expect("an intent");
        let signature = self.clients_key.sign(&SystemRandom::new(), intent.to_be_signed());
        let signature = signature.expect("a signature").as_ref().to_vec();
        (again(id, &intent, x509_serial(id), like, under), signature)
    }
}

impl Pattern {
    fn copy(&self) -> Self {
        Self { actor: self.actor, event: self.event.clone(), under: self.under.clone() }
    }
}

fn again<C: Profile>(
    id: IssuanceId,
    intent: &Intent<C>,
    serial: Vec<u8>,
    like: &CertificateIntended,
    under: IssuedUnder,
) -> Event {
    let validity = (like.validity.from, like.validity.until);
    intended(id, intent, serial, validity, Some(under))
}

/// A CA key's PKCS#8, which the daemon never lets out of `jit-ca-cert`: see `jit_ca_cert::Key`.
pub(crate) fn unsealed(
    folder: &Path,
    keys: &Keys,
    purpose: Purpose,
    public: &PublicKey,
) -> Vec<u8> {
    let at_rest = fs::read(folder.join(format!("{purpose}.key"))).expect("a key");
    let (length, rest) = at_rest.split_first().expect("a key");
    let label = format!("key {purpose} {}", public.spki_digest());
    let opened = keys.kek.open(&label, &rest[usize::from(*length)..]);
    opened.expect("the key opens").to_vec()
}

/// SSH's strings (RFC 4251 section 5).
pub(crate) fn strings(strings: &[&[u8]]) -> Vec<u8> {
    let length = |string: &[u8]| u32::try_from(string.len()).expect("a length").to_be_bytes();
    strings.iter().flat_map(|string| [&length(string), *string].concat()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The size of each table of a stopped CA's store, a line each, with the size of the file.
pub fn sizes(config: &Path) -> Vec<String> {
    let config = Config::read(config).expect("a configuration");
    let store = Store::open(&config.store).expect("a stopped CA's store");
    let sizes = store.read().and_then(|snapshot| snapshot.sizes()).expect("sizes");
    let file = fs::metadata(&config.store).expect("a file").len();
    let line = |size: &TableSize| {
        format!(
            "{:20} rows {:>10}  stored {:>12}  pages {:>12}",
            size.name, size.rows, size.stored, size.pages
        )
    };
    let mut lines: Vec<String> = sizes.iter().map(line).collect();
    lines.push(format!("{:20} {file}", "file"));
    lines
}

/// How long proofs from a stopped CA's log take, each read from the store as a call does: a line.
pub fn proofs(config: &Path) -> String {
    let config = Config::read(config).expect("a configuration");
    let store = Store::open(&config.store).expect("a stopped CA's store");
    let size = store.read().and_then(|snapshot| snapshot.size()).expect("a size");
    let times = |prove: fn(&mut Tree<&Snapshot>, u64)| {
        let mut times: Vec<Duration> = (0..PROOFS)
            .map(|_| {
                let random = u64::from_be_bytes(clock::random().expect("randomness"));
                let begun = Instant::now();
                let snapshot = store.read().expect("a snapshot");
                prove(&mut snapshot.tree().expect("a tree"), random % size);
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        let at = |share: usize| times[(PROOFS - 1) * share / 100];
        format!("p50 {:.0?}, p99 {:.0?}", at(50), at(99))
    };
    let inclusion = times(|tree, index| {
        tree.inclusion_proof(index).expect("a proof");
    });
    let consistency = times(|tree, size| {
        tree.consistency_proof(size.max(1)).expect("a proof");
    });
    format!("{PROOFS} proofs of inclusion {inclusion}; of consistency {consistency}")
}
