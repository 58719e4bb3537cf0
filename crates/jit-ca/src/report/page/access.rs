//! Who asked, who agreed, what was issued; and who is who.

use jit_ca_core::Hosts;
use jit_ca_core::event::EndCause;

use super::{Cell, Page, moment, window};
use crate::printer::join;
use crate::report::model::{
    ApprovalRow, ApprovedBy, CertificateKind, CertificateOutcome, CertificateRow, EmergencyRow,
    GrantEndRow, GrantRow, Report, RequestOutcome, RequestRow,
};

pub(super) fn requests(page: &mut Page, report: &Report) {
    page.section(4, "Requests: who asked, who agreed");
    page.text(
        "Every request of which anything happened in the period, as it stood at the period's end. An entry is \
         looked up with jit-ca log show.",
    );
    page.table(
        [
            "Entry",
            "Asked",
            "Who",
            "Role",
            "Hosts",
            "For",
            "Reason",
            "Ticket",
            "Who agreed",
            "What came of it",
        ],
        report.requests.iter().map(request),
        "There were none.",
    );
}

fn request(row: &RequestRow) -> [Cell; 10] {
    let erased = || Cell::text(if row.erased { "erased" } else { "" });
    let or_erased = |text: Option<String>| text.map_or_else(erased, Cell::Text);
    [
        Cell::Count(row.entry),
        Cell::Time(row.made),
        Cell::text(&row.requester),
        or_erased(row.role.clone()),
        or_erased(row.hosts.as_ref().map(hosts)),
        or_erased(row.duration.map(|duration| duration.to_string())),
        or_erased(row.reason.clone()),
        Cell::optional(row.ticket.as_ref()),
        Cell::List(row.approvals.iter().map(approval).collect()),
        came_of(row),
    ]
}

fn hosts(hosts: &Hosts) -> String {
    match hosts {
        Hosts::All => "all of the role's".to_owned(),
        Hosts::Named(named) => join(named),
    }
}

fn approval(row: &ApprovalRow) -> Cell {
    let by = match &row.by {
        ApprovedBy::Person(name) => format!("{name}, after {}", row.after),
        ApprovedBy::Rules(rules) if rules.is_empty() => "a rule".to_owned(),
        ApprovedBy::Rules(rules) => format!("rule {}", rules.join(", ")),
    };
    match &row.comment {
        Some(comment) => Cell::text(format!("{by}: {comment}")),
        None => Cell::text(by),
    }
}

fn came_of(row: &RequestRow) -> Cell {
    let needed: usize = row.quorums.iter().map(|quorum| usize::from(quorum.count)).sum();
    match &row.outcome {
        RequestOutcome::Pending if needed > 1 => {
            Cell::text(format!("pending, {} of {needed} agreed", row.approvals.len()))
        }
        RequestOutcome::Pending => Cell::text("pending"),
        RequestOutcome::Denied { at, by, reason, .. } => Cell::text(match reason {
            Some(reason) => format!("denied by {by} at {}: {reason}", moment(*at)),
            None => format!("denied by {by} at {}", moment(*at)),
        }),
        RequestOutcome::Cancelled { at, .. } => {
            Cell::text(format!("taken back at {}", moment(*at)))
        }
        RequestOutcome::Lapsed { at, .. } => Cell::text(format!("lapsed at {}", moment(*at))),
        RequestOutcome::Granted => {
            let mut parts = vec![Cell::text("granted")];
            if let Some(grant) = &row.grant {
                let known = grant.window.map(|it| Cell::text(window(it.start(), it.end())));
                parts.extend(known);
                if row.rows.len() > grant.rows.len() && !grant.rows.is_empty() {
                    let kept = format!("{} of {} rows", grant.rows.len(), row.rows.len());
                    parts.push(Cell::text(kept));
                }
                parts.extend(grant_hosts(row, grant));
                parts.push(Cell::text(match grant.certificates {
                    0 => "no certificate taken".to_owned(),
                    1 => "1 certificate".to_owned(),
                    count => format!("{count} certificates"),
                }));
                parts.extend(grant.end.as_ref().and_then(end).map(Cell::text));
                parts.extend(row.emergency.as_ref().map(emergency).map(Cell::text));
                parts.push(Cell::code(grant.grant));
            }
            Cell::List(parts)
        }
    }
}

