//! Lies about what was asked for, who agreed to it, and what it became.

use jit_ca_core::event::*;
use jit_ca_core::workflow::{Start, Term};
use jit_ca_core::{Action, GrantId, Span};

use super::super::access::*;
use super::super::story::*;
use super::super::workflow::{from_to, time};
use super::running::lock;
use super::{Change, event};
use crate::verify::Code;

pub(super) fn lies() -> Vec<(Code, usize, Change)> {
    vec![
        // === requests ===
        (Code::Request, at::REQUEST, |_, s| {
            event!(s, at::REQUEST, RequestMade).approvals.clear();
        }),
        (Code::Request, at::REQUEST, |_, s| {
            event!(s, at::REQUEST, RequestMade).approvals[0].count = 0;
        }),
        (Code::Request, at::REQUEST, |_, s| {
            event!(s, at::REQUEST, RequestMade).approvals[0].from.clear();
        }),
        (Code::Request, at::EXTENSION, |_, s| {
            extension(s, |made| made.start = Start::At(time(1_799)));
        }),
        (Code::Request, at::EXTENSION, |_, s| {
            extension(s, |made| made.start = Start::AtApproval);
        }),
        (Code::Request, at::EXTENSION, |_, s| {
            extension(s, |made| made.extends = Some(GrantId::from_bytes([5; 16])));
        }),
        // What waits is not extended: for its first certificate, or for its time.
        (Code::Request, at::EXTENSION, |_, s| {
            extension(s, |made| made.extends = Some(GrantId::from_bytes(id(6))));
        }),
        (Code::Request, at::EXTENSION, |_, s| {
            extension(s, |made| {
                made.extends = Some(GrantId::from_bytes(id(5)));
                made.start = Start::At(time(4_200));
            });
        }),
        // Nor what is extended already, whether that is agreed on or not.
        (Code::Request, at::EXTENSION + 1, |t, s| {
            let more = t.extension(70, in_force(s));
            s.insert(at::EXTENSION + 1, (ALICE, more.into()));
        }),
        (Code::Request, at::EXTENSION + 3, |t, s| {
            let (first, more) = (s.remove(at::EXTENSION), t.extension(70, in_force(s)));
            let Event::RequestMade(first) = first.1 else { panic!() };
            let mut agreed = Story::new();
            t.agree(&mut agreed, *first, Term::Scheduled(from_to(1_800, 5_400)));
            agreed.push((ALICE, more.into()));
            s.splice(at::EXTENSION..at::EXTENSION, agreed);
        }),
        (Code::Request, at::EXTENSION, |_, s| {
            event!(s, at::EXTENSION, RequestMade).extends = None;
        }),
        (Code::Request, at::EXTENSION + 1, |t, s| {
            let mut planned = t.granted(s, at::PLANNED, at::PLANNED_GRANT);
            planned.grant.term = Term::Open(from_to(600, 1_800));
            s.insert(at::EXTENSION, (ALICE, planned.ended(600, EndCause::GivenBack).into()));
        }),
        // Of what is over, with an end that nobody has written yet.
        (Code::Request, at::EXTENSION + 1, |_, s| {
            extension(s, |made| made.made = time(1_810));
            s.insert(at::EXTENSION, passed(1_810));
        }),
        (Code::Request, at::EXTENSION, |_, s| {
            s[at::EXTENSION].0 = BOB;
            extension(s, |made| {
                (made.subject, made.name) = (subject("u-2"), "bob".parse().unwrap());
                made.decision = decided(Action::Request, "u-2");
            });
        }),
        (Code::Decision, at::EMERGENCY, |_, s| {
            event!(s, at::EMERGENCY, RequestMade).decision = decided(Action::Approve, "u-1");
        }),
        // === approvals ===
        // It counts for nothing: not signed, or of no group that was asked for.
        (Code::Approval, at::PLANNED_BY_CAROL, |_, s| {
            event!(s, at::PLANNED_BY_CAROL, ApprovalGiven).signature = None;
        }),
        (Code::Approval, at::APPROVAL, |_, s| {
            event!(s, at::APPROVAL, ApprovalGiven).groups = ["security".parse().unwrap()].into();
        }),
        (Code::Approval, at::APPROVAL, |_, s| {
            event!(s, at::APPROVAL, ApprovalGiven).groups.clear();
        }),
        // By a group that the person is not in.
        (Code::Approval, at::PLANNED_BY_CAROL, |_, s| {
            let given = event!(s, at::PLANNED_BY_CAROL, ApprovalGiven);
            given.groups.insert("security".parse().unwrap());
        }),
        // Again, whatever was said the first time: one person counts once.
        (Code::Grant, at::PLANNED_GRANT, |t, s| {
            s[at::PLANNED_BY_CAROL] = s[at::PLANNED_BY_BOB].clone();
            given(t, s, at::PLANNED_BY_CAROL, |_| ());
        }),
        // And with less than the first time, or for another time.
        (Code::Grant, at::PLANNED_GRANT, |_, s| s.swap(at::PLANNED_FIRST, at::PLANNED_BY_BOB)),
        // Who is locked by then does not count.
        (Code::Grant, at::PLANNED_GRANT + 1, |_, s| {
            lock(s, at::PLANNED_BY_CAROL, Locked::Subject(subject("u-2")));
        }),
        (Code::Approval, at::APPROVAL, |t, s| {
            given(t, s, at::APPROVAL, |given| given.comment = None);
        }),
        (Code::Approval, at::FIRST_BY_BOB, |t, s| {
            given(t, s, at::FIRST_BY_BOB, |given| drop(given.rows.pop()));
        }),
        (Code::Approval, at::PLANNED_BY_BOB, |_, s| {
            event!(s, at::PLANNED_BY_BOB, ApprovalGiven).comment = None;
        }),
        (Code::Approval, at::APPROVAL, |t, s| {
            given(t, s, at::APPROVAL, |given| given.duration = Span::from_secs(0));
        }),
        (Code::Approval, at::APPROVAL, |t, s| {
            given(t, s, at::APPROVAL, |given| given.rows.reverse());
        }),
        (Code::Approval, at::APPROVAL, |t, s| {
            given(t, s, at::APPROVAL, |given| given.hosts = "web1,web2".parse().unwrap());
        }),
        (Code::Approval, at::APPROVAL, |t, s| {
            given(t, s, at::APPROVAL, |given| given.hosts = "*".parse().unwrap());
        }),
        // All hosts are those of the rows.
        (Code::Approval, at::PLANNED_BY_BOB, |_, s| {
            event!(s, at::PLANNED_BY_BOB, ApprovalGiven).hosts = "web1,web3".parse().unwrap();
        }),
        (Code::Signature, at::APPROVAL, |_, s| {
            event!(s, at::APPROVAL, ApprovalGiven).hosts = "web2".parse().unwrap();
        }),
        (Code::Approval, at::BROKEN, |t, s| {
            let given = approval(t, s, at::EMERGENCY);
            s.insert(at::BROKEN, (BOB, given.into()));
        }),
        // === grants ===
        // One of two: nobody counts in both quorums.
        (Code::Grant, at::PLANNED_GRANT - 1, |_, s| drop(s.remove(at::PLANNED_BY_CAROL))),
        (Code::Grant, at::GRANT + 1, |_, s| lock(s, at::GRANT, Locked::Subject(subject("u-2")))),
        (Code::Grant, at::PLANNED_GRANT - 1, |t, s| {
            s.remove(at::PLANNED_BY_CAROL);
            let given = event!(s, at::PLANNED_BY_BOB, ApprovalGiven);
            given.signature = Some(sign_approval(given, &t.bob));
        }),
        // Two who could both sit in one, and nobody in the other.
        (Code::Grant, at::PLANNED_GRANT, |_, s| {
            let given = event!(s, at::PLANNED_BY_BOB, ApprovalGiven);
            given.groups = ["sre".parse().unwrap()].into();
            event!(s, at::PLANNED, RequestMade).approvals[1].signed = false;
        }),
        (Code::Grant, at::EMERGENCY_GRANT - 1, |_, s| drop(s.remove(at::BROKEN))),
        (Code::Grant, at::PLANNED_GRANT, |_, s| {
            event!(s, at::PLANNED_GRANT, GrantMade).hosts = "web1,web2".parse().unwrap();
        }),
        (Code::Grant, at::PLANNED_GRANT, |_, s| {
            event!(s, at::PLANNED_GRANT, GrantMade).hosts = "*".parse().unwrap();
        }),
        (Code::Grant, at::FIRST_GRANT, |_, s| {
            event!(s, at::FIRST_GRANT, GrantMade).hosts = "web2".parse().unwrap();
        }),
        // On fewer hosts than all have agreed to.
        (Code::Grant, at::PLANNED_GRANT, |_, s| {
            event!(s, at::PLANNED_BY_BOB, ApprovalGiven).hosts = "web1,web2".parse().unwrap();
        }),
        (Code::Grant, at::PLANNED_GRANT, |_, s| {
            let made = event!(s, at::PLANNED_GRANT, GrantMade);
            made.rows.push(row("x509 orders-api"));
        }),
        (Code::Grant, at::GRANT, |_, s| event!(s, at::GRANT, GrantMade).rows.clear()),
        // A row that gives nothing on the hosts that are kept.
        (Code::Grant, at::GRANT, |t, s| {
            let more = row("ssh other login=deploy hosts=web2");
            let made = event!(s, at::REQUEST, RequestMade);
            made.rows.insert(0, more.clone());
            made.hash = request_hash(made);
            let hash = made.hash;
            given(t, s, at::APPROVAL, |given| {
                given.rows.insert(0, more.clone());
                given.hash = hash;
            });
            event!(s, at::GRANT, GrantMade).rows.insert(0, more);
        }),
        (Code::Grant, at::PLANNED_GRANT, |_, s| {
            event!(s, at::PLANNED_GRANT, GrantMade).certificates = None;
        }),
        (Code::Grant, at::PLANNED_GRANT, |_, s| term(s, Term::Scheduled(from_to(601, 1_801)))),
        (Code::Grant, at::PLANNED_GRANT, |_, s| term(s, Term::Scheduled(from_to(600, 1_801)))),
        (Code::Grant, at::PLANNED_GRANT, |_, s| term(s, Term::Scheduled(from_to(600, 1_799)))),
        (Code::Grant, at::PLANNED_GRANT, |_, s| term(s, Term::Open(from_to(0, 1_200)))),
        (Code::Grant, at::PLANNED_GRANT, |_, s| {
            term(s, Term::FirstUse { duration: Span::from_secs(1_200), by: time(600) });
        }),
        // It is agreed on when its time has begun, and waits for it nevertheless.
        (Code::Grant, at::PLANNED_GRANT + 1, |_, s| {
            event!(s, at::PLANNED, RequestMade).lapses = time(1_800);
            s.insert(at::PLANNED_BY_BOB, passed(610));
        }),
        (Code::Grant, at::GRANT, |_, s| {
            let by = time(1_800);
            event!(s, at::GRANT, GrantMade).term =
                Term::FirstUse { duration: Span::from_secs(1_800), by };
        }),
        (Code::Grant, at::FIRST_GRANT, |_, s| {
            first(s, |duration, _| *duration = Span::from_secs(3_599));
        }),
        (Code::Grant, at::FIRST_GRANT, |_, s| {
            first(s, |duration, _| *duration = Span::from_secs(3_601));
        }),
        (Code::Grant, at::FIRST_GRANT, |_, s| first(s, |_, by| *by = time(3_611))),
        (Code::Grant, at::FIRST_GRANT, |_, s| {
            event!(s, at::FIRST_GRANT, GrantMade).term = Term::Open(window(3_600));
        }),
        // === emergencies ===
        (Code::Decision, at::BROKEN, |_, s| {
            event!(s, at::BROKEN, GlassBroken).decision = decided(Action::Request, "u-1");
        }),
        (Code::Decision, at::BROKEN, |_, s| {
            event!(s, at::BROKEN, GlassBroken).decision = decided(Action::BreakGlass, "u-2");
        }),
        (Code::State, at::BROKEN, |_, s| s[at::BROKEN].0 = BOB),
        (Code::State, at::BROKEN, |_, s| {
            let request = event!(s, at::REQUEST, RequestMade).request;
            event!(s, at::BROKEN, GlassBroken).request = request;
        }),
        (Code::State, at::BROKEN, |_, s| {
            event!(s, at::EMERGENCY, RequestMade).lapses = time(0).minus(Span::from_secs(10));
        }),
        (Code::Sequence, at::BROKEN + 1, |_, s| s.insert(at::BROKEN, s[at::BROKEN].clone())),
        (Code::Sequence, at::BROKEN + 1, |_, s| s.insert(at::BROKEN + 1, passed(0))),
        (Code::Sequence, at::EMERGENCY_GRANT, |_, s| {
            s[at::EMERGENCY_GRANT] = s[at::PLANNED_GRANT].clone();
        }),
    ]
}

/// Changes an approval by Bob, who signs it anew.
fn given(teller: &Teller, story: &mut Story, at: usize, change: impl FnOnce(&mut ApprovalGiven)) {
    let given = event!(story, at, ApprovalGiven);
    change(given);
    given.signature = Some(sign_approval(given, &teller.bob));
}

/// Bob's approval of the request there.
fn approval(teller: &Teller, story: &Story, at: usize) -> ApprovalGiven {
    let Event::RequestMade(made) = &story[at].1 else { panic!() };
    teller.approval(made)
}

fn extension(story: &mut Story, change: impl FnOnce(&mut RequestMade)) {
    let made = event!(story, at::EXTENSION, RequestMade);
    change(made);
    made.hash = request_hash(made);
}

fn term(story: &mut Story, term: Term) {
    event!(story, at::PLANNED_GRANT, GrantMade).term = term;
}

fn first(story: &mut Story, change: impl FnOnce(&mut Span, &mut jit_ca_core::UnixTime)) {
    match &mut event!(story, at::FIRST_GRANT, GrantMade).term {
        Term::FirstUse { duration, by } => change(duration, by),
        other => panic!("{other:?}"),
    }
}
