//! The policy in force, which is exchanged while calls go by it.
//!
//! A call takes one [`Policy`] at its beginning and goes by it to its end: what it decides, and what it writes of it, is of
//! the same bundle. Whether that bundle is still the one in force when its entries are written, the sequencer says.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use jit_ca_core::Digest;
use jit_ca_core::event::PersonListed;
use jit_ca_policy::{Bundle, SourceFile};
use tokio::sync::watch;

use crate::config::Faults;
use crate::store::{Snapshot, StoreError};

/// A policy in which no fault was found.
#[derive(Debug)]
pub struct Policy {
    /// What decides.
    pub bundle: Bundle,
    /// The same, as the log lists it.
    pub listed: Arc<jit_ca_log::Bundle>,
    /// SHA-256 over it.
    pub hash: Digest,
    /// Whom issuers vouch for in it: [`PolicyVersion::vouching`](crate::store::PolicyVersion).
    pub vouching: u64,
}

impl Policy {
    /// Reads the policy in the folder `base`, and runs its tests.
    ///
    /// # Errors
    /// All faults at once. Tests that fail are faults.
    pub fn read(base: &Path) -> Result<Self, Faults> {
        let bundle = read_bundle(base).map_err(Faults)?;
        let listed = listed(&bundle);
        Ok(Self { hash: listed.hash(), bundle, listed: Arc::new(listed), vouching: 0 })
    }

    /// The same with those for whom issuers vouch by now.
    ///
    /// # Errors
    /// If the store fails.
    pub fn vouching(&self, snapshot: &Snapshot) -> Result<Self, StoreError> {
        Ok(Self {
            bundle: self.bundle.vouching(&snapshot.vouched()?),
            listed: Arc::clone(&self.listed),
            hash: self.hash,
            vouching: snapshot.policy()?.vouching,
        })
    }

    /// The policy that the log lists, made again from its entries. Its tests were passed when it came into force.
    ///
    /// # Errors
    /// If this program can't read it.
    pub fn of_log(listed: jit_ca_log::Bundle) -> Result<Self, Faults> {
        let files = listed.all_files().into_iter();
        let bundle = Bundle::parse(files.map(|(path, text)| SourceFile { path, text }));
        let bundle =
            bundle.map_err(|faults| Faults(faults.iter().map(ToString::to_string).collect()))?;
        Ok(Self { hash: listed.hash(), bundle, listed: Arc::new(listed), vouching: 0 })
    }
}

/// The policy in force.
#[derive(Debug)]
pub struct InForce(watch::Sender<Arc<Policy>>);

impl InForce {
    /// This one, until another takes its place.
    pub fn new(policy: Arc<Policy>) -> Self {
        Self(watch::Sender::new(policy))
    }

    /// The one in force now.
    pub fn now(&self) -> Arc<Policy> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts another in its place, for every call that begins from here on.
    pub fn exchange(&self, policy: Arc<Policy>) {
        self.0.send_replace(policy);
    }

    /// The one in force, as it is exchanged from here on.
    pub fn changes(&self) -> watch::Receiver<Arc<Policy>> {
        self.0.subscribe()
    }

    /// The one in force, once it is another than `policy`, of which the log has said that it is over: the entry that
    /// says so is written a moment before calls are given the new one.
    pub async fn after(&self, policy: &Arc<Policy>) -> Arc<Policy> {
        let mut changes = self.changes();
        let other = changes.wait_for(|now| !Arc::ptr_eq(now, policy)).await;
        // The sender lives as long as `self`, so that waiting can't fail.
        other.map_or_else(|_| self.now(), |other| Arc::clone(&other))
    }
}

/// A bundle as the log lists it.
fn listed(bundle: &Bundle) -> jit_ca_log::Bundle {
    let files = bundle.files().iter().filter(|file| file.path != jit_ca_log::bundle::USERS);
    let people = bundle.listed().map(|person| PersonListed {
        subject: person.id.clone(),
        name: person.name.clone(),
        groups: person.groups.clone(),
        ssh_keys: person.ssh_keys.iter().map(ToString::to_string).collect(),
    });
    let files = files.map(|file| (file.path.clone(), file.text.clone()));
    jit_ca_log::Bundle::new(bundle.zone_name(), files, people)
}

/// The files below `base`, parsed and tested.
fn read_bundle(base: &Path) -> Result<Bundle, Vec<String>> {
    let mut files = Vec::new();
    let mut faults = Vec::new();
    for path in bundle_paths(base)? {
        match fs::read_to_string(base.join(&path)) {
            Ok(text) => files.push(SourceFile { path, text }),
            Err(error) => faults.push(format!("{path}: {error}")),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let bundle = Bundle::parse(files)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let failed = jit_ca_policy::run_tests(&bundle).into_iter().filter(|result| !result.passed);
    let failed: Vec<String> = failed
        .map(|result| format!("{result}\n  hint: change the policy or the test; `jit-ca policy test DIR` runs them all"))
        .collect();
    if failed.is_empty() { Ok(bundle) } else { Err(failed) }
}

/// The bundle's files below `base`, relative to it. What stands in its folders and is none of them is a fault: a
/// rule that is left out by its name would be a rule that is not in force.
fn bundle_paths(base: &Path) -> Result<Vec<String>, Vec<String>> {
    let mut paths = vec!["users.toml".to_owned()];
    let mut faults = Vec::new();
    for (folder, ending) in
        [("issuers", "toml"), ("policies", "cedar"), ("policy-tests", "toml"), ("roles", "toml")]
    {
        let entries = match fs::read_dir(base.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                faults.push(format!("{folder}: {error}"));
                continue;
            }
        };
        for entry in entries {
            let name = entry.map(|entry| entry.file_name().to_string_lossy().into_owned());
            match name {
                Ok(name) if name.starts_with('.') => {}
                Ok(name) if Path::new(&name).extension().is_some_and(|found| found == ending) => {
                    paths.push(format!("{folder}/{name}"));
                }
                Ok(name) => faults.push(format!(
                    "{folder}/{name}: it is not a .{ending} file\n  hint: only such files count here; move it elsewhere"
                )),
                Err(error) => faults.push(format!("{folder}: {error}")),
            }
        }
    }
    paths.sort();
    if faults.is_empty() { Ok(paths) } else { Err(faults) }
}