/// Where somebody who agreed left some hosts of those that were asked for.
fn grant_hosts(row: &RequestRow, grant: &GrantRow) -> Option<Cell> {
    let (asked, given) = row.hosts.as_ref().zip(grant.hosts.as_ref())?;
    (asked != given).then(|| Cell::text(format!("on {} alone", hosts(given))))
}

/// What ended a grant, unless its time was simply over.
fn end(end: &GrantEndRow) -> Option<String> {
    let at = moment(end.at);
    match (&end.revoked, end.cause) {
        (Some((by, Some(reason))), _) => Some(format!("revoked by {by} at {at}: {reason}")),
        (Some((by, None)), _) => Some(format!("revoked by {by} at {at}")),
        (None, Some(EndCause::Over)) | (None, None) => None,
        (None, Some(cause)) => Some(format!("ended at {at}: {cause}")),
    }
}

fn emergency(row: &EmergencyRow) -> String {
    let told = row.told.join(", ");
    match &row.review {
        None => format!("emergency, told to {told}; nobody has reviewed it"),
        Some(review) => {
            let found = review.comment.as_deref().unwrap_or("erased");
            format!("emergency, told to {told}; reviewed by {}: {found}", review.by)
        }
    }
}

pub(super) fn certificates(page: &mut Page, report: &Report) {
    page.section(5, "Certificates: what was issued");
    page.text(
        "Every certificate under a grant, by the entry that was in the log before it was signed. Certificates are \
         valid from a minute before the grant's window, for clocks that go behind, to its end.",
    );
    page.table(
        ["Entry", "Issued", "Kind", "Who", "Valid", "Serial and key id"],
        report.certificates.iter().map(certificate),
        "There were none.",
    );
    if !report.other_certificates.is_empty() {
        page.part("The CA's own, and those of logins");
        let others = report.other_certificates.iter();
        let rows = others.map(|row| [Cell::text(&row.purpose), Cell::Count(row.count)]);
        page.table(["Signed by", "Certificates"], rows, "There were none.");
    }
}

fn certificate(row: &CertificateRow) -> [Cell; 6] {
    let kind = match row.kind {
        Some(CertificateKind::Ssh) => "SSH",
        Some(CertificateKind::X509) => "X.509",
        None => "erased",
    };
    let kind = match row.outcome {
        CertificateOutcome::Issued => Cell::text(kind),
        CertificateOutcome::Failed => Cell::texts([kind, "failed: not handed out"]),
        CertificateOutcome::Unknown => {
            Cell::texts([kind, "no outcome in the log: counts as issued"])
        }
    };
    [
        Cell::Count(row.entry),
        Cell::Time(row.at),
        kind,
        Cell::text(&row.holder),
        Cell::optional(row.from.zip(row.until).map(|(from, until)| window(from, until))),
        match &row.key_id {
            Some(key_id) => Cell::codes(row.serial.iter().chain([key_id])),
            // A key id names its grant.
            None => Cell::List(vec![Cell::text("erased, of grant"), Cell::code(row.grant)]),
        },
    ]
}

pub(super) fn people(page: &mut Page, report: &Report) {
    page.section(7, "People");
    page.text(
        "Everybody who did something in the period. The subject is who somebody is, for good; names may change, \
         and here are the last that the log knew. The actor stands for them in the log's leaves.",
    );
    let rows = report.people.iter().map(|row| {
        [
            Cell::text(&row.name),
            Cell::optional(row.subject.as_ref()),
            Cell::code(&row.actor),
            Cell::Count(row.requests),
            Cell::Count(row.grants),
            Cell::Count(row.certificates),
            Cell::Count(row.approvals),
            Cell::Count(row.denials),
            Cell::Count(row.logins),
            Cell::Count(row.refusals),
        ]
    });
    page.table(
        [
            "Name",
            "Subject",
            "Actor",
            "Requests",
            "Grants",
            "Certificates",
            "Approvals",
            "Denials",
            "Logins",
            "Refusals",
        ],
        rows,
        "Nobody did anything.",
    );
}
