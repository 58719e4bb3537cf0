//! Hosts with hostd and the guard: connections end when the certificate does, and what is done is recorded.

mod runs;
mod stays;
