//! The just-in-time certificate authority's daemon, as a library: the program is `main.rs`.
//!
//! ```text
//! http ──> service ──> policy::decide, core::workflow ──> sequencer ──> store
//!              └─────> identity                              │
//!              └─────> issuer <── Recorded<Intent> ──────────┘
//! ```
//!
//! Calls come in through [`http`], which knows TLS, JSON and status codes and nothing else. A [`service`] decides
//! on a snapshot and proposes entries; the [`sequencer`] alone writes them. The [`issuer`] signs what it
//! wrote. Only [`clock`] reads the time and draws random bytes.

pub mod activation;
pub mod admin;
pub mod anchor;
pub mod app;
pub mod authority;
pub mod cli;
pub mod clock;
pub mod config;
pub mod erasure;
pub mod failure;
pub mod hold;
pub mod http;
pub mod identity;
pub mod init;
pub mod issuer;
pub mod keys;
pub mod last_uses;
pub mod notify;
pub mod outgoing;
pub mod page;
pub mod passage;
pub mod policy;
pub mod provider;
pub mod providers;
pub mod recheck;
pub mod recordings;
pub mod reload;
pub mod sequencer;
pub mod service;
pub mod store;
pub mod succeed;
pub mod turns;
pub mod upkeep;
