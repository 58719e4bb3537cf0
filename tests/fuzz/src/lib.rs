//! Each parser that reads what a stranger sends, and what has to hold for whatever comes.
//!
//! A target is a function that panics where something does not hold. The tests here run each over its corpus
//! (`corpus/TARGET/`) and over inputs that are made of it, the same ones each time. `run.sh` has libFuzzer look for others,
//! by coverage. What it finds goes into the corpus.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what does not hold, or can't be set up, ends the program: that is what is looked for"
)]

mod discovery;
#[cfg(test)]
mod mutation;
mod passkey;
mod ssh;
mod token;
mod x509;

use std::fs;
use std::path::PathBuf;

/// What is fed: a name, and what takes any bytes and panics where something does not hold.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("discovery", discovery::description),
    ("jwks", token::jwks),
    ("jws", token::jws),
    ("jwt-claims", token::claims),
    ("jwt-header", token::header),
    ("passkey-assertion", passkey::assertion),
    ("passkey-registration", passkey::registration),
    ("pkcs10", x509::pkcs10),
    ("ssh-key", ssh::key),
    ("sshsig", ssh::signature),
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|(known, _)| *known == name)
}

/// The inputs that a target begins with, by their files' names.
pub fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("a corpus").map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).expect("a file")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many inputs are made of each of the corpus.
    const EACH: u64 = 300;

    fn short(name: &str) {
        let (_, run) = target(name).unwrap();
        let seeds = corpus(name);
        assert!(!seeds.is_empty());
        for seed in &seeds {
            run(seed);
            for number in 0..EACH {
                run(&mutation::of(seed, &seeds, number));
            }
        }
        run(&[]);
    }

    #[test]
    fn discovery() {
        short("discovery");
    }

    #[test]
    fn jwks() {
        short("jwks");
    }

    #[test]
    fn jws() {
        short("jws");
    }

    #[test]
    fn jwt_claims() {
        short("jwt-claims");
    }

    #[test]
    fn jwt_header() {
        short("jwt-header");
    }

    #[test]
    fn passkey_assertion() {
        short("passkey-assertion");
    }

    #[test]
    fn passkey_registration() {
        short("passkey-registration");
    }

    #[test]
    fn pkcs10() {
        short("pkcs10");
    }

    #[test]
    fn ssh_key() {
        short("ssh-key");
    }

    #[test]
    fn sshsig() {
        short("sshsig");
    }

    /// A corpus of nothing but refusals would show nothing.
    #[test]
    fn something_of_each_corpus_is_accepted() {
        for (name, accepts) in [
            ("discovery", discovery::accepts_description as fn(&[u8]) -> bool),
            ("jwks", token::accepts_jwks),
            ("jwt-claims", token::accepts_claims),
            ("jwt-header", token::accepts_header),
            ("passkey-assertion", passkey::accepts_assertion),
            ("passkey-registration", passkey::accepts_registration),
            ("pkcs10", |bytes| jit_ca_cert::pkcs10::public_key(bytes).is_ok()),
            ("ssh-key", ssh::accepts_key),
            ("sshsig", ssh::accepts_signature),
        ] {
            assert!(corpus(name).iter().any(|seed| accepts(seed)), "{name}");
        }
    }
}
