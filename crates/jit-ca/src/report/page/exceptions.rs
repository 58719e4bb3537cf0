//! What is out of the ordinary.

use super::{Cell, Page, moment, times};
use crate::report::model::{DaemonEvent, Erasure, Report};

pub(super) fn write(page: &mut Page, report: &Report) {
    page.section(6, "Exceptions");
    page.text(
        "What an auditor asks about first. Each list is complete for the period, unless it says otherwise.",
    );
    duties(page, report);
    refusals(page, report);
    credentials(page, report);
    issuances(page, report);
    log(page, report);
}

fn duties(page: &mut Page, report: &Report) {
    let (found, figures) = (&report.exceptions, &report.figures);
    page.part("Segregation of duties");
    page.text(format!(
        "Approvals of one's own request: {}. The verifier compares requester and approver of every grant, and \
         checks every approval's signature against the approver's keys in the bundle.",
        figures.self_approvals
    ));
    let rows = found.by_rule.iter().map(|row| {
        [
            Cell::text(row.rules.join(", ")),
            Cell::optional(row.role.as_ref()),
            Cell::text(&row.requester),
            Cell::Count(row.count),
        ]
    });
    page.part("Grants that no person agreed to");
    page.table(["Rule", "Role", "For whom", "How often"], rows, "There were none.");
    page.part("Locks");
    let rows = found.locks.iter().map(|row| {
        [
            Cell::Count(row.entry),
            Cell::Time(row.at),
            Cell::text(if row.locked { "locked" } else { "unlocked" }),
            Cell::text(row.what.as_deref().unwrap_or("erased")),
            Cell::text(&row.by),
            Cell::text(row.reason.as_deref().unwrap_or("erased")),
        ]
    });
    page.table(["Entry", "When", "", "What", "By", "Reason"], rows, "Nothing was locked.");
    page.part("Second factors reset");
    page.text(
        "Two administrators reset what somebody has lost; on the CA's machine one can, which is \
         told here as done by the CA. What is reset counts no more, and a code for the next goes to the person.",
    );
    let rows = found.resets.iter().map(|row| {
        [
            Cell::Count(row.entry),
            Cell::Time(row.at),
            Cell::text(row.what.to_string()),
            Cell::text(row.name.as_deref().unwrap_or("erased")),
            Cell::text(&row.by),
            Cell::optional(row.asked_by.as_ref()),
            Cell::text(row.reason.as_deref().unwrap_or("erased")),
        ]
    });
    page.table(
        ["Entry", "When", "", "Whose", "By", "Asked for by", "Reason"],
        rows,
        "There were none.",
    );
    page.part("Who approves for whom");
    page.text("The pairs with the most approvals; at most ten are shown.");
    let rows = found.pairs.iter().map(|row| {
        [
            Cell::text(&row.requester),
            Cell::text(&row.approver),
            Cell::Count(row.count),
            Cell::text(format!("{} of {}", row.count, row.of)),
        ]
    });
    page.table(
        ["Requester", "Approver", "Approvals", "Of all that the requester got"],
        rows,
        "No person approved anything.",
    );
}

fn refusals(page: &mut Page, report: &Report) {
    let found = &report.exceptions;
    page.part("Refusals");
    let rows = found.refusals.iter().map(|row| {
        [
            Cell::text(&row.name),
            Cell::text(row.action.as_deref().unwrap_or("log in")),
            Cell::text(row.code.as_deref().unwrap_or("erased")),
            Cell::Count(row.count),
        ]
    });
    page.table(
        ["Who", "Wanted to", "Why not", "How often"],
        rows,
        "Nothing was refused to anybody known.",
    );
    page.text(match found.strangers_refused {
        0 => "No login of a stranger was refused.".to_owned(),
        count => format!("Logins of strangers were refused {}.", times(count)),
    });
}

