//! What is found: a verdict, and the first thing that does not hold.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use jit_ca_core::{Digest, Origin};
use serde::{Serialize, Serializer};

use super::Observed;

/// Which check failed. The codes stand in the order of the checks, which is their order here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The file is no export.
    Archive,
    /// The checkpoint can't be read, or is not the log key's.
    Checkpoint,
    /// A part ends before the entry.
    Missing,
    /// The leaf hash is another.
    Hash,
    /// The leaf is malformed or out of order.
    Leaf,
    /// The payload, or what the leaf says of it.
    Payload,
    /// How the log begins.
    Init,
    /// What comes while the clock is not right.
    Clock,
    /// What must come right behind the entry before.
    Sequence,
    /// Who acts, under which pseudonym.
    Subject,
    /// The hash of a bundle.
    Bundle,
    /// What the policy said.
    Decision,
    /// A login, or another use of a second factor.
    Login,
    /// A signature over a statement or a certificate.
    Signature,
    /// A request.
    Request,
    /// It comes when it can't.
    State,
    /// An approval.
    Approval,
    /// A grant.
    Grant,
    /// A look at an emergency afterwards.
    Review,
    /// An issuance or serial that is used again.
    Serial,
    /// What a certificate is issued under.
    Under,
    /// When a certificate is valid.
    Window,
    /// What a certificate says.
    Certificate,
    /// That the caller has the key.
    Possession,
    /// A reset of second factors.
    Reset,
    /// What a host said of a session, and who watched it.
    Session,
    /// A host: how it enrols, and that it is believed.
    Host,
    /// A lock, and what is done in spite of it.
    Lock,
    /// An erasure.
    Erase,
    /// A payload is missing that no erasure names.
    Erased,
    /// A part holds more than it should.
    Surplus,
    /// The root is another.
    Root,
    /// A tile above the leaf hashes.
    Tile,
    /// The reader has seen more of the log.
    Stale,
    /// The reader has seen another log.
    Pin,
    /// The copies of keys and bundles.
    Copy,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name on the wire is the one name.
        self.serialize(f)
    }
}

/// The first thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check failed.
    pub code: Code,
    /// The entry at which it failed, if it is one's.
    pub index: Option<u64>,
    /// The same for a person, in one sentence without a full stop.
    pub message: String,
}

impl Finding {
    pub(super) fn new(code: Code, index: Option<u64>, message: impl Into<String>) -> Self {
        Self { code, index, message: message.into() }
    }

    /// The one of two that the order of checks comes to first: by entry, and then by check.
    pub(super) fn or_earlier(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if (other.index, other.code) < (self.index, self.code) => other,
            _ => self,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "entry {index}: {} ({})", self.message, self.code),
            None => write!(f, "{} ({})", self.message, self.code),
        }
    }
}

/// What a log that holds is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Certificates that were to be signed: each intent counts as issued.
    pub certificates: u64,
    /// Payloads that were erased.
    pub erased: u64,
    /// Entries of a type that this release does not know.
    pub unknown: u64,
    /// The indices of intents without an outcome.
    pub orphans: Vec<u64>,
    /// The indices of sessions that no certificate of this log accounts for.
    pub unaccounted: Vec<u64>,
}

/// What verifying an export came to.
///
/// It serialises as one flat object, for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The first thing that does not hold; none if the log holds.
    pub finding: Option<Finding>,
    /// Which log, as its checkpoint says, where it can be read.
    pub origin: Option<Origin>,
    /// How many entries the checkpoint says.
    pub size: Option<u64>,
    /// The root that the checkpoint says.
    pub root: Option<Digest>,
    /// What the log is made of, if it holds.
    pub counts: Option<Counts>,
    /// What comes of the uses that it was to be held against, if there were any and the log holds.
    pub observed: Option<Observed>,
    /// How many pinned checkpoints it was compared with.
    pub pins: usize,
}

impl Verdict {
    /// Whether the log holds.
    pub fn holds(&self) -> bool {
        self.finding.is_none()
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            verdict: &'static str,
            code: Option<Code>,
            first_bad_index: Option<u64>,
            message: Option<&'a str>,
            origin: Option<&'a Origin>,
            size: Option<u64>,
            root: Option<String>,
            certificates: Option<u64>,
            erased: Option<u64>,
            unknown: Option<u64>,
            orphans: Option<&'a [u64]>,
            unaccounted: Option<&'a [u64]>,
            pins: usize,
            #[serde(skip_serializing_if = "Option::is_none")]
            observed: Option<&'a Observed>,
        }

        let (finding, counts) = (self.finding.as_ref(), self.counts.as_ref());
        let flat = Flat {
            verdict: if self.holds() { "holds" } else { "broken" },
            code: finding.map(|finding| finding.code),
            first_bad_index: finding.and_then(|finding| finding.index),
            message: finding.map(|finding| finding.message.as_str()),
            origin: self.origin.as_ref(),
            size: self.size,
            root: self.root.map(|root| Base64::encode_string(root.as_bytes())),
            certificates: counts.map(|counts| counts.certificates),
            erased: counts.map(|counts| counts.erased),
            unknown: counts.map(|counts| counts.unknown),
            orphans: counts.map(|counts| counts.orphans.as_slice()),
            unaccounted: counts.map(|counts| counts.unaccounted.as_slice()),
            pins: self.pins,
            observed: self.observed.as_ref(),
        };
        flat.serialize(serializer)
    }
}
