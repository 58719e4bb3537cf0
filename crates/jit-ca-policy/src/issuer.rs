//! Issuers of identities: `issuers/<name>.toml`, each of which vouches for people or for workloads.
//!
//! What an issuer says of somebody is checked elsewhere; here it is told what follows from it: a name to show, our
//! groups, whether there was a second factor. An issuer's own groups mean nothing until its file maps them to ours.

mod claims;
mod people;
mod workloads;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jit_ca_core::event::SubjectVouched;
use jit_ca_core::{GroupName, IssuerName, PersonName, SubjectId, SubjectKind};

use crate::fault::Page;
use crate::section::{At, Section};
use crate::{Bundle, Person};

pub use claims::Claims;
pub use people::PeopleIssuer;
pub use workloads::{Workload, WorkloadIssuer};

/// Somebody else who knows who is who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// What it is called here, and in the ids of its subjects.
    pub name: IssuerName,
    /// What it calls itself: the `iss` of its tokens, byte for byte.
    pub url: String,
    /// Whom it vouches for.
    pub vouches: Vouches,
}

/// Whom an issuer vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vouches {
    /// People, who sign on at it with a browser (OpenID Connect).
    People(PeopleIssuer),
    /// Workloads, which bring a token of it.
    Workloads(WorkloadIssuer),
}

/// What follows from what an issuer says of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The subject's id at the issuer.
    pub sub: String,
    /// What it might be called, before the `@` and the issuer's name.
    pub handle: String,
    /// Our groups that it is in.
    pub groups: BTreeSet<GroupName>,
}

impl Issuer {
    /// Reads the file; its faults go to the page's report.
    pub(crate) fn read(page: Page<'_>, name: IssuerName) -> Option<Self> {
        let mut top = Section::parse(page)?;
        if !top.has("issuer") {
            top.missing("issuer", r#"issuer = "https://login.example.org", as its tokens say it"#);
        }
        let url = top.string("issuer").filter(|url| is_https(page, url));
        let vouches = match kind(page, &mut top)? {
            SubjectKind::Person => PeopleIssuer::read(page, &mut top).map(Vouches::People),
            SubjectKind::Workload => WorkloadIssuer::read(page, &mut top).map(Vouches::Workloads),
        };
        top.finish();
        Some(Self { name, url: url?.value, vouches: vouches? })
    }

    /// What its subjects are.
    pub fn kind(&self) -> SubjectKind {
        match self.vouches {
            Vouches::People(_) => SubjectKind::Person,
            Vouches::Workloads(_) => SubjectKind::Workload,
        }
    }

    /// Every group that it can put somebody in.
    pub fn groups(&self) -> BTreeSet<&GroupName> {
        match &self.vouches {
            Vouches::People(people) => people.map.values().flatten().collect(),
            Vouches::Workloads(workloads) => {
                workloads.workloads.iter().flat_map(|workload| &workload.groups).collect()
            }
        }
    }

    /// The subject as rules see it, of what was said when it last logged in. What the file no longer gives is not had.
    pub(crate) fn regard(&self, said: &SubjectVouched) -> Option<Person> {
        if said.subject.issuer() != self.name.as_str() || said.kind != self.kind() {
            return None;
        }
        let given: BTreeSet<&GroupName> = match &self.vouches {
            Vouches::People(_) => self.groups(),
            // A workload's name begins its id.
            Vouches::Workloads(all) => {
                let (name, _) = said.subject.sub().split_once('/')?;
                all.workloads.iter().find(|own| own.name == name)?.groups.iter().collect()
            }
        };
        let groups = said.groups.iter().filter(|group| given.contains(group)).cloned().collect();
        let (id, name, kind) = (said.subject.clone(), said.name.clone(), said.kind);
        Some(Person { id, name, kind, groups, ssh_keys: Vec::new() })
    }
}

/// The issuers of a bundle that is being read.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    pub(crate) all: BTreeMap<IssuerName, Issuer>,
    /// Whether all files were read without a fault, so that a group that is not here is nobody's.
    pub(crate) complete: bool,
}

