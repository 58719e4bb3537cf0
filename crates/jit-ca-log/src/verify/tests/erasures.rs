//! Erasures: what they may leave out, and what they may not cover up.

use jit_ca_core::workflow::Term;

use super::*;

/// The story, and then an erasure by age of these entries.
pub(super) fn erased(story: &Story, entries: Vec<(u64, u64)>) -> Told {
    let mut story = story.clone();
    let erased = Erased {
        cause: ErasureCause::Retention(UnixTime::from_secs(START + 1_801)),
        reason: "kept for a year".parse().unwrap(),
        entries,
    };
    story.push((ActorRef::DAEMON, erased.into()));
    Told::of(&story)
}

#[test]
fn erasing_is_no_way_to_lie() {
    let teller = Teller::new();
    let (mut exports, mut expectations) = (Vec::new(), Vec::new());
    let mut check = |gone: &[usize], expected: Option<(Code, usize)>, change: Change| {
        let mut story = teller.story();
        change(&teller, &mut story);
        let entries = gone.iter().map(|&index| (index as u64, index as u64)).collect();
        exports.push(erased(&story, entries).export(&teller));
        let expected = expected.map(|(code, index)| (code, Some(index as u64)));
        expectations.push((gone.to_vec(), expected));
    };
    // Who approved, say the leaves.
    check(&[at::APPROVAL], None, |_, _| ());
    check(&[at::APPROVAL], None, |_, s| s[at::APPROVAL].0 = ActorRef::DAEMON);
    let by_herself: Change = |_, s| s[at::APPROVAL].0 = ALICE;
    check(&[at::APPROVAL], Some((Code::Approval, at::APPROVAL)), by_herself);
    check(&[at::REQUEST, at::APPROVAL], Some((Code::Approval, at::APPROVAL)), by_herself);
    let by_two: Change = |_, s| event!(s, at::REQUEST, RequestMade).approvals[0].count = 2;
    check(&[at::APPROVAL], Some((Code::Grant, at::GRANT)), by_two);
    let twice: Change = |_, s| {
        event!(s, at::REQUEST, RequestMade).approvals[0].count = 2;
        s.insert(at::APPROVAL, s[at::APPROVAL].clone());
    };
    let both = [at::APPROVAL, at::APPROVAL + 1];
    check(&both, Some((Code::Grant, at::GRANT + 1)), twice);
    let by_nobody: Change = |_, s| drop(s.remove(at::APPROVAL));
    check(&[at::REQUEST], Some((Code::Grant, at::GRANT - 1)), by_nobody);
    // What is known of it still binds.
    let other_row: Change = |_, s| event!(s, at::GRANT, GrantMade).rows = vec![row("x509 other")];
    let too_long: Change = |_, s| event!(s, at::GRANT, GrantMade).term = Term::Open(window(3_601));
    for lie in [other_row, too_long] {
        check(&[at::APPROVAL], Some((Code::Grant, at::GRANT)), lie);
        check(&[at::REQUEST], Some((Code::Grant, at::GRANT)), lie);
    }
    // Certificates under a grant that is erased.
    check(&[at::GRANT], None, |_, _| ());
    check(&[at::GRANT], Some((Code::Under, at::SSH)), |_, s| s[at::SSH].0 = BOB);
    check(&[at::GRANT], Some((Code::Under, at::SSH)), |_, s| {
        event!(s, at::SSH, CertificateIntended).validity.from = UnixTime::from_secs(START + 1);
    });
    check(&[at::GRANT], Some((Code::Window, at::SSH)), |_, s| {
        event!(s, at::SSH, CertificateIntended).validity = validity(86_401);
    });
    let ended_before: Change = |t, s| {
        let usual = t.granted(s, at::REQUEST, at::GRANT);
        s.insert(at::SSH, (ALICE, usual.ended(0, EndCause::GivenBack).into()));
    };
    check(&[at::GRANT], Some((Code::Under, at::SSH + 1)), ended_before);
    check(&[at::GRANT, at::SSH], Some((Code::Under, at::SSH + 1)), ended_before);
    check(&[at::REQUEST], Some((Code::Certificate, at::SSH)), |t, s| {
        let grant = event!(s, at::GRANT, GrantMade).clone();
        let mut certificate = t.ssh_certificate(IssuanceId::from_bytes(id(2)), &grant);
        certificate.key_id = "alice".into();
        event!(s, at::SSH, CertificateIntended).tbs = certificate.tbs(&t.keys.ssh_user);
    });
    // A grant of no request, even if nobody knows what it says.
    let of_nothing: Change = |_, s| {
        event!(s, at::GRANT, GrantMade).request = jit_ca_core::RequestId::from_bytes([5; 16]);
    };
    check(&[at::GRANT], Some((Code::Under, at::SSH)), of_nothing);
    // Another grant of a request that has one, and its end, take nothing of what is known of the first.
    let another = [at::PLANNED_START, at::PLANNED_START + 1];
    check(&another, None, another_grant);
    check(&another, Some((Code::State, at::PLANNED_END + 2)), |t, s| {
        another_grant(t, s);
        let ended = event!(s, at::PLANNED_END + 2, GrantEnded);
        ended.scope.reason = "INC-44".parse().unwrap();
    });
    // Nobody has to agree to an emergency; a glass that is broken for what is granted makes it none.
    let unasked: Change = |t, s| {
        let Granted { request, .. } = t.granted(s, at::PLANNED, at::PLANNED_GRANT);
        let told = ["security".parse().unwrap()].into();
        let decision = decided(Action::BreakGlass, "u-1");
        let broken = GlassBroken { request: request.request, told, decision };
        s.insert(at::PLANNED_START, (ALICE, broken.into()));
        s.insert(at::PLANNED_START + 1, (ALICE, another_of(t, s).grant.into()));
        event!(s, at::PLANNED_START + 2, GrantStarted).approvals = Vec::new();
    };
    check(&another, Some((Code::State, at::PLANNED_START + 2)), unasked);
    // Logins of others make up for none.
    check(&[at::LOGIN], None, |_, _| ());
    check(&[at::LOGIN], Some((Code::Under, at::LOGIN_INTENT)), |_, s| s[at::LOGIN].0 = BOB);
    check(&[at::ENROLLED], Some((Code::Under, at::SSH)), |_, s| s[at::ENROLLED].0 = BOB);
    check(&[at::LOGIN, at::LOGIN_INTENT], Some((Code::Login, at::ENROLLED)), |_, s| {
        s[at::LOGIN].0 = BOB;
    });
    // Who somebody is stays, unless that one is gone.
    let last = teller.story().len();
    check(&[3], Some((Code::Erase, last)), |_, _| ());
    check(&[5], None, |_, s| {
        s[at::SERVER] = (ActorRef::DAEMON, PersonRemoved { actor: BOB }.into());
        s.truncate(at::ORDER);
    });
    for ((gone, expected), found) in expectations.into_iter().zip(found_by_both(exports)) {
        assert_eq!(found, expected, "{gone:?}");
    }
}

