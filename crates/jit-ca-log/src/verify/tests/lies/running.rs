//! Lies about grants from their start to their end, about certificates under them, and about locks.

use jit_ca_core::event::*;
use jit_ca_core::workflow::Term;
use jit_ca_core::{Action, ActorRef, IssuanceId, Outcome, Span};

use super::super::found;
use super::super::story::*;
use super::super::told::Told;
use super::super::workflow::{from_to, officer, person, time};
use super::{Change, event};
use crate::verify::Code;

pub(super) fn lies() -> Vec<(Code, usize, Change)> {
    let mut lies = starts();
    lies.extend(logins());
    lies.extend(ends());
    lies.extend(locks());
    lies
}

/// A login goes on where its person, or the key that it was made with, is in force no longer.
fn logins() -> Vec<(Code, usize, Change)> {
    vec![
        (Code::Under, at::SSH + 2, |t, s| {
            exchange(s, at::SSH, |keys| *keys = vec![t.session.line()]);
        }),
        (Code::Under, at::X509 + 2, |_, s| exchange(s, at::X509, Vec::clear)),
        (Code::Under, at::SSH + 2, |_, s| {
            let gone = PersonRemoved { actor: ALICE };
            activate(s, at::SSH, ALICE, gone.into());
        }),
    ]
}

/// Alice has other keys from this entry on.
fn exchange(story: &mut Story, at: usize, change: impl FnOnce(&mut Vec<String>)) {
    let mut alice = event!(story, at::ALICE, PersonListed).clone();
    change(&mut alice.ssh_keys);
    activate(story, at, ALICE, alice.into());
}

/// Puts the part of a bundle, and that it is in force, before this entry.
fn activate(story: &mut Story, at: usize, actor: ActorRef, part: Event) {
    let mut before = story[..at].to_vec();
    before.push((actor, part.clone()));
    let activated = activated(&before);
    story.splice(at..at, [(actor, part), (ActorRef::DAEMON, activated.into())]);
}

