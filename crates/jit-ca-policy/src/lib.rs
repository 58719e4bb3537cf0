//! Who may: a bundle of files, and decisions made from it.
//!
//! Role files say what is *required* and what is *given*; Cedar rules say who *may*; both must hold.
//! The crate performs no I/O and reads no clock: files come in as text, and [`Facts`](jit_ca_core::Facts) hold the time,
//! so that a decision can be made again from the log years later.
//!
//! ```text
//! files ──Bundle::parse──> Bundle | Faults           all faults at once, each with file, line and hint
//! Bundle + what issuers said ──vouching──> Bundle    with those whom no file names
//! Bundle + Facts ──decide──> Decision                what the role requires, then what the rules say
//! Bundle ──run_tests──> [TestResult]                 the bundle's own policy-tests/*.toml
//! Bundle + Facts ──explain──> Explanation            why not, and what would have to be different
//! Bundle ──who_can, what_can──> Reach                the policy read the other way round
//! Bundle + Bundle ──diff──> Diff                     who gains and who loses what
//! ```
//!
//! A bundle has five kinds of file: `users.toml` (people), `issuers/<issuer>.toml` (who else knows people, and
//! workloads), `roles/<role>.toml`, `policies/*.cedar` and `policy-tests/*.toml`. The words that rules are written in stand in [`SCHEMA`].

mod access;
mod bundle;
mod case;
mod check;
mod decide;
pub mod diff;
mod engine;
pub mod explain;
mod fault;
mod issuer;
mod person;
mod reach;
mod role;
mod rule;
mod section;
mod ssh_key;
mod who;

pub use access::{Access, Holding, Reach, what_can, who_can};
pub use bundle::Bundle;
pub use case::{TestResult, run_tests, untested};
pub use decide::decide;
pub use diff::{Diff, diff};
pub use engine::{SCHEMA, concerns_a_role, concerns_anothers};
pub use explain::{Explanation, explain};
pub use fault::{Fault, Faults, SourceFile};
pub use issuer::{Claims, Issuer, PeopleIssuer, Vouched, Vouches, Workload, WorkloadIssuer};
pub use person::Person;
pub use reach::{Crowd, Deed, GroupShare, Sampled, When};
pub use role::{BreakGlass, Limits, Role, Starts, TicketPattern};
pub use rule::Rule;
pub use ssh_key::SshKey;
pub use who::{can, may_request, who_can_approve};
