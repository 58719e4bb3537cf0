//! On a server, beside a stock sshd: connections that were opened with a certificate end when it does, with every
//! process that they started, and what is done in them is recorded.
//!
//! ```text
//! jit-ca-hostd   as root, on a Unix socket: told of each connection, holds it in a cgroup, ends it, keeps its recording
//! jit-ca-guard   as the user, in place of each command that sshd would run: relays the terminal, tells hostd
//! jit-ca-host    for people and sshd: install, doctor, and the hooks by which sshd tells hostd of a connection
//! ```
//!
//! It trusts sshd with who somebody is, and asks the CA for nothing at login.

mod ca;
mod certificate;
mod cgroup;
mod client;
mod clock;
pub mod command;
pub mod config;
mod courier;
mod doctor;
mod fault;
mod feed;
pub mod guard;
mod hook;
pub mod hostd;
mod install;
pub mod observed;
mod passwd;
mod printer;
mod process;
mod protocol;
pub mod recording;
mod sshd;
mod syslog;