fn another_of(teller: &Teller, story: &Story) -> Granted {
    let mut another = teller.granted(story, at::PLANNED, at::PLANNED_GRANT);
    another.grant.grant = jit_ca_core::GrantId::from_bytes(id(99));
    another
}

fn another_grant(teller: &Teller, story: &mut Story) {
    let usual = another_of(teller, story);
    let ended = usual.ended(0, EndCause::GivenBack);
    let between = at::PLANNED_START..at::PLANNED_START;
    story.splice(between, [(CAROL, usual.grant.into()), (ALICE, ended.into())]);
}

#[test]
fn logins_of_long_ago_make_up_for_none() {
    let teller = Teller::new();
    let told = erased(&teller.story(), vec![(at::LOGIN as u64, at::LOGIN as u64)]);
    let with = |from: usize, later: u64| {
        let mut told = told.clone();
        told.leaves.iter_mut().skip(from).for_each(|leaf| leaf.ts_ms += 1_000 * later);
        found(told.export(&teller)).map(|(code, index)| (code, index.unwrap()))
    };
    // It is issued in time; the request is not made in time, then.
    assert_eq!(with(at::LOGIN_INTENT, 60), Some((Code::Request, at::REQUEST as u64)));
    assert_eq!(with(at::LOGIN_INTENT, 61), Some((Code::Under, at::LOGIN_INTENT as u64)));
    // Ten minutes have passed by then.
    assert_eq!(with(at::LOGOUT, 43_210 - 600), None);
    assert_eq!(with(at::LOGOUT, 43_211 - 600), Some((Code::State, at::LOGOUT as u64)));
}

