//! The configuration: `jit-cad.toml`, and with it the policy beside it, checked whole before anything is done with it.

mod anchor;
mod embedded;
mod file;
mod hosts;
mod issuer;
mod notify;
mod recordings;
mod secret;
mod section;
mod web;

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jit_ca_cert::{CaName, ServerName, TrustDomain};
use jit_ca_core::{Origin, Span};

pub use anchor::AnchorPlace;
pub use embedded::EMBEDDED;
pub use hosts::Hosts;
pub use issuer::IssuerAccess;
pub use notify::{NotifyPlace, NotifyTarget};
pub use recordings::RecordingsKept;
pub use secret::{NoSecret, SecretSource};
pub use web::Web;

use crate::policy::Policy;

/// A configuration in which no fault was found.
#[derive(Debug, PartialEq, Eq)]
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
    pub passphrase: SecretSource,
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
    /// Whether certificates call their subjects by the pseudonym, and not by the name.
    pub pseudonyms: bool,
    /// How many requests of one person may be pending.
    pub open_requests: u32,
    /// How long the log keeps payloads.
    pub keep_payloads: Span,
    /// Where checkpoints are kept off this host.
    pub anchors: Vec<AnchorPlace>,
    /// Whether a policy comes into force by a second administrator alone.
    pub second_administrator: bool,
    /// Who is notified.
    pub notify: Vec<NotifyTarget>,
    /// How issuers are reached that are not reached as usual.
    pub issuers: Vec<IssuerAccess>,
    /// The page for browsers, if one is served.
    pub web: Option<Web>,
    /// Which hosts enrol, if any.
    pub hosts: Option<Hosts>,
    /// Where recordings of sessions are kept, if they are.
    pub recordings: Option<RecordingsKept>,
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
    /// Reads the configuration at `path`, and nothing beside it.
    ///
    /// # Errors
    /// All faults at once, each with file, line and hint.
    pub fn read(path: &Path) -> Result<Self, Faults> {
        let file = read_file(path).map_err(Faults)?;
        Ok(Self::of(file, base(path)))
    }

    /// Reads the configuration at `path`, and the policy in the folders beside it.
    ///
    /// # Errors
    /// All faults of both at once. Tests of the policy that fail are faults.
    pub fn read_with_policy(path: &Path) -> Result<(Self, Policy), Faults> {
        Self::read_and_begin(path, |_, _| ()).map(|(config, policy, ())| (config, policy))
    }

    /// The same; `begin` is told where the keys are and where their passphrase comes from before the policy is read.
    ///
    /// # Errors
    /// As [`Config::read_with_policy`].
    pub fn read_and_begin<T>(
        path: &Path,
        begin: impl FnOnce(PathBuf, SecretSource) -> T,
    ) -> Result<(Self, Policy, T), Faults> {
        let base = base(path);
        let mut faults = Vec::new();
        let file = read_file(path).map_err(|found| faults.extend(found)).ok();
        let begun = file
            .as_ref()
            .map(|file| begin(base.join(&file.keys), file.passphrase.clone().relative_to(base)));
        let policy = Policy::read(base).map_err(|found| faults.extend(found.0)).ok();
        match (file, policy, begun) {
            (Some(file), Some(policy), Some(begun)) if faults.is_empty() => {
                Ok((Self::of(file, base), policy, begun))
            }
            _ => Err(Faults(faults)),
        }
    }

    /// What the file says, with its paths from where it lies.
    fn of(file: file::Checked, base: &Path) -> Self {
        Self {
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
            pseudonyms: file.pseudonyms,
            open_requests: file.open_requests,
            keep_payloads: file.keep_payloads,
            anchors: file.anchors.into_iter().map(|place| place.relative_to(base)).collect(),
            second_administrator: file.second_administrator,
            issuers: file.issuers.into_iter().map(|issuer| issuer.relative_to(base)).collect(),
            notify: file.notify.into_iter().map(|target| target.relative_to(base)).collect(),
            web: file.web.map(|web| web.relative_to(base)),
            hosts: file.hosts,
            recordings: file.recordings.map(|kept| kept.relative_to(base)),
        }
    }
}

/// The folder that the policy lies in, and that paths go from.
fn base(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

fn read_file(path: &Path) -> Result<file::Checked, Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| {
        vec![format!(
            "{}: {error}\n  hint: name the jit-cad.toml that `jit-cad init` put there",
            path.display()
        )]
    });
    file::parse(path, &text?)
}

/// Where a file lies whose name may be a link: what takes its place has to lie there as well.
fn real_path(path: PathBuf) -> PathBuf {
    fs::canonicalize(&path).unwrap_or(path)
}
