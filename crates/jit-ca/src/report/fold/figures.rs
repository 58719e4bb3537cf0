//! What can be counted from the rows of a report.

use jit_ca_core::{Span, UnixTime};

use crate::report::model::{
    ApprovedBy, CertificateKind, CertificateOutcome, CertificateRow, Figures, Period,
    RequestOutcome, RequestRow,
};

/// Counts what happened in the period; logins and refusals are left at 0.
pub(super) fn count(
    period: Period,
    requests: &[RequestRow],
    certificates: &[CertificateRow],
) -> Figures {
    let told = |at: UnixTime| period.from <= at && at < period.to;
    let mut figures = Figures::default();
    let (mut lengths, mut waits) = (Vec::new(), Vec::new());
    for request in requests {
        figures.requests += u64::from(told(request.made));
        match &request.outcome {
            RequestOutcome::Pending => figures.pending += 1,
            RequestOutcome::Granted => {}
            RequestOutcome::Denied { at, .. } => figures.denied += u64::from(told(*at)),
            RequestOutcome::Cancelled { at, .. } => figures.cancelled += u64::from(told(*at)),
            RequestOutcome::Lapsed { at, .. } => figures.lapsed += u64::from(told(*at)),
        }
        let own =
            |by: &ApprovedBy| matches!(by, ApprovedBy::Person(name) if *name == request.requester);
        let own =
            request.approvals.iter().filter(|approval| told(approval.at) && own(&approval.by));
        figures.self_approvals += own.count() as u64;

        let end = request.grant.as_ref().and_then(|grant| grant.end.as_ref());
        let revoked = end.filter(|end| end.revoked.is_some());
        figures.revoked += u64::from(revoked.is_some_and(|end| told(end.at)));
        let Some(grant) = request.grant.as_ref().filter(|grant| told(grant.at)) else {
            continue;
        };
        figures.grants += 1;
        let by_rule = request.approvals.iter().any(|a| matches!(a.by, ApprovedBy::Rules(_)));
        if let Some(emergency) = &request.emergency {
            figures.emergencies += 1;
            figures.emergencies_not_reviewed += u64::from(emergency.review.is_none());
        } else if by_rule {
            figures.grants_by_rules += 1;
        } else {
            figures.grants_by_people += 1;
            waits.push(grant.at.since(request.made));
        }
        lengths.extend(grant.window.map(|window| window.end().since(window.start())));
    }
    figures.longest_grant = lengths.iter().max().copied();
    figures.median_grant = median(lengths);
    figures.median_wait = median(waits);

    let is_issued = |row: &&CertificateRow| row.outcome != CertificateOutcome::Failed;
    for certificate in certificates.iter().filter(is_issued) {
        match certificate.kind {
            Some(CertificateKind::Ssh) => figures.ssh_certificates += 1,
            Some(CertificateKind::X509) => figures.x509_certificates += 1,
            None => figures.erased_certificates += 1,
        }
    }
    let mut holders: Vec<&str> =
        certificates.iter().filter(is_issued).map(|row| row.holder.as_str()).collect();
    holders.sort_unstable();
    holders.dedup();
    figures.people_with_access = holders.len() as u64;
    figures
}

/// The one in the middle; of an even number the smaller of the two.
fn median(mut spans: Vec<Span>) -> Option<Span> {
    spans.sort_unstable();
    spans.get(spans.len().checked_sub(1)? / 2).copied()
}
