//! `[hosts]`: which hosts enrol, and for how long their certificates are. None enrols where it does not stand.

use jit_ca_cert::ssh::LONGEST_HOST;
use jit_ca_core::{HostName, HostPattern, Span};
use toml::Spanned;

use super::section::Section;

/// A shorter one would have to be renewed while the CA may be away.
const SHORTEST: Span = Span::from_secs(7 * 24 * 60 * 60);

/// Which hosts enrol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// What they may be called; at least one.
    pub names: Vec<HostPattern>,
    /// For how long a certificate of theirs is valid.
    pub certificate: Span,
}

impl Hosts {
    /// Whether a host may be called so.
    pub fn may_be_called(&self, name: &HostName) -> bool {
        self.names.iter().any(|pattern| pattern.matches(name))
    }
}

/// Reads the section; `Some(None)` if there is none.
pub(super) fn read(file: &mut Section<'_, '_>) -> Option<Option<Hosts>> {
    if !file.has("hosts") {
        return Some(None);
    }
    let mut hosts = file.section("hosts");
    let names = hosts.texts("names").and_then(|names| {
        if names.get_ref().is_empty() {
            let hint = "list the hosts that enrol, or remove [hosts] so that none does";
            hosts.report.add(Some(names.span()), "there is no name", hint);
            return None;
        }
        let name = |name: &String| hosts.report.value(&Spanned::new(names.span(), name.clone()));
        let read: Vec<Option<HostPattern>> = names.get_ref().iter().map(name).collect();
        read.into_iter().collect()
    });
    let certificate = hosts.text("certificate").and_then(|text| {
        let span: Span = hosts.report.value(&text)?;
        if span < SHORTEST || span > LONGEST_HOST {
            let fault = format!("{span} is no length for a host's certificate");
            hosts.report.add(Some(text.span()), &fault, "write 7d to 30d");
            return None;
        }
        Some(span)
    });
    hosts.end();
    Some(Some(Hosts { names: names?, certificate: certificate? }))
}
