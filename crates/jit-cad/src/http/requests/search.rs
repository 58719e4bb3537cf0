//! Which requests a list holds.

use jit_ca_api::{RequestFilter, RequestStatus};
use jit_ca_core::workflow::{Access, Approver};
use jit_ca_core::{PersonName, SubjectId, UnixTime};

use super::view::status_of;
use crate::app::App;
use crate::service::{Caller, Fault, access};
use crate::store::{AccessRecord, Between, Phase, Search, Whose};

/// How many of the newest requests of a time a list looks at, of the caller's own and of the others, and how many it holds
/// at most.
const LOOKED_AT: usize = 10_000;
const LONGEST_LIST: usize = 500;

/// The newest that the filter lets pass, newest first.
pub(super) fn search(
    app: &App,
    caller: &Caller,
    filter: &RequestFilter,
    now: UnixTime,
) -> Result<Vec<AccessRecord>, Fault> {
    let Some(wanted) = Wanted::new(caller, filter, now) else { return Ok(Vec::new()) };
    let snapshot = app.store.read()?;
    if filter.to_review {
        let open = snapshot.to_review()?.into_iter();
        let seen = open
            .filter(|record| access::may_see(caller, record, now) && wanted.has(&record.access));
        return Ok(seen.take(LONGEST_LIST).map(|record| AccessRecord::clone(&record)).collect());
    }
    let own = [Whose::Subject(&caller.person.id)];
    let others = if filter.mine { Vec::new() } else { access::others_to_see(caller, now) };
    let mut between = Between::ALL;
    if let Some(from) = filter.from {
        between = Between::since(from);
    }
    if let Some(to) = filter.to {
        between = between.until(to);
    }
    if let Some(before) = filter.before {
        between = between.before(before);
    }
    let search = Search {
        groups: &[&own, &others],
        phases: phases_of(filter.status),
        between,
        within: LOOKED_AT,
        most: LONGEST_LIST,
    };
    Ok(snapshot.search(&search, |record| wanted.has(&record.access))?)
}

/// What a filter asks of each request; people by their ids.
struct Wanted {
    status: Option<RequestStatus>,
    subject: Option<SubjectId>,
    approver: Option<SubjectId>,
    role: Option<jit_ca_core::RoleName>,
    text: Option<String>,
    now: UnixTime,
}

impl Wanted {
    /// None where the filter names somebody whom nobody knows: then nothing is found.
    fn new(caller: &Caller, filter: &RequestFilter, now: UnixTime) -> Option<Self> {
        let person = |named: &Option<String>| match named {
            None => Some(None),
            Some(text) => {
                let bundle = &caller.policy.bundle;
                let by_name = text.parse::<PersonName>().ok();
                let by_name = by_name.and_then(|name| bundle.person_named(&name));
                let id = by_name.map(|person| person.id.clone()).or_else(|| text.parse().ok());
                id.map(Some)
            }
        };
        Some(Self {
            status: filter.status,
            subject: person(&filter.subject)?,
            approver: person(&filter.approver)?,
            role: filter.role.clone(),
            text: filter.text.as_ref().map(|text| text.to_lowercase()),
            now,
        })
    }

    fn has(&self, access: &Access) -> bool {
        let request = &access.request;
        let approved_by = |who: &SubjectId| {
            access.approvals.iter().any(
                |given| matches!(&given.by, Approver::Person { subject, .. } if subject == who),
            )
        };
        self.status.is_none_or(|status| status == status_of(access, self.now))
            && self.subject.as_ref().is_none_or(|subject| *subject == request.subject)
            && self.role.as_ref().is_none_or(|role| *role == request.role)
            && self.approver.as_ref().is_none_or(approved_by)
            && self.text.as_ref().is_none_or(|text| says(access, text))
    }
}

/// Whether what people wrote of it has this text in it.
fn says(access: &Access, text: &str) -> bool {
    let request = &access.request;
    let comments = access.approvals.iter().filter_map(|given| given.comment.as_ref());
    let review = access.emergency.as_ref().and_then(|it| it.review.as_ref());
    let written = [&request.reason].into_iter().chain(&request.ticket).chain(comments);
    let mut written = written.chain(review.map(|review| &review.comment));
    written.any(|line| line.as_str().to_lowercase().contains(text))
}

/// The phases that a request of this status, or of any, can be in.
fn phases_of(status: Option<RequestStatus>) -> &'static [Phase] {
    match status {
        Some(RequestStatus::Pending) => &[Phase::Pending],
        Some(RequestStatus::Approved) => &[Phase::Granted, Phase::Over],
        Some(RequestStatus::Denied | RequestStatus::Cancelled) => &[Phase::Over],
        Some(RequestStatus::Lapsed) => &[Phase::Pending, Phase::Over],
        None => Phase::ALL,
    }
}
