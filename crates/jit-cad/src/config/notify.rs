//! Who is notified of what: the `[[notify]]` tables.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use axum::http::Uri;
use jit_ca_core::{RoleName, Span};
use toml::Spanned;
use toml::de::DeValue;

use super::anchor::{SYSTEM_ROOTS, is_webhook};
use super::secret::SecretSource;
use super::section::{SEE_COMMENTS, Section};
use crate::notify::Kind;

/// How long before its end a grant is said to end soon, where the configuration does not say.
const ENDING_SOON: Span = Span::from_secs(10 * 60);
/// How long a message is tried, where the configuration does not say.
const GIVE_UP: Span = Span::from_secs(24 * 60 * 60);
/// The longest name of a target.
const LONGEST_NAME: usize = 32;

/// One that is notified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyTarget {
    /// What it is called.
    pub name: String,
    /// Where messages go.
    pub place: NotifyPlace,
    /// What it is told of.
    pub kinds: BTreeSet<Kind>,
    /// Of which roles; of all if it does not say.
    pub roles: Option<BTreeSet<RoleName>>,
    /// How long before its end a grant is said to end soon.
    pub ending_soon: Span,
    /// How long a message is tried.
    pub give_up: Span,
    /// The roots that its certificate has to lead to.
    pub ca_file: PathBuf,
    /// The addresses that it may have though they are not public.
    pub allow_private: BTreeSet<IpAddr>,
}

/// Where messages go, and in what form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyPlace {
    /// A service that takes Standard Webhooks.
    Webhook {
        /// Its address.
        url: Uri,
        /// What messages to it are signed with.
        secret: SecretSource,
    },
    /// An incoming webhook of Slack. Whoever knows its address may write to the channel: it is a secret.
    Slack(SecretSource),
}

impl NotifyTarget {
    pub(super) fn relative_to(self, base: &Path) -> Self {
        let place = match self.place {
            NotifyPlace::Webhook { url, secret } => {
                NotifyPlace::Webhook { url, secret: secret.relative_to(base) }
            }
            NotifyPlace::Slack(url) => NotifyPlace::Slack(url.relative_to(base)),
        };
        Self { place, ca_file: base.join(self.ca_file), ..self }
    }

    /// Why messages may not go there, if they may not: in the clear only to an address that is named.
    pub fn is_unfit(&self, url: &Uri) -> Option<&'static str> {
        if !is_webhook(url) {
            return Some("it is not the address of a webhook");
        }
        let address = url.host().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        let is_named = address.is_some_and(|address| self.allow_private.contains(&address));
        match url.scheme_str() == Some("https") || is_named {
            true => None,
            false => Some("it is not https://, nor an address that allow_private names"),
        }
    }
}

/// Reads all `[[notify]]` tables; there may be none.
pub(super) fn read(file: &mut Section<'_, '_>) -> Option<Vec<NotifyTarget>> {
    if !file.has("notify") {
        return Some(Vec::new());
    }
    let value = file.take("notify")?;
    let span = value.span();
    let DeValue::Array(values) = value.into_inner() else {
        file.report.add(Some(span), "`notify` is not a list of tables", SEE_COMMENTS);
        return None;
    };
    let (mut targets, mut all): (Vec<NotifyTarget>, bool) = (Vec::new(), true);
    for value in values {
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            file.report.add(Some(span), "a target is not a table", SEE_COMMENTS);
            all = false;
            continue;
        };
        let table = Spanned::new(span.clone(), table);
        let mut section = Section::of(file.report, "[[notify]]", table);
        let target = target(&mut section);
        section.end();
        match target {
            Some(target) if targets.iter().any(|other| other.name == target.name) => {
                let message = format!("the target {:?} stands here twice", target.name);
                file.report.add(Some(span), &message, "give each a name of its own");
                all = false;
            }
            Some(target) => targets.push(target),
            None => all = false,
        }
    }
    all.then_some(targets)
}

