//! Who is calling: challenges, SSH signatures, second factors, and what slows guessing down.
//!
//! The embedded default: people of `users.toml`, known by their SSH public keys, with a code of RFC 6238.

mod challenge;
mod limiter;
mod links;
mod login;
mod network;
mod quota;
pub mod totp;

pub use challenge::{CHALLENGE_MEMORY, Challenges};
pub use limiter::Limiter;
pub use links::{LINK_LIFE, Link, Links};
pub use login::{
    Authenticated, UnverifiedLogin, Verdict, enrolment_code_digest, secret_label, totp_step, verify,
};
pub use network::Network;
pub use quota::Quota;