fn starts() -> Vec<(Code, usize, Change)> {
    vec![
        (Code::Decision, at::PLANNED_START, |_, s| {
            let decided = &mut event!(s, at::PLANNED_START, GrantStarted).decision;
            decided.decision.outcome = Outcome::Deny;
        }),
        (Code::Decision, at::PLANNED_START, |_, s| {
            event!(s, at::PLANNED_START, GrantStarted).decision = decided(Action::Request, "u-2");
        }),
        (Code::Decision, at::FIRST_START, |_, s| {
            event!(s, at::FIRST_START, GrantStarted).decision = decided(Action::Issue, "u-1");
        }),
        // Who agrees still: others, rules that had not, nobody, somebody twice, who may not any more, or is locked.
        (Code::State, at::PLANNED_START, |_, s| {
            event!(s, at::PLANNED_START, GrantStarted).approvals[0] =
                decided(Action::Approve, "u-1");
        }),
        (Code::State, at::PLANNED_START, |_, s| {
            event!(s, at::PLANNED_START, GrantStarted).approvals =
                vec![decided(Action::SkipApproval, "u-1")];
        }),
        (Code::Decision, at::PLANNED_START, |_, s| {
            event!(s, at::PLANNED_START, GrantStarted).approvals =
                vec![decided(Action::SkipApproval, "u-2")];
        }),
        (Code::State, at::FIRST_START, |_, s| {
            event!(s, at::FIRST_START, GrantStarted).approvals.clear();
        }),
        (Code::State, at::PLANNED_START, |_, s| {
            event!(s, at::PLANNED_START, GrantStarted).approvals.swap_remove(0);
            let approvals = &mut event!(s, at::PLANNED_START, GrantStarted).approvals;
            approvals.push(approvals[0].clone());
        }),
        (Code::Decision, at::PLANNED_START, |_, s| {
            let approvals = &mut event!(s, at::PLANNED_START, GrantStarted).approvals;
            approvals[1].decision.outcome = Outcome::Deny;
        }),
        (Code::Decision, at::PLANNED_START, |_, s| {
            event!(s, at::PLANNED_START, GrantStarted).approvals[1] =
                decided(Action::Request, "u-3");
        }),
        (Code::Lock, at::PLANNED_START + 1, |_, s| {
            lock(s, at::PLANNED_START, Locked::Subject(subject("u-3")));
        }),
        (Code::State, at::PLANNED_START, |_, s| {
            event!(s, at::PLANNED_START, GrantStarted).window = from_to(600, 1_801);
        }),
        // Too early, or when it was over.
        (Code::State, at::TEN_MINUTES, |_, s| s.swap(at::TEN_MINUTES, at::PLANNED_START)),
        (Code::State, at::PLANNED_START, |_, s| s[at::TEN_MINUTES] = passed(589)),
        (Code::State, at::PLANNED_START, |_, s| s[at::TEN_MINUTES] = passed(1_810)),
        (Code::State, at::PLANNED_START, |_, s| s[at::PLANNED_START].0 = BOB),
        (Code::State, at::PLANNED_START, |_, s| {
            s[at::PLANNED_START].0 = ALICE;
        }),
        (Code::State, at::PLANNED_START + 1, |_, s| {
            s.insert(at::PLANNED_START, s[at::PLANNED_START].clone());
        }),
        (Code::State, at::FIRST_START, |_, s| s[at::FIRST_START].0 = BOB),
        (Code::State, at::FIRST_START, |_, s| s[at::FIRST_START].0 = ActorRef::DAEMON),
        (Code::State, at::FIRST_START, |_, s| {
            event!(s, at::FIRST_START, GrantStarted).window = from_to(611, 4_211);
        }),
        (Code::State, at::FIRST_START, |_, s| {
            event!(s, at::FIRST_START, GrantStarted).window = from_to(600, 4_201);
        }),
        // Its time to be used was over.
        (Code::State, at::FIRST_START, |_, s| {
            event!(s, at::FIRST, RequestMade).use_within = Some(Span::from_secs(600));
            let grant = event!(s, at::FIRST_GRANT, GrantMade);
            grant.term = Term::FirstUse { duration: Span::from_secs(3_600), by: time(600) };
        }),
        (Code::Sequence, at::FIRST_SSH, |_, s| s.swap(at::FIRST_SSH, at::REFUSED_END)),
        (Code::Sequence, at::FIRST_START + 1, |_, s| s.insert(at::FIRST_START + 1, passed(0))),
        (Code::Sequence, at::FIRST_SSH, |_, s| s[at::FIRST_SSH] = s[at::SHORT].clone()),
        // === certificates ===
        (Code::Under, at::SHORT - 1, |_, s| drop(s.remove(at::PLANNED_START))),
        (Code::Under, at::FIRST_SSH - 1, |_, s| drop(s.remove(at::FIRST_START))),
        (Code::Under, at::SHORT_DONE + 1, |_, s| again(s, at::SHORT_DONE + 1, at::SHORT)),
        // One that failed is one of them.
        (Code::Under, at::SHORT_DONE + 1, |_, s| {
            let done = event!(s, at::SHORT_DONE, CertificateIssued).clone();
            let error = "the key broke".to_owned();
            let failed = IssuanceFailed { issuance: done.issuance, grant: done.grant, error };
            s[at::SHORT_DONE] = (ALICE, failed.into());
            again(s, at::SHORT_DONE + 1, at::SHORT);
        }),
        (Code::Window, at::SHORT, |_, s| {
            event!(s, at::SHORT, CertificateIntended).validity.from = time(601);
        }),
        (Code::Window, at::SHORT, |_, s| {
            event!(s, at::SHORT, CertificateIntended).validity.until = time(1_801);
        }),
        (Code::Window, at::SHORT, |_, s| {
            event!(s, at::SHORT, CertificateIntended).validity.from = time(539);
        }),
        (Code::Under, at::GIVEN_BACK + 1, |_, s| {
            again(s, at::GIVEN_BACK + 1, at::SSH);
            let Event::GrantMade(grant) = &s[at::EMERGENCY_GRANT].1 else { panic!() };
            let grant = grant.grant;
            let intent = event!(s, at::GIVEN_BACK + 1, CertificateIntended);
            intent.under.as_mut().unwrap().grant = grant;
        }),
        (Code::Under, at::REVOKED + 1, |_, s| again(s, at::REVOKED + 1, at::FIRST_SSH)),
        (Code::Under, at::END + 1, |_, s| again(s, at::END + 1, at::SSH)),
    ]
}

