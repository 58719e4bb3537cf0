//! Who has proven who they are.

use std::net::IpAddr;

use jit_ca_core::{Bytes, Digest, IssuanceId, Text, UnixTime, event};
use jit_ca_policy::Person;

/// A person or workload that has proven who it is.
#[derive(Debug)]
pub struct Authenticated<'b> {
    person: &'b Person,
    proof: Proof,
}

/// By what: what the login's entry keeps of it.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A signature over the login statement, and something beside it.
    Ssh {
        /// What the CA had sent.
        challenge: String,
        /// The SSH key that signed, in its wire form.
        key: Bytes,
        /// The SSHSIG blob.
        signature: Bytes,
        /// The second factor, to be used up by the login's entry.
        factor: event::Factor,
    },
    /// A token of an issuer that the policy names.
    Token {
        /// Its SHA-256.
        token: Digest,
        /// Until when it can be used, by its own word.
        expires: UnixTime,
        /// What the CA had sent, if it is a person's.
        challenge: Option<String>,
        /// From where it was confirmed on the CA's page, if it is a login by device code.
        confirmed_from: Option<IpAddr>,
        /// When the issuer saw a second factor.
        mfa_at: Option<UnixTime>,
        /// How the issuer saw the subject, as a class.
        acr: Option<Text>,
        /// The same, as methods.
        amr: Vec<Text>,
    },
    /// An X.509 certificate of this CA, whose key TLS has proven.
    Certificate {
        /// Its issuance.
        certificate: IssuanceId,
        /// When a token last said who it is.
        since: UnixTime,
    },
}

impl<'b> Authenticated<'b> {
    /// The one place that makes it: `login::verify`, `token::Said::of` and `certificate::Shown::of` call this after every check has passed.
    pub(super) fn assertion(person: &'b Person, proof: Proof) -> Self {
        Self { person, proof }
    }

    /// The person or workload.
    pub fn person(&self) -> &'b Person {
        self.person
    }

    /// By what.
    pub fn into_proof(self) -> Proof {
        self.proof
    }
}
