//! Who has to approve, and what is different in an emergency.

use std::collections::BTreeSet;

use jit_ca_core::workflow::Quorum;
use jit_ca_core::{GroupName, Span};

use super::BreakGlass;
use super::terms::positive;
use crate::fault::Page;
use crate::section::{At, Section};

/// Each `[[approvals]]`, and where it stands. There has to be one, also where rules approve: a rule that says no leaves
/// it to people.
pub(super) fn approvals(top: &mut Section<'_>) -> Vec<(Quorum, usize)> {
    if !top.has("approvals") {
        top.missing("approvals", r#"[[approvals]] with count = 1 and from = ["sre"]"#);
    }
    top.sections("approvals").into_iter().filter_map(quorum).collect()
}

fn quorum(mut section: Section<'_>) -> Option<(Quorum, usize)> {
    let count = if section.has("count") {
        section.count("count")
    } else {
        section.missing("count", "count = 1; where a rule may approve, say so with skip-approval");
        None
    };
    if !section.has("from") {
        section.missing("from", r#"from = ["sre"], the groups whose members may approve"#);
    }
    let from = section.set("from");
    let signed = section.flag("signed");
    let at = section.at;
    section.finish();
    Some((Quorum { count: count?.value, from: from?.value, signed }, at))
}

/// `[break_glass]`.
pub(super) fn break_glass(
    page: Page<'_>,
    top: &mut Section<'_>,
    longest_at_all: Option<Span>,
) -> Option<BreakGlass> {
    let mut section = top.section("break_glass")?;
    let longest = section.require::<Span>("longest", r#"longest = "30m""#);
    if !section.has("tell") {
        section.missing("tell", r#"tell = ["sre"], the groups that are told at once"#);
    }
    let tell: Option<At<BTreeSet<GroupName>>> = section.set("tell");
    let at = section.at;
    section.finish();
    let longest = longest?;
    positive(page, "longest", longest.value, longest.at);
    if let Some(most) = longest_at_all
        && longest.value > most
    {
        let message = format!("an emergency may last {}, longer than `longest`", longest.value);
        page.fault(longest.at, message, format!("write at most {most}"));
    }
    Some(BreakGlass { longest: longest.value, tell: tell?.value, at })
}
