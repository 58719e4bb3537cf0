//! What the page's script is told, and tells. It is part of the daemon, so that this is no API.

use std::net::IpAddr;

use jit_ca_api::Request;
use jit_ca_core::event::{Assertion, Registration};
use jit_ca_core::{Bytes, Digest, GroupName, IssuerName, Origin, PersonName, Text, UnixTime};
use serde::{Deserialize, Serialize};

/// The CA.
#[derive(Debug, Serialize)]
pub(super) struct CaView {
    /// The RP ID.
    pub(super) host: String,
    /// The log's name.
    pub(super) origin: Origin,
    /// The CA's pin.
    pub(super) pin: Digest,
}

/// Follows a link.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnrolBegin {
    /// The link's secret.
    pub(super) link: String,
}

/// What is to be enrolled, and for whom.
#[derive(Debug, Serialize)]
pub(super) struct Enrolment {
    pub(super) name: PersonName,
    pub(super) label: Text,
    /// The RP ID.
    pub(super) host: String,
    /// What the authenticator keeps of the person: the pseudonym.
    pub(super) user: Bytes,
    /// The text whose SHA-256 is answered.
    pub(super) statement: String,
    /// The ids of the passkeys that there are, of which one has to consent.
    pub(super) existing: Vec<Bytes>,
    pub(super) expires: UnixTime,
}

/// A passkey that was made, and the leave of another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnrolFinish {
    pub(super) link: String,
    pub(super) registration: Registration,
    pub(super) consent: Option<Assertion>,
}

/// What a login answers.
#[derive(Debug, Serialize)]
pub(super) struct LoginBegun {
    pub(super) host: String,
    pub(super) challenge: String,
    /// The text whose SHA-256 is answered.
    pub(super) statement: String,
}

/// The answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginFinish {
    pub(super) challenge: String,
    pub(super) assertion: Assertion,
    /// Who the authenticator says it is.
    pub(super) user: Bytes,
}

/// A login that was begun without a browser, by the code that its terminal shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceCode {
    pub(super) code: String,
}

/// What somebody has to know who is asked whether it is theirs.
#[derive(Debug, Serialize)]
pub(super) struct DeviceShown {
    pub(super) issuer: IssuerName,
    /// From where it was begun.
    pub(super) address: IpAddr,
    pub(super) begun: UnixTime,
    pub(super) expires: UnixTime,
    /// The login key's fingerprint, as the terminal shows it.
    pub(super) login_key: String,
}

/// Where the browser goes on.
#[derive(Debug, Serialize)]
pub(super) struct DeviceConfirmed {
    /// The issuer's page.
    pub(super) url: String,
    /// What it shows, or asks for.
    pub(super) code: String,
}

/// Who is logged in.
#[derive(Debug, Serialize)]
pub(super) struct OnPageView {
    pub(super) name: PersonName,
    pub(super) groups: Vec<GroupName>,
    /// When the login ends.
    pub(super) expires: UnixTime,
    pub(super) host: String,
}

/// A request, and what approving it signs.
#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    pub(super) request: Request,
    /// The log's name, as statements have it: the page makes those from what it shows.
    pub(super) origin: Origin,
    /// The ids of the caller's passkeys.
    pub(super) passkeys: Vec<Bytes>,
    /// Whether the caller can approve it.
    pub(super) waits_for_me: bool,
}

/// A yes to all that is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approved {
    pub(super) comment: Option<Text>,
    pub(super) assertion: Assertion,
}