#[test]
fn nothing_is_said_to_be_erased_that_is_there() {
    let teller = Teller::new();
    let story = teller.story();
    let mut told = Told::of(&story);
    told.records[at::CODE] = Told::of(&story[..at::ORDER].to_vec()).records[at::CODE].clone();
    assert_eq!(found(told.export(&teller)), Some((Code::Erase, Some(at::ERASE as u64))));
}

#[test]
fn what_is_missing_was_erased_and_what_rests_on_it_is_unknown() {
    let teller = Teller::new();
    let mut told = Told::of(&teller.story());
    told.records[at::ENROLLED].clear();
    told.records[at::LOGOUT].clear();
    assert_eq!(found(told.export(&teller)), Some((Code::Erased, Some(at::ENROLLED as u64))));

    // Whatever may be erased, alone or with all that comes before it, is no fault once it is named.
    let kept = [at::INIT, at::ALICE, at::BOB, at::CAROL, at::BUNDLE];
    let erasable = |index: u64| !kept.iter().any(|&kept| kept as u64 == index);
    let mut exports = Vec::new();
    for last in 1..at::ORDER as u64 {
        for first in [1, last] {
            let ranges = (first..=last).filter(|&index| erasable(index)).map(|i| (i, i)).collect();
            exports.push(erased(&teller.story(), ranges).export(&teller));
        }
    }
    for (nth, found) in found_by_both(exports).into_iter().enumerate() {
        assert_eq!(found, None, "{nth}");
    }

    // What the leaf says still counts.
    let mut story = teller.story();
    let again = story[at::REQUEST].clone();
    story.insert(at::END + 1, again);
    story.pop();
    story.pop();
    let told = erased(&story, vec![(at::CODE as u64, at::REQUEST as u64)]);
    let found = found(told.export(&teller));
    assert_eq!(found, Some((Code::Request, Some(at::END as u64 + 1))));
}

#[test]
fn nothing_young_is_erased_by_age() {
    let teller = Teller::new();
    let with = |before: u64, written: u64| {
        let mut story = teller.story();
        let erased = Erased {
            cause: ErasureCause::Retention(UnixTime::from_secs(before)),
            reason: "kept for a year".parse().unwrap(),
            entries: vec![(at::REQUEST as u64, at::REQUEST as u64)],
        };
        story.push((ActorRef::DAEMON, erased.into()));
        let mut told = Told::of(&story);
        told.leaves.last_mut().unwrap().ts_ms = 1_000 * written;
        (told.leaves.len() as u64 - 1, found(told.export(&teller)))
    };
    let month = 30 * 24 * 60 * 60;
    assert_eq!(with(START + 1, START + 1 + month).1, None);
    // Sooner than after 30 days, or what was written at that time and not before it.
    for (before, written) in [(START + 1, START + month), (START, START + 2 * month)] {
        let (last, found) = with(before, written);
        assert_eq!(found, Some((Code::Erase, Some(last))));
    }
}
