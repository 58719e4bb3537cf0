//! Issuers of people.

use std::collections::{BTreeMap, BTreeSet};

use jit_ca_core::{GroupName, Span, UnixTime};
use serde_json::Value;

use super::{Claims, Vouched, handle};
use crate::fault::Page;
use crate::section::Section;

/// What is special about an issuer of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleIssuer {
    /// What it calls this CA: the client id, and so the audience of its tokens.
    pub client: String,
    /// What it is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that people are called by.
    name: String,
    /// The claim that lists its groups.
    groups: String,
    /// Its groups, and which of ours follow from each.
    pub(super) map: BTreeMap<String, Vec<GroupName>>,
    /// The `acr` values of which each says that there was a second factor; the first one is asked for.
    pub acr: Vec<String>,
    /// The `amr` values of which each says so (RFC 8176).
    amr: Vec<String>,
    /// After what time it is asked whether it still vouches for somebody who is logged in; at the next login, if none.
    pub recheck: Option<Span>,
    /// Whether people may log in on a machine without a browser, by a code that they take to one (RFC 8628).
    pub device: bool,
}

/// So that no provider is asked about everybody all the time.
const SHORTEST_RECHECK: Span = Span::from_secs(60);

impl PeopleIssuer {
    pub(super) fn read(page: Page<'_>, top: &mut Section<'_>) -> Option<Self> {
        if !top.has("client") {
            top.missing(
                "client",
                r#"client = "jit-ca", the client id that the issuer knows this CA by"#,
            );
        }
        let client = top.string("client");
        let scopes = top.strings("scopes");
        let name = top.string("name");
        let groups = top.string("groups");
        let device = top.flag("device");
        let recheck = top.value::<Span>("recheck").and_then(|span| {
            let is_long = span.value >= SHORTEST_RECHECK;
            if !is_long {
                let message = format!("{} is too short", span.value);
                page.fault(span.at, message, format!("write {SHORTEST_RECHECK} or longer"));
            }
            is_long.then_some(span.value)
        });
        let mut map = BTreeMap::new();
        for leaf in top.section("map").map(Section::leaves).unwrap_or_default() {
            let ours = leaf.values.iter().filter_map(|value| match value.value.parse() {
                Ok(group) => Some(group),
                Err(error) => {
                    page.value_fault(value.at, &error);
                    None
                }
            });
            map.insert(leaf.path.join("."), ours.collect());
        }
        let mfa = top.section("mfa").map(|mut mfa| {
            let said = (mfa.strings("acr"), mfa.strings("amr"));
            mfa.finish();
            said
        });
        let (acr, amr) = mfa.unwrap_or_default();
        if acr.is_empty() && amr.is_empty() {
            let hint = r#"add [mfa] with amr = ["mfa", "otp", "hwk"], or acr = [...], as the issuer says it"#;
            page.fault(top.at, "it does not say how the issuer tells of a second factor, and nothing is done without one", hint);
        }
        Some(Self {
            client: client?.value,
            scopes,
            name: name.map_or_else(|| "preferred_username".to_owned(), |name| name.value),
            groups: groups.map_or_else(|| "groups".to_owned(), |groups| groups.value),
            map,
            acr,
            amr,
            recheck,
            device,
        })
    }

    /// What follows from the claims of an ID token.
    pub fn vouch(&self, claims: Claims<'_>) -> Option<Vouched> {
        let sub = claims.text("sub")?.to_owned();
        let theirs = claims.texts(&self.groups);
        let ours = theirs.iter().filter_map(|group| self.map.get(*group)).flatten().cloned();
        let handle = self.said_name(claims).and_then(handle).or_else(|| super::handle(&sub));
        let handle = handle.unwrap_or_else(|| "somebody".to_owned());
        Some(Vouched { handle, groups: ours.collect(), sub })
    }

    /// When the issuer saw a second factor; nothing if it did not, or does not say when (OpenID Connect Core 2 has it do
    /// so for whoever asks with `max_age`).
    pub fn mfa_at(&self, claims: Claims<'_>) -> Option<UnixTime> {
        let methods: BTreeSet<&str> = claims.texts("amr");
        let by_class = claims.text("acr").is_some_and(|acr| self.acr.iter().any(|it| it == acr));
        let by_method = self.amr.iter().any(|method| methods.contains(method.as_str()));
        claims.time("auth_time").filter(|_| by_class || by_method)
    }

    /// A mail address is somebody's only where the issuer has made sure of it.
    fn said_name<'a>(&self, claims: Claims<'a>) -> Option<&'a str> {
        let said = claims.text(&self.name)?;
        let is_sure = claims.0.get("email_verified") == Some(&Value::Bool(true));
        (self.name != "email" || is_sure).then_some(said)
    }
}
