//! What a certificate is issued under: a grant that is open, by a login that is, for no longer than both say.

use jit_ca_core::event::{CertificateIntended, IssuedUnder, Validity};
use jit_ca_core::workflow::Term;
use jit_ca_core::{Row, Span};

use super::fault::{Fault, must};
use super::hosts::Hosts;
use super::keys::{CLIENTS, LOGINS, SERVERS, SSH_HOST, SSH_USER};
use super::log::second_of;
use super::requests::Requests;
use super::{Code, Logins, People, terms};
use crate::Leaf;

/// How much earlier than its window a certificate is valid, for hosts whose clock is behind.
const BACKDATE: Span = Span::from_secs(60);
const HOUR: u64 = 60 * 60;

/// What a certificate rests on.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) people: &'a People,
    pub(super) requests: &'a Requests,
    pub(super) logins: &'a Logins,
    pub(super) hosts: &'a Hosts,
}

/// The grant must be open and give the row, to who asks.
pub(super) fn must_be_under(
    Known { people, requests, logins, .. }: Known<'_>,
    leaf: &Leaf,
    intent: &CertificateIntended,
    under: &IssuedUnder,
) -> Result<(), Fault> {
    let now = second_of(leaf);
    let grant = requests.grant(under.grant);
    let grant = grant.ok_or_else(|| Fault::new(Code::Under, "there is no such grant"))?;
    let is_theirs = requests.holder_actor(grant) == Some(leaf.actor);
    must(is_theirs, Code::Under, "the leaf's actor did not ask for the grant")?;
    let Validity { from, until } = intent.validity;
    let is_open = match grant.term {
        Some(Term::Open(window)) => window.contains(now),
        // It has not begun.
        Some(Term::Scheduled(_) | Term::FirstUse { .. }) => false,
        None => from <= now && now < until,
    };
    must(is_open && !grant.ended, Code::Under, "the grant's window is not open")?;
    let most = grant.said.as_ref().and_then(|said| said.certificates);
    let is_one_more = most.is_none_or(|most| grant.issued < most);
    must(is_one_more, Code::Under, "as many certificates were issued as the grant lets")?;
    if let Some(said) = &grant.said {
        let is_ssh = intent.purpose == SSH_USER;
        let gives = |row: &Row| row.name() == under.row && matches!(row, Row::Ssh(_)) == is_ssh;
        must(said.rows.iter().any(gives), Code::Under, "the grant does not give the row")?;
    }
    let subject = grant.said.as_ref().map(|said| &said.subject);
    logins.must_be_open(people, leaf, &under.login, subject)
}

/// INVARIANT (window within grant).
pub(super) fn must_be_bounded(
    requests: &Requests,
    leaf: &Leaf,
    intent: &CertificateIntended,
) -> Result<(), Fault> {
    let Validity { from, until } = intent.validity;
    must(from < until, Code::Window, "the certificate is never valid")?;
    let grant = intent.under.as_ref().and_then(|under| requests.grant(under.grant));
    let window = grant.and_then(|grant| grant.term).and_then(terms::window);
    if let Some(window) = window {
        let is_begun = from <= second_of(leaf);
        must(is_begun, Code::Window, "the certificate is valid only later than it is issued")?;
        let is_within = from >= window.start().minus(BACKDATE) && until <= window.end();
        must(is_within, Code::Window, "the certificate is valid outside the grant's window")?;
    }
    let longest = match intent.purpose.as_str() {
        SSH_USER | CLIENTS if window.is_none() => 24 * HOUR,
        LOGINS => 12 * HOUR,
        SERVERS => 24 * HOUR,
        SSH_HOST => 30 * 24 * HOUR,
        _ => return Ok(()),
    };
    let is_short = until.since(from).secs() <= longest + BACKDATE.secs();
    must(is_short, Code::Window, "the certificate is valid for too long")
}
