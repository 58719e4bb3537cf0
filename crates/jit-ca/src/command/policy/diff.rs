//! `policy diff`: the page that a reviewer of a change of policy reads.

use jit_ca_policy::diff::{
    AccessChange, CaseChange, FileChange, GroupChange, PeopleChanges, RoleChange, RuleChange,
    RuleText, Setting, Way,
};
use jit_ca_policy::{Bundle, Diff, diff};

use super::access::{caveat, indented, on};
use super::lines::compared;
use crate::command::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::printer::join;

pub(super) fn run(context: &Context, old: &Bundle, new: &Bundle) -> Result<Exit> {
    let diff = diff(old, new).map_err(|faults| super::fault(&faults))?;
    context.printer.data(&diff, |diff| match diff.is_empty() {
        true => "the policies are the same, file by file".to_owned(),
        false => page(diff, new.roles().count()),
    });
    Ok(if diff.is_empty() { Exit::Done } else { Exit::Failed })
}

fn page(diff: &Diff, roles: usize) -> String {
    let mut page = Page::default();
    page.section("Who gains and who loses what", diff.access.iter().map(|one| access(one, roles)));
    page.section("Roles", diff.roles.iter().map(role));
    page.section("People", people(&diff.people));
    page.section("Rules", diff.rules.iter().map(rule));
    page.section("Zone", diff.zone.iter().map(setting));
    page.section("Policy tests", diff.cases.iter().map(case));
    page.section("Files", diff.files.iter().map(file));
    let asked = &diff.asked;
    page.text.push_str(&format!(
        "Access was compared by asking both policies about everybody: {} kinds of access in {} situations, around the \
         constants that rules mention.\nWhat rules say in other situations was not asked: read the rules that changed.",
        asked.deeds, asked.situations
    ));
    page.text.extend(caveat(asked).map(|caveat| format!("\n{caveat}")));
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    /// A heading and its lines; nothing if there are none.
    fn section(&mut self, heading: &str, items: impl IntoIterator<Item = String>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        self.text.push_str(&format!("{heading}\n"));
        for item in items {
            for line in item.lines() {
                self.text.push_str(&format!("  {line}\n"));
            }
        }
        self.text.push('\n');
    }
}

fn access(change: &AccessChange, of: usize) -> String {
    let AccessChange { way, people, action, roles, was, now } = change;
    let (word, end) = match way {
        Way::Gains => ("gains", ""),
        Way::Loses => ("loses", ""),
        Way::Wider => ("keeps", ", at more times"),
        Way::Narrower => ("keeps", ", at fewer times"),
        Way::Moved => ("keeps", ", at other times"),
        Way::OtherRules => ("keeps", ", by other rules"),
    };
    let mut text = format!("{people} {word} {action}{}{end}", on(roles, of));
    let was =
        was.iter().map(|holding| format!("\n  was:{}", indented(holding).replacen("  ", " ", 1)));
    let now =
        now.iter().map(|holding| format!("\n  now:{}", indented(holding).replacen("  ", " ", 1)));
    text.extend(was.chain(now));
    text
}

fn role(change: &RoleChange) -> String {
    let mark = mark(change.was_there, change.is_there);
    let settings = change.settings.iter().map(|one| format!("\n  {}", setting(one)));
    format!("{mark} {}{}", change.role, settings.collect::<String>())
}

fn setting(Setting { what, was, now }: &Setting) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
    match (was, now) {
        (None, Some(now)) => format!("{what}: {now}"),
        (Some(was), None) => format!("{what}: no longer {was}"),
        _ => format!("{what}: {} -> {}", value(was), value(now)),
    }
}

fn people(changes: &PeopleChanges) -> Vec<String> {
    let PeopleChanges { added, removed, renamed, keys, groups } = changes;
    let list =
        |mark: &str, names: &[_]| (!names.is_empty()).then(|| format!("{mark} {}", join(names)));
    let mut lines: Vec<String> = list("+", added).into_iter().chain(list("-", removed)).collect();
    lines.extend(
        renamed.iter().map(|one| format!("~ {} is called {} ({})", one.was, one.now, one.id)),
    );
    lines.extend(list("~ other keys:", keys));
    lines.extend(groups.iter().map(|GroupChange { group, members, joined, left }| {
        let changes = list("+", joined).into_iter().chain(list("-", left));
        format!("group {group} ({members} people): {}", join(changes))
    }));
    lines
}

fn rule(RuleChange { id, was, now }: &RuleChange) -> String {
    let at = now.as_ref().or(was.as_ref()).map(|rule| format!("{}:{}", rule.path, rule.line));
    let mark = mark(was.is_some(), now.is_some());
    let text = |rule: &Option<RuleText>| rule.as_ref().map_or("", |rule| &rule.text).to_owned();
    let lines = compared(&text(was), &text(now)).into_iter().map(|line| format!("\n    {line}"));
    format!("{mark} {id} ({}){}", at.unwrap_or_default(), lines.collect::<String>())
}

fn case(CaseChange { path, case, was_there, is_there }: &CaseChange) -> String {
    format!("{} {path}: {case}", mark(*was_there, *is_there))
}

fn file(FileChange { path, was_there, is_there }: &FileChange) -> String {
    format!("{} {path}", mark(*was_there, *is_there))
}

/// What became of something.
fn mark(was_there: bool, is_there: bool) -> char {
    match (was_there, is_there) {
        (false, _) => '+',
        (true, false) => '-',
        (true, true) => '~',
    }
}
