//! `[web]`: the page for browsers, which is served only where this stands.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jit_ca_core::HostName;

use super::section::Section;

/// Where the page is served, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Where.
    pub address: SocketAddr,
    /// The host in its address bar, which passkeys are for: the RP ID.
    pub host: String,
    /// Its TLS certificate with those above it, and the private key, both as PEM. Without, the CA issues one itself.
    pub tls: Option<(PathBuf, PathBuf)>,
}

impl Web {
    pub(super) fn relative_to(self, base: &Path) -> Self {
        let tls = self.tls.map(|(certificate, key)| (base.join(certificate), base.join(key)));
        Self { tls, ..self }
    }
}

/// Reads the section; `Some(None)` if there is none.
pub(super) fn read(file: &mut Section<'_, '_>) -> Option<Option<Web>> {
    if !file.has("web") {
        return Some(None);
    }
    let mut web = file.section("web");
    let address = web.text("address").and_then(|text| web.report.address(&text));
    let host = web.text("host").and_then(|text| web.report.value::<HostName>(&text));
    let has_own = web.has("certificate") || web.has("key");
    let tls = has_own.then(|| (web.text("certificate"), web.text("key")));
    web.end();
    let tls = match tls {
        Some((Some(certificate), Some(key))) => {
            Some((certificate.into_inner().into(), key.into_inner().into()))
        }
        Some(_) => return None,
        None => None,
    };
    Some(Some(Web { address: address?, host: host?.to_string(), tls }))
}
