//! Issuers of workloads.

use std::collections::BTreeSet;

use jit_ca_core::GroupName;

use super::claims::Condition;
use super::{Claims, Vouched};
use crate::fault::Page;
use crate::section::{At, Section};

/// What is special about an issuer of workloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadIssuer {
    /// Whom its tokens have to be for.
    pub audience: String,
    /// Where its keys are, if it has no discovery: the address of a JWK set (RFC 7517 5).
    pub keys: Option<String>,
    /// Those who may log in, of all whom it gives tokens.
    pub workloads: Vec<Workload>,
}

/// What a token has to say, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What such workloads are called.
    pub name: String,
    /// The groups that they are in.
    pub groups: BTreeSet<GroupName>,
    claims: Vec<Condition>,
}

impl WorkloadIssuer {
    pub(super) fn read(page: Page<'_>, top: &mut Section<'_>) -> Option<Self> {
        if !top.has("audience") {
            let example = r#"audience = "https://ca.example.org", which workloads ask a token for"#;
            top.missing("audience", example);
        }
        let audience = top.string("audience");
        let keys = top.string("keys").filter(|keys| super::is_https(page, keys));
        if !top.has("workload") {
            top.missing(
                "workload",
                "a [[workload]] with name, groups and claims: without one nobody can log in",
            );
        }
        let mut workloads: Vec<Workload> = Vec::new();
        for section in top.sections("workload") {
            let Some(At { value, at }) = Workload::read(page, section) else { continue };
            if workloads.iter().any(|other| other.name == value.name) {
                let message = format!("two workloads are called {}", value.name);
                page.fault(at, message, "give each a name of its own");
            }
            workloads.push(value);
        }
        Some(Self { audience: audience?.value, keys: keys.map(|keys| keys.value), workloads })
    }

    /// What follows from the claims of a token: of the first workload that it fits.
    ///
    /// The workload is a part of the id: what one job may is nothing to another that the issuer calls the same.
    pub fn vouch(&self, claims: Claims<'_>) -> Option<Vouched> {
        let fits = |workload: &&Workload| workload.claims.iter().all(|claim| claim.holds(&claims));
        let Workload { name, groups, .. } = self.workloads.iter().find(fits)?;
        let sub = format!("{name}/{}", claims.text("sub")?);
        Some(Vouched { sub, handle: name.clone(), groups: groups.clone() })
    }
}

impl Workload {
    fn read(page: Page<'_>, mut section: Section<'_>) -> Option<At<Self>> {
        let at = section.at;
        // As a group's name is written, and no longer than a handle.
        let name = section.require::<GroupName>("name", r#"name = "web-deploy""#);
        let name = name.filter(|name| {
            let fits = name.value.as_str().len() <= 25;
            if !fits {
                page.fault(name.at, "the name is too long", "use at most 25 characters");
            }
            fits
        });
        let groups = section.set::<GroupName>("groups");
        let claims = section.section("claims").map(Section::leaves).unwrap_or_default();
        let claims: Vec<_> =
            claims.into_iter().filter_map(|leaf| Condition::read(page, leaf)).collect();
        if claims.is_empty() {
            let hint = r#"add claims = { sub = "..." }: what only its tokens say"#;
            page.fault(at, "everybody to whom the issuer gives a token could log in as it", hint);
        }
        section.finish();
        let (name, groups) = (name?.value.to_string(), groups?.value);
        Some(At { value: Self { name, groups, claims }, at })
    }
}