impl Issuers {
    pub(crate) fn read(pages: &[(IssuerName, Page<'_>)]) -> Self {
        let read = pages.iter().filter_map(|(name, page)| Issuer::read(*page, name.clone()));
        let all: BTreeMap<_, _> = read.map(|issuer| (issuer.name.clone(), issuer)).collect();
        for (name, page) in pages {
            let others = all.values().filter(|other| other.name < *name);
            let url = all.get(name).map(|issuer| &issuer.url);
            if let Some(other) = others.into_iter().find(|other| Some(&other.url) == url) {
                // One pair of (`iss`, `sub`) is one subject.
                let message = format!("it is the issuer that issuers/{}.toml names", other.name);
                page.fault(0, message, "give each issuer one file");
            }
        }
        Self { complete: all.len() == pages.len(), all }
    }

    /// Whether one of them may put people into the group: how many, only they know.
    pub(crate) fn give(&self, group: &str, kind: Option<SubjectKind>) -> bool {
        let mut issuers = self.all.values().filter(|it| kind.is_none_or(|kind| it.kind() == kind));
        !self.complete || issuers.any(|it| it.groups().iter().any(|own| own.as_str() == group))
    }

    /// Whether the id is one that an issuer of such subjects may vouch for.
    pub(crate) fn know(&self, id: &str, kind: SubjectKind) -> bool {
        let id = id.parse::<SubjectId>().ok();
        let issuer = id.and_then(|id| self.all.get(&id.issuer().parse().ok()?));
        !self.complete || issuer.is_some_and(|issuer| issuer.kind() == kind)
    }
}

impl Bundle {
    /// What a subject of an issuer is to be called: by its handle, with a number where somebody else is called so.
    pub fn name_for(&self, issuer: &IssuerName, vouched: &Vouched) -> Option<PersonName> {
        let own = |id: &SubjectId| id.issuer() == issuer.as_str() && id.sub() == vouched.sub;
        let others = self.people().filter(|other| !own(&other.id));
        let taken: HashSet<&PersonName> = others.map(|other| &other.name).collect();
        let is_free = |name: &PersonName| !taken.contains(name);
        let numbered = (2..1_000_000).map(|number| format!("{}-{number}", vouched.handle));
        let handles = std::iter::once(vouched.handle.clone()).chain(numbered);
        handles.filter_map(|handle| format!("{handle}@{issuer}").parse().ok()).find(is_free)
    }
}

fn kind(page: Page<'_>, top: &mut Section<'_>) -> Option<SubjectKind> {
    let hint = r#"write kind = "people", who sign on with a browser, or kind = "workloads", which bring a token"#;
    let Some(kind) = top.string("kind") else {
        page.fault(top.at, "it does not say whom it vouches for", hint);
        return None;
    };
    match kind.value.as_str() {
        "people" => Some(SubjectKind::Person),
        "workloads" => Some(SubjectKind::Workload),
        other => {
            page.fault(kind.at, format!("`kind` can't be {other:?}"), hint);
            None
        }
    }
}

/// An address that nobody on the way can answer for (OpenID Connect Discovery 3). On this machine itself there is nobody
/// on the way.
fn is_https(page: Page<'_>, url: &At<String>) -> bool {
    let rest = url.value.strip_prefix("https://");
    let plain = url.value.bytes().all(|b| b.is_ascii_graphic() && !b"?#\"'<>\\".contains(&b));
    let host = rest.map_or("", |rest| rest.split('/').next().unwrap_or_default());
    let is_good = plain && !host.is_empty() && !host.contains('@');
    if !is_good {
        let message = format!("{:?} is not the address of an issuer", url.value);
        page.fault(url.at, message, "write https://, its host and path, and nothing behind them");
    }
    is_good
}

/// What somebody may be called, made of what another calls them.
fn handle(text: &str) -> Option<String> {
    let text = text.split('@').next().unwrap_or_default().to_ascii_lowercase();
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let text: String = text.chars().map(|c| if ok(c) { c } else { '-' }).collect();
    let text = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let text = match text.starts_with(|c: char| c.is_ascii_lowercase()) {
        true => text.to_owned(),
        false if text.is_empty() => return None,
        false => format!("u{text}"),
    };
    // With an '@', the longest name of an issuer, and a number, it is a name still.
    Some(text.chars().take(25).collect())
}

#[cfg(test)]
mod tests;