fn ends() -> Vec<(Code, usize, Change)> {
    vec![
        (Code::State, at::REFUSED_END, |_, s| s[at::REFUSED_END].0 = ALICE),
        (Code::Decision, at::REFUSED_END, |_, s| {
            let decided = &mut event!(s, at::REFUSED_END, GrantEnded).decision;
            decided.as_mut().unwrap().decision.outcome = Outcome::Allow;
        }),
        (Code::State, at::REFUSED_END, |_, s| {
            event!(s, at::REFUSED_END, GrantEnded).decision = None;
        }),
        (Code::State, at::REFUSED_END, |_, s| {
            event!(s, at::REFUSED_END, GrantEnded).cause = EndCause::Unused;
        }),
        (Code::State, at::REFUSED_END, |_, s| {
            event!(s, at::REFUSED_END, GrantEnded).ended = time(599);
        }),
        (Code::State, at::REFUSED_END, |_, s| {
            event!(s, at::REFUSED_END, GrantEnded).ended = time(611);
        }),
        (Code::State, at::GIVEN_BACK, |_, s| s[at::GIVEN_BACK].0 = ActorRef::DAEMON),
        (Code::State, at::GIVEN_BACK, |_, s| s[at::GIVEN_BACK].0 = BOB),
        (Code::State, at::GIVEN_BACK, |_, s| {
            event!(s, at::GIVEN_BACK, GrantEnded).ended = time(589);
        }),
        (Code::State, at::GIVEN_BACK, |_, s| {
            event!(s, at::GIVEN_BACK, GrantEnded).cause = EndCause::Over;
        }),
        (Code::State, at::UNUSED_END, |_, s| {
            event!(s, at::UNUSED_END, GrantEnded).cause = EndCause::Over;
        }),
        (Code::State, at::UNUSED_END, |_, s| {
            event!(s, at::UNUSED_END, GrantEnded).ended = time(1_799);
        }),
        (Code::State, at::UNUSED_END, |_, s| s[at::UNUSED_END].0 = ALICE),
        (Code::State, at::PLANNED_END, |_, s| {
            event!(s, at::PLANNED_END, GrantEnded).cause = EndCause::Unused;
        }),
        // Before its time.
        (Code::State, at::HALF_AN_HOUR, |_, s| s.swap(at::HALF_AN_HOUR, at::PLANNED_END)),
        (Code::State, at::HALF_AN_HOUR, |_, s| {
            event!(s, at::EXTENSION, RequestMade).lapses = time(1_800);
            event!(s, at::EXTENSION_LAPSED, RequestLapsed).lapsed = time(1_800);
            s.swap(at::HALF_AN_HOUR, at::EXTENSION_LAPSED);
        }),
        (Code::State, at::EXTENSION_LAPSED, |_, s| {
            event!(s, at::EXTENSION_LAPSED, RequestLapsed).lapsed = time(599);
        }),
        (Code::State, at::PLANNED_END, |_, s| s[at::HALF_AN_HOUR] = passed(1_789)),
        // What they are of.
        (Code::State, at::PLANNED_END, |_, s| scope(s, |scope| scope.window = None)),
        (Code::State, at::PLANNED_END, |_, s| scope(s, |scope| scope.subject = subject("u-2"))),
        (Code::State, at::PLANNED_END, |_, s| {
            scope(s, |scope| scope.name = "bob".parse().unwrap());
        }),
        (Code::State, at::PLANNED_END, |_, s| scope(s, |scope| scope.role = "db".parse().unwrap())),
        (Code::State, at::PLANNED_END, |_, s| {
            scope(s, |scope| scope.rows.push(row("x509 orders-api")));
        }),
        (Code::State, at::PLANNED_END, |_, s| scope(s, |scope| scope.hosts = "*".parse().unwrap())),
        (Code::State, at::PLANNED_END, |_, s| {
            scope(s, |scope| scope.duration = Span::from_secs(1_200));
        }),
        (Code::State, at::PLANNED_END, |_, s| {
            scope(s, |scope| scope.reason = "INC-44".parse().unwrap());
        }),
        (Code::State, at::PLANNED_END, |_, s| scope(s, |scope| scope.ticket = None)),
        (Code::State, at::UNUSED_END, |_, s| {
            event!(s, at::UNUSED_END, GrantEnded).scope.window = Some(from_to(600, 1_800));
        }),
        (Code::State, at::EXTENSION_LAPSED, |_, s| {
            event!(s, at::EXTENSION_LAPSED, RequestLapsed).scope.window = Some(from_to(0, 600));
        }),
        (Code::State, at::EXTENSION_LAPSED, |_, s| {
            event!(s, at::EXTENSION_LAPSED, RequestLapsed).scope.rows.pop();
        }),
        (Code::State, at::EXTENSION_LAPSED, |_, s| {
            event!(s, at::EXTENSION_LAPSED, RequestLapsed).scope.hosts = "*".parse().unwrap();
        }),
        (Code::State, at::REVOKED, |_, s| {
            event!(s, at::REVOKED, GrantRevoked).scope.rows.pop();
        }),
        // === revocations ===
        (Code::Subject, at::REVOKED, |_, s| s[at::REVOKED].0 = BOB),
        (Code::Decision, at::REVOKED, |_, s| {
            event!(s, at::REVOKED, GrantRevoked).decision = decided(Action::Approve, "u-3");
        }),
        (Code::State, at::REVOKED, |_, s| {
            event!(s, at::REVOKED, GrantRevoked).revoked = time(589);
        }),
        (Code::State, at::REVOKED + 1, |_, s| s.insert(at::REVOKED, s[at::REVOKED].clone())),
        (Code::State, at::REVOKED, |_, s| {
            let request = event!(s, at::PLANNED, RequestMade).request;
            event!(s, at::REVOKED, GrantRevoked).request = request;
        }),
        // Of what was over by itself.
        (Code::State, at::PLANNED_END, |t, s| {
            let mut planned = t.granted(s, at::PLANNED, at::PLANNED_GRANT);
            planned.grant.term = Term::Open(from_to(600, 1_800));
            s[at::PLANNED_END] = (ALICE, planned.ended(1_800, EndCause::GivenBack).into());
        }),
        // === reviews ===
        (Code::Subject, at::REVIEW, |_, s| s[at::REVIEW].0 = CAROL),
        (Code::Decision, at::REVIEW, |_, s| {
            event!(s, at::REVIEW, Reviewed).decision = decided(Action::Approve, "u-2");
        }),
        (Code::Review, at::REVIEW, |_, s| {
            let reviewed = event!(s, at::REVIEW, Reviewed);
            (reviewed.by, reviewed.name) = person("u-1", "alice");
            reviewed.decision = decided(Action::Review, "u-1");
            s[at::REVIEW].0 = ALICE;
        }),
        (Code::Review, at::REVIEW + 1, |_, s| s.insert(at::REVIEW, s[at::REVIEW].clone())),
        (Code::Review, at::REVIEW, |_, s| {
            let request = event!(s, at::REFUSED, RequestMade).request;
            event!(s, at::REVIEW, Reviewed).request = request;
        }),
        (Code::Review, at::GIVEN_BACK, |_, s| s.swap(at::GIVEN_BACK, at::REVIEW)),
    ]
}

