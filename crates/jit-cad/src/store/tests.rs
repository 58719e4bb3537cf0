//! The store on disks that lose power and on disks that fail.
//!
//! ```text
//! disk      loses, tears and reorders what was not synced; pages are its bytes
//! workload  a CA's day in short
//! record    runs it, and remembers what the disk was told, and what was told to others meanwhile
//! states    stops it at every point, opens what is left, stops that as well, and compares
//! power     the proof, and the controls that must go red
//! calls     each call of a disk fails once, under a process of its own
//! ```
//!
//! And on any disk: what must hold before second factors are reset (`resets`).

mod calls;
pub(crate) mod chance;
mod contents;
mod disk;
mod pages;
mod power;
mod record;
mod resets;
mod states;
mod workload;
