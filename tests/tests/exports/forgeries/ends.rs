//! Changes of how access begins, ends and is stopped.

use super::*;

forgeries! {
    // === emergencies ===
    "grant-without-asking-anybody" "grant" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::GlassBroken(_)))?;
        log.remove(at);
        Some(at)
    },
    "glass-broken-for-nothing" "sequence" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::GlassBroken(_)))?;
        log.remove(at + 1);
        Some(at + 1)
    },
    "glass-broken-by-another" "state" |log, place| acted_by(log, place, |event| matches!(event, Event::GlassBroken(_))),
    "glass-broken-as-a-request" "decision" change!(GlassBroken, |broken| broken.decision.facts.action = Action::Request),
    "own-review" "review" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::Reviewed(_)))?;
        let Some(Event::Reviewed(reviewed)) = log.event(at) else { return None };
        let made = before(log, at, |_, event| matches!(event, Event::RequestMade(made) if made.request == reviewed.request))?;
        let (actor, Some(Event::RequestMade(made))) = (log.leaf(made).actor, log.event(made)) else { return None };
        log.change(at, |leaf, event| if let Event::Reviewed(reviewed) = event {
            leaf.actor = actor;
            (reviewed.by, reviewed.name) = (made.subject.clone(), made.name);
            reviewed.decision.facts.subject = made.subject;
        });
        Some(at)
    },
    "review-again" "review" |log, place| again(log, place, |event| matches!(event, Event::Reviewed(_))),
    "review-of-what-goes-on" "review" |log, place| {
        let reviewed = log.find(place, |event| matches!(event, Event::Reviewed(_)))?;
        let request = log.leaf(reviewed).ids.request;
        let end = before(log, reviewed, |leaf, event| matches!(event, Event::GrantEnded(_)) && leaf.ids.request == request)?;
        log.remove(end);
        Some(reviewed - 1)
    },
    "review-of-no-emergency" "review" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::Reviewed(_)))?;
        let other = log.find(0, |event| matches!(event, Event::RequestMade(_)))?;
        let request = log.leaf(other).ids.request?;
        log.change(at, |_, event| if let Event::Reviewed(reviewed) = event { reviewed.request = request });
        Some(at)
    },

    // === starts ===
    "used-before-its-start" "under" |log, place| {
        let at = started(log, place, true)?;
        let grant = log.leaf(at).ids.grant;
        let issued = log.find_where(0, |at, event| is_granted(event) && log.leaf(at).ids.grant == grant)?;
        log.remove(at);
        Some(issued - 1)
    },
    "used-without-a-start" "under" |log, place| {
        let at = started(log, place, false)?;
        log.remove(at);
        Some(at)
    },
    "started-and-not-used" "sequence" |log, place| {
        let at = started(log, place, false)?;
        log.remove(at + 1);
        Some(at + 1)
    },
    "started-again" "state" |log, place| {
        let at = started(log, place, true)?;
        log.insert_like(at + 1, at, |_| ());
        Some(at + 1)
    },
    "started-against-the-policy" "decision" change!(GrantStarted, |started| started.decision.decision.outcome = deny()),
    "started-against-who-agreed" "decision" change!(GrantStarted, |started| started.approvals[0].decision.outcome = deny()),
    "started-without-asking" "state" change!(GrantStarted, |started| started.approvals.clear()),
    "started-for-longer" "state" change!(GrantStarted, |started| {
        let end = started.window.end().plus(Span::from_secs(1));
        started.window = Window::new(started.window.start(), end).unwrap();
    }),

    // === ends ===
    "end-of-another-role" "state" change!(GrantEnded, |ended| ended.scope.role = "web-root".parse().unwrap()),
    "end-of-fewer-rows" "state" change!(GrantEnded, |ended| ended.scope.rows.clear()),
    "end-for-another-reason" "state" change!(GrantEnded, |ended| ended.scope.reason = "INC-1".parse().unwrap()),
    "end-of-another-window" "state" change!(GrantEnded, |ended| if ended.scope.window.is_some() => ended.scope.window = None),
    "end-by-another-cause" "state" change!(GrantEnded, |ended| ended.cause = match ended.cause {
        EndCause::Over => EndCause::Unused,
        _ => EndCause::Over,
    }),
    "given-back-by-the-daemon" "state" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::GrantEnded(ended) if ended.cause == EndCause::GivenBack))?;
        log.change_leaf(at, |leaf| leaf.actor = ActorRef::DAEMON);
        Some(at)
    },
    "revocation-of-another" "state" change!(GrantRevoked, |revoked| revoked.scope.subject = other(&revoked.scope.subject)),
    "revocation-against-the-policy" "decision" change!(GrantRevoked, |revoked| revoked.decision.decision.outcome = deny()),
    "revocation-again" "state" |log, place| again(log, place, |event| matches!(event, Event::GrantRevoked(_))),
    "revoked-at-another-time" "state" change!(GrantRevoked, |revoked| revoked.revoked = revoked.revoked.minus(Span::from_secs(60))),
    "revoked-by-another" "subject" |log, place| acted_by(log, place, |event| matches!(event, Event::GrantRevoked(_))),
    "lapse-of-another" "state" change!(RequestLapsed, |lapsed| lapsed.scope.subject = other(&lapsed.scope.subject)),
    "lapse-at-another-time" "state" change!(RequestLapsed, |lapsed| lapsed.lapsed = lapsed.lapsed.minus(Span::from_secs(1))),

    // === certificates ===
    "issued-after-the-revocation" "under" |log, place| {
        let revoked = log.find(place, |event| matches!(event, Event::GrantRevoked(_)))?;
        let grant = log.leaf(revoked).ids.grant;
        let like = log.find_where(0, |at, event| is_granted(event) && log.leaf(at).ids.grant == grant)?;
        issue_anew(log, revoked + 1, like)
    },
    "issued-after-it-was-given-back" "under" |log, place| {
        let ended = log.find_where(place, |at, event| {
            let grant = log.leaf(at).ids.grant;
            let is_used = || (0..at).any(|at| log.leaf(at).entry_type.as_str() == "issue.intent" && log.leaf(at).ids.grant == grant);
            matches!(event, Event::GrantEnded(ended) if ended.cause == EndCause::GivenBack) && is_used()
        })?;
        let grant = log.leaf(ended).ids.grant;
        let like = log.find_where(0, |at, event| is_granted(event) && log.leaf(at).ids.grant == grant)?;
        issue_anew(log, ended + 1, like)
    },
    "one-certificate-more" "under" |log, place| {
        let at = log.find_where(place, |at, event| {
            is_granted(event) && grant_of(log, log.leaf(at).ids.grant).is_some_and(|made| made.certificates == Some(1))
        })?;
        issue_anew(log, at + 1, at)
    },
    "valid-only-later" "window" |log, place| {
        let at = issued_later(log, place)?;
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event { valid(intent, 3600, 0) });
        Some(at)
    },

    // === locks ===
    "locked-again" "lock" |log, place| again(log, place, |event| matches!(event, Event::LockSet(_))),
    "unlocked-again" "lock" |log, place| again(log, place, |event| matches!(event, Event::LockLifted(_))),
    "locked-against-the-policy" "subject" |log, place| acted_by(log, place, |event| matches!(event, Event::LockSet(_))),
    "login-while-locked" "lock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::LoggedIn(_)))?;
        let Some(Event::LoggedIn(login)) = log.event(at) else { return None };
        lock(log, at, Locked::Subject(login.subject))
    },
    "anything-while-all-is-locked" "lock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::RequestMade(_) | Event::LoggedIn(_) | Event::ApprovalGiven(_)))?;
        lock(log, at, Locked::All)
    },
    "request-for-a-locked-role" "lock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::RequestMade(_)))?;
        let Some(Event::RequestMade(made)) = log.event(at) else { return None };
        lock(log, at, Locked::Role(made.role))
    },
    "approval-while-locked" "lock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::ApprovalGiven(given) if !is_by_rules(given)))?;
        let Some(Event::ApprovalGiven(given)) = log.event(at) else { return None };
        let Approver::Person { subject, .. } = given.by else { return None };
        lock(log, at, Locked::Subject(subject))
    },
    "issued-while-locked" "under" |log, place| {
        let at = issued_later(log, place)?;
        let made = grant_of(log, log.leaf(at).ids.grant)?;
        lock(log, at, Locked::Subject(made.subject))
    },
    "issued-while-the-role-is-locked" "lock" |log, place| {
        let at = issued_later(log, place)?;
        let made = grant_of(log, log.leaf(at).ids.grant)?;
        lock(log, at, Locked::Role(made.role))
    },
    "started-while-who-agreed-is-locked" "lock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::GrantStarted(_)))?;
        let Some(Event::GrantStarted(started)) = log.event(at) else { return None };
        lock(log, at, Locked::Subject(started.approvals[0].facts.subject.clone()))
    },
    "started-while-locked" "lock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::GrantStarted(_)))?;
        let made = grant_of(log, log.leaf(at).ids.grant)?;
        lock(log, at, Locked::Subject(made.subject))
    },
    "unlocked-by-who-is-locked" "lock" |log, place| vouched(log, place, |event| match event {
        Event::LockLifted(lifted) => match &lifted.by {
            Officer::Person { subject, .. } => Some(subject),
            Officer::Machine { .. } => None,
        },
        _ => None,
    }),
    // By a login that the lock has ended, or while nobody may.
    "activated-by-who-is-locked" "under" |log, place| locked_before(log, place, false, activates),
    "activated-while-all-is-locked" "lock" |log, place| locked_before(log, place, true, activates),
    "enrolled-while-locked" "login" |log, place| locked_before(log, place, false, enrols),
    "enrolled-while-all-is-locked" "lock" |log, place| locked_before(log, place, true, enrols),
    "reviewed-by-who-is-locked" "lock" |log, place| vouched(log, place, |event| match event {
        Event::Reviewed(reviewed) => Some(&reviewed.by),
        _ => None,
    }),
    "erasure-ordered-by-who-is-locked" "lock" |log, place| vouched(log, place, |event| match event {
        Event::ErasureOrdered(order) => Some(&order.by),
        _ => None,
    }),
}

