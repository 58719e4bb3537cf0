//! The configuration: `jit-cad.toml` and the policy bundle beside it, checked whole before anything is done with it.

mod anchor;
mod embedded;
mod file;
mod passphrase;
mod section;
mod size;

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jit_ca_cert::{CaName, ServerName, TrustDomain};
use jit_ca_core::event::PersonListed;
use jit_ca_core::{Digest, Origin, Span};
use jit_ca_policy::{Bundle, SourceFile};

pub use anchor::AnchorPlace;
pub use embedded::EMBEDDED;
pub use passphrase::{NoPassphrase, Passphrase};

/// A configuration in which no fault was found.
#[derive(Debug)]
pub struct Config {
    /// The name in the CA's own certificates.
    pub ca_name: CaName,
    /// The log's name.
    pub origin: Origin,
    /// The trust domain of SPIFFE ids.
    pub trust_domain: TrustDomain,
    /// Where the API is served.
    pub address: SocketAddr,
    /// The names and addresses that it is reached by.
    pub names: Vec<ServerName>,
    /// The folder of the sealed keys.
    pub keys: PathBuf,
    /// Where the passphrase of the sealed keys comes from.
    pub passphrase: Passphrase,
    /// The store's file itself, also where the configuration names a link to it.
    pub store: PathBuf,
    /// How many bytes its disk has to have free for certificates to be issued.
    pub keep_free: u64,
    /// The administrators' socket.
    pub admin_socket: PathBuf,
    /// How long a login lasts at most.
    pub login_longest: Span,
    /// How long a login lasts without use.
    pub login_idle: Span,
    /// How long the log keeps payloads.
    pub keep_payloads: Span,
    /// Where checkpoints are kept off this host.
    pub anchors: Vec<AnchorPlace>,
    /// The policy.
    pub bundle: Bundle,
    /// The policy, as the log lists it.
    pub listed: jit_ca_log::Bundle,
    /// The policy's hash.
    pub bundle_hash: Digest,
}

/// Everything that is wrong with a configuration, a fault a line with its hint below.
#[derive(Debug, thiserror::Error)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.join("\n"))
    }
}

impl Config {
    /// Reads the configuration at `path`, and the bundle from the folders beside it.
    ///
    /// # Errors
    /// All faults at once, each with file, line and hint. Tests of the policy that fail are faults.
    pub fn read(path: &Path) -> Result<Self, Faults> {
        Self::read_and_begin(path, |_, _| ()).map(|(config, ())| config)
    }

    /// The same; `begin` is told where the keys are and where their passphrase comes from before the bundle is read.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read_and_begin<T>(
        path: &Path,
        begin: impl FnOnce(PathBuf, Passphrase) -> T,
    ) -> Result<(Self, T), Faults> {
        let base = path.parent().unwrap_or(Path::new("."));
        let mut faults = Vec::new();
        let file = fs::read_to_string(path)
            .map_err(|error| {
                vec![format!(
                    "{}: {error}\n  hint: name the jit-cad.toml that `jit-cad init` put there",
                    path.display()
                )]
            })
            .and_then(|text| file::parse(path, &text));
        let file = file.map_err(|found| faults.extend(found)).ok();
        let begun = file
            .as_ref()
            .map(|file| begin(base.join(&file.keys), file.passphrase.clone().relative_to(base)));
        let bundle = read_bundle(base).map_err(|found| faults.extend(found)).ok();
        match (file, bundle, begun) {
            (Some(file), Some(bundle), Some(begun)) if faults.is_empty() => Ok((
                Self {
                    bundle_hash: listed(&bundle).hash(),
                    listed: listed(&bundle),
                    ca_name: file.ca_name,
                    origin: file.origin,
                    trust_domain: file.trust_domain,
                    address: file.address,
                    names: file.names,
                    keys: base.join(file.keys),
                    passphrase: file.passphrase.relative_to(base),
                    store: real_path(base.join(file.store)),
                    keep_free: file.keep_free.bytes(),
                    admin_socket: base.join(file.admin_socket),
                    login_longest: file.login_longest,
                    login_idle: file.login_idle,
                    keep_payloads: file.keep_payloads,
                    anchors: file
                        .anchors
                        .into_iter()
                        .map(|place| place.relative_to(base))
                        .collect(),
                    bundle,
                },
                begun,
            )),
            _ => Err(Faults(faults)),
        }
    }
}

/// Where a file lies whose name may be a link: what takes its place has to lie there as well.
fn real_path(path: PathBuf) -> PathBuf {
    fs::canonicalize(&path).unwrap_or(path)
}

/// A bundle as the log lists it.
fn listed(bundle: &Bundle) -> jit_ca_log::Bundle {
    let files = bundle.files().iter().filter(|file| file.path != jit_ca_log::bundle::USERS);
    let people = bundle.people().map(|person| PersonListed {
        subject: person.id.clone(),
        name: person.name.clone(),
        groups: person.groups.clone(),
        ssh_keys: person.ssh_keys.iter().map(ToString::to_string).collect(),
    });
    let files = files.map(|file| (file.path.clone(), file.text.clone()));
    jit_ca_log::Bundle::new(bundle.zone_name(), files, people)
}

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
    for (folder, ending) in [("policies", "cedar"), ("policy-tests", "toml"), ("roles", "toml")] {
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
