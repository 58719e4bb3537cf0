//! For how long, from when, how fresh and how often.

use std::collections::BTreeSet;

use jit_ca_core::{KeyType, Span};

use super::{Limits, Starts};
use crate::fault::Page;
use crate::section::{At, Section};

/// How long a request waits for approval where its role does not say.
const PENDING_FOR: Span = Span::from_secs(60 * 60);
/// A request that nobody has looked at for a week is asked for again.
const LONGEST_PENDING: Span = Span::from_secs(7 * 24 * 60 * 60);
/// How far ahead a start may lie where the role does not say.
const AHEAD: Span = Span::from_secs(7 * 24 * 60 * 60);
/// A certificate that ends sooner would be renewed all the time.
const SHORTEST_CERTIFICATE: Span = Span::from_secs(60);

/// `default` and `longest`.
pub(super) fn durations(page: Page<'_>, top: &mut Section<'_>) -> (Option<Span>, Option<Span>) {
    let default = top.require::<Span>("default", r#"default = "30m""#);
    let longest = top.require::<Span>(
        "longest",
        r#"longest = "4h": no access is without an end, and none is longer than 24h"#,
    );
    if let Some(At { value, at }) = longest {
        if value > Span::LONGEST_GRANT {
            let message = format!("`longest` is {value}");
            page.fault(at, message, "write at most 24h: no grant is longer");
        }
        positive(page, "longest", value, at);
    }
    if let Some(At { value, at }) = default {
        positive(page, "default", value, at);
        if let Some(longest) = &longest
            && value > longest.value
        {
            let message = format!("`default` is {value}, longer than `longest`");
            let most = longest.value.min(Span::LONGEST_GRANT);
            page.fault(at, message, format!("write at most {most}"));
        }
    }
    (default.map(|d| d.value), longest.map(|l| l.value))
}

/// How long a request waits.
pub(super) fn pending_for(page: Page<'_>, top: &mut Section<'_>) -> Span {
    let Some(At { value, at }) = top.value::<Span>("pending_for") else {
        return PENDING_FOR;
    };
    positive(page, "pending_for", value, at);
    if value > LONGEST_PENDING {
        let message = format!("`pending_for` is {value}");
        page.fault(at, message, format!("write at most {LONGEST_PENDING}"));
    }
    value
}

/// How old the second factor may be.
pub(super) fn mfa_max_age(page: Page<'_>, top: &mut Section<'_>) -> Option<Span> {
    let mut mfa = top.section("mfa")?;
    let max_age = mfa.require::<Span>("max_age", r#"max_age = "8h", or remove the table"#);
    mfa.finish();
    let At { value, at } = max_age?;
    positive(page, "max_age", value, at);
    Some(value)
}

pub(super) fn positive(page: Page<'_>, key: &str, span: Span, at: usize) {
    if span.is_zero() {
        page.fault(at, format!("`{key}` has no length"), "write at least 1s");
    }
}

/// `start` and `start_within`.
pub(super) fn starts(page: Page<'_>, top: &mut Section<'_>) -> Starts {
    let is_first_use = match top.string("start") {
        None => false,
        Some(At { value, .. }) if value == "approval" => false,
        Some(At { value, .. }) if value == "first-use" => true,
        Some(At { value, at }) => {
            let message = format!("`start` can't be {value:?}");
            page.fault(at, message, r#"write "approval" or "first-use""#);
            false
        }
    };
    if is_first_use && !top.has("start_within") {
        let example = r#"start_within = "4h": who has not begun by then asks again"#;
        top.missing("start_within", example);
    }
    let within = top.value::<Span>("start_within");
    match within {
        Some(At { at, .. }) if !is_first_use => {
            let hint = r#"remove it, or write start = "first-use""#;
            page.fault(at, "`start_within` is for a start at first use", hint);
            Starts::AtApproval
        }
        Some(At { value, at }) => {
            positive(page, "start_within", value, at);
            if value > LONGEST_PENDING {
                let message = format!("`start_within` is {value}");
                page.fault(at, message, format!("write at most {LONGEST_PENDING}"));
            }
            Starts::AtFirstUse { within: value }
        }
        None => Starts::AtApproval,
    }
}

/// How far ahead a start may lie; no time at all where none may.
pub(super) fn schedule_ahead(page: Page<'_>, top: &mut Section<'_>) -> Span {
    let Some(At { value, at }) = top.value::<Span>("schedule_ahead") else {
        return AHEAD;
    };
    if value > Span::FARTHEST_START {
        let message = format!("`schedule_ahead` is {value}");
        page.fault(at, message, format!("write at most {}", Span::FARTHEST_START));
    }
    value
}

/// For how long a certificate is valid at most; for the grant's window if the role does not say.
pub(super) fn certificate_max(page: Page<'_>, top: &mut Section<'_>) -> Option<Span> {
    let At { value, at } = top.value::<Span>("certificate_max")?;
    if value < SHORTEST_CERTIFICATE {
        let message = format!("`certificate_max` is {value}");
        let hint =
            format!("write at least {SHORTEST_CERTIFICATE}: it is renewed while the grant lasts");
        page.fault(at, message, hint);
    }
    Some(value)
}

/// `keys`.
pub(super) fn keys(top: &mut Section<'_>) -> BTreeSet<KeyType> {
    match top.set::<KeyType>("keys") {
        Some(At { value, .. }) => value,
        None => BTreeSet::from(KeyType::USUAL),
    }
}

/// `[limits]`.
pub(super) fn limits(
    page: Page<'_>,
    top: &mut Section<'_>,
    longest: Option<Span>,
    certificate_max: Option<Span>,
) -> Limits {
    let Some(mut section) = top.section("limits") else {
        return Limits::default();
    };
    let (grants_per_day, certificates) =
        (section.count("grants_per_day"), section.count("certificates"));
    section.finish();
    if let (Some(count), Some(longest), Some(each)) = (&certificates, longest, certificate_max) {
        let needed = longest.secs().div_ceil(each.secs().max(1));
        if u64::from(count.value) < needed {
            let message = format!(
                "a grant of {longest} can't be used to its end: {} certificates of at most {each}",
                count.value
            );
            let hint = format!("write at least {needed}, or a longer `certificate_max`");
            page.fault(count.at, message, hint);
        }
    }
    let count = |count: Option<At<u8>>| count.map(|count| count.value.into());
    Limits { grants_per_day: count(grants_per_day), certificates: count(certificates) }
}
