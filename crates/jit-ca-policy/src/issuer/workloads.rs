//! Issuers of workloads.

use std::collections::BTreeSet;

use jit_ca_core::{GroupName, Span};

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
    /// For how long after its last token a workload may log in with a certificate that it got by it; none may if it does
    /// not say.
    pub renew: Option<Span>,
    /// Those who may log in, of all whom it gives tokens.
    pub workloads: Vec<Workload>,
}

/// The verifiers let no workload be without a token for longer.
const LONGEST_RENEWAL: Span = Span::from_secs(30 * 24 * 60 * 60);

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
        let renew = top.value::<Span>("renew").filter(|renew| {
            let fits = !renew.value.is_zero() && renew.value <= LONGEST_RENEWAL;
            if !fits {
                page.fault(renew.at, "renew is too long, or nothing", "use at most 30d");
            }
            fits
        });
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
        let (keys, renew) = (keys.map(|keys| keys.value), renew.map(|renew| renew.value));
        Some(Self { audience: audience?.value, keys, renew, workloads })
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