/// Locks who vouches for something, or everything, right before that entry.
fn vouched(
    log: &mut Log,
    place: usize,
    by: impl Fn(&Event) -> Option<&SubjectId>,
) -> Option<usize> {
    locked_before(log, place, !place.is_multiple_of(2), by)
}

fn locked_before(
    log: &mut Log,
    place: usize,
    all: bool,
    by: impl Fn(&Event) -> Option<&SubjectId>,
) -> Option<usize> {
    let at = log.find(place, |event| by(event).is_some())?;
    let subject = by(&log.event(at)?)?.clone();
    lock(log, at, if all { Locked::All } else { Locked::Subject(subject) })
}

fn activates(event: &Event) -> Option<&SubjectId> {
    match event {
        Event::BundleApproved(approved) => Some(&approved.by),
        _ => None,
    }
}

fn enrols(event: &Event) -> Option<&SubjectId> {
    match event {
        Event::MfaEnrolled(enrolled) => Some(&enrolled.subject),
        _ => None,
    }
}

/// Where a grant starts: at a time, or with its first use.
fn started(log: &Log, place: usize, at_a_time: bool) -> Option<usize> {
    log.find_where(place, |at, event| {
        let by_clock = log.leaf(at).actor == ActorRef::DAEMON;
        matches!(event, Event::GrantStarted(_)) && by_clock == at_a_time
    })
}
