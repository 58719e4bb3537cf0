//! What somebody who asks could ask otherwise.

use std::collections::BTreeSet;

use jit_ca_core::{Action, Facts, HostName, Hosts, Span, Text};

use super::ticket::fitting;
use crate::decide::question;
use crate::engine::Unasked;
use crate::reach::{Deed, Looks, Side, around, local, minutes_of_day, moment};
use crate::{Bundle, Role};

/// One fact made otherwise.
pub(super) struct Change {
    /// What somebody would have to do: `ask for at most 1h`.
    pub(super) text: String,
    pub(super) make: Box<dyn Fn(&mut Facts)>,
}

impl Change {
    fn new(text: impl Into<String>, make: impl Fn(&mut Facts) + 'static) -> Self {
        Self { text: text.into(), make: Box::new(make) }
    }
}

/// For each fact that can be changed, how: what changes least comes first.
pub(super) fn changes(bundle: &Bundle, facts: &Facts) -> Result<Vec<Vec<Change>>, Unasked> {
    let Ok(question) = question(bundle, facts) else {
        return Ok(Vec::new());
    };
    let deed = Deed { action: facts.action, role: question.role_name.cloned() };
    let looks = Side::new(bundle)?.looks(&deed);
    let mut kinds = vec![second_factor(facts)];
    kinds.push(means(facts, &looks));
    if let Some(role) = question.role {
        kinds.push(durations(facts, role, &looks));
        kinds.push(hosts(facts, role, &looks));
        let fitting = role.ticket.as_ref().and_then(fitting);
        kinds.push(texts("ticket", facts.ticket.as_ref(), fitting, &looks, |facts, text| {
            facts.ticket = Some(text);
        }));
        if looks.needs.has("reason") {
            kinds.push(texts("reason", facts.reason.as_ref(), None, &looks, |facts, text| {
                facts.reason = Some(text);
            }));
        }
    }
    if ["now", "weekday", "minute"].iter().any(|name| looks.needs.has(name)) {
        kinds.push(times(bundle, facts, &looks));
    }
    if looks.needs.has("source_address") {
        let addresses = looks.constants.addresses.iter().map(|&address| {
            let text = format!("call from an address such as {address}");
            Change::new(text, move |facts| facts.address = address)
        });
        kinds.push(addresses.collect());
    }
    kinds.retain(|kind| !kind.is_empty());
    Ok(kinds)
}

fn second_factor(facts: &Facts) -> Vec<Change> {
    let text = match facts.mfa_at {
        None => "give a second factor",
        Some(at) if at < facts.now => "give the second factor again",
        Some(_) => return Vec::new(),
    };
    vec![Change::new(text, |facts| facts.mfa_at = Some(facts.now))]
}

/// The classes and methods that the rules mention: another class, one method more, or one less.
fn means(facts: &Facts, looks: &Looks) -> Vec<Change> {
    let texts = |name| looks.constants.texts.iter().filter(move |_| looks.needs.has(name)).cloned();
    let others = texts("acr").filter(|acr| Some(acr) != facts.means.acr.as_ref());
    let classes = others.map(|acr| {
        let text = format!("log in so that acr is {acr}");
        Change::new(text, move |facts| facts.means.acr = Some(acr.clone()))
    });
    let methods = texts("amr").map(|method| match facts.means.amr.contains(&method) {
        true => Change::new(format!("log in so that amr has no {method}"), move |facts| {
            facts.means.amr.remove(&method);
        }),
        false => Change::new(format!("log in so that amr has {method}"), move |facts| {
            facts.means.amr.insert(method.clone());
        }),
    });
    classes.chain(methods).collect()
}

