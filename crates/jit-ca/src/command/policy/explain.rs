//! `policy explain`: why, and, if it is a no, what would have to be different.

use jit_ca_core::{Facts, Hosts, Means};
use jit_ca_policy::explain::{ToldRule, UnmetRule, WayOut};
use jit_ca_policy::{Bundle, Explanation, concerns_anothers, explain};

use super::access::must_fit;
use super::person;
use crate::cli::ExplainCommand;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::printer::join;

pub(super) fn run(context: &Context, bundle: &Bundle, asked: ExplainCommand) -> Result<()> {
    let (action, subject) = (asked.access.action, person(bundle, &asked.subject)?);
    must_fit(bundle, action, asked.role.as_ref(), "name it: --role ROLE", "leave --role out")?;
    if asked.requester.is_none() && concerns_anothers(action) {
        let what = format!("`{action}` is done to what somebody asked for or got");
        return Err(Error::usage(what, "say whose it is: --requester SUBJECT"));
    }
    let now = asked.at.map_or(context.now, |at| at.time(context.now));
    let requester = asked.requester.map(|requester| person(bundle, &requester)).transpose()?;
    let facts = Facts {
        action,
        subject,
        now,
        address: asked.from,
        mfa_at: asked.mfa_age.map(|age| now.minus(age)),
        means: Means { acr: asked.acr, amr: asked.amr.into_iter().collect() },
        role: asked.role,
        requester,
        hosts: match asked.hosts.is_empty() {
            true => None,
            false => Some(Hosts::Named(asked.hosts.into_iter().collect())),
        },
        duration: asked.wish.duration,
        reason: asked.wish.reason,
        ticket: asked.wish.ticket,
    };
    let explanation = explain(bundle, &facts).map_err(|faults| super::fault(&faults))?;
    context.printer.data(&explanation, text);
    Ok(())
}

fn text(explanation: &Explanation) -> String {
    let Explanation { decision, rules, ways, would_permit } = explanation;
    let mut lines = vec![if decision.allows() { "allow" } else { "deny" }.to_owned()];
    lines.extend(
        decision.reasons.iter().map(|reason| format!("  {}: {}", reason.code, reason.text)),
    );
    lines.extend(rules.iter().map(|rule| format!("  by {}", place(rule))));
    if decision.allows() {
        return lines.join("\n");
    }
    match ways.as_slice() {
        [] => lines.push("nothing that could be asked otherwise would make it an allow".to_owned()),
        _ => lines.push("it would be allowed if you".to_owned()),
    }
    for (number, WayOut { changes, rules }) in ways.iter().enumerate() {
        let or = if number > 0 { "or " } else { "" };
        lines.push(format!("  {or}{} (by {})", changes.join(" and "), join(rules)));
    }
    if !would_permit.is_empty() {
        lines.push("rules that permit it of others, or at other times:".to_owned());
    }
    for UnmetRule { rule: ToldRule { id, path, line, .. }, lacks } in would_permit {
        lines.push(format!("  {id} ({path}:{line}) needs"));
        lines.extend(lacks.iter().map(|part| format!("    {part}")));
    }
    lines.join("\n")
}

fn place(rule: &ToldRule) -> String {
    let ToldRule { id, path, line, description } = rule;
    let description = description.iter().map(|text| format!(": {text}"));
    format!("{id} ({path}:{line}){}", description.collect::<String>())
}
