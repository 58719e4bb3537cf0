//! What hosts saw, held against the log: each certificate that was used must have been logged before.
//!
//! INVARIANT (nothing unlogged): a certificate that a host accepted and the log does not hold was made by somebody who has
//! the CA's key. The log can't show that by itself, and hosts can.
//!
//! The checks and their order are those of `docs/log-format.md`, "What hosts saw".

use std::collections::{BTreeSet, HashMap, HashSet};

use jit_ca_core::event::{CertificateIntended, IssuedUnder};
use jit_ca_core::{Digest, GrantId, HostName, IssuanceId, KeyId, Login, Row, Span, UnixTime, Use};
use serde::Serialize;

use super::keys::SSH_USER;
use super::log::{Log, second_of};
use super::requests::Requests;
use super::ssh::{SshCertificate, ed25519_key};
use crate::hash::sha256;
use crate::{Ids, Leaf};

/// Why a use is not one of a certificate in the log. They stand in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mismatch {
    /// Another CA's key signed the certificate: this log can say nothing of it.
    Foreign,
    /// The certificate is not in the log.
    Unlogged,
    /// It was used before it was logged, or after it had ended.
    Untimely,
    /// It opened another account than its row's.
    Elsewhere,
    /// It can't be said, as what would say it is erased, is in an earlier log, or is the host's alone to know.
    Unclear,
}

impl Mismatch {
    /// Whether the log, or the host, is wrong; otherwise it can't be said.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Unlogged | Self::Untimely | Self::Elsewhere)
    }
}

/// A use that is not, or can't be shown to be, one of a certificate in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatched {
    /// Which of the uses, counted from 0.
    pub nth: usize,
    /// Why.
    pub mismatch: Mismatch,
    /// The same for a person, in one sentence without a full stop.
    pub message: String,
    /// What the host said.
    #[serde(flatten)]
    pub seen: Use,
}

/// What comes of holding uses against a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// How many there are.
    pub uses: usize,
    /// Those that are not as the log has it, in their order.
    pub mismatched: Vec<Mismatched>,
}

/// The uses, and what the log has come to say of their certificates.
pub(super) struct Uses<'a> {
    uses: &'a [Use],
    /// The certificates that are asked about, by the hash of what is signed.
    asked: HashSet<Digest>,
    logged: HashMap<Digest, Logged>,
    /// The seconds of the first entry and of the last.
    first: Option<UnixTime>,
    last: Option<UnixTime>,
}

/// A certificate that was to be signed: what its leaf says, and its payload if that is there.
struct Logged {
    grant: Option<GrantId>,
    issuance: Option<IssuanceId>,
    second: UnixTime,
    said: Option<Said>,
}

struct Said {
    serial: u64,
    key_id: String,
    until: UnixTime,
    /// The account, and where; none if the grant is erased.
    opens: Option<(Login, BTreeSet<HostName>)>,
}

/// How far a host's clock may be from the CA's.
const SKEW: Span = Span::from_secs(60);
/// No grant is longer, and no certificate outlives its grant.
const LONGEST_GRANT: Span = Span::from_secs(24 * 60 * 60);

impl<'a> Uses<'a> {
    pub(super) fn new(uses: &'a [Use]) -> Self {
        let asked = uses.iter().map(|used| used.tbs).collect();
        Self { uses, asked, logged: HashMap::new(), first: None, last: None }
    }

    /// Takes in what an entry's leaf says, which is there also where its payload is erased.
    pub(super) fn pass(&mut self, leaf: &Leaf) {
        let second = second_of(leaf);
        self.first.get_or_insert(second);
        self.last = Some(second);
        if let Some(tbs) = leaf.tbs.filter(|tbs| self.asked.contains(tbs)) {
            let Ids { grant, issuance, .. } = leaf.ids;
            self.logged.entry(tbs).or_insert(Logged { grant, issuance, second, said: None });
        }
    }

    /// Takes in what an intent says that has passed, and holds.
    pub(super) fn intent(
        &mut self,
        requests: &Requests,
        leaf: &Leaf,
        intent: &CertificateIntended,
    ) {
        let logged = leaf.tbs.and_then(|tbs| self.logged.get_mut(&tbs));
        let (Some(logged), Some(under)) = (logged, &intent.under) else { return };
        // What can't be read has failed already; and what is no user's is none of an account's.
        logged.said = SshCertificate::read(intent.tbs.as_slice()).map(|certificate| Said {
            serial: certificate.serial,
            key_id: certificate.key_id,
            until: intent.validity.until,
            opens: opened(requests, under),
        });
    }

