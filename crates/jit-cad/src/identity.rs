//! Who is calling: challenges, SSH signatures, second factors, and what slows guessing down.
//!
//! The embedded default: people of `users.toml`, known by their SSH public keys, with a code of RFC 6238. Others are known
//! by what an issuer says of them.

mod authenticated;
mod certificate;
mod challenge;
mod devices;
mod limiter;
mod links;
mod login;
mod network;
mod quota;
mod token;
pub mod totp;

pub use authenticated::{Authenticated, Proof};
pub use certificate::{NotShown, Shown};
pub use challenge::{CHALLENGE_MEMORY, CLOCKS_APART, COMMITTED_WITHIN, Challenges};
pub use devices::{DEVICE_LIFE, Device, Devices, NotAdded, Turn};
pub use limiter::Limiter;
pub use links::{LINK_LIFE, Link, Links};
pub use login::{UnverifiedLogin, Verdict, enrolment_code_digest, secret_label, totp_step, verify};
pub use network::Network;
pub use quota::Quota;
pub use token::{Brought, NothingSaid, Refresh, Said, SaidAgain, ask_again, nonce};