/// Everything is read before anything is given up, so that every fault is noted.
fn target(section: &mut Section<'_, '_>) -> Option<NotifyTarget> {
    let span = section.span();
    let name = section.text("name").and_then(|text| name(section, &text));
    let place = place(section);
    let kinds = match section.has("events") {
        true => section.texts("events").and_then(|texts| kinds(section, &texts)),
        false => Some(Kind::ALL.into()),
    };
    let roles = match section.has("roles") {
        true => section.texts("roles").and_then(|texts| all_of(section, &texts)).map(Some),
        false => Some(None),
    };
    let mut span_or = |key: &str, default: Span| match section.has(key) {
        true => section.text(key).and_then(|text| positive(section, key, &text)),
        false => Some(default),
    };
    let (ending_soon, give_up) = (span_or("ending_soon", ENDING_SOON), span_or("give_up", GIVE_UP));
    let ca_file = match section.has("ca_file") {
        true => section.text("ca_file").map(Spanned::into_inner),
        false => Some(SYSTEM_ROOTS.to_owned()),
    };
    let allow_private = match section.has("allow_private") {
        true => section.texts("allow_private").and_then(|texts| addresses(section, &texts)),
        false => Some(BTreeSet::new()),
    };
    let target = NotifyTarget {
        name: name?,
        place: place?,
        kinds: kinds?,
        roles: roles?,
        ending_soon: ending_soon?,
        give_up: give_up?,
        ca_file: ca_file?.into(),
        allow_private: allow_private?,
    };
    if let NotifyPlace::Webhook { url, .. } = &target.place
        && let Some(fault) = target.is_unfit(url)
    {
        let message = format!("the target {} can't be notified: {fault}", target.name);
        section.report.add(Some(span), &message, WEBHOOK);
        return None;
    }
    Some(target)
}

const WEBHOOK: &str =
    "write webhook = \"https://…\", without a password; or name its address in allow_private";

fn name(section: &mut Section<'_, '_>, text: &Spanned<String>) -> Option<String> {
    let name = text.get_ref();
    let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_fit) {
        let message = format!("{name:?} is no name of a target");
        let hint = "write up to 32 of a-z, 0-9 and -";
        section.report.add(Some(text.span()), &message, hint);
        return None;
    }
    Some(name.clone())
}

fn place(section: &mut Section<'_, '_>) -> Option<NotifyPlace> {
    let hint = "write webhook = \"https://…\" and secret = { file = \"PATH\" }, or slack = { file = \"PATH\" }";
    match (section.has("webhook"), section.has("slack")) {
        (true, false) => {
            let text = section.text("webhook");
            let secret = section.secret("secret");
            let text = text?;
            let url: Option<Uri> = text.get_ref().parse().ok();
            if url.is_none() {
                section.report.add(Some(text.span()), "`webhook` is not an address", WEBHOOK);
            }
            Some(NotifyPlace::Webhook { url: url?, secret: secret? })
        }
        (false, true) => section.secret("slack").map(NotifyPlace::Slack),
        _ => {
            // Which of them is meant can't be told; what else they say is not judged.
            for key in ["webhook", "slack", "secret"] {
                if section.has(key) {
                    section.take(key);
                }
            }
            let span = section.span();
            section.report.add(Some(span), "a target does not say where it is", hint);
            None
        }
    }
}

fn kinds(section: &mut Section<'_, '_>, texts: &Spanned<Vec<String>>) -> Option<BTreeSet<Kind>> {
    let mut kinds = BTreeSet::new();
    for text in texts.get_ref() {
        match text.parse() {
            Ok(kind) => kinds.insert(kind),
            Err(()) => {
                let message = format!("there is no event {text:?}");
                let all = Kind::ALL.map(Kind::as_str).join(", ");
                section.report.add(Some(texts.span()), &message, &format!("write some of {all}"));
                return None;
            }
        };
    }
    if kinds.is_empty() {
        let hint = "leave `events` out for all of them";
        section.report.add(Some(texts.span()), "there is no event", hint);
        return None;
    }
    Some(kinds)
}

fn all_of(
    section: &mut Section<'_, '_>,
    texts: &Spanned<Vec<String>>,
) -> Option<BTreeSet<RoleName>> {
    let values = texts
        .get_ref()
        .iter()
        .map(|text| section.report.value(&Spanned::new(texts.span(), text.clone())));
    values.collect()
}

fn positive(section: &mut Section<'_, '_>, key: &str, text: &Spanned<String>) -> Option<Span> {
    let span: Span = section.report.value(text)?;
    if span.is_zero() {
        let message = format!("`{key}` is no time");
        section.report.add(Some(text.span()), &message, "write more than 0s, such as 10m");
        return None;
    }
    Some(span)
}

fn addresses(
    section: &mut Section<'_, '_>,
    texts: &Spanned<Vec<String>>,
) -> Option<BTreeSet<IpAddr>> {
    let parsed = texts.get_ref().iter().map(|text| {
        let address = text.parse();
        if address.is_err() {
            let message = format!("{text:?} is not an address");
            let hint = "write single addresses, such as 10.1.2.3";
            section.report.add(Some(texts.span()), &message, hint);
        }
        address.ok()
    });
    parsed.collect()
}
