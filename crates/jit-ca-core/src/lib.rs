//! What access is: who may have which rows of a role, on which hosts, for which window of time.
//!
//! This crate holds the domain's values, the statements that people sign, and the workflow as a pure
//! function: state and command and `now` give events, and events fold into state. It performs no I/O,
//! cannot tell the time, draws no randomness and knows no cryptography; what it needs of those
//! is a parameter.
//!
//! ```text
//! values     id, time, names, row      one type for each word of the field, checked where it is made
//! statement  the texts that people sign, byte for byte
//! workflow   Access + Command + now -> events;  Access + event -> Access
//! event      what the log's payloads hold, one struct for each type of entry
//! ```

pub mod decision;
pub mod digest;
pub mod event;
pub mod id;
mod key_id;
mod key_type;
mod means;
pub mod names;
pub mod network;
mod observed;
pub mod row;
mod size;
pub mod statement;
pub mod time;
mod value;
pub mod workflow;

pub use decision::{Action, Decision, Facts, Outcome, Reason, RefusalCode};
pub use digest::{ActorRef, Bytes, Digest};
pub use id::{CallId, GrantId, IssuanceId, RequestId, SessionId};
pub use key_id::KeyId;
pub use key_type::KeyType;
pub use means::Means;
pub use names::{
    GroupName, HostName, HostPattern, IssuerName, Login, Origin, PersonName, Principal, RoleName,
    SubjectId, SubjectKind, Tag, Text,
};
pub use observed::Use;
pub use row::{Extension, Hosts, Row, RowName, SourceAddress, SshRow, X509Row};
pub use size::Size;
pub use time::{Span, UnixTime, Window};
pub use value::ValueError;
