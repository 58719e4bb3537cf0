//! Lies about hosts: who let them enrol, as what, and for how long they are believed.

use super::*;

forgeries! {
    // === tokens ===
    "host-token-for-two-days" "host" change!(HostTokenMade, |made| made.expires = made.expires.plus(Span::from_secs(48 * 3600))),
    "host-token-that-was-over" "host" change!(HostTokenMade, |made| made.expires = made.expires.minus(Span::from_secs(24 * 3600))),
    "host-token-against-the-policy" "decision" change!(HostTokenMade, |made| made.decision.decision.outcome = deny()),
    "host-token-for-names-not-asked-about" "decision" change!(HostTokenMade, |made| made.host = "web2".parse().unwrap()),
    "host-token-with-an-alias-not-asked-about" "decision" change!(HostTokenMade, |made| { made.aliases.insert("web2".parse().unwrap()); }),
    "host-token-by-no-login" "under" change!(HostTokenMade, |made| made.login = vec![7; 17].into()),
    "host-token-under-another-name" "host" change!(HostTokenMade, |made| made.name = "mallory".parse().unwrap()),
    "host-token-by-another" "subject" |log, place| acted_by(log, place, |event| matches!(event, Event::HostTokenMade(_))),
    "host-token-again" "host" |log, place| again(log, place, |event| matches!(event, Event::HostTokenMade(_))),
    "host-token-in-spite-of-a-lock" "lock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::HostTokenMade(_)))?;
        lock(log, at, Locked::All)
    },

    // === enrolments ===
    "host-without-a-token" "host" |log, _| {
        let at = log.find(0, |event| matches!(event, Event::HostTokenMade(_)))?;
        log.remove(at);
        log.find_from(at, |event| matches!(event, Event::HostEnrolled(_)))
    },
    "host-by-a-token-once-more" "host" |log, place| again(log, place, |event| matches!(event, Event::HostEnrolled(_))),
    "host-of-another-name" "signature" change!(HostEnrolled, |host| {
        host.host = "web2".parse().unwrap();
    }),
    "host-with-another-alias" "signature" change!(HostEnrolled, |host| { host.aliases.insert("web2".parse().unwrap()); }),
    "host-with-another-key" "signature" change!(HostEnrolled, |host| {
        let mut key = host.key.as_slice().to_vec();
        *key.last_mut().unwrap() ^= 1;
        host.key = key.into();
    }),
    "host-of-another-subject" "subject" change!(HostEnrolled, |host| host.subject = "host/web2".parse().unwrap()),
    "host-in-spite-of-a-lock" "lock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::HostEnrolled(_)))?;
        lock(log, at, Locked::All)
    },
    "host-that-is-erased" "erase" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::HostEnrolled(_)))?;
        erasure_with(log, at)
    },

    // === logins ===
    "host-login-by-an-answer-once-more" "login" |log, place| again(log, place, |event| matches!(event, Event::HostLoggedIn(_))),
    "host-login-of-another-answer" "signature" change!(HostLoggedIn, |login| login.challenge = "another".to_owned()),
    "host-login-for-another-key" "signature" change!(HostLoggedIn, |login| login.login_key = Digest::from_bytes([7; 32])),
    "host-login-for-too-long" "login" change!(HostLoggedIn, |login| login.window = Window::starting(login.window.start(), Span::from_secs(12 * 3600 + 1)).unwrap()),
    "host-login-of-another-name" "signature" change!(HostLoggedIn, |login| login.host = "web2".parse().unwrap()),
    "host-login-in-spite-of-a-lock" "lock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::HostLoggedIn(_)))?;
        lock(log, at, Locked::All)
    },

    // === certificates ===
    "host-certificate-of-another-name" "certificate" change!(CertificateIntended, |intent| if is_hosts(intent) => replace(intent, b"1.example", b"2.example")),
    "host-certificate-of-another-number" "certificate" change!(CertificateIntended, |intent| if is_hosts(intent) => intent.serial = vec![7; 8].into()),
    "host-certificate-of-one-name-more" "certificate" change!(CertificateIntended, |intent| if is_hosts(intent) => add_to_list(intent, 0, b"zzz")),
    // SSH_CERT_TYPE_HOST, before the length of a key id.
    "host-certificate-for-a-user" "certificate" change!(CertificateIntended, |intent| if is_hosts(intent) => replace(intent, &[0, 0, 0, 2, 0, 0, 0], &[0, 0, 0, 1, 0, 0, 0])),
    "host-certificate-for-too-long" "window" change!(CertificateIntended, |intent| if is_hosts(intent) => valid(intent, 0, 24 * 24 * 3600)),
    "host-certificate-at-another-time" "certificate" change!(CertificateIntended, |intent| if is_hosts(intent) => valid(intent, 0, -1)),
    "host-certificate-of-nobody" "under" |log, place| {
        acted_by(log, place, |event| matches!(event, Event::CertificateIntended(intent) if is_hosts(intent)))
    },
    "host-certificate-once-it-is-revoked" "under" |log, _| {
        let revoked = log.find(0, |event| matches!(event, Event::HostRevoked(_)))?;
        let actor = log.leaf(revoked).actor;
        let like = before(log, revoked, |leaf, event| {
            leaf.actor == actor && matches!(event, Event::CertificateIntended(intent) if is_hosts(intent))
        })?;
        log.insert_like(revoked + 1, like, |event| {
            if let Event::CertificateIntended(intent) = event {
                intent.issuance = IssuanceId::from_bytes([7; 16]);
                intent.serial = vec![7; 8].into();
            }
        });
        Some(revoked + 1)
    },
    "host-certificate-in-spite-of-a-lock" "lock" |log, _| {
        let renewed = log.find(0, |event| matches!(event, Event::HostLoggedIn(_)))?;
        let at = log.find_from(renewed, |event| matches!(event, Event::CertificateIntended(intent) if is_hosts(intent)))?;
        lock(log, at, Locked::All)
    },

    // === revocations ===
    "host-revoked-against-the-policy" "decision" change!(HostRevoked, |revoked| revoked.decision.decision.outcome = deny()),
    "host-revoked-as-something-else-was-asked" "decision" change!(HostRevoked, |revoked| revoked.decision.facts.action = Action::ReadLog),
    "host-revoked-by-no-login" "under" change!(HostRevoked, |revoked| revoked.login = vec![7; 17].into()),
    "host-revoked-under-another-name" "host" change!(HostRevoked, |revoked| revoked.name = "mallory".parse().unwrap()),
    "host-revoked-again" "host" |log, place| again(log, place, |event| matches!(event, Event::HostRevoked(_))),
    "host-revoked-that-is-another" "subject" change!(HostRevoked, |revoked| revoked.subject = "host/web2".parse().unwrap()),
}

fn is_hosts(intent: &CertificateIntended) -> bool {
    intent.purpose == "ssh-host"
}
