//! Which requests a list holds.

use std::collections::BTreeSet;

use jit_ca_api::{RequestFilter, RequestList, RequestStatus};
use jit_ca_core::workflow::{Access, Approver, Grant, GrantState, Over, RequestState};
use jit_ca_core::{PersonName, RoleName, SubjectId, Text, UnixTime};
use jit_ca_policy::Bundle;

use super::view::{status_of, view};
use crate::app::App;
use crate::service::{Caller, Fault, access};
use crate::store::{Between, Found, Group, Phase, Search, Snapshot, StoreError, Whose};

/// How many of the newest requests of a time a list looks at, of the caller's own and of the others, and how many it holds
/// at most.
const LOOKED_AT: usize = 10_000;
/// How many of them, of roles of which the policy has to be asked about each.
const JUDGED: usize = 1_000;
const LONGEST_LIST: usize = 500;

/// The newest that the filter lets pass, newest first.
pub(in crate::http) fn search(
    app: &App,
    caller: &Caller,
    filter: &RequestFilter,
    now: UnixTime,
) -> Result<RequestList, Fault> {
    let snapshot = app.store.read()?;
    let wanted = Wanted::new(&caller.policy.bundle, filter, now);
    let found = match filter.to_review {
        true => to_review(&snapshot, caller, &wanted)?,
        false => among_all(&snapshot, caller, filter, &wanted)?,
    };
    let records = found.records.iter();
    let requests = records.map(|record| view(&snapshot, caller, &record.access, now));
    let requests: Vec<_> = requests.collect::<Result<_, _>>()?;
    let unknown = match found.records.is_empty() {
        true => unknown(&snapshot, &caller.policy.bundle, filter)?,
        false => Vec::new(),
    };
    Ok(RequestList { requests, more: found.more, unknown })
}

fn to_review(snapshot: &Snapshot, caller: &Caller, wanted: &Wanted) -> Result<Found, StoreError> {
    let mut open = snapshot.to_review()?;
    open.retain(|record| access::may_see(caller, record, wanted.now) && wanted.has(&record.access));
    let more = open.len() > LONGEST_LIST;
    let records = open.iter().take(LONGEST_LIST).map(|record| (**record).clone()).collect();
    Ok(Found { records, more })
}

fn among_all(
    snapshot: &Snapshot,
    caller: &Caller,
    filter: &RequestFilter,
    wanted: &Wanted,
) -> Result<Found, StoreError> {
    let mut roles = if filter.mine { Vec::new() } else { snapshot.roles_asked_for()? };
    roles.retain(|role| filter.role.as_ref().is_none_or(|wanted| wanted == role));
    let own = [Whose::Subject(&caller.person.id)];
    let (others, to_judge) = match filter.mine {
        true => (Vec::new(), Vec::new()),
        false => access::others_to_see(caller, &roles, wanted.now),
    };
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
    let groups =
        [(&own[..], LOOKED_AT, false), (&others, LOOKED_AT, false), (&to_judge, JUDGED, true)];
    let groups = groups.map(|(whose, within, is_hidden)| Group { whose, within, is_hidden });
    let search = Search { groups: &groups, phases: phases_of(filter), between, most: LONGEST_LIST };
    let judged: BTreeSet<&RoleName> = to_judge.iter().filter_map(Whose::role).collect();
    snapshot.search(&search, |record| {
        let request = &record.access.request;
        let is_judged = judged.contains(&request.role) && request.subject != caller.person.id;
        wanted.has(&record.access) && (!is_judged || access::may_act_on(caller, record, wanted.now))
    })
}

/// What a filter asks of each request.
struct Wanted {
    status: Option<RequestStatus>,
    state: Option<GrantState>,
    subject: Option<Somebody>,
    approver: Option<Somebody>,
    role: Option<RoleName>,
    text: Option<String>,
    now: UnixTime,
}

impl Wanted {
    fn new(bundle: &Bundle, filter: &RequestFilter, now: UnixTime) -> Self {
        Self {
            status: filter.status,
            state: filter.state,
            subject: filter.subject.as_deref().map(|text| Somebody::new(bundle, text)),
            approver: filter.approver.as_deref().map(|text| Somebody::new(bundle, text)),
            role: filter.role.clone(),
            text: filter.text.as_ref().map(|text| text.to_lowercase()),
            now,
        }
    }

