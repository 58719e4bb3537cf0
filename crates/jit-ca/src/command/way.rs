//! The way to a host: the grant that leads there, asked for if there is none, and a certificate under it.

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{GrantView, Request, RequestFilter, RequestStatus};
use jit_ca_core::{Span, SshRow, Text};

use crate::certify;
use crate::cli::WishArgs;
use crate::command::shown::given_for;
use crate::command::{Context, access};
use crate::error::{Error, Result};
use crate::grant;
use crate::held::Held;
use crate::known_hosts;
use crate::login::Ca;
use crate::printer::Printer;
use crate::target::Wanted;
use crate::wait;

/// Where somebody wants to go, and what they say about it.
#[derive(Debug)]
pub(super) struct Way<'a> {
    pub(super) wanted: Wanted<'a>,
    pub(super) wish: &'a WishArgs,
    /// Whether the key is kept in a file even where there is an agent.
    pub(super) no_agent: bool,
}

impl Way<'_> {
    /// A certificate that leads there, and the known hosts as the CA has them now.
    pub(super) fn certificate(&self, context: &Context, ca: &Ca) -> Result<Held> {
        let Context { places, printer, .. } = context;
        let usable = grant::usable(ca)?;
        let asked;
        let under = match self.wanted.usable(&usable, &ca.login.me.subject) {
            Some(under) => {
                let (request, grant, _) = under;
                if let Some(other) = differences(request, given_for(grant), self.wish) {
                    let id = grant.id;
                    printer.note(&format!("{id} is not as you say now ({other}), and leads there"));
                    printer.note(&format!("to ask anew, give it back first: jit-ca end {id}"));
                }
                under
            }
            None => {
                asked = self.ask(context, ca)?;
                granted(&asked, &self.wanted)?
            }
        };
        known_hosts::renew(places, ca)?;
        certify::held_or_fresh(places, ca, under, self.no_agent, crate::clock::now())
    }

    /// Asks for the role that leads there, or waits for a request that already does.
    fn ask(&self, context: &Context, ca: &Ca) -> Result<Request> {
        let wanted = &self.wanted;
        let filter = RequestFilter {
            status: Some(RequestStatus::Pending),
            mine: true,
            ..RequestFilter::default()
        };
        let pending = ca.client.requests(&filter)?.requests;
        let request = match wanted.pending(&pending, &ca.login.me.subject) {
            Some(request) => {
                tell_of(&context.printer, request, self.wish);
                request.clone()
            }
            None => {
                let roles = ca.client.roles()?;
                let role = wanted.role_to_ask_for(&roles)?;
                let hosts = vec![wanted.target.host.clone()];
                let wish = access::wish(role.name.clone(), hosts, self.wish)?;
                ca.client.request(&wish, &IdempotencyKey::random()?)?
            }
        };
        wait::until_granted(&context.printer, &ca.client, request)
    }
}

/// Nobody waits for what they asked for before without being told what that was.
fn tell_of(printer: &Printer, request: &Request, wish: &WishArgs) {
    let Request { id, role, hosts, duration, made, reason, .. } = request;
    printer.note(&format!(
        "you asked before, at {made}: {role} on {hosts} for {duration}: {reason}\nwaiting for that: {id}"
    ));
    if let Some(other) = differences(request, *duration, wish) {
        printer.note(&format!(
            "it is not as you say now ({other}); to ask anew, take it back first: jit-ca cancel {id}"
        ));
    }
}

/// What is wished for now of which a request, or its grant for so long, says something else.
fn differences(request: &Request, duration: Span, wish: &WishArgs) -> Option<String> {
    let of = |name: &str, now: Option<String>, then: Option<String>| match now {
        Some(now) if Some(&now) != then.as_ref() => Some(match then {
            Some(then) => format!("{name}: {now}, not {then}"),
            None => format!("{name}: {now}"),
        }),
        _ => None,
    };
    let text = |text: &Text| text.to_string();
    let all = [
        of("--for", wish.duration.map(|it| it.to_string()), Some(duration.to_string())),
        of("--reason", wish.reason.as_ref().map(text), Some(request.reason.to_string())),
        of("--ticket", wish.ticket.as_ref().map(text), request.ticket.as_ref().map(text)),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn granted<'r>(
    request: &'r Request,
    wanted: &Wanted<'_>,
) -> Result<(&'r Request, &'r GrantView, &'r SshRow)> {
    let grant = request.grant.as_ref();
    let found = grant.and_then(|grant| {
        let row = wanted.row_of(&request.role, &grant.rows, &grant.hosts)?;
        Some((request, grant, row))
    });
    found.ok_or_else(|| Error::Denied {
        what: format!("{} was approved, but not for {}", request.id, wanted.target),
        hint: Some(format!("see what it gives: jit-ca requests {}", request.id)),
    })
}
