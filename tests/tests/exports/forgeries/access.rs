//! Changes of requests, approvals and grants, and of what may follow on what.

use super::*;

forgeries! {
    // === requests ===
    "other-reason" "request" change!(RequestMade, |made| made.reason = "INC-43".parse().unwrap()),
    "other-role" "request" change!(RequestMade, |made| made.role = "web-root".parse().unwrap()),
    "more-rows" "request" change!(RequestMade, |made| made.rows.push("x509 payments".parse().unwrap())),
    "longer-request" "request" change!(RequestMade, |made| made.duration = Span::from_secs(86_000)),
    "request-under-another-bundle" "request" change!(RequestMade, |made| {
        made.bundle = Digest::from_bytes([7; 32]);
        made.hash = hash(made);
    }),
    "role-of-no-bundle" "request" change!(RequestMade, |made| {
        made.role = "web-root".parse().unwrap();
        made.hash = hash(made);
    }),
    "request-again" "request" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::RequestMade(_)))?;
        log.insert_like(at + 1, at, |_| ());
        Some(at + 1)
    },

    // === what may follow ===
    "denial-again" "state" |log, place| again(log, place, |event| matches!(event, Event::RequestDenied(_))),
    "cancel-again" "state" |log, place| again(log, place, |event| matches!(event, Event::RequestCancelled(_))),
    "lapse-again" "state" |log, place| again(log, place, |event| matches!(event, Event::RequestLapsed(_))),
    "end-again" "state" |log, place| again(log, place, |event| matches!(event, Event::GrantEnded(_))),
    "outcome-again" "state" |log, place| again(log, place, |event| matches!(event, Event::CertificateIssued(_))),
    "logout-again" "state" |log, place| again(log, place, |event| matches!(event, Event::LoggedOut(_))),
    "grant-again" "state" |log, place| again(log, place, |event| matches!(event, Event::GrantMade(_))),
    "earlier-end" "state" change!(GrantEnded, |ended| if ended.cause == EndCause::Over => ended.ended = UnixTime::from_secs(ended.ended.secs() - 1)),
    "outcome-of-nothing" "state" change!(CertificateIssued, |issued| issued.issuance = IssuanceId::from_bytes([7; 16])),
    "outcome-of-another-grant" "state" change!(CertificateIssued, |issued| issued.grant = Some(GrantId::from_bytes([7; 16]))),
    "dropped-intent" "state" |log, place| {
        let at = issued_later(log, place)?;
        let issuance = log.leaf(at).ids.issuance;
        log.remove(at);
        (at..log.entries.len()).find(|&at| log.leaf(at).ids.issuance == issuance)
    },
    "dropped-request" "state" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::ApprovalGiven(given) if given.signature.is_some()))?;
        let request = log.leaf(at).ids.request;
        let made = (0..at).find(|&at| log.leaf(at).ids.request == request)?;
        log.remove(made);
        (made..log.entries.len()).find(|&at| log.leaf(at).ids.request == request)
    },
    "approval-of-what-is-over" "state" |log, place| {
        let over = log.find(place, |event| matches!(event, Event::RequestDenied(_)))?;
        let like = log.find(0, |event| matches!(event, Event::ApprovalGiven(given) if is_by_rules(given)))?;
        let Some(Event::RequestDenied(denied)) = log.event(over) else { return None };
        let Some(Event::RequestMade(made)) = log.event(log.find(0, |event| {
            matches!(event, Event::RequestMade(made) if made.request == denied.request)
        })?) else { return None };
        log.insert_like(over + 1, like, |event| if let Event::ApprovalGiven(given) = event {
            given.request = made.request;
            given.decision.facts.subject = made.subject.clone();
        });
        Some(over + 1)
    },

    "cancelled-by-another" "state" |log, place| acted_by(log, place, |event| matches!(event, Event::RequestCancelled(_))),
    "lapsed-by-somebody" "state" |log, place| acted_by(log, place, |event| matches!(event, Event::RequestLapsed(_))),
    "ended-by-somebody" "state" |log, place| acted_by(log, place, |event| matches!(event, Event::GrantEnded(_))),
    "outcome-of-anothers-intent" "state" |log, place| acted_by(log, place, |event| matches!(event, Event::CertificateIssued(_))),

    // === approvals ===
    "self-approval" "approval" |log, place| approve_as(log, place, |log, request| log.find(0, |event| {
        matches!(event, Event::RequestMade(made) if made.request == request)
    })),
    "approval-by-anothers-key" "approval" |log, place| {
        let at = log.find(place, |event| is_by(event, "bob"))?;
        approve_at(log, at, |log, _| log.find(0, |event| is_by(event, "carol")))
    },
    "twice-by-one" "grant" |log, place| {
        let (_, approvals, grant) = agreed_by_two(log, place)?;
        log.insert_like(approvals[1], approvals[0], |_| ());
        log.remove(approvals[1] + 1);
        Some(grant)
    },
    "by-one-who-is-locked" "grant" |log, place| {
        let (_, approvals, grant) = agreed_by_two(log, place)?;
        let Some(Event::ApprovalGiven(given)) = log.event(approvals[0]) else { return None };
        let Approver::Person { subject, .. } = given.by else { return None };
        lock(log, grant, Locked::Subject(subject))
    },
    "approval-without-signature" "approval" |log, place| {
        let at = where_two_groups_agree(log, place, "bob")?;
        log.change(at, |_, event| if let Event::ApprovalGiven(given) = event { given.signature = None });
        Some(at)
    },
    "approval-on-more-hosts" "approval" change!(ApprovalGiven, |given| if given.signature.is_none() && !is_by_rules(given) => given.hosts = "db1,web1".parse().unwrap()),
    "approval-for-less-without-a-word" "approval" change!(ApprovalGiven, |given| if given.comment.is_some() => given.comment = None),
    "approval-by-a-group-of-others" "approval" change!(ApprovalGiven, |given| if !is_by_rules(given) => {
        given.groups.insert("privacy-officers".parse().unwrap());
    }),
    "approval-by-no-group" "approval" change!(ApprovalGiven, |given| if !is_by_rules(given) => given.groups.clear()),
    "rules-with-a-signature" "approval" |log, place| {
        let by_rules = |event: &Event| matches!(event, Event::ApprovalGiven(given) if is_by_rules(given));
        let (at, from) = (log.find(place, by_rules)?, log.find(place, |event| is_by(event, "bob"))?);
        let Some(Event::ApprovalGiven(signed)) = log.event(from) else { return None };
        log.change(at, |_, event| if let Event::ApprovalGiven(given) = event { given.signature = signed.signature });
        Some(at)
    },
    "longer-rules" "approval" change!(ApprovalGiven, |given| if is_by_rules(given) => given.duration = Span::from_secs(given.duration.secs() + 1)),
    "rules-with-other-rows" "approval" change!(ApprovalGiven, |given| if is_by_rules(given) => given.rows.push("x509 payments".parse().unwrap())),
    "rules-without-rows" "approval" change!(ApprovalGiven, |given| if is_by_rules(given) => given.rows.clear()),
    "rules-by-somebody" "approval" |log, place| acted_by(log, place, |event| {
        matches!(event, Event::ApprovalGiven(given) if is_by_rules(given))
    }),
    "rules-that-are-none" "approval" change!(ApprovalGiven, |given| if is_by_rules(given) => given.by = Approver::Rules(vec![])),
    "rules-of-no-bundle" "approval" change!(ApprovalGiven, |given| if is_by_rules(given) => given.by = Approver::Rules(vec!["anybody".to_owned()])),
    "erased-self-approval" "approval" |log, place| {
        let (requester, approvals, _) = agreed_by_two(log, place)?;
        log.entries[approvals[0]].record.clear();
        log.change_leaf(approvals[0], |leaf| leaf.actor = requester);
        Some(approvals[0])
    },
    "rules-for-another" "approval" change!(ApprovalGiven, |given| if is_by_rules(given) => given.hash = Digest::from_bytes([7; 32])),

    // === grants ===
    "one-approval-less" "grant" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::ApprovalGiven(given) if given.signature.is_some()))?;
        let request = log.leaf(at).ids.request;
        let grant = (at..log.entries.len()).find(|&at| matches!(log.event(at), Some(Event::GrantMade(_))) && log.leaf(at).ids.request == request)?;
        log.remove(at);
        Some(grant - 1)
    },
    "erased-approvals-of-one" "grant" |log, place| {
        let (_, approvals, grant) = agreed_by_two(log, place)?;
        let one = log.leaf(approvals[0]).actor;
        for at in approvals {
            log.entries[at].record.clear();
            log.change_leaf(at, |leaf| leaf.actor = one);
        }
        Some(grant)
    },
    "longer-than-half-the-approvals" "grant" |log, place| {
        let (_, approvals, grant) = agreed_by_two(log, place)?;
        log.entries[approvals[0]].record.clear();
        log.change(grant, |_, event| if let Event::GrantMade(made) = event { move_window(made, 0, 1) });
        Some(grant)
    },
    // Carol is in both groups, and still one person.
    "one-for-two-groups" "grant" |log, place| {
        let at = where_two_groups_agree(log, place, "bob")?;
        let request = log.leaf(at).ids.request;
        let grant = log.find_from(at, |event| matches!(event, Event::GrantMade(made) if Some(made.request) == request))?;
        log.remove(at);
        Some(grant - 1)
    },
    "more-certificates-than-asked-for" "grant" change!(GrantMade, |made| if made.certificates.is_some() => made.certificates = None),
    "grant-on-hosts-left-out" "grant" change!(GrantMade, |made| if made.certificates.is_some() => made.hosts = "web1,web2".parse().unwrap()),
    "longer-grant" "grant" change!(GrantMade, |made| if is_open(made) => move_window(made, 0, 1)),
    "shorter-grant" "grant" change!(GrantMade, |made| if is_open(made) => move_window(made, 0, -1)),
    "later-grant" "grant" change!(GrantMade, |made| if is_open(made) => move_window(made, 3600, 3600)),
    "earlier-grant" "grant" change!(GrantMade, |made| if is_open(made) => move_window(made, -3600, -3600)),
    "begun-before-its-first-use" "grant" change!(GrantMade, |made| if matches!(made.term, Term::FirstUse { .. }) => {
        if let Term::FirstUse { duration, by } = made.term {
            made.term = Term::Open(Window::starting(by.minus(Span::from_secs(3600)), duration).unwrap());
        }
    }),
    "to-be-used-later" "grant" change!(GrantMade, |made| if matches!(made.term, Term::FirstUse { .. }) => {
        if let Term::FirstUse { by, .. } = &mut made.term {
            *by = by.plus(Span::from_secs(3600));
        }
    }),
    "grant-of-more-rows" "grant" change!(GrantMade, |made| made.rows.push("x509 payments".parse().unwrap())),
    "grant-of-fewer-rows" "grant" change!(GrantMade, |made| if made.rows.len() > 1 => drop(made.rows.pop())),
    "grant-on-more-hosts" "grant" change!(GrantMade, |made| if made.hosts.to_string() != "*" => made.hosts = "*".parse().unwrap()),
    "grant-of-another-role" "grant" change!(GrantMade, |made| made.role = "web-root".parse().unwrap()),
    "grant-to-another" "grant" change!(GrantMade, |made| made.subject = other(&made.subject)),
    "grant-twice" "grant" |log, place| {
        let granted = |event: &Event| matches!(event, Event::GrantMade(_));
        let (one, two) = (log.find(place, granted)?, log.find(place + 1, granted)?);
        let (first, second) = (one.min(two), one.max(two));
        let Some(Event::GrantMade(used)) = log.event(first) else { return None };
        log.change(second, |_, event| if let Event::GrantMade(made) = event { made.grant = used.grant });
        Some(second)
    },
}

/// Where this person approved what two groups have to agree to.
fn where_two_groups_agree(log: &Log, place: usize, by: &str) -> Option<usize> {
    let asks_two =
        |event: &Event| matches!(event, Event::RequestMade(made) if made.approvals.len() == 2);
    let asked: Vec<_> = (0..log.entries.len())
        .filter(|&at| log.event(at).is_some_and(|event| asks_two(&event)))
        .map(|at| log.leaf(at).ids.request)
        .collect();
    log.find_where(place, |at, event| is_by(event, by) && asked.contains(&log.leaf(at).ids.request))
}