fn locks() -> Vec<(Code, usize, Change)> {
    vec![
        (Code::Subject, at::LOCK, |_, s| s[at::LOCK].0 = BOB),
        (Code::Decision, at::LOCK, |_, s| {
            let by = &mut event!(s, at::LOCK, LockSet).by;
            let Officer::Person { decision, .. } = by else { panic!() };
            **decision = decided(Action::Revoke, "u-3");
        }),
        (Code::Lock, at::LOCK + 1, |_, s| s.insert(at::LOCK, s[at::LOCK].clone())),
        (Code::Lock, at::UNLOCK + 1, |_, s| s.insert(at::UNLOCK, s[at::UNLOCK].clone())),
        (Code::Lock, at::UNLOCK, |_, s| {
            event!(s, at::UNLOCK, LockLifted).lock = Locked::All;
        }),
        (Code::Lock, at::UNLOCK, |_, s| s[at::UNLOCK].0 = ALICE),
        // Nothing of the person goes on, nor of the role, nor anything at all.
        (Code::Lock, at::LOGIN + 1, |_, s| lock(s, at::LOGIN, Locked::Subject(subject("u-1")))),
        (Code::Lock, at::LOGIN + 1, |_, s| lock(s, at::LOGIN, Locked::All)),
        (Code::Lock, at::REQUEST + 1, |_, s| {
            lock(s, at::REQUEST, Locked::Role("web".parse().unwrap()));
        }),
        (Code::Lock, at::REQUEST + 1, |_, s| {
            lock(s, at::REQUEST, Locked::Subject(subject("u-1")));
        }),
        (Code::Lock, at::APPROVAL + 1, |_, s| {
            lock(s, at::APPROVAL, Locked::Subject(subject("u-1")));
        }),
        (Code::Lock, at::APPROVAL + 1, |_, s| {
            lock(s, at::APPROVAL, Locked::Subject(subject("u-2")));
        }),
        (Code::Lock, at::APPROVAL + 1, |_, s| {
            lock(s, at::APPROVAL, Locked::Role("web".parse().unwrap()));
        }),
        (Code::Lock, at::BROKEN + 1, |_, s| {
            lock(s, at::BROKEN, Locked::Subject(subject("u-1")));
        }),
        (Code::Lock, at::GRANT + 1, |_, s| {
            lock(s, at::GRANT, Locked::Role("web".parse().unwrap()));
        }),
        (Code::Lock, at::GRANT + 1, |_, s| lock(s, at::GRANT, Locked::Subject(subject("u-1")))),
        // Whose logins a lock has ended does nothing by them any more.
        (Code::Under, at::SSH + 1, |_, s| lock(s, at::SSH, Locked::Subject(subject("u-1")))),
        (Code::State, at::LOGOUT + 1, |_, s| lock(s, at::LOGOUT, Locked::Subject(subject("u-1")))),
        (Code::State, at::LOGOUT + 2, |_, s| {
            lock(s, at::LOGOUT, Locked::Subject(subject("u-1")));
            s.insert(at::LOGOUT + 1, unlocked("u-1"));
        }),
        (Code::Lock, at::SSH + 1, |_, s| lock(s, at::SSH, Locked::Role("web".parse().unwrap()))),
        (Code::Lock, at::X509 + 1, |_, s| lock(s, at::X509, Locked::All)),
        (Code::Lock, at::PLANNED_START + 1, |_, s| {
            lock(s, at::PLANNED_START, Locked::Role("web".parse().unwrap()));
        }),
        (Code::Lock, at::FIRST_START + 1, |_, s| {
            lock(s, at::FIRST_START, Locked::Subject(subject("u-1")));
        }),
        // Who is locked vouches for nothing, and lifts no lock: their own, another one, or that of everything.
        (Code::Login, at::ENROLLED + 1, |_, s| {
            lock(s, at::ENROLLED, Locked::Subject(subject("u-1")));
        }),
        (Code::Lock, at::ENROLLED + 1, |_, s| lock(s, at::ENROLLED, Locked::All)),
        (Code::Lock, at::REVIEW + 1, |_, s| lock(s, at::REVIEW, Locked::Subject(subject("u-2")))),
        (Code::Lock, at::REVIEW + 1, |_, s| lock(s, at::REVIEW, Locked::All)),
        (Code::Lock, at::ORDER + 1, |_, s| lock(s, at::ORDER, Locked::Subject(subject("u-2")))),
        (Code::Lock, at::ORDER + 1, |_, s| lock(s, at::ORDER, Locked::All)),
        (Code::Lock, at::UNLOCK, |_, s| {
            event!(s, at::LOCK, LockSet).lock = Locked::Subject(subject("u-3"));
            event!(s, at::UNLOCK, LockLifted).lock = Locked::Subject(subject("u-3"));
            unlocked_by_carol(s, at::UNLOCK);
        }),
        (Code::Lock, at::UNLOCK, |_, s| {
            event!(s, at::LOCK, LockSet).lock = Locked::All;
            event!(s, at::UNLOCK, LockLifted).lock = Locked::All;
            unlocked_by_carol(s, at::UNLOCK);
        }),
        (Code::Lock, at::UNLOCK + 1, |_, s| {
            unlocked_by_carol(s, at::UNLOCK);
            lock(s, at::UNLOCK, Locked::Subject(subject("u-3")));
        }),
    ]
}

