//! Lies about those for whom issuers vouch.

use jit_ca_core::{SubjectKind, Text};

use super::*;

forgeries! {
    "vouched-for-a-user" "subject" change!(SubjectVouched, |said| said.name = "mallory".parse().unwrap()),
    "vouched-under-another-subject" "subject" change!(SubjectVouched, |said| said.subject = "op/mallory".parse().unwrap()),
    "vouched-by-no-issuer" "subject" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::SubjectKnown(known) if !known.subject.is_local()))?;
        let actor = log.leaf(at).actor;
        log.change(at, |_, event| {
            if let Event::SubjectKnown(known) = event {
                known.subject = "gone/u-1".parse().unwrap();
            }
        });
        let at = log.find_from(at, |event| matches!(event, Event::SubjectVouched(_)))?;
        assert_eq!(log.leaf(at).actor, actor);
        log.change(at, |_, event| {
            if let Event::SubjectVouched(said) = event {
                said.subject = "gone/u-1".parse().unwrap();
                said.name = "alice@gone".parse().unwrap();
            }
        });
        Some(at)
    },
    // What a workload did is not what a person would have had to.
    "person-said-to-be-a-workload" "login" |log, place| said_to_be(log, place, SubjectKind::Workload),
    "workload-said-to-be-a-person" "login" |log, place| said_to_be(log, place, SubjectKind::Person),

    "token-of-another-name" "login" change!(LoggedInByToken, |login| login.name = "mallory@op".parse().unwrap()),
    "token-of-a-user" "subject" change!(LoggedInByToken, |login| login.subject = "local/u-1001".parse().unwrap()),
    "token-again" "login" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::LoggedInByToken(_)))?;
        log.insert_like(at + 1, at, |event| {
            if let Event::LoggedInByToken(login) = event {
                login.challenge = login.challenge.as_ref().map(|challenge| format!("{challenge}x"));
            }
        });
        Some(at + 1)
    },
    "token-challenge-again" "login" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::LoggedInByToken(login) if login.challenge.is_some()))?;
        log.insert_like(at + 1, at, |event| {
            if let Event::LoggedInByToken(login) = event {
                login.token = Digest::from_bytes([7; 32]);
            }
        });
        Some(at + 1)
    },
    "token-login-too-long" "login" change!(LoggedInByToken, |login| login.window = Window::starting(login.window.start(), Span::from_secs(12 * 3600 + 1)).unwrap()),
    "token-expired" "login" change!(LoggedInByToken, |login| login.expires = login.window.start().minus(Span::from_secs(121))),
    "token-factor-to-come" "login" change!(LoggedInByToken, |login| if login.mfa_at.is_some() => login.mfa_at = Some(login.window.start().plus(Span::from_secs(100)))),
    "workload-with-a-factor" "login" change!(LoggedInByToken, |login| if login.challenge.is_none() => login.mfa_at = Some(login.window.start())),
    "workload-by-device-code" "login" change!(LoggedInByToken, |login| if login.challenge.is_none() => login.confirmed_from = Some(login.address)),
    "certificate-without-a-factor" "under" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::LoggedInByToken(login) if login.mfa_at.is_some()))?;
        let actor = log.leaf(at).actor;
        log.change(at, |_, event| {
            if let Event::LoggedInByToken(login) = event {
                login.mfa_at = None;
                login.acr = None::<Text>;
            }
        });
        (at..log.entries.len()).find(|&at| {
            log.leaf(at).actor == actor
                && matches!(log.event(at), Some(Event::CertificateIntended(intent)) if intent.under.is_some())
        })
    },
}

/// Of one who is the other kind.
fn said_to_be(log: &mut Log, place: usize, kind: SubjectKind) -> Option<usize> {
    let at =
        log.find(place, |event| matches!(event, Event::SubjectVouched(said) if said.kind != kind))?;
    log.change(at, |_, event| {
        if let Event::SubjectVouched(said) = event {
            said.kind = kind;
        }
    });
    log.find_from(at, |event| matches!(event, Event::LoggedInByToken(_)))
}