    /// What comes of it, once all entries were taken in.
    pub(super) fn compared(&self, log: &Log) -> Observed {
        let key = log.keys.as_ref().and_then(|keys| keys.of(SSH_USER));
        let ca = key.and_then(ed25519_key).map(|key| sha256(&key));
        let mismatched = self.uses.iter().enumerate().filter_map(|(nth, used)| {
            let (mismatch, message) = if ca.is_some_and(|ca| ca != used.ca) {
                (Mismatch::Foreign, "another CA's key signed it".to_owned())
            } else {
                let logged = self.logged.get(&used.tbs).filter(|logged| logged.is_of(used));
                match logged {
                    Some(logged) => logged.mismatch(used)?,
                    None => self.missing(used, log.succeeds == Some(true)),
                }
            };
            Some(Mismatched { nth, mismatch, message, seen: used.clone() })
        });
        Observed { uses: self.uses.len(), mismatched: mismatched.collect() }
    }

    /// What is to be said of a certificate that is not in the log.
    fn missing(&self, used: &Use, has_predecessor: bool) -> (Mismatch, String) {
        let until = self.first.map(|first| first.plus(LONGEST_GRANT).plus(SKEW));
        if has_predecessor && until.is_some_and(|until| used.time < until) {
            let message = "it is not in this log, and may be in the one before it: verify that one";
            return (Mismatch::Unclear, message.to_owned());
        }
        let message = match self.last.filter(|last| *last < used.time) {
            Some(last) => format!(
                "it is not in the log, whose last entry is of {last}: if that is an old export, verify a new one"
            ),
            None => "it is not in the log".to_owned(),
        };
        (Mismatch::Unlogged, message)
    }
}

impl Logged {
    /// Whether the host tells of this certificate what the log says of it.
    fn is_of(&self, used: &Use) -> bool {
        match &self.said {
            Some(said) => (said.serial, &said.key_id) == (used.serial, &used.key_id),
            // Of the key id the leaf still says the beginning.
            None => KeyId::parse(&used.key_id).is_some_and(|id| {
                (Some(id.grant), Some(id.issuance)) == (self.grant, self.issuance)
            }),
        }
    }

    fn mismatch(&self, used: &Use) -> Option<(Mismatch, String)> {
        let longest = || self.second.plus(LONGEST_GRANT);
        let until = self.said.as_ref().map_or_else(longest, |said| said.until);
        // Log before sign: no certificate is older than its intent, whenever its validity begins.
        if used.time < self.second.minus(SKEW) || used.time >= until.plus(SKEW) {
            let message = format!(
                "it was logged at {} and had ended by {until}: the host's clock, or what it says, is wrong",
                self.second
            );
            return Some((Mismatch::Untimely, message));
        }
        let Some((login, hosts)) = self.said.as_ref().and_then(|said| said.opens.as_ref()) else {
            let message = "it is in the log, and what it opens is erased there";
            return Some((Mismatch::Unclear, message.to_owned()));
        };
        if login.as_str() != used.account {
            return Some((Mismatch::Elsewhere, format!("it opens the account {login}")));
        }
        if !hosts.iter().any(|host| may_be_one(host, &used.host)) {
            let hosts = hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let message =
                format!("it is for {hosts}: whether the host is called so, too, it alone knows");
            return Some((Mismatch::Unclear, message));
        }
        None
    }
}

/// The account that a certificate under this row opens, and the hosts where.
fn opened(requests: &Requests, under: &IssuedUnder) -> Option<(Login, BTreeSet<HostName>)> {
    let said = requests.grant(under.grant)?.said.as_ref()?;
    let is_its = |row: &&Row| matches!(row, Row::Ssh(_)) && row.name() == under.row;
    match said.rows.iter().find(is_its)?.on(&said.hosts) {
        Row::Ssh(row) => Some((row.login, row.hosts)),
        Row::X509(_) => None,
    }
}

/// Whether two names may be one host's: the same, or one of them with its domain.
fn may_be_one(one: &HostName, other: &HostName) -> bool {
    let (one, other) = (one.as_str(), other.as_str());
    let is_in_domain = |long: &str, short: &str| {
        long.strip_prefix(short).is_some_and(|domain| domain.starts_with('.'))
    };
    one == other || is_in_domain(one, other) || is_in_domain(other, one)
}