fn unlocked(who: &str) -> (ActorRef, Event) {
    let reason = "the laptop was found".parse().unwrap();
    let lock = Locked::Subject(subject(who));
    (ActorRef::DAEMON, LockLifted { lock, by: Officer::Machine { uid: 0 }, reason }.into())
}

fn unlocked_by_carol(story: &mut Story, at: usize) {
    story[at].0 = CAROL;
    event!(story, at, LockLifted).by = officer();
}

#[test]
fn a_login_goes_on_beside_a_new_key() {
    let teller = Teller::new();
    let mut story = teller.story();
    exchange(&mut story, at::SSH, |keys| keys.insert(0, teller.session.line()));
    story.truncate(at::X509_DONE + 3);
    assert_eq!(found(Told::of(&story).export(&teller)), None);
}

#[test]
fn who_is_locked_takes_access_away_and_who_is_not_lifts_the_lock() {
    let teller = Teller::new();
    let holds = |change: Change| {
        let mut story = teller.story();
        change(&teller, &mut story);
        assert_eq!(found(Told::of(&story).export(&teller)), None);
    };
    // Carol, who is locked, revokes.
    holds(|_, s| {
        event!(s, at::LOCK, LockSet).lock = Locked::Subject(subject("u-3"));
        event!(s, at::UNLOCK, LockLifted).lock = Locked::Subject(subject("u-3"));
        s.swap(at::REVOKED, at::LOCK);
    });
    holds(|_, s| unlocked_by_carol(s, at::UNLOCK));
    // Bob reviews what somebody had by a role that is locked.
    holds(|_, s| {
        let lock = Locked::Role("web".parse().unwrap());
        event!(s, at::LOCK, LockSet).lock = lock.clone();
        event!(s, at::UNLOCK, LockLifted).lock = lock;
        s.swap(at::REVIEW, at::REVOKED);
        s.swap(at::REVOKED, at::LOCK);
    });
}

/// Carol locks it, right before this entry.
pub(in super::super) fn lock(story: &mut Story, at: usize, lock: Locked) {
    let reason = "the laptop was stolen".parse().unwrap();
    story.insert(at, (CAROL, LockSet { lock, by: officer(), reason }.into()));
}

fn scope(story: &mut Story, change: impl FnOnce(&mut Scope)) {
    change(&mut event!(story, at::PLANNED_END, GrantEnded).scope);
}

/// One more intent like that one, under an issuance and a serial of its own.
fn again(story: &mut Story, at: usize, like: usize) {
    let mut again = story[like].clone();
    if let Event::CertificateIntended(intent) = &mut again.1 {
        intent.issuance = IssuanceId::from_bytes([8; 16]);
        intent.serial = vec![8; 8].into();
    }
    story.insert(at, again);
}
