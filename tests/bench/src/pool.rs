//! Keys to be certified: a new one for each request, made before the clock runs.

use std::thread;

use base64ct::{Base64, Encoding as _};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::sshsig::put_string;

/// What is certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ssh,
    X509,
}

/// A new key.
pub(crate) enum NewKey {
    Ssh {
        pair: Ed25519KeyPair,
        /// The public half in its wire form.
        blob: Vec<u8>,
    },
    X509 {
        /// A request for a certificate, as PEM.
        csr: String,
    },
}

/// What one request wants certified.
pub(crate) struct Subject {
    /// A name that no other has: SSH key id, or X.509 common name and DNS name, where the CA takes them.
    pub(crate) name: String,
    pub(crate) key: NewKey,
    /// The public key that the certificate has to carry: 32 bytes of ed25519, or a point of P-256.
    pub(crate) point: Vec<u8>,
}

impl Subject {
    fn new(kind: Kind, name: String, random: &SystemRandom) -> Self {
        match kind {
            Kind::Ssh => {
                let mut seed = [0; 32];
                random.fill(&mut seed).expect("randomness");
                let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed");
                let point = pair.public_key().as_ref().to_vec();
                let mut blob = Vec::with_capacity(51);
                put_string(&mut blob, b"ssh-ed25519");
                put_string(&mut blob, &point);
                Self { name, key: NewKey::Ssh { pair, blob }, point }
            }
            Kind::X509 => {
                let pair = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
                let mut params = CertificateParams::new([name.clone()]).expect("a name");
                params.distinguished_name = DistinguishedName::new();
                params.distinguished_name.push(DnType::CommonName, name.as_str());
                let csr = params.serialize_request(&pair).and_then(|csr| csr.pem());
                let point = pair.der_bytes().to_vec();
                Self { name, key: NewKey::X509 { csr: csr.expect("a request") }, point }
            }
        }
    }

    /// The SSH key as in an authorized keys file.
    pub(crate) fn ssh_line(&self) -> String {
        format!("ssh-ed25519 {}", Base64::encode_string(self.ssh_blob()))
    }

    pub(crate) fn ssh_blob(&self) -> &[u8] {
        match &self.key {
            NewKey::Ssh { blob, .. } => blob,
            NewKey::X509 { .. } => &[],
        }
    }

    pub(crate) fn csr(&self) -> &str {
        match &self.key {
            NewKey::Ssh { .. } => "",
            NewKey::X509 { csr } => csr,
        }
    }
}

/// Makes so many subjects on all cores, and of each what `make` makes of it.
pub(crate) fn make<T: Send>(
    kind: Kind,
    count: usize,
    first: usize,
    make: impl Fn(&Subject) -> T + Sync,
) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let share = count.div_ceil(threads).max(1);
    let make = &make;
    thread::scope(|scope| {
        let workers = (0..count).step_by(share).map(|from| {
            scope.spawn(move || {
                let random = SystemRandom::new();
                let numbers = from..count.min(from + share);
                let subject = |number| {
                    let name = format!("h{:07}.bench.internal", first + number);
                    make(&Subject::new(kind, name, &random))
                };
                numbers.map(subject).collect::<Vec<T>>()
            })
        });
        let workers: Vec<_> = workers.collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    })
}
