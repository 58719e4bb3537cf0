//! What stands against requests, approvals and certificates at the moment of writing, whoever decided what before.

use jit_ca_core::event::{
    BundleApproved, ErasureOrdered, GrantMade, GrantStarted, LockLifted, LockSet, Locked,
    MfaCodeMade, MfaEnrolled, Officer, RequestCancelled, Reviewed, Signature,
};
use jit_ca_core::workflow::{GrantState, Refusal, Term};
use jit_ca_core::{PersonName, RequestId, SubjectId};

use super::*;
use crate::store::{Exceeded, Limits, Most};

const GRANT: GrantId = GrantId::from_bytes([4; 16]);

fn alice() -> SubjectId {
    "local/u-1".parse().unwrap()
}

/// A lab in which alice is logged in and has asked.
async fn asked(request: Event) -> Lab {
    let lab = Lab::new().await;
    log_in(&lab, "a").await;
    lab.write(vec![request]).await.unwrap();
    lab
}

/// She answers this challenge. What she has the certificate's serial of is open from then on.
async fn log_in(lab: &Lab, challenge: &str) {
    let code = Digest::from_bytes([5; 32]);
    let expires = clock::now().plus(Span::from_secs(60));
    let made = MfaCodeMade { subject: alice(), code, expires };
    lab.write(vec![made.into()]).await.unwrap();
    lab.write(vec![login(challenge, Factor::EnrolmentCode { code })]).await.unwrap();
}

fn approved(access: &Access) -> Result<Vec<Event>, Refusal> {
    let approve = Approve {
        by: Approver::Rules(vec!["rule".into()]),
        hash: access.request.hash,
        duration: None,
        rows: None,
        hosts: None,
        comment: None,
        signature: None,
        decision: decided(),
        today: Today::default(),
    };
    access.approve(approve, GRANT, clock::now())
}

fn certificate(number: u8) -> Event {
    let issuance = IssuanceId::from_bytes([number; 16]);
    intended(issuance, number.into(), Some((GRANT, clock::now().plus(Span::from_secs(1)))))
}

fn lock(lock: &Locked) -> Event {
    let (lock, by) = (lock.clone(), Officer::Machine { uid: 0 });
    LockSet { lock, by, reason: "INC-7".parse().unwrap() }.into()
}

