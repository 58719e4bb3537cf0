//! The end-to-end tests, a theme a file.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

mod anchors;
mod cli;
mod config;
mod crash;
mod demo;
mod documents;
mod enrolled;
mod enrolment;
mod erasure;
mod exports;
mod faults;
mod flips;
mod follow;
mod guides;
mod histories;
mod holds;
mod hosts;
mod identity;
mod input;
mod issuers;
mod left;
mod lists;
mod logins;
mod newcomers;
mod notify;
mod observed;
mod openapi;
mod page;
mod page_logins;
mod passkeys;
mod policy;
mod provider;
mod pseudonyms;
mod races;
mod readme;
mod reload;
mod report;
mod resets;
mod security_keys;
mod sessions;
mod slow;
mod ssh;
mod ssh_config;
mod stalls;
mod statements;
mod subject_keys;
mod tiles;
mod time;
mod upkeep;
mod verbs;
mod witnesses;
mod workflow;
mod x509;
