//! Signatures, checked beside the fold on all cores: they take longer than everything else.
//!
//! The fold goes on as if a signature held, and may then find something else first. Of all that is found, the
//! entry with the lowest index counts, and of that the first check: so the verdict is the one of checking in order.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

use jit_ca_core::event::ProofOfPossession;
use jit_ca_core::statement::Kind;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, UnparsedPublicKey,
    VerificationAlgorithm,
};
use ssh_key::public::KeyData;

use super::{Code, Finding};
use crate::sshsig;

/// How many checks may wait, so that memory stays bounded.
const WAITING: usize = 4_096;

type Check = Box<dyn FnOnce() -> bool + Send>;

struct Job {
    index: u64,
    code: Code,
    message: &'static str,
    check: Check,
}

/// The first signature that does not hold, so far.
type First = Arc<Mutex<Option<Finding>>>;

/// Threads that check signatures, for as long as the scope lasts.
pub(super) struct Signatures<'scope> {
    jobs: Option<SyncSender<Job>>,
    workers: Vec<ScopedJoinHandle<'scope, ()>>,
    first: First,
}

impl<'scope> Signatures<'scope> {
    pub(super) fn start<'env>(scope: &'scope Scope<'scope, 'env>) -> Self {
        let (jobs, waiting) = sync_channel(WAITING);
        let (waiting, first) = (Arc::new(Mutex::new(waiting)), First::default());
        let count = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let worker = |_| {
            let (waiting, first) = (Arc::clone(&waiting), Arc::clone(&first));
            scope.spawn(move || work(&waiting, &first))
        };
        Self { jobs: Some(jobs), workers: (0..count).map(worker).collect(), first }
    }

    /// Has a signature of the entry at `index` checked.
    pub(super) fn check(
        &self,
        index: u64,
        code: Code,
        message: &'static str,
        check: impl FnOnce() -> bool + Send + 'static,
    ) {
        let job = Job { index, code, message, check: Box::new(check) };
        // Workers end with the sender, and so are there to take it.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }

    /// Whether one was found by now that does not hold: then what comes later is of no interest.
    pub(super) fn have_failed(&self) -> bool {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Waits for all checks, and gives the first that failed.
    pub(super) fn finish(mut self) -> Option<Finding> {
        self.jobs = None;
        for worker in self.workers {
            // A worker that panicked has checked nothing more: that is no log that holds.
            if worker.join().is_err() {
                return Some(Finding::new(Code::Signature, None, "a signature can't be checked"));
            }
        }
        self.first.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn work(waiting: &Mutex<Receiver<Job>>, first: &Mutex<Option<Finding>>) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { index, code, message, check }) = job else { return };
        if !check() {
            let finding = Finding::new(code, Some(index), message);
            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
            *first = Some(finding.or_earlier(first.take()));
        }
    }
}

/// Whether `signature` is an SSHSIG over a statement, by the key in this SSH wire form.
pub(super) fn of_statement(key: &[u8], kind: Kind, statement: &str, signature: &[u8]) -> bool {
    let (namespace, statement) = (kind.namespace(), statement.as_bytes());
    ssh_key(key)
        .is_some_and(|key| sshsig::verify_blob(&key, &namespace, statement, signature).is_ok())
}

/// Whether it is proven, by a signature over the possession statement, that the caller has the key in this SSH wire form.
pub(super) fn of_possession(key: &[u8], statement: &str, proof: &ProofOfPossession) -> bool {
    ssh_key(key).is_some_and(|key| sshsig::verify_possession(&key, statement, proof).is_ok())
}

fn ssh_key(wire: &[u8]) -> Option<KeyData> {
    ssh_key::PublicKey::from_bytes(wire).ok().map(KeyData::from)
}

/// Whether `signature`, as a certificate holds it, is over these bytes by the key of this SubjectPublicKeyInfo.
pub(super) fn of_certificate(spki: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    let algorithms: [(&[u8], &'static dyn VerificationAlgorithm); 3] = [
        (ED25519_SPKI, &ED25519),
        (P256_SPKI, &ECDSA_P256_SHA256_ASN1),
        (P384_SPKI, &ECDSA_P384_SHA384_ASN1),
    ];
    algorithms.into_iter().any(|(prefix, algorithm)| {
        let point = spki.strip_prefix(prefix);
        point.is_some_and(|point| {
            UnparsedPublicKey::new(algorithm, point).verify(signed, signature).is_ok()
        })
    })
}

/// Whether a modulus and an exponent, as positive numbers with at most one leading zero, are those of a key of 3072 to
/// 8192 bits with the exponent 65537.
pub(super) fn is_strong_rsa(modulus: &[u8], exponent: &[u8]) -> bool {
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let bits = modulus.first().map(|first| 8 * modulus.len() - first.leading_zeros() as usize);
    bits.is_some_and(|bits| (3072..=8192).contains(&bits)) && exponent == [1, 0, 1]
}

/// What comes before the point in a SubjectPublicKeyInfo (RFC 8410 section 4).
pub(super) const ED25519_SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// RFC 5480 section 2, secp256r1 and an uncompressed point.
pub(super) const P256_SPKI: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// The same, secp384r1.
pub(super) const P384_SPKI: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