fn unlock(lock: &Locked) -> Event {
    let (lock, by) = (lock.clone(), Officer::Machine { uid: 0 });
    LockLifted { lock, by, reason: "over".parse().unwrap() }.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_stops_what_gives_access_and_nothing_else() {
    let lab = asked(request()).await;
    let granted = approved(&lab.access().1).unwrap();
    let other = |number| {
        let Event::RequestMade(mut made) = request() else { panic!() };
        made.request = RequestId::from_bytes([number; 16]);
        Event::from(*made)
    };
    let locks = [Locked::All, Locked::Subject(alice()), Locked::Role("web-shell".parse().unwrap())];
    for (number, held) in (20_u8..).zip(&locks) {
        assert_eq!(lab.clash(vec![unlock(held)]).await, Clash::Lock, "it is not locked");
        lab.write(vec![lock(held)]).await.unwrap();
        assert_eq!(lab.clash(vec![lock(held)]).await, Clash::Lock, "it is locked already");
        assert_eq!(lab.clash(vec![other(number)]).await, Clash::Lock, "{held}");
        assert_eq!(lab.clash(granted.clone()).await, Clash::Lock, "{held}");
        let factor = Factor::EnrolmentCode { code: Digest::from_bytes([6; 32]) };
        let expected = if matches!(held, Locked::Role(_)) { Clash::Code } else { Clash::Lock };
        assert_eq!(lab.clash(vec![login("b", factor)]).await, expected, "{held}");
        lab.write(vec![unlock(held)]).await.unwrap();
    }
    lab.write(vec![lock(&Locked::Role("other".parse().unwrap()))]).await.unwrap();
    lab.write(granted).await.unwrap();
    assert_eq!(lab.clash(vec![certificate(1)]).await, Clash::Login, "her lock has ended it");
    log_in(&lab, "c").await;
    lab.write(vec![certificate(1)]).await.unwrap();
    for held in &locks {
        lab.write(vec![lock(held)]).await.unwrap();
        assert_eq!(lab.clash(vec![certificate(2)]).await, Clash::Lock, "{held}");
        assert_eq!(lab.store.read().unwrap().locks().unwrap().len(), 2);
        if *held != Locked::Role("web-shell".parse().unwrap()) {
            lab.write(vec![unlock(held)]).await.unwrap();
        }
    }
    log_in(&lab, "d").await;
    // What takes access away goes on while it is locked.
    let by: PersonName = "bob".parse().unwrap();
    let (_, access) = lab.access();
    let bob = "local/u-2".parse().unwrap();
    let revoked = access.revoke(bob, by, "why".parse().unwrap(), decided(), clock::now()).unwrap();
    lab.write(vec![revoked]).await.unwrap();
    assert_eq!(lab.access().1.grant().unwrap().state(clock::now()), GrantState::Revoked);
    lab.write(vec![unlock(&locks[2])]).await.unwrap();
    assert_eq!(lab.clash(vec![certificate(2)]).await, Clash::Access, "it is revoked");
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_locked_vouches_for_nothing() {
    let lab = asked(request()).await;
    let bob = || -> SubjectId { "local/u-2".parse().unwrap() };
    let known = SubjectKnown {
        subject: bob(),
        name: "bob".parse().unwrap(),
        actor: ActorRef::from_bytes([2; 16]),
    };
    lab.write(vec![known.into()]).await.unwrap();
    let name: PersonName = "alice".parse().unwrap();
    let by =
        || Officer::Person { subject: alice(), name: name.clone(), decision: Box::new(decided()) };
    let reason = || "INC-7".parse().unwrap();
    let lifts = |lock| Event::from(LockLifted { lock, by: by(), reason: reason() });
    let role = || Locked::Role("web-shell".parse().unwrap());
    let vouched: [Event; 4] = [
        BundleApproved {
            hash: Digest::from_bytes([9; 32]),
            by: alice(),
            name: name.clone(),
            login: LOGIN.to_vec().into(),
            decision: decided(),
        }
        .into(),
        MfaEnrolled { subject: alice(), login: LOGIN.to_vec().into(), step: 1 }.into(),
        Reviewed {
            request: request_id(),
            by: alice(),
            name: name.clone(),
            comment: reason(),
            decision: decided(),
        }
        .into(),
        ErasureOrdered {
            by: alice(),
            name: name.clone(),
            signature: Signature { key: vec![].into(), sshsig: vec![].into() },
            step: Some(7),
            decision: decided(),
        }
        .into(),
    ];
    lab.write(vec![lock(&role())]).await.unwrap();
    for held in [Locked::All, Locked::Subject(alice())] {
        lab.write(vec![lock(&held)]).await.unwrap();
        for event in &vouched {
            assert_eq!(lab.clash(vec![event.clone()]).await, Clash::Lock, "{event:?}");
        }
        for lock in [held.clone(), role()] {
            assert_eq!(lab.clash(vec![lifts(lock)]).await, Clash::Lock, "{held}");
        }
        // She can still stop things.
        let set = LockSet { lock: Locked::Subject(bob()), by: by(), reason: reason() };
        lab.write(vec![set.into()]).await.unwrap();
        lab.write(vec![unlock(&Locked::Subject(bob())), unlock(&held)]).await.unwrap();
    }
    // It is not her who is locked.
    lab.write(vec![lock(&Locked::Subject(bob()))]).await.unwrap();
    lab.write(vec![lifts(role())]).await.unwrap();
    lab.write(vec![lifts(Locked::Subject(bob()))]).await.unwrap();
    assert_eq!(lab.clash(vec![vouched[1].clone()]).await, Clash::Login, "her lock has ended it");
    log_in(&lab, "c").await;
    lab.write(vec![vouched[1].clone()]).await.unwrap();
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_on_who_is_locked_is_decided_again_after_a_lock() {
    let lab = asked(request()).await;
    let size = || Some(lab.store.read().unwrap().size().unwrap());
    let (before, bob) = (size(), Locked::Subject("local/u-2".parse().unwrap()));
    let granted = approved(&lab.access().1).unwrap();
    let commit = async |locks| {
        let entries = granted.iter().map(|event| (ALICE, event.clone())).collect();
        let proposal = Proposal { locks, ..Proposal::decided_at(clock::now(), entries) };
        lab.sequencer.commit(proposal).await.map(drop)
    };
    lab.write(vec![lock(&bob)]).await.unwrap();
    assert!(matches!(commit(before).await, Err(CommitError::Clash(Clash::Lock))));
    commit(size()).await.unwrap();
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_certificates_than_a_grant_has() {
    let lab = asked(request()).await;
    lab.write(approved(&lab.access().1).unwrap()).await.unwrap();
    for number in 1..=3 {
        lab.write(vec![certificate(number)]).await.unwrap();
    }
    assert_eq!(lab.clash(vec![certificate(4)]).await, Clash::UsedUp);
    assert_eq!(lab.store.read().unwrap().certificates_of(GRANT).unwrap(), 3);
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_use_starts_its_grant_with_its_certificate() {
    let Event::RequestMade(mut made) = request() else { panic!() };
    (made.start, made.use_within) = (Start::FirstUse, Some(Span::from_secs(60)));
    let lab = asked(Event::from(*made)).await;
    lab.write(approved(&lab.access().1).unwrap()).await.unwrap();
    assert_eq!(lab.clash(vec![certificate(1)]).await, Clash::Access, "it has not started");
    let start = |seconds| {
        let window = Window::starting(clock::now(), Span::from_secs(seconds)).unwrap();
        let request = request_id();
        let (decision, approvals) = (decided(), vec![]);
        Event::from(GrantStarted { grant: GRANT, request, window, decision, approvals })
    };
    let later = intended(
        IssuanceId::from_bytes([9; 16]),
        9,
        Some((GRANT, clock::now().plus(Span::from_secs(30)))),
    );
    assert_eq!(lab.clash(vec![start(20), later]).await, Clash::Access, "it is past the window");
    lab.write(vec![start(20), certificate(1)]).await.unwrap();
    assert_eq!(lab.access().1.grant().unwrap().state(clock::now()), GrantState::Active);
    assert_eq!(lab.clash(vec![start(20), certificate(2)]).await, Clash::Access, "it has started");
    lab.write(vec![certificate(2)]).await.unwrap();
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thing_at_a_time_follows_on_a_grant() {
    let lab = asked(request()).await;
    lab.write(approved(&lab.access().1).unwrap()).await.unwrap();
    let ids = [13, 14].map(|number| RequestId::from_bytes([number; 16]));
    let [first, second] = ids.map(|id| {
        let Event::RequestMade(mut made) = request() else { panic!() };
        (made.request, made.extends) = (id, Some(GRANT));
        Event::from(*made)
    });
    lab.write(vec![first]).await.unwrap();
    assert_eq!(lab.clash(vec![second.clone()]).await, Clash::Access);
    lab.write(vec![RequestCancelled { request: ids[0] }.into()]).await.unwrap();
    lab.write(vec![second]).await.unwrap();
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_at_once_do_not_exceed_a_limit_together() {
    let lab = Lab::new().await;
    let now = clock::now();
    let limits = |open, grants_per_day| Limits {
        subject: alice(),
        role: "web-shell".parse().unwrap(),
        now,
        most: Most::Requests { open, grants_per_day },
    };
    let made = |number: u8| {
        let Event::RequestMade(mut made) = request() else { panic!() };
        made.request = RequestId::new(now.secs() * 1_000 + u64::from(number), [number; 10]);
        Event::from(*made)
    };
    let ask = async |number, limits| {
        let mut proposal = Proposal::decided_at(now, vec![(ALICE, made(number))]);
        proposal.limits = Some(limits);
        lab.sequencer.commit(proposal).await.map(drop)
    };
    // Decided on the same state, both; written one after the other.
    let (one, other) = tokio::join!(ask(1, limits(1, None)), ask(2, limits(1, None)));
    assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1);
    let refused = one.err().or(other.err()).unwrap();
    assert!(matches!(refused, CommitError::Clash(Clash::Limit)));

    let exceeded = |limits: Limits| lab.store.read().unwrap().exceeded(&limits).unwrap();
    assert_eq!(exceeded(limits(1, None)), Some(Exceeded::OpenRequests));
    let pending = Exceeded::GrantsPerDay { begun: 0, waiting: 1, room: None };
    assert_eq!(exceeded(limits(2, Some(1))), Some(pending), "it may become one");
    assert_eq!(exceeded(limits(2, Some(2))), None);
    let of = |subject: &str, role: &str| Limits {
        subject: subject.parse().unwrap(),
        role: role.parse().unwrap(),
        ..limits(2, Some(1))
    };
    assert_eq!(exceeded(of("local/u-1", "other")), None);
    let most = Most::Requests { open: 1, grants_per_day: Some(1) };
    assert_eq!(exceeded(Limits { most, ..of("local/u-2", "web-shell") }), None);
    let tomorrow = now.plus(Span::from_secs(25 * 60 * 60));
    assert_eq!(exceeded(Limits { now: tomorrow, ..limits(1, Some(1)) }), None, "it has lapsed");
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_of_a_day_are_those_that_begin_in_it_whenever_they_were_asked_for() {
    let (lab, now) = (Lab::new().await, clock::now());
    let (hour, day) = (Span::from_secs(60 * 60), Span::from_secs(24 * 60 * 60));
    let asked = |number: u8, ago: Span| {
        let Event::RequestMade(mut made) = request() else { panic!() };
        made.made = now.minus(ago);
        made.request = RequestId::new(made.made.secs() * 1_000, [number; 10]);
        made.lapses = now.plus(day);
        *made
    };
    let granted = |number: u8, made: &RequestMade, term| {
        let made = GrantMade {
            grant: GrantId::from_bytes([number; 16]),
            request: made.request,
            subject: made.subject.clone(),
            role: made.role.clone(),
            rows: made.rows.clone(),
            hosts: made.hosts.clone(),
            term,
            certificates: None,
        };
        Event::from(made)
    };
    let exceeded = |most, at: UnixTime| {
        let (subject, role) = (alice(), "web-shell".parse().unwrap());
        let most = Most::Requests { open: 9, grants_per_day: Some(most) };
        let limits = Limits { subject, role, now: at, most };
        lab.store.read().unwrap().exceeded(&limits).unwrap()
    };
    let reached = |begun, waiting, room| Some(Exceeded::GrantsPerDay { begun, waiting, room });

    // A request a day, for three days, which nobody has looked at yet.
    let days = [1, 2, 3].map(|days| asked(days, Span::from_secs(day.secs() * u64::from(days))));
    for made in &days {
        lab.write(vec![Event::from(made.clone())]).await.unwrap();
    }
    assert_eq!(exceeded(3, now), reached(0, 3, None));
    assert_eq!(exceeded(4, now), None);
    // They are all approved today: one begins now, one is over in a minute, and one is to begin.
    let window = |start, length| Window::starting(start, length).unwrap();
    for (number, made, term) in [
        (1, &days[0], Term::Open(window(now, hour))),
        (2, &days[1], Term::Open(window(now.minus(hour), hour))),
        (3, &days[2], Term::Scheduled(window(now.plus(hour), hour))),
    ] {
        lab.write(vec![granted(number, made, term)]).await.unwrap();
    }
    assert_eq!(exceeded(3, now), reached(2, 1, Some(now.minus(hour).plus(day))));
    assert_eq!(exceeded(1, now), reached(2, 1, None));
    assert_eq!(exceeded(4, now), None);
    // What is over counts for a day from its beginning, and what never began does not.
    let later = now.plus(hour).plus(hour);
    assert_eq!(exceeded(2, later), reached(2, 0, Some(now.minus(hour).plus(day))));
    assert_eq!(exceeded(1, now.minus(hour).plus(day)), reached(1, 0, Some(now.plus(day))));
    assert_eq!(exceeded(1, now.plus(day)), None);
    lab.store.check().unwrap();
}
