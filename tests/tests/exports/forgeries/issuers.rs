//! Lies about those for whom issuers vouch.

use jit_ca_core::event::LoginEnded;
use jit_ca_core::{IssuanceId, SubjectKind, Text};

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
    // Whose payloads are erased is over as well where time goes back: none of those can it be that ends.
    "nobodys-login-ends-after-the-clock" "state" |log, _| {
        let is_erased = |at: &usize| {
            let is_login = ["login", "login.token"].contains(&log.leaf(*at).entry_type.as_str());
            is_login && log.entries[*at].record.is_empty()
        };
        let erased = (0..log.entries.len()).find(is_erased)?;
        take_back(log, erased + 1, erased)?;
        let like = log.find(0, |event| matches!(event, Event::DaemonStarted(_)))?;
        let ended = LoginEnded {
            subject: "op/alice".parse().unwrap(),
            login: vec![7; 17].into(),
            refusal: "invalid_grant".to_owned(),
        };
        log.insert_like(erased + 3, like, |event| *event = ended.into());
        Some(erased + 3)
    },
    "token-login-too-long" "login" change!(LoggedInByToken, |login| login.window = Window::starting(login.window.start(), Span::from_secs(12 * 3600 + 1)).unwrap()),
    "token-expired" "login" change!(LoggedInByToken, |login| login.expires = login.window.start().minus(Span::from_secs(121))),
    "token-factor-to-come" "login" change!(LoggedInByToken, |login| if login.mfa_at.is_some() => login.mfa_at = Some(login.window.start().plus(Span::from_secs(100)))),
    "workload-with-a-factor" "login" change!(LoggedInByToken, |login| if login.challenge.is_none() => login.mfa_at = Some(login.window.start())),
    "by-certificate-of-another-name" "login" change!(LoggedInByCertificate, |login| login.name = "mallory@ci".parse().unwrap()),
    "by-certificate-of-another-subject" "subject" change!(LoggedInByCertificate, |login| login.subject = "ci/deploy/mallory".parse().unwrap()),
    "by-certificate-since-later" "login" change!(LoggedInByCertificate, |login| login.since = login.since.plus(Span::from_secs(1))),
    "by-certificate-for-too-long" "login" change!(LoggedInByCertificate, |login| login.window = Window::starting(login.window.start(), Span::from_secs(12 * 3600 + 1)).unwrap()),
    "by-certificate-of-nobody" "login" change!(LoggedInByCertificate, |login| login.certificate = IssuanceId::from_bytes([7; 16])),
    // A certificate for SSH under a grant of the same workload's, and the certificate of its login.
    "by-certificate-for-ssh" "login" |log, place| by_another(log, place, |purpose| purpose == "ssh-user"),
    "by-certificate-of-a-login" "login" |log, place| by_another(log, place, |purpose| purpose == "x509-logins"),
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

/// A login by another certificate of the same actor's.
fn by_another(log: &mut Log, place: usize, fits: impl Fn(&str) -> bool) -> Option<usize> {
    let at = log.find(place, |event| matches!(event, Event::LoggedInByCertificate(_)))?;
    let actor = log.leaf(at).actor;
    let other = (0..at).find_map(|before| match log.event(before) {
        Some(Event::CertificateIntended(it))
            if log.leaf(before).actor == actor && fits(&it.purpose) =>
        {
            Some(it.issuance)
        }
        _ => None,
    })?;
    log.change(at, |_, event| {
        if let Event::LoggedInByCertificate(login) = event {
            login.certificate = other;
        }
    });
    Some(at)
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
