//! What the crate promises, on bundles in `tests/samples` and on the configuration that is shipped.
//!
//! `cfg(test)` holds anyway; it tells clippy that helpers may unwrap here as tests may.

#[cfg(test)]
mod access;
#[cfg(test)]
mod ca_config;
#[cfg(test)]
mod company;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod sample;
