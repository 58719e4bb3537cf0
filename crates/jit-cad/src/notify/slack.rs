//! The body for an incoming webhook of Slack: a text for notifications, and blocks that show the same.
//!
//! What people have written is escaped as Slack asks for it, so that it can't mention a channel or look like a link; and
//! it has no back-quotes, so that nothing but our own command looks like one.

use jit_ca_core::{Hosts, PersonName};
use serde_json::{Value, json};

use super::Kind;
use super::message::{Facts, Message};

/// The most characters of what somebody has written that are shown. Escaped they are five times as many, and three of
/// them are shown together in 3,000, which is all that Slack takes.
const MOST_WRITTEN: usize = 190;

/// The body.
pub(super) fn body(message: &Message) -> String {
    let headline = headline(message);
    let mut blocks = vec![section(&headline)];
    let written = written(&message.facts);
    if !written.is_empty() {
        blocks.push(section(&written));
    }
    if let Some(command) = &message.facts.command {
        blocks.push(section(&format!("`{}`", escaped(command))));
    }
    json!({
        "text": headline,
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
    .to_string()
}

fn section(text: &str) -> Value {
    // Verbatim: nothing is made a link or a mention that is not written as one.
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}

/// What happened, in a sentence. Names of people, roles and hosts have no characters that mean anything to Slack.
fn headline(message: &Message) -> String {
    let facts = &message.facts;
    let name = facts.name.as_ref().map_or("somebody", PersonName::as_str);
    let by = cut(&facts.by.join(", "), 200);
    let by = if by.is_empty() { "nobody".to_owned() } else { escaped(&by) };
    let what = what(facts);
    let lock = facts.lock.as_deref().map(escaped).unwrap_or_default();
    let window = |which: &str| facts.window.map(|window| format!(" {which} {}", window.end()));
    match message.kind {
        Kind::Asked => format!("*{name}* asks for {what}{}", needs(facts)),
        Kind::Approved => {
            let until = window("until").unwrap_or_default();
            format!("*{name}* is given {what}{until}, approved by {by}")
        }
        Kind::Denied => format!("*{by}* denied *{name}* {what}"),
        Kind::Cancelled => format!("*{name}* no longer asks for {what}"),
        Kind::Lapsed => format!("Nobody decided in time: *{name}* asked for {what}"),
        Kind::EndingSoon => {
            format!("It ends soon,{}: *{name}* has {what}", window("at").unwrap_or_default())
        }
        Kind::Ended => format!("It ended: *{name}* had {what}"),
        Kind::Revoked => format!("*{by}* took from *{name}* {what}"),
        Kind::BreakGlass => {
            let tell: Vec<&str> = facts.tell.iter().map(PersonName::as_str).collect();
            let tell = match tell.as_slice() {
                [] => String::new(),
                people => format!("\nTo be told: {}", cut(&people.join(", "), 1_000)),
            };
            format!(":rotating_light: *{name}* broke the glass for {what}{tell}")
        }
        Kind::Reviewed => format!("*{by}* reviewed the emergency of *{name}*: {what}"),
        Kind::Lock => format!(":lock: *{by}* locked {lock}"),
        Kind::Unlock => format!(":unlock: *{by}* unlocked {lock}"),
        Kind::ResetAsked => {
            format!(":key: *{by}* asks that the second factors of *{name}* are reset")
        }
        Kind::Reset => format!(":key: *{by}* reset the second factors of *{name}*"),
    }
}

fn what(facts: &Facts) -> String {
    let role = facts.role.as_ref().map_or_else(String::new, |role| format!("*{role}*"));
    let hosts = match &facts.hosts {
        None | Some(Hosts::All) => String::new(),
        Some(hosts) => format!(" on {}", cut(&hosts.to_string(), 500)),
    };
    let duration = facts.duration.map_or_else(String::new, |span| format!(" for {span}"));
    format!("{role}{hosts}{duration}")
}

fn needs(facts: &Facts) -> String {
    let quorums: Vec<String> = facts.approvals.iter().map(ToString::to_string).collect();
    match quorums.as_slice() {
        [] => String::new(),
        quorums => format!(" (needs {})", cut(&quorums.join(", and "), 500)),
    }
}

/// What people have written, as quotes.
fn written(facts: &Facts) -> String {
    let reason = facts.reason.as_ref().map(|text| format!("> {}", shown(text.as_str())));
    let ticket = facts.ticket.as_ref().map(|text| format!("> Ticket: {}", shown(text.as_str())));
    let comment = facts.comment.as_ref().map(|text| format!("> Then: {}", shown(text)));
    let lines: Vec<String> = [reason, ticket, comment].into_iter().flatten().collect();
    lines.join("\n")
}

fn shown(text: &str) -> String {
    escaped(&cut(text, MOST_WRITTEN)).replace('`', "'")
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// As docs.slack.dev has it under "Formatting message text": these three, and no others.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