fn credentials(page: &mut Page, report: &Report) {
    let found = &report.exceptions;
    page.part("Enrolment codes that administrators made");
    let rows = found.enrolment_codes.iter().map(|row| {
        [
            Cell::Count(row.entry),
            Cell::Time(row.at),
            Cell::text(row.name.as_deref().unwrap_or("erased")),
            Cell::List(row.expires.map(Cell::Time).into_iter().collect()),
        ]
    });
    page.table(["Entry", "When", "For whom", "Good until"], rows, "There were none.");
    page.part("Second factors enrolled");
    let rows = found
        .second_factors
        .iter()
        .map(|row| [Cell::Count(row.entry), Cell::Time(row.at), Cell::text(&row.name)]);
    page.table(["Entry", "When", "Whose"], rows, "There were none.");
}

fn issuances(page: &mut Page, report: &Report) {
    let found = &report.exceptions;
    page.part("Certificates without an outcome");
    page.text("They were in the log before they were to be signed; they count as issued.");
    let rows = found.orphans.iter().map(|row| {
        [
            Cell::Count(row.entry),
            Cell::Time(row.at),
            Cell::text(&row.name),
            Cell::List(row.issuance.iter().map(Cell::code).collect()),
            Cell::List(row.grant.iter().map(Cell::code).collect()),
        ]
    });
    page.table(["Entry", "When", "Who", "Issuance", "Grant"], rows, "There were none.");
    page.part("Failed issuances");
    let rows = found.failed_issuances.iter().map(|row| {
        [
            Cell::Count(row.entry),
            Cell::Time(row.at),
            Cell::List(row.issuance.iter().map(Cell::code).collect()),
            Cell::text(row.error.as_deref().unwrap_or("erased")),
        ]
    });
    page.table(["Entry", "When", "Issuance", "Why"], rows, "There were none.");
}

fn log(page: &mut Page, report: &Report) {
    let found = &report.exceptions;
    page.part("Policy, daemon and log");
    page.text(match found.policy_changes {
        0 => "The policy did not change.".to_owned(),
        count => format!("The policy changed {}: see section 3.", times(count)),
    });
    let crashes = found.daemon.iter().filter(|run| run.what == DaemonEvent::StartAfterCrash);
    page.text(match crashes.count() as u64 {
        0 => "The daemon never ended without a stop.".to_owned(),
        count => format!(
            "The daemon ended without a stop {}: it crashed, was killed, or the power failed.",
            times(count)
        ),
    });
    let rows = found.daemon.iter().map(|row| {
        let what = match row.what {
            DaemonEvent::Start => "started",
            DaemonEvent::StartAfterCrash => "started, without a stop before",
            DaemonEvent::Stop => "stopped",
        };
        [
            Cell::Count(row.entry),
            Cell::Time(row.at),
            Cell::text(what),
            Cell::optional(row.detail.as_ref()),
        ]
    });
    page.table(
        ["Entry", "When", "The daemon", "Version, or cause"],
        rows,
        "It neither started nor stopped.",
    );
    page.part("Erasures");
    page.table(
        ["Entry", "When", "What was erased", "Payloads", "Ordered by", "Reason"],
        found.erasures.iter().map(erasure),
        "There were none.",
    );
    if !found.unknown_entries.is_empty() {
        page.part("Entries of unknown types");
        let rows = found.unknown_entries.iter();
        let rows = rows.map(|row| [Cell::code(&row.entry_type), Cell::Count(row.count)]);
        page.table(["Type", "How many"], rows, "There were none.");
    }
}

fn erasure(row: &Erasure) -> [Cell; 6] {
    let what = match (&row.actor, row.older_than) {
        (Some(actor), _) => format!("what the log said of actor {actor}"),
        (None, Some(time)) => format!("what was written before {}", moment(time)),
        (None, None) => String::new(),
    };
    [
        Cell::Count(row.entry),
        Cell::Time(row.at),
        Cell::text(what),
        Cell::Count(row.payloads),
        Cell::text(row.ordered_by.as_deref().unwrap_or("the configuration")),
        Cell::optional(row.reason.as_ref()),
    ]
}