/// What is asked for now stays as near as may be.
fn durations(facts: &Facts, role: &Role, looks: &Looks) -> Vec<Change> {
    let asked = facts.duration.unwrap_or(role.default);
    let longest = match (facts.action, &role.break_glass) {
        (Action::BreakGlass, Some(emergency)) => emergency.longest,
        _ => role.longest,
    };
    let mut others = around(&looks.constants.spans);
    others.extend([role.default, longest]);
    others.retain(|span| *span != asked && !span.is_zero() && *span <= longest);
    let mut others: Vec<Span> = others.into_iter().collect();
    others.sort_by_key(|span| span.secs().abs_diff(asked.secs()));
    let others = others.into_iter().map(|span| {
        let bound = if span < asked { "at most" } else { "at least" };
        Change::new(format!("ask for {bound} {span}"), move |facts| facts.duration = Some(span))
    });
    others.collect()
}

/// Fewer hosts, as many as may be.
fn hosts(facts: &Facts, role: &Role, looks: &Looks) -> Vec<Change> {
    let known: BTreeSet<HostName> = role.hosts().into_iter().cloned().collect();
    let asked = match &facts.hosts {
        Some(Hosts::Named(hosts)) => hosts.clone(),
        Some(Hosts::All) | None => known.clone(),
    };
    let is_mentioned =
        |host: &&HostName| looks.constants.texts.iter().any(|text| text.as_str() == host.as_str());
    let mentioned: BTreeSet<&HostName> = known.iter().filter(is_mentioned).collect();
    let without = |left_out: &dyn Fn(&HostName) -> bool| -> BTreeSet<HostName> {
        asked.iter().filter(|host| known.contains(*host) && !left_out(host)).cloned().collect()
    };
    let mut fewer = vec![without(&|_| false)];
    fewer.extend(mentioned.iter().map(|one| without(&|host| host == *one)));
    fewer.push(without(&|host| mentioned.contains(host)));
    fewer.push(known.clone());
    fewer.extend(mentioned.iter().map(|one| BTreeSet::from([(*one).clone()])));
    fewer.retain(|hosts| !hosts.is_empty() && *hosts != asked);
    let changes = fewer.into_iter().map(|hosts| {
        if hosts == known {
            return Change::new("ask for all of the role's hosts", |facts| facts.hosts = None);
        }
        let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
        let text = format!("ask for {} alone", names.join(", "));
        Change::new(text, move |facts| facts.hosts = Some(Hosts::Named(hosts.clone())))
    });
    changes.collect()
}

/// A text, if there is none; one that fits the role, and those that the rules mention, if there is another.
fn texts(
    what: &str,
    given: Option<&Text>,
    fitting: Option<Text>,
    looks: &Looks,
    put: impl Fn(&mut Facts, Text) + Copy + 'static,
) -> Vec<Change> {
    let any = "some text".parse().ok().filter(|_| given.is_none() && fitting.is_none());
    let any = any.map(|text: Text| {
        Change::new(format!("give a {what}"), move |facts| put(facts, text.clone()))
    });
    let mentioned = looks.constants.texts.iter().filter(|_| looks.needs.has(what)).cloned();
    let such = fitting.into_iter().chain(mentioned).filter(|text| Some(text) != given);
    let such = such.map(|text| {
        let words = format!("give a {what} such as {text}");
        Change::new(words, move |facts| put(facts, text.clone()))
    });
    any.into_iter().chain(such).collect()
}

/// The next moments at which a rule may say something else, for a week.
fn times(bundle: &Bundle, facts: &Facts, looks: &Looks) -> Vec<Change> {
    let zone = bundle.zone();
    let mut moments = looks.constants.times.clone();
    if let Some(now) = local(facts.now, zone) {
        for minute in minutes_of_day(looks) {
            moments.extend((0..=7).filter_map(|day| moment(now.date(), day, minute, zone)));
        }
    }
    let later = moments.into_iter().filter(|moment| *moment > facts.now);
    let changes = later.map(|moment| {
        let shown = local(moment, zone).map(|at| at.strftime("%A %F %H:%M").to_string());
        let shown = shown.unwrap_or_else(|| moment.to_string());
        let text = format!("ask at another time, such as {shown} ({})", bundle.zone_name());
        // The second factor is as old then as it is now.
        Change::new(text, move |facts| {
            let age = facts.mfa_at.map(|at| facts.now.since(at));
            facts.now = moment;
            facts.mfa_at = age.map(|age| moment.minus(age));
        })
    });
    changes.collect()
}
