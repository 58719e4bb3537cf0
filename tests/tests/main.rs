//! The end-to-end tests, a theme a file.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

mod cli;
mod config;
mod crash;
mod demo;
mod documents;
mod guides;
mod identity;
mod input;
mod readme;
mod ssh;
mod statements;
mod time;
mod witnesses;
mod workflow;
mod x509;
