//! Sessions: what hosts say of the connections that certificates opened, and who has watched the recordings.
//!
//! A host says them, so a host may lie. What a session is said to have been opened with is compared with what the log says
//! was issued; times of the host stand beside the leaf's, which is the CA's.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Decided;
use crate::{Bytes, Digest, GrantId, IssuanceId, PersonName, SessionId, SubjectId, Text, UnixTime};

/// A connection was let in by a host. The leaf's actor is the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOpened {
    /// The host.
    pub subject: SubjectId,
    /// The session; the host has made its id.
    pub session: SessionId,
    /// The account on the host.
    pub account: Text,
    /// The address that it came from, if the host knows.
    pub from: Option<IpAddr>,
    /// What opened it. None: a key, of an account that the host sets apart for emergencies.
    pub certificate: Option<UsedCertificate>,
    /// When, by the host's clock.
    pub opened: UnixTime,
    /// The grant that the certificate was issued under. None if the log has no such certificate.
    pub grant: Option<GrantId>,
    /// Its issuance; there where the grant is.
    pub issuance: Option<IssuanceId>,
}

/// An SSH certificate, as a host has seen it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsedCertificate {
    /// SHA-256 of the CA's key in its SSH wire form: what `ssh-keygen -l` prints.
    pub ca: Digest,
    /// The serial.
    pub serial: u64,
    /// The key id.
    pub key_id: Text,
    /// The first second in which it is not valid any more.
    pub until: UnixTime,
}

/// A session is over. The leaf's actor is the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionClosed {
    /// The host.
    pub subject: SubjectId,
    /// The session.
    pub session: SessionId,
    /// When, by the host's clock.
    pub closed: UnixTime,
    /// Why.
    pub why: SessionEnd,
    /// What was recorded, in the order of their numbers.
    pub channels: Vec<ChannelRecorded>,
    /// The grant, as when it was opened.
    pub grant: Option<GrantId>,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionEnd {
    /// The subject, or the network, closed the connection.
    LoggedOut,
    /// The certificate's time was over, and the host ended it.
    CertificateEnded,
    /// The CA said that the grant had ended early.
    GrantEnded,
    /// The program that relays and records it was gone.
    GuardVanished,
    /// It had processes that nothing recorded.
    Unguarded,
    /// Its recording had become as large as the host allows.
    BoundReached,
    /// The host, or the program that watches over its sessions, was started anew.
    HostRestarted,
    /// Anything else, which the host's own log says.
    Failed,
}

/// One channel of a session: a terminal, a command, an sftp. Its recording is kept beside the log, in chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelRecorded {
    /// Its number in the session, from 1.
    pub number: u32,
    /// What was run: the beginning of it, on one line. None for a shell. The recording has all of it.
    pub command: Option<Text>,
    /// Whether it had a terminal.
    pub terminal: bool,
    /// When it began, by the host's clock.
    pub started: UnixTime,
    /// The root of the RFC 6962 tree whose leaves are the recording's chunks.
    pub root: Digest,
    /// How many chunks there are.
    pub chunks: u64,
    /// How many bytes these have together.
    pub bytes: u64,
}

/// Somebody was let to watch a recording. It is written before the first byte is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionWatched {
    /// The session.
    pub session: SessionId,
    /// Which of its channels.
    pub channel: u32,
    /// Who watches.
    pub by: SubjectId,
    /// What that person is called.
    pub name: PersonName,
    /// The serial of the login certificate of the call.
    pub login: Bytes,
    /// What the policy was asked and said: to `watch`; of a session that no grant gave, to `read-log`.
    pub decision: Decided,
    /// The session's grant.
    pub grant: Option<GrantId>,
}
