//! Sessions: what hosts say of them, and what people see of them.

use std::net::IpAddr;

use jit_ca_core::event::SessionEnd;
use jit_ca_core::{
    Digest, GrantId, HostName, PersonName, RoleName, SessionId, SubjectId, Text, UnixTime,
};
use serde::{Deserialize, Serialize};

/// The most sessions that one call tells of, opened and closed ones together.
pub const MOST_SESSIONS_TOLD: usize = 64;
/// The most channels that a session has.
pub const MOST_CHANNELS: usize = 256;
/// The most bytes of one chunk of a recording.
pub const LARGEST_CHUNK: usize = 64 * 1024;
/// The most certificates that a host asks about at once.
pub const MOST_STANDINGS: usize = 1024;

/// `POST /v1/host/sessions`: what has happened on the host since it last said so. The same again is taken again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsCall {
    /// Sessions that were opened.
    #[serde(default)]
    pub opened: Vec<OpenedSession>,
    /// Sessions that are over. They may be among those that were opened.
    #[serde(default)]
    pub closed: Vec<ClosedSession>,
}

/// A connection was let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedSession {
    /// Its id, which the host has made.
    pub session: SessionId,
    /// The account on the host.
    pub account: String,
    /// The address that it came from, if the host knows.
    pub from: Option<IpAddr>,
    /// What opened it; none if a key did.
    pub certificate: Option<SessionCertificate>,
    /// When, by the host's clock.
    pub opened: UnixTime,
}

/// An SSH certificate as a host has seen it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionCertificate {
    /// The fingerprint of the CA's key, as `ssh-keygen -l` prints it.
    pub ca: Digest,
    /// The serial, in decimal digits: JSON's numbers are too small for it.
    pub serial: String,
    /// The key id.
    pub key_id: String,
    /// The first second in which it is not valid any more.
    pub until: UnixTime,
}

/// A session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedSession {
    /// Which.
    pub session: SessionId,
    /// When, by the host's clock.
    pub closed: UnixTime,
    /// Why.
    pub why: SessionEnd,
    /// What was recorded, in the order of their numbers.
    pub channels: Vec<ClosedChannel>,
}

/// What was recorded of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedChannel {
    /// Its number, from 1.
    pub number: u32,
    /// What was run; none for a shell. The log keeps the beginning of it, on one line.
    pub command: Option<String>,
    /// Whether it had a terminal.
    pub terminal: bool,
    /// When it began, by the host's clock.
    pub started: UnixTime,
    /// The root over the recording's chunks (RFC 6962 2.1).
    pub root: Digest,
    /// How many chunks there are.
    pub chunks: u64,
    /// How many bytes these have together.
    pub bytes: u64,
}

/// `POST /v1/host/standing`: which of these certificates are to be used no longer?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingCall {
    /// Serials, in decimal digits.
    pub certificates: Vec<String>,
}

/// The answer to [`StandingCall`]: empty if all of them stand, and the call has waited for as long as it was to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Those that don't stand.
    pub ended: Vec<EndedCertificate>,
}

/// A certificate that is to be used no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndedCertificate {
    /// Its serial.
    pub serial: String,
    /// Why.
    pub why: StandingEnd,
}

/// Why a certificate is to be used no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandingEnd {
    /// The grant that it was issued under is over: revoked, given back, or its time is.
    GrantEnded,
    /// Its subject, its role or everything is locked.
    Locked,
    /// The log has no such certificate.
    Unknown,
}

/// Which sessions to list: `GET /v1/sessions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsFilter {
    /// One's own alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mine: bool,
    /// Those on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Those of grants of this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Those that go on, as far as hosts have said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// Opened at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UnixTime>,
    /// Opened before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UnixTime>,
}

/// Sessions, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionList {
    /// Those that the caller may see.
    pub sessions: Vec<Session>,
    /// Whether there may be more: narrow the search, such as by `to`.
    pub more: bool,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its id.
    pub session: SessionId,
    /// The host that tells of it.
    pub host: SubjectId,
    /// The account on the host; none where that is erased.
    pub account: Option<Text>,
    /// The address that it came from.
    pub from: Option<IpAddr>,
    /// Whose grant it was under; none where the log has no such certificate.
    pub subject: Option<SubjectId>,
    /// What that subject is called.
    pub name: Option<PersonName>,
    /// The grant's role.
    pub role: Option<RoleName>,
    /// The grant.
    pub grant: Option<GrantId>,
    /// What opened it; none if a key did.
    pub certificate: Option<SessionCertificate>,
    /// When it was opened, by the host's clock.
    pub opened: Option<UnixTime>,
    /// When it was closed, by the host's clock; none while it goes on.
    pub closed: Option<UnixTime>,
    /// Why it was closed.
    pub why: Option<SessionEnd>,
    /// Its channels; of a session that goes on, those of which something has arrived.
    pub channels: Vec<Channel>,
    /// The index of the entry that opened it.
    pub entry: u64,
}

/// One channel of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its number, from 1.
    pub number: u32,
    /// How many chunks of its recording this CA has.
    pub here: u64,
    /// What the host said of it when the session was over.
    pub recorded: Option<RecordedChannel>,
}

/// What the log has of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedChannel {
    /// What was run; none for a shell.
    pub command: Option<Text>,
    /// Whether it had a terminal.
    pub terminal: bool,
    /// When it began, by the host's clock.
    pub started: UnixTime,
    /// The root over the recording's chunks (RFC 6962 2.1).
    pub root: Digest,
    /// How many chunks there are.
    pub chunks: u64,
    /// How many bytes these have together.
    pub bytes: u64,
}