    fn has(&self, access: &Access) -> bool {
        let request = &access.request;
        let approved_by = |who: &Somebody| {
            access.approvals.iter().any(|given| match &given.by {
                Approver::Person { subject, name } => who.is(subject, name),
                Approver::Rules(_) => false,
            })
        };
        let stands_so = |state| access.grant().is_some_and(|grant| grant.state(self.now) == state);
        self.status.is_none_or(|status| status == status_of(access, self.now))
            && self.state.is_none_or(stands_so)
            && self.subject.as_ref().is_none_or(|who| who.is(&request.subject, &request.name))
            && self.role.as_ref().is_none_or(|role| *role == request.role)
            && self.approver.as_ref().is_none_or(approved_by)
            && self.text.as_ref().is_none_or(|text| says(access, text))
    }
}

/// A person whom a filter names: by id, by today's name, or by the name at the time, which is all that is left of
/// somebody who is in no policy any more.
struct Somebody {
    ids: BTreeSet<SubjectId>,
    name: Option<PersonName>,
}

impl Somebody {
    fn new(bundle: &Bundle, text: &str) -> Self {
        let name = text.parse::<PersonName>().ok();
        let today = name.as_ref().and_then(|name| bundle.person_named(name));
        let ids = text.parse().ok().into_iter().chain(today.map(|person| person.id.clone()));
        Self { ids: ids.collect(), name }
    }

    fn is(&self, id: &SubjectId, name: &PersonName) -> bool {
        self.ids.contains(id) || self.name.as_ref() == Some(name)
    }
}

/// What a filter names that neither the policy nor the log knows, by which nothing was found.
fn unknown(
    snapshot: &Snapshot,
    bundle: &Bundle,
    filter: &RequestFilter,
) -> Result<Vec<String>, StoreError> {
    let mut unknown = Vec::new();
    for text in [&filter.subject, &filter.approver].into_iter().flatten() {
        let who = Somebody::new(bundle, text);
        let mut people = bundle.people().map(|person| (&person.id, &person.name));
        let is_known = people.any(|(id, name)| who.is(id, name))
            || snapshot.subjects()?.iter().any(|known| who.is(&known.subject, &known.name));
        if !is_known {
            unknown.push(format!("person {text}"));
        }
    }
    if let Some(role) = &filter.role
        && bundle.role(role).is_none()
        && !snapshot.roles_asked_for()?.contains(role)
    {
        unknown.push(format!("role {role}"));
    }
    Ok(unknown)
}

/// Whether what people wrote of it has this text in it.
fn says(access: &Access, text: &str) -> bool {
    let request = &access.request;
    let comments = access.approvals.iter().filter_map(|given| given.comment.as_ref());
    let review = access.emergency.as_ref().and_then(|it| it.review.as_ref());
    let written = [&request.reason].into_iter().chain(&request.ticket).chain(comments);
    let written = written.chain(review.map(|review| &review.comment)).chain(no(&access.state));
    let mut written = written.chain(access.grant().and_then(taken_away));
    written.any(|line| line.as_str().to_lowercase().contains(text))
}

/// Why it was denied.
fn no(state: &RequestState) -> Option<&Text> {
    match state {
        RequestState::Denied { reason, .. } => reason.as_ref(),
        _ => None,
    }
}

/// Why it was revoked.
fn taken_away(grant: &Grant) -> Option<&Text> {
    match &grant.over {
        Some(Over::Revoked { reason, .. }) => Some(reason),
        _ => None,
    }
}

/// The phases that a request which the filter lets pass can be in.
fn phases_of(filter: &RequestFilter) -> &'static [Phase] {
    match (filter.state, filter.status) {
        (Some(GrantState::Waiting | GrantState::Active), _) => &[Phase::Granted],
        (Some(GrantState::Ended | GrantState::Revoked), _)
        | (None, Some(RequestStatus::Approved)) => &[Phase::Granted, Phase::Over],
        (None, Some(RequestStatus::Pending)) => &[Phase::Pending],
        (None, Some(RequestStatus::Denied | RequestStatus::Cancelled)) => &[Phase::Over],
        (None, Some(RequestStatus::Lapsed)) => &[Phase::Pending, Phase::Over],
        (None, None) => Phase::ALL,
    }
}
