//! The lab in which the end-to-end tests run: the real programs, on loopback, in a folder of their own.
//!
//! ```text
//! Lab      a temporary folder
//! Ca       jit-cad: made by `init`, serving, and checked by `log check` when it goes
//! Person   somebody with an SSH key, an authenticator and a home; runs jit-ca
//! Caller   the same person without jit-ca: curl, openssl and ssh-keygen speak the API by hand (Wire)
//! GuardedHost     a real sshd beside our hostd and guard, and certificates that end in seconds
//! Host     a host that enrols, by hand as well
//! Sshd     a real sshd that trusts the CA, at the time that the test wants
//! Server   a machine with a systemd and a network of its own
//! Nginx    a real nginx that does
//! OpenIdProvider  a real OpenID provider, and a Browser in which people log in there
//! TokenIssuer     signs tokens for workloads, as a forge or a cluster does
//! Slow     slow clients by the thousand
//! Browser  a headless Chromium with a virtual authenticator
//! Terminal a shell at a terminal, typed into as a person does
//! ```
//!
//! What is shown with them is judged by programs that we did not write. Everything runs as root or,
//! where root is needed, by `sudo -n`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a lab that does not work fails the test that uses it"
)]

mod browser;
mod ca;
mod caller;
mod certificate;
mod document;
pub mod grown;
mod guarded;
mod host;
mod lab;
mod lines;
mod nginx;
mod open_id;
mod passkey;
mod person;
mod program;
pub mod security_key;
mod served;
mod server;
mod sign_on;
mod slow;
mod sshd;
mod stolen;
pub mod stored;
mod terminal;
mod token_issuer;
mod wire;

pub use browser::Browser;
pub use ca::Ca;
pub use caller::Caller;
pub use certificate::{Issued, self_signed, sha256};
pub use document::{Block, blocks, commands, documents};
pub use guarded::{Found, GuardedHost, Hook, Pass, Release, Setup, processes};
pub use host::Host;
pub use lab::Lab;
pub use lines::Lines;
pub use nginx::Nginx;
pub use open_id::{Means, OpenIdProvider, Visitor, parameter};
pub use passkey::SoftPasskey;
pub use person::{Authenticator, Person};
pub use program::{
    Output, as_root, free_port, mix, now, program, repository, run, run_with_input, seconds,
    wait_for,
};
pub use served::Served;
pub use server::Server;
pub use sign_on::SigningOn;
pub use slow::Slow;
pub use sshd::{Clock, Ssh, Sshd};
pub use stolen::{steal_ssh_user_key, used};
pub use terminal::Terminal;
pub use token_issuer::{TokenIssuer, workloads};
pub use wire::{Reply, Wire};
