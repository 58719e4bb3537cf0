//! Lies about second factors that were reset, and about what was there before.

use jit_ca_core::event::{MfaReset, ResetCode, Resetter};

use super::*;

forgeries! {
    // === who ===
    "reset-by-one" "reset" |log, place| {
        let (at, asked) = reset(log, place)?;
        let Some(Event::MfaReset(made)) = log.event(at) else { return None };
        let Resetter::Person { subject, name, login, decision, .. } = made.by else { return None };
        let actor = log.leaf(at).actor;
        log.change(asked, |leaf, event| if let Event::MfaResetAsked(asked) = event {
            leaf.actor = actor;
            (asked.by, asked.name, asked.login, asked.decision) = (subject, name, login, *decision);
        });
        Some(at)
    },
    "reset-of-ones-own" "reset" change!(MfaResetAsked, |asked| asked.subject = asked.by.clone()),
    "reset-of-ones-own-confirmed" "reset" |log, place| {
        let (at, asked) = reset(log, place)?;
        let Some(Event::MfaReset(made)) = log.event(at) else { return None };
        let Resetter::Person { subject, .. } = made.by else { return None };
        log.change(asked, |_, event| if let Event::MfaResetAsked(asked) = event {
            asked.subject = subject.clone();
        });
        log.change(at, |_, event| if let Event::MfaReset(made) = event { made.subject = subject });
        Some(at)
    },
    "reset-by-a-workload" "subject" |log, place| {
        let like = log.find(place, |event| matches!(event, Event::LoggedInByToken(login) if login.challenge.is_none()))?;
        let Some(Event::LoggedInByToken(workload)) = log.event(like) else { return None };
        let actor = log.leaf(like).actor;
        let (at, _) = reset(log, place)?;
        log.change(at, |leaf, event| if let Event::MfaReset(made) = event
            && let Resetter::Person { subject, name, login, decision, .. } = &mut made.by
        {
            leaf.actor = actor;
            decision.facts.subject = workload.subject.clone();
            (*subject, *name, *login) = (workload.subject, workload.name, workload.serial);
        });
        Some(at)
    },
    "reset-by-somebody-on-the-machine" "reset" change!(MfaReset, |made| made.by = on_the_machine()),
    "reset-against-the-policy" "decision" change!(MfaResetAsked, |asked| asked.decision.decision.outcome = deny()),
    "reset-under-another-name" "reset" change!(MfaResetAsked, |asked| asked.name = "mallory".parse().unwrap()),
    "reset-by-no-login" "under" change!(MfaResetAsked, |asked| asked.login = vec![7; 17].into()),

    // === what was asked for ===
    "reset-that-nobody-asked-for" "reset" |log, place| {
        let (at, asked) = reset(log, place)?;
        log.remove(asked);
        Some(at - 1)
    },
    "reset-that-was-withdrawn" "reset" |log, place| {
        let (at, _) = reset(log, place)?;
        let withdrawn = log.find(place, |event| matches!(event, Event::MfaResetWithdrawn(_)))?;
        let Some(Event::MfaResetWithdrawn(withdrawn)) = log.event(withdrawn) else { return None };
        log.change(at, |_, event| if let Event::MfaReset(made) = event
            && let Resetter::Person { asked, .. } = &mut made.by
        {
            *asked = withdrawn.asked;
        });
        Some(at)
    },
    "reset-again" "reset" |log, place| again(log, place, |event| matches!(event, Event::MfaReset(_))),
    "withdrawn-again" "reset" |log, place| again(log, place, |event| matches!(event, Event::MfaResetWithdrawn(_))),
    "reset-that-waits-for-long" "reset" change!(MfaResetAsked, |asked| asked.lapses = asked.lapses.plus(Span::from_secs(60))),
    "reset-without-a-code" "reset" change!(MfaReset, |made| made.code = None),
    "reset-with-a-code-for-long" "reset" change!(MfaReset, |made| made.code = made.code.map(|code| ResetCode { expires: code.expires.plus(Span::from_secs(60)), ..code })),
    "reset-while-all-is-locked" "lock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::MfaReset(_) | Event::MfaResetAsked(_)))?;
        lock(log, at, Locked::All)
    },

    // === what there was ===
    "code-for-whom-has-a-factor" "reset" |log, place| {
        let (at, _) = reset(log, place)?;
        let Some(Event::MfaReset(made)) = log.event(at) else { return None };
        let like = log.find(place, |event| matches!(event, Event::MfaCodeMade(code) if code.subject == made.subject))?;
        log.insert_like(at, like, |_| ());
        Some(at)
    },
    "login-by-what-was-reset" "login" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::LoggedIn(login) if matches!(login.factor, Factor::Totp { .. })))?;
        let Some(Event::LoggedIn(login)) = log.event(at) else { return None };
        reset_before(log, at, login.subject)
    },
    "issued-by-a-login-that-a-reset-ended" "under" |log, place| {
        let at = log.find_where(place, |at, event| {
            let is_local = || grant_of(log, log.leaf(at).ids.grant).is_some_and(|made| made.subject.is_local());
            is_granted(event) && log.leaf(at - 1).entry_type.as_str() != "grant.start" && is_local()
        })?;
        let made = grant_of(log, log.leaf(at).ids.grant)?;
        reset_before(log, at, made.subject)
    },
    "enrolled-by-a-login-that-a-reset-ended" "login" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::MfaEnrolled(_)))?;
        let Some(Event::MfaEnrolled(enrolled)) = log.event(at) else { return None };
        reset_before(log, at, enrolled.subject)
    },
}

/// A reset by two, and where it was asked for.
fn reset(log: &Log, place: usize) -> Option<(usize, usize)> {
    let at = log.find(place, |event| matches!(event, Event::MfaReset(_)))?;
    let Some(Event::MfaReset(made)) = log.event(at) else { return None };
    let Resetter::Person { asked, .. } = made.by else { return None };
    Some((at, usize::try_from(asked).unwrap()))
}

fn on_the_machine() -> Resetter {
    Resetter::Machine { uid: 0, reason: "the phone is gone".parse().unwrap() }
}

/// Puts a reset on the machine before an entry, and gives where that is then.
fn reset_before(log: &mut Log, at: usize, subject: SubjectId) -> Option<usize> {
    let like = log.find(0, |event| matches!(event, Event::DaemonStarted(_)))?;
    let now = UnixTime::from_secs(log.leaf(at - 1).ts_ms / 1_000);
    let expires = now.plus(Span::from_secs(24 * 3_600));
    let code = Some(ResetCode { code: Digest::from_bytes([7; 32]), expires });
    log.insert_like(at, like, |event| {
        *event = MfaReset { subject, by: on_the_machine(), code }.into();
    });
    Some(at + 1)
}
