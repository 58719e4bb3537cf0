//! Who could.

use super::{Block, Cell, Page, moment};
use crate::report::model::{
    Changes, Permission, PersonChange, PolicyInForce, PolicyState, Report, RoleRow,
};

pub(super) fn write(page: &mut Page, report: &Report) {
    page.section(3, "Who could");
    page.text(
        "A role says what is given and what is required; a rule says who may; both must hold. For each bundle \
         of roles, rules and people that was in force, the rules were asked again as the CA asks them: at the \
         moment named, from 127.0.0.1, with a second factor just given, for the role's default duration on all of \
         its hosts. A rule that looks at the time, the address, the reason, the ticket or the duration may say \
         otherwise in another case; what it said stands with each request in the log.",
    );
    if report.policies.is_empty() {
        page.text("No bundle was in force before the end of the period.");
    }
    let mut before: Option<&PolicyInForce> = None;
    for policy in &report.policies {
        bundle(page, policy, before);
        before = Some(policy);
    }
}

fn bundle(page: &mut Page, policy: &PolicyInForce, before: Option<&PolicyInForce>) {
    page.part(format!("In force from {}", moment(policy.from)));
    let mut facts = vec![
        ("Bundle", Cell::code(policy.hash)),
        ("Entry", Cell::Count(policy.entry)),
        ("Read by", Cell::text(&policy.read_by)),
    ];
    facts.extend(policy.approved_by.iter().map(|name| ("Approved by", Cell::text(name))));
    facts.extend([
        (
            "Until",
            Cell::text(policy.until.map_or_else(|| "the end of the period".to_owned(), moment)),
        ),
        ("Rules asked at", Cell::Time(policy.asked_at)),
        ("Time zone of rules", Cell::text(&policy.zone)),
    ]);
    page.0.push(Block::Fields(facts));
    if let Some(note) = erased(policy) {
        page.note(note);
    }
    if let Some(changes) = &policy.changes {
        changed(page, changes);
    }

    let old = |role: &RoleRow| before.is_some_and(|before| before.roles.contains(role));
    let roles: Vec<&RoleRow> = policy.roles.iter().filter(|role| !old(role)).collect();
    let (none, rest) = match policy.roles.len() - roles.len() {
        0 => ("No role can be read.", None),
        same => ("All roles are as before.", Some(format!("{same} other roles are as before."))),
    };
    let has_rows = !roles.is_empty();
    page.table(
        [
            "Role",
            "Gives",
            "For",
            "Takes",
            "May ask",
            "Without a person's yes",
            "Can approve",
            "In an emergency",
        ],
        roles.into_iter().map(role),
        none,
    );
    if let Some(rest) = rest.filter(|_| has_rows) {
        page.text(rest);
    }
    if let Some(powers) = &policy.powers {
        page.0.push(Block::Fields(vec![
            ("May read the log", people(&powers.read_log)),
            ("May erase from it", people(&powers.erase)),
            ("May bring a policy into force", people(&powers.administer)),
            ("May lock and unlock", people(&powers.lock)),
        ]));
    }
    if before.is_none() {
        let rows = policy.people.iter().map(|person| {
            [
                Cell::text(&person.name),
                Cell::code(&person.subject),
                Cell::text(person.groups.join(", ")),
                Cell::Count(person.keys as u64),
            ]
        });
        page.table(["Person", "Subject", "Groups", "Keys"], rows, "It names nobody.");
        let files = policy.files.iter();
        let rows = files.map(|file| [Cell::text(&file.path), Cell::code(file.digest)]);
        page.table(["File", "SHA-256"], rows, "It has no files.");
    }
}

/// What is missing from a bundle, and what follows from that.
fn erased(policy: &PolicyInForce) -> Option<String> {
    let what = match policy.people_erased {
        0 => "A part of this bundle has been erased since, and is missing here".to_owned(),
        1 => "A person of this bundle has been erased since, and is missing here".to_owned(),
        people => {
            format!("{people} people of this bundle have been erased since, and are missing here")
        }
    };
    match policy.state {
        PolicyState::Whole => None,
        PolicyState::PartErased => Some(format!("{what}.")),
        PolicyState::RulesUnreadable => Some(format!(
            "{what}. Its rules can't be asked without it: who might do what is not told."
        )),
        PolicyState::RolesUnreadable => {
            Some(format!("{what}. Its roles can't be read without it."))
        }
    }
}

fn role(role: &RoleRow) -> [Cell; 8] {
    let mut takes: Vec<String> =
        role.approvals.iter().map(|quorum| format!("approval: {quorum}")).collect();
    takes.push(match role.mfa_max_age {
        Some(age) => format!("a second factor not older than {age}"),
        None => "a second factor".to_owned(),
    });
    takes.extend(role.ticket.iter().map(|pattern| format!("a ticket like {pattern}")));
    let who = |list: fn(&Permission) -> &[String]| match &role.people {
        Some(permission) => people(list(permission)),
        None => Cell::text("not known"),
    };
    [
        Cell::List(vec![Cell::text(&role.role), Cell::text(&role.description)]),
        Cell::codes(&role.rows),
        Cell::text(format!("{}, at most {}", role.default, role.longest)),
        Cell::texts(takes),
        who(|permission| &permission.may_request),
        who(|permission| &permission.without_approval),
        who(|permission| &permission.can_approve),
        who(|permission| &permission.may_break_glass),
    ]
}

fn people(names: &[String]) -> Cell {
    match names.is_empty() {
        true => Cell::text("nobody"),
        false => Cell::text(names.join(", ")),
    }
}

fn changed(page: &mut Page, changes: &Changes) {
    let person = |change: &PersonChange| {
        let mut parts = Vec::new();
        if let Some(name) = &change.name_before {
            parts.push(format!("was called {name}"));
        }
        if !change.joined.is_empty() {
            parts.push(format!("joined {}", change.joined.join(", ")));
        }
        if !change.left.is_empty() {
            parts.push(format!("left {}", change.left.join(", ")));
        }
        if change.keys_changed {
            parts.push("has other keys".to_owned());
        }
        format!("{}: {}", change.name, parts.join("; "))
    };
    let lists = [
        ("People added", changes.people_added.clone()),
        ("People removed", changes.people_removed.clone()),
        ("People changed", changes.people_changed.iter().map(person).collect()),
        ("Files added", changes.files_added.clone()),
        ("Files removed", changes.files_removed.clone()),
        ("Files changed", changes.files_changed.clone()),
        ("Time zone before", changes.zone_before.iter().cloned().collect()),
    ];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let rows = lists.map(|(what, list)| [Cell::text(what), Cell::texts(list)]);
    page.table(["What changed", ""], rows, "Nothing changed that the log still holds.");
}
