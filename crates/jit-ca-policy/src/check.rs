//! Faults that no file shows alone: tags that stand for two things, approvers who are not there.

use std::collections::BTreeMap;

use jit_ca_core::{Row, SshRow, Tag};

use crate::fault::Page;
use crate::person::People;
use crate::role::Draft;

pub(crate) fn check(drafts: &[Draft<'_>], people: &People) {
    let mut tags = BTreeMap::new();
    for draft in drafts {
        for (row, at) in draft.role.rows.iter().zip(&draft.rows_at) {
            if let Row::Ssh(row) = row {
                one_tag_one_meaning(draft.page, row, *at, &mut tags);
            }
        }
        // What is missing from a file that was not understood is not missing.
        if people.complete {
            enough_approvers(draft, people);
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

fn enough_approvers(draft: &Draft<'_>, people: &People) {
    let Draft { page, role, approvals_at, .. } = draft;
    for group in &role.approvers {
        if !people.iter().any(|person| person.groups.contains(group)) {
            let message = format!("nobody is in the group {group}");
            page.fault(*approvals_at, message, "name a group that users.toml puts people in");
        }
    }
    let members = people.members(&role.approvers).count();
    if members > 0 && members < usize::from(role.approvals) {
        let message =
            format!("{} approvals are needed, and {members} can be given", role.approvals);
        page.fault(*approvals_at, message, "lower `count`, or name more groups in `from`");
    }
}
