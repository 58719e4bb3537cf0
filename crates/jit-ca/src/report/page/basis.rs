//! What the report rests on, its figures, and the register of controls.

use super::{Block, Cell, Page, moment, span};
use crate::report::model::Report;

pub(super) fn write(page: &mut Page, report: &Report) {
    let (log, period) = (&report.log, report.period);
    page.section(1, "What this report rests on");
    page.text(format!(
        "The first {} entries of the log {}: all that were written before {}, of which {} lie in the period. \
         The verifier found that the log {}: every hash, every signature, every approval, every certificate's \
         window. A log that does not hold has no report.",
        log.size,
        log.origin,
        moment(period.to),
        log.entries_in_period,
        log.verdict,
    ));
    let mut fields = vec![
        (
            "Period",
            Cell::text(format!("from {} and before {}", moment(period.from), moment(period.to))),
        ),
        ("Log", Cell::code(&log.origin)),
        ("Log began", Cell::List(log.began.map(Cell::Time).into_iter().collect())),
        ("Entries", Cell::Count(log.size)),
        ("Root", Cell::code(log.root)),
        ("Log key", Cell::code(&log.log_key)),
        ("Verdict", Cell::text(log.verdict)),
        ("Erased payloads", Cell::Count(log.erased_payloads)),
    ];
    if let Some(reason) = &log.succeeds {
        fields.push(("Goes on from another log", Cell::text(reason)));
    }
    page.0.push(Block::Fields(fields));

    page.part("Checkpoint");
    if log.checkpoint_size == log.size {
        page.text("The log's signed note of exactly these entries:");
    } else {
        page.text(format!(
            "The log's signed note of {} entries. The root above is that of the first {} of them:",
            log.checkpoint_size, log.size
        ));
    }
    page.0.push(Block::Lines(log.checkpoint.trim_end().to_owned()));
    page.part("To check it again");
    page.text("These commands verify the log, and make this report again, byte for byte in each of its forms (--format):");
    page.0.push(Block::Lines(log.commands.join("\n")));
    let of_what = match log.checkpoint_size == log.size {
        true => "period",
        false => "period of an export with this checkpoint",
    };
    page.text(format!(
        "The same {of_what} gives the same bytes, whenever and wherever the report is made. One thing changes \
         it: when the log is told later to erase what it says of a person, or what is older than it keeps, \
         the names and reasons concerned are no longer there to be told. Who has been erased stands \
         here as \"erased (actor …)\", with the pseudonym that stays in the log."
    ));

    page.part("The CA's keys");
    let keys = log.ca_keys.iter();
    page.table(
        ["Purpose", "SHA-256 of the public key"],
        keys.map(|key| [Cell::text(&key.purpose), Cell::code(key.digest)]),
        "The log no longer names them.",
    );
}

pub(super) fn figures(page: &mut Page, report: &Report) {
    let figures = &report.figures;
    page.section(2, "Summary");
    page.text("What happened within the period. That nobody has a standing privilege or approved their own request is so by \
         construction, and the verifier has checked it.");
    let counts = [
        (figures.requests, "requests made"),
        (figures.grants_by_people, "grants that people agreed to"),
        (figures.grants_by_rules, "grants that a rule agreed to"),
        (figures.emergencies, "emergencies, for which nobody was asked"),
        (figures.emergencies_not_reviewed, "emergencies that nobody has reviewed"),
        (figures.revoked, "grants that were revoked"),
        (figures.denied, "requests denied"),
        (figures.cancelled, "requests taken back"),
        (figures.lapsed, "requests that lapsed"),
        (figures.pending, "requests pending at the end"),
        (figures.ssh_certificates, "SSH certificates"),
        (figures.x509_certificates, "X.509 certificates"),
        (figures.people_with_access, "people who took a certificate"),
        (figures.logins, "logins"),
        (figures.refusals, "refusals"),
        (figures.standing_privileges, "standing privileges"),
        (figures.self_approvals, "approvals of one's own request"),
    ];
    let mut shown: Vec<_> = counts.map(|(count, what)| (count.to_string(), what)).into();
    shown.push((span(figures.longest_grant), "longest grant"));
    shown.push((span(figures.median_grant), "median grant"));
    shown.push((span(figures.median_wait), "median wait for people's approval"));
    page.0.push(Block::Figures(shown));
    if figures.erased_certificates > 0 {
        page.note(format!(
            "Of {} further certificates the log no longer says whether they are SSH or X.509.",
            figures.erased_certificates
        ));
    }
    page.text(
        "No access is without an end: a certificate lies in the window of one grant, no grant is longer than \
         24 hours, and there is no other way to get one.",
    );
}

pub(super) fn controls(page: &mut Page, report: &Report) {
    page.section(8, "Where the evidence stands");
    page.note(
        "This register is our reading of SOC 2 (Trust Services Criteria) and of ISO/IEC 27001:2022, Annex A. \
         No auditor has confirmed it; map it once with yours.",
    );
    let rows = report.controls.iter();
    page.table(
        ["Control", "About", "Sections, and what they show"],
        rows.map(|row| [row.control, row.about, row.evidence].map(Cell::text)),
        "None.",
    );
}
