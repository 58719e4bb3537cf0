//! Situations: the few combinations of facts that rules are asked about, in place of all that there are.
//!
//! A rule compares facts with constants. Between two neighbouring constants nothing changes, so that the constants
//! themselves, something between each two, and something below and above all of them, stand for every value there is.
//! That is so for each fact alone, and for their combinations as long as these are few; where they would be many, each
//! two facts are combined and the others are as usual. Facts that no rule looks at are as usual always.

use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use jit_ca_core::{Facts, HostName, Hosts, Means, Span, SubjectId, Text, UnixTime};

use super::looks::{Constants, Looks};
use crate::Role;

/// One fact of a situation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    /// The Monday of the week, or a moment that stands whatever day and minute it is.
    Week(Week),
    Weekday(i8),
    Minute(i64),
    Address(IpAddr),
    MfaAge(Span),
    Acr(Option<Text>),
    Amr(BTreeSet<Text>),
    Duration(Option<Span>),
    Hosts(Option<HostName>),
    Reason(Option<Text>),
    Ticket(Option<Text>),
    Requester(SubjectId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Week {
    Of(Date),
    At(UnixTime),
}

/// Combinations of facts. The first is the usual one.
#[derive(Clone, Debug)]
pub(crate) struct Situations {
    /// For each fact that rules look at, the values that it is given. The first is the usual one.
    pub(crate) dimensions: Vec<Vec<Fact>>,
    /// For each situation, which value of each dimension.
    pub(crate) chosen: Vec<Vec<usize>>,
    /// Whether these are all combinations of the values.
    pub(crate) are_all: bool,
    zone: TimeZone,
}

/// More combinations than this are not asked about.
const MOST: usize = 400;

/// A text that no rule mentions.
pub(super) const OTHER: &str = "as usual";
/// A Monday.
pub(super) const MONDAY: Date = jiff::civil::date(2026, 1, 5);
/// Noon is within everybody's hours, and 23:00 outside of them.
const HOURS: [i64; 2] = [12 * 60, 23 * 60];
/// Monday and Saturday.
const DAYS: [i64; 2] = [1, 6];
/// An address that is nobody's (RFC 5737).
pub(super) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

impl Situations {
    /// What to ask about rules that look at this, of roles that are called the same.
    pub(crate) fn new(
        looks: &Looks,
        roles: &[&Role],
        requesters: Vec<SubjectId>,
        zone: &TimeZone,
    ) -> Self {
        let mut dimensions = times(looks);
        let Constants { spans, addresses, texts, .. } = &looks.constants;
        let mut add = |name: &str, values: &dyn Fn() -> Vec<Fact>| {
            if looks.needs.has(name) {
                dimensions.push(distinct(values()));
            }
        };
        add("source_address", &|| {
            let beside = addresses.iter().flat_map(|address| neighbours(*address));
            let all = [ADDRESS].into_iter().chain(addresses.iter().copied()).chain(beside);
            all.map(Fact::Address).collect()
        });
        add("mfa_age", &|| {
            let usual = [Span::from_secs(0)].into_iter();
            usual.chain(around(spans)).map(Fact::MfaAge).collect()
        });
        add("acr", &|| some_texts(texts).map(Fact::Acr).collect());
        add("amr", &|| methods(texts).map(Fact::Amr).collect());
        if !roles.is_empty() {
            add("duration", &|| {
                let own = roles.iter().flat_map(|role| [role.default, role.longest]);
                let emergencies = roles.iter().filter_map(|role| role.break_glass.as_ref());
                let own = own.chain(emergencies.map(|emergency| emergency.longest));
                let own: BTreeSet<Span> = own.chain(around(spans)).collect();
                let own = own.into_iter().filter(|span| !span.is_zero()).map(Some);
                [None].into_iter().chain(own).map(Fact::Duration).collect()
            });
            add("hosts", &|| hosts(roles, texts));
            add("reason", &|| some_texts(texts).map(Fact::Reason).collect());
            add("ticket", &|| some_texts(texts).map(Fact::Ticket).collect());
        }
        if looks.at_requesters() && !requesters.is_empty() {
            dimensions.push(requesters.into_iter().map(Fact::Requester).collect());
        }
        let sizes: Vec<usize> = dimensions.iter().map(Vec::len).collect();
        let all = sizes.iter().try_fold(1_usize, |all, size| all.checked_mul(*size));
        let are_all = sizes.len() == 1 || all.is_some_and(|all| all <= MOST);
        let chosen = if are_all { combinations(&sizes) } else { pairs(&sizes) };
        Self { dimensions, chosen, are_all, zone: zone.clone() }
    }

    /// The facts of a situation, put in the place of the usual ones.
    pub(crate) fn put(&self, chosen: &[usize], facts: &mut Facts) {
        let (mut week, mut weekday, mut minute) = (Week::Of(MONDAY), 1, HOURS[0]);
        let mut mfa_age = Span::from_secs(0);
        for (values, &which) in self.dimensions.iter().zip(chosen) {
            match values.get(which) {
                Some(Fact::Week(is)) => week = *is,
                Some(Fact::Weekday(is)) => weekday = *is,
                Some(Fact::Minute(is)) => minute = *is,
                Some(Fact::Address(is)) => facts.address = *is,
                Some(Fact::MfaAge(is)) => mfa_age = *is,
                Some(Fact::Acr(is)) => facts.means.acr.clone_from(is),
                Some(Fact::Amr(is)) => facts.means.amr.clone_from(is),
                Some(Fact::Duration(is)) => facts.duration = *is,
                Some(Fact::Hosts(is)) => {
                    let named = is.clone().map(|host| Hosts::Named(BTreeSet::from([host])));
                    facts.hosts = named;
                }
                Some(Fact::Reason(is)) => facts.reason.clone_from(is),
                Some(Fact::Ticket(is)) => facts.ticket.clone_from(is),
                Some(Fact::Requester(is)) => facts.requester = Some(is.clone()),
                None => {}
            }
        }
        facts.now = self.moment(week, weekday, minute).unwrap_or(facts.now);
        facts.mfa_at = Some(facts.now.minus(mfa_age));
    }

    fn moment(&self, week: Week, weekday: i8, minute: i64) -> Option<UnixTime> {
        let monday = match week {
            Week::Of(monday) => monday,
            Week::At(moment) => return Some(moment),
        };
        moment(monday, i64::from(weekday) - 1, minute, &self.zone)
    }
}

/// A minute of a day so many days after another.
pub(crate) fn moment(date: Date, days: i64, minute: i64, zone: &TimeZone) -> Option<UnixTime> {
    let midnight = date.checked_add(days.days()).ok()?.at(0, 0, 0, 0);
    let moment = midnight.checked_add(minute.minutes()).ok()?;
    let moment = moment.to_zoned(zone.clone()).ok()?.timestamp();
    u64::try_from(moment.as_second()).ok().map(UnixTime::from_secs)
}

/// A moment as clocks of the zone show it.
pub(crate) fn local(time: UnixTime, zone: &TimeZone) -> Option<Zoned> {
    let moment = Timestamp::from_second(i64::try_from(time.secs()).ok()?).ok()?;
    Some(moment.to_zoned(zone.clone()))
}

/// Facts that are as usual, at the usual time.
pub(super) fn usual(action: jit_ca_core::Action, subject: &SubjectId) -> Facts {
    let now = UnixTime::from_secs(1_767_614_400);
    Facts {
        action,
        subject: subject.clone(),
        now,
        address: ADDRESS,
        mfa_at: Some(now),
        means: Means::code(),
        role: None,
        requester: None,
        hosts: None,
        duration: None,
        reason: None,
        ticket: None,
    }
}

/// Weeks, weekdays and minutes.
fn times(looks: &Looks) -> Vec<Vec<Fact>> {
    let Constants { numbers, times, .. } = &looks.constants;
    let has = |name| looks.needs.has(name);
    let mut dimensions = Vec::new();
    if has("now") {
        let weeks = times.iter().flat_map(|&time| weeks_around(time));
        dimensions.push(distinct([Week::Of(MONDAY)].into_iter().chain(weeks).map(Fact::Week)));
    }
    // A number up to 7 may be a day, and any other a minute.
    if has("weekday") || has("now") {
        let days = DAYS.into_iter().chain(around_numbers(numbers, |number| number <= 7));
        let days = days.filter(|day| (1..=7).contains(day));
        dimensions.push(distinct(days.filter_map(|day| day.try_into().ok()).map(Fact::Weekday)));
    }
    if has("minute") || has("now") {
        dimensions.push(distinct(minutes_of_day(looks).into_iter().map(Fact::Minute)));
    }
    dimensions
}

/// The usual ones, and those around what rules mention.
pub(crate) fn minutes_of_day(looks: &Looks) -> Vec<i64> {
    let Constants { spans, numbers, .. } = &looks.constants;
    // The time of day is a duration where it is had from `now`.
    let of_day = spans.iter().filter(|_| looks.needs.has("now"));
    let of_day = of_day.filter_map(|span| i64::try_from(span.secs() / 60).ok());
    let all: BTreeSet<i64> = numbers.iter().copied().chain(of_day).collect();
    let among_days = looks.needs.has("weekday");
    let minutes = around_numbers(&all, |number| !among_days || number > 7);
    let minutes = HOURS.into_iter().chain(minutes);
    minutes.filter(|minute| (0..24 * 60).contains(minute)).collect()
}

/// The moment itself, the second before, and a whole week on either side.
fn weeks_around(time: UnixTime) -> impl Iterator<Item = Week> {
    let second = Span::from_secs(1);
    let date = |days: i64| {
        let date = local(time, &TimeZone::UTC)?.date().checked_add(days.days()).ok()?;
        let to_monday = date.weekday().to_monday_zero_offset();
        date.checked_sub(i64::from(to_monday).days()).ok().map(Week::Of)
    };
    let weeks = [date(-14), date(14)].into_iter().flatten();
    weeks.chain([Week::At(time), Week::At(time.minus(second))])
}

/// The address before, and the one after.
fn neighbours(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let by = |step: fn(u128, u128) -> Option<u128>| match address {
        IpAddr::V4(address) => {
            let bits = step(address.to_bits().into(), 1)?;
            Some(IpAddr::V4(u32::try_from(bits).ok()?.into()))
        }
        IpAddr::V6(address) => Some(IpAddr::V6(step(address.to_bits(), 1)?.into())),
    };
    [by(u128::checked_sub), by(u128::checked_add)].into_iter().flatten()
}

/// The texts that rules mention, and none.
fn some_texts(texts: &BTreeSet<Text>) -> impl Iterator<Item = Option<Text>> {
    let other = OTHER.parse().ok();
    [None, other].into_iter().chain(texts.iter().cloned().map(Some))
}

/// What the CA sees itself, nothing, each method that rules mention, and all of these.
fn methods(texts: &BTreeSet<Text>) -> impl Iterator<Item = BTreeSet<Text>> {
    let seen = [Means::code(), Means::verified_user(), Means::default()].map(|means| means.amr);
    let each = texts.iter().map(|text| BTreeSet::from([text.clone()]));
    seen.into_iter().chain(each).chain([texts.clone()])
}

/// By which means people may have logged in, as far as rules tell these apart; the usual ones come first.
pub(crate) fn means(looks: &Looks) -> Vec<Means> {
    let texts = &looks.constants.texts;
    let classes = some_texts(texts).filter(|acr| acr.is_none() || looks.needs.has("acr"));
    let all = classes.flat_map(|acr| {
        let amr = methods(texts).take(if looks.needs.has("amr") { usize::MAX } else { 1 });
        amr.map(move |amr| Means { acr: acr.clone(), amr })
    });
    distinct(all)
}

/// All of the role's hosts, each that rules mention, and one that they do not.
fn hosts(roles: &[&Role], texts: &BTreeSet<Text>) -> Vec<Fact> {
    let known: BTreeSet<&HostName> = roles.iter().flat_map(|role| role.hosts()).collect();
    let is_mentioned = |host: &&HostName| texts.iter().any(|text| text.as_str() == host.as_str());
    let other = known.iter().copied().find(|host| !is_mentioned(host));
    let each = known.iter().copied().filter(is_mentioned).chain(other).cloned();
    [None].into_iter().chain(each.map(Some)).map(Fact::Hosts).collect()
}

/// Each constant, and what is just below and above it.
pub(crate) fn around(spans: &BTreeSet<Span>) -> BTreeSet<Span> {
    let seconds = spans.iter().map(|span| span.secs());
    let all = seconds.flat_map(|at| [at.saturating_sub(1), at, at.saturating_add(1)]);
    all.map(Span::from_secs).collect()
}

fn around_numbers(numbers: &BTreeSet<i64>, which: impl Fn(i64) -> bool) -> BTreeSet<i64> {
    let numbers = numbers.iter().copied().filter(|&number| which(number));
    numbers.flat_map(|at| [at.saturating_sub(1), at, at.saturating_add(1)]).collect()
}

fn distinct<T: Clone + Eq + Hash>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    values.into_iter().filter(|value| seen.insert(value.clone())).collect()
}

/// All combinations of one of each.
fn combinations(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut chosen = vec![Vec::new()];
    for &size in sizes {
        let longer = chosen.iter().flat_map(|some: &Vec<usize>| {
            (0..size).map(|which| [some.as_slice(), &[which]].concat())
        });
        chosen = longer.collect();
    }
    chosen
}

/// All combinations of each two dimensions, the others being as usual.
fn pairs(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut chosen = vec![vec![0; sizes.len()]];
    for (one, &one_size) in sizes.iter().enumerate() {
        for (two, &two_size) in sizes.iter().enumerate().skip(one + 1) {
            for (a, b) in (0..one_size).flat_map(|a| (0..two_size).map(move |b| (a, b))) {
                let pick = |dimension| match dimension {
                    _ if dimension == one => a,
                    _ if dimension == two => b,
                    _ => 0,
                };
                chosen.push((0..sizes.len()).map(pick).collect());
            }
        }
    }
    distinct(chosen)
}

#[cfg(test)]
mod tests;
