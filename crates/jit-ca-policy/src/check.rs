//! Faults that no file shows alone: tags that stand for two things, approvers who are not there.

use std::collections::{BTreeMap, BTreeSet};

use jit_ca_core::workflow::{Voice, still_needed};
use jit_ca_core::{GroupName, Row, SshRow, SubjectKind, Tag};

use crate::fault::Page;
use crate::issuer::Issuers;
use crate::person::People;
use crate::role::Draft;

pub(crate) fn check(drafts: &[Draft<'_>], people: &People, issuers: &Issuers) {
    let mut tags = BTreeMap::new();
    for draft in drafts {
        for (row, at) in draft.role.rows.iter().zip(&draft.rows_at) {
            if let Row::Ssh(row) = row {
                one_tag_one_meaning(draft.page, row, *at, &mut tags);
            }
        }
        // What is missing from a file that was not understood is not missing.
        if people.complete {
            enough_approvers(draft, people, issuers);
        }
    }
}

/// A host maps a tag to one account, whichever role's certificate bears it; and a bare tag opens
/// all the hosts that know it. So the second role of a tag would give what the first one does.
fn one_tag_one_meaning<'a>(
    page: Page<'_>,
    row: &'a SshRow,
    at: usize,
    tags: &mut BTreeMap<&'a Tag, (&'a SshRow, String)>,
) {
    let Some((earlier, place)) = tags.get(&row.tag) else {
        let place = format!("{}:{}", page.file.path, page.line(at));
        tags.insert(&row.tag, (row, place));
        return;
    };
    if earlier.hosts != row.hosts {
        let message = format!("the tag {} stands with other hosts at {place}", row.tag);
        let hint =
            "give each set of hosts a tag of its own: a bare tag opens every host that knows it";
        page.fault(at, message, hint);
    }
    if earlier.login != row.login {
        let message =
            format!("the tag {} stands with the login {} at {place}", row.tag, earlier.login);
        let hint =
            "give each account a tag of its own: a host maps a tag to every account that lists it";
        page.fault(at, message, hint);
    }
}

/// Each quorum has to be filled by itself, and all of them together by people of whom each counts once.
/// Those whom an issuer may put into a group can't be counted.
fn enough_approvers(draft: &Draft<'_>, people: &People, issuers: &Issuers) {
    let Draft { page, role, approvals_at, .. } = draft;
    let mut each_can_be_filled = true;
    for (quorum, at) in role.approvals.iter().zip(approvals_at) {
        let by_issuer = |group: &GroupName| issuers.give(group.as_str(), Some(SubjectKind::Person));
        groups_have_members(*page, &quorum.from, *at, people, issuers);
        let members = people.members(&quorum.from).count();
        if quorum.from.iter().any(by_issuer) {
            each_can_be_filled = false;
        } else if members < usize::from(quorum.count) {
            each_can_be_filled = false;
            if members > 0 {
                let message =
                    format!("{} approvals are needed, and {members} can be given", quorum.count);
                page.fault(*at, message, "lower `count`, or name more groups in `from`");
            }
        }
    }
    if let Some(break_glass) = &role.break_glass {
        groups_have_members(*page, &break_glass.tell, break_glass.at, people, issuers);
    }
    let voices: Vec<Voice<'_>> =
        people.iter().map(|person| Voice { groups: &person.groups, signed: true }).collect();
    if each_can_be_filled
        && still_needed(&role.approvals, &voices) > 0
        && let Some(at) = approvals_at.last()
    {
        let message = "nobody counts in two of them, and there are too few people for all";
        page.fault(*at, message, "lower a `count`, or name more groups in `from`");
    }
}

fn groups_have_members(
    page: Page<'_>,
    groups: &BTreeSet<GroupName>,
    at: usize,
    people: &People,
    issuers: &Issuers,
) {
    for group in groups {
        let by_issuer = issuers.give(group.as_str(), Some(SubjectKind::Person));
        if !by_issuer && !people.iter().any(|person| person.groups.contains(group)) {
            let message = format!("nobody is in the group {group}");
            let hint = "name a group that users.toml, or an issuer's [map], puts people in";
            page.fault(at, message, hint);
        }
    }
}
