//! Changes of who there is, what is in force, who decided and who signed.

use super::*;

forgeries! {
    // === the CA's keys ===
    "other-origin" "init" change!(LogInit, |init| init.origin = "ca.example.net/other".parse::<Origin>().unwrap()),
    "other-log-key" "init" change!(LogInit, |init| {
        let key = init.keys.iter_mut().find(|key| key.purpose == "log").unwrap();
        let mut spki = key.spki.as_slice().to_vec();
        *spki.last_mut().unwrap() ^= 1;
        key.spki = spki.into();
    }),
    "one-key-two-purposes" "init" change!(LogInit, |init| {
        let user = init.keys.iter().find(|key| key.purpose == "ssh-user").unwrap().spki.clone();
        init.keys.iter_mut().find(|key| key.purpose == "ssh-host").unwrap().spki = user;
    }),
    "second-beginning" "init" |log, place| {
        let at = log.entries.len() / (place + 2);
        log.insert_like(at, 0, |_| ());
        Some(at)
    },

    // === who ===
    "subject-known" "subject" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::SubjectKnown(_)))?;
        log.insert_like(at + 1, at, |_| ());
        Some(at + 1)
    },
    "pseudonym-of-another" "subject" change!(SubjectKnown, |known| known.actor = ActorRef::from_bytes([7; 16])),
    "pseudonym-of-nobody" "subject" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::SubjectKnown(_)))?;
        log.change(at, |leaf, event| if let Event::SubjectKnown(known) = event {
            (leaf.actor, known.actor) = (ActorRef::DAEMON, ActorRef::DAEMON);
        });
        Some(at)
    },
    "under-another-pseudonym" "subject" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::RequestMade(_) | Event::LoggedIn(_) | Event::Refused(_)))?;
        log.change_leaf(at, |leaf| leaf.actor = ActorRef::from_bytes([7; 16]));
        Some(at)
    },
    "code-kept-of-no-log" "subject" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::SubjectKnown(_)))?;
        log.insert_like(at + 1, at, |event| {
            let Event::SubjectKnown(known) = event.clone() else { return };
            *event = MfaKept { subject: known.subject, step: 1 }.into();
        });
        Some(at + 1)
    },
    "person-of-another" "subject" change!(PersonListed, |person| person.subject = other(&person.subject)),

    // === bundles ===
    "changed-file" "bundle" |log, place| before_the_bundle(log, place, |event| {
        if let Event::FileListed(file) = event {
            file.text.push_str("# and more\n");
        }
    }),
    "more-groups" "bundle" |log, place| before_the_bundle(log, place, |event| {
        if let Event::PersonListed(person) = event {
            person.groups.insert("admins".parse().unwrap());
        }
    }),
    "other-zone" "bundle" change!(BundleActivated, |bundle| bundle.zone.push('x')),
    "other-hash" "bundle" change!(BundleActivated, |bundle| bundle.hash = Digest::from_bytes([7; 32])),
    "approver-untold" "bundle" change!(BundleActivated, |bundle| if bundle.approved.is_some() => bundle.approved = None),
    "approver-made-up" "bundle" change!(BundleActivated, |bundle| if bundle.approved.is_none() => bundle.approved = Some(ActorRef::from_bytes([7; 16]))),
    "another-approver" "bundle" change!(BundleActivated, |bundle| if bundle.approved.is_some() => bundle.approved = Some(ActorRef::from_bytes([7; 16]))),
    "changes-untold" "bundle" change!(BundleActivated, |bundle| bundle.changes = BundleChanges::default()),
    "people-changed-untold" "bundle" change!(BundleActivated, |bundle| { bundle.changes.people.changed.insert(ActorRef::from_bytes([7; 16])); }),
    "approval-of-another-bundle" "bundle" change!(BundleApproved, |approved| approved.hash = Digest::from_bytes([7; 32])),
    "approval-under-another-name" "bundle" change!(BundleApproved, |approved| approved.name = "mallory".parse().unwrap()),
    "approval-of-what-was-not-proposed" "bundle" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::BundleProposed(_)))?;
        log.remove(at);
        log.find_from(at, |event| matches!(event, Event::BundleApproved(_)))
    },
    "approval-without-activation" "sequence" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::BundleApproved(_)))?;
        log.insert_like(at + 1, at, |_| ());
        Some(at + 1)
    },
    "approval-by-no-login" "under" change!(BundleApproved, |approved| approved.login = vec![7; 17].into()),
    "refused-activation" "decision" change!(BundleApproved, |approved| approved.decision.decision.outcome = deny()),
    "approval-by-nobody" "subject" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::BundleApproved(_)))?;
        log.change_leaf(at, |leaf| leaf.actor = ActorRef::DAEMON);
        Some(at)
    },
    "file-not-listed" "bundle" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::FileListed(_)))?;
        log.remove(at);
        log.find_from(at, |event| matches!(event, Event::BundleActivated(_)))
    },

    // === decisions ===
    "denied-request" "decision" change!(RequestMade, |made| made.decision.decision.outcome = deny()),
    "denied-approval" "decision" change!(ApprovalGiven, |given| given.decision.decision.outcome = deny()),
    "decision-for-another-action" "decision" change!(ApprovalGiven, |given| given.decision.facts.action = Action::ReadLog),
    "denial-by-another-right" "decision" change!(RequestDenied, |denied| denied.decision.facts.action = Action::Review),
    "decision-for-another" "decision" change!(RequestMade, |made| made.decision.facts.subject = other(&made.subject)),
    "decision-of-another" "decision" change!(RequestDenied, |denied| denied.decision.facts.subject = other(&denied.by)),

    "refused-by-no-bundle" "decision" change!(Refused, |refused| if refused.decision.is_some() => refused.bundle = None),
    "refused-by-a-bundle-never-in-force" "decision" change!(Refused, |refused| if refused.decision.is_some() => refused.bundle = Some(Digest::from_bytes([7; 32]))),

    // === logins ===
    "login-under-another-name" "login" change!(LoggedIn, |login| login.name = "mallory".parse().unwrap()),
    "login-of-a-user-nobody-verified" "login" change!(LoggedIn, |login| if matches!(login.factor, Factor::Totp { .. }) => login.factor = Factor::SecurityKey),
    "user-said-to-be-verified" "signature" change!(LoggedIn, |login| if login.factor == Factor::SecurityKey => {
        // The counter stands behind the flags, at the end.
        let mut said = login.signature.as_slice().to_vec();
        *said.iter_mut().rev().nth(4).unwrap() ^= 0x10;
        login.signature = said.into();
    }),
    "login-with-another-key" "login" change!(LoggedIn, |login| login.key = flipped(&login.key)),
    "long-login" "login" change!(LoggedIn, |login| login.window = Window::starting(login.window.start(), Span::from_secs(12 * 3600 + 1)).unwrap()),
    "same-code-again" "login" change!(LoggedIn, |login| if matches!(login.factor, Factor::Totp { .. }) => login.factor = Factor::Totp { step: 1 }),
    "same-challenge-again" "login" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::LoggedIn(_)))?;
        log.insert_like(at + 1, at, |event| {
            if let Event::LoggedIn(login) = event {
                login.factor = Factor::EnrolmentCode { code: Digest::from_bytes([7; 32]) };
            }
        });
        Some(at + 1)
    },
    "order-by-a-code-again" "login" change!(ErasureOrdered, |order| order.step = Some(1)),
    "order-without-a-code" "login" change!(ErasureOrdered, |order| order.step = None),

    // === signatures ===
    "login-to-another-challenge" "signature" change!(LoggedIn, |login| login.challenge.push('x')),
    "login-of-another-key" "signature" change!(LoggedIn, |login| login.login_key = Digest::from_bytes([7; 32])),
    "longer-approval" "signature" change!(ApprovalGiven, |given| if given.signature.is_some() => given.duration = Span::from_secs(given.duration.secs() + 60)),
    "approval-of-other-rows" "signature" change!(ApprovalGiven, |given| if given.signature.is_some() => given.rows = vec!["x509 payments".parse().unwrap()]),
    "approval-of-another-request" "signature" change!(ApprovalGiven, |given| if given.signature.is_some() => given.hash = Digest::from_bytes([7; 32])),
    "forged-approval" "signature" change!(ApprovalGiven, |given| if given.signature.is_some() => {
        let Some(Consent::Ssh(signature)) = &mut given.signature else { return };
        signature.sshsig = flipped(&signature.sshsig);
    }),
    "signature-of-another-approval" "signature" |log, place| {
        let signed = |event: &Event| matches!(event, Event::ApprovalGiven(given) if given.signature.is_some());
        let (at, from) = (log.find(place, signed)?, log.find(place + 1, signed)?);
        let Some(Event::ApprovalGiven(other)) = log.event(from) else { return None };
        log.change(at, |_, event| if let Event::ApprovalGiven(given) = event { given.signature = other.signature });
        Some(at)
    },
    "certificate-signed-by-another" "signature" change!(CertificateIssued, |issued| issued.signature = flipped(&issued.signature)),
    "signatures-swapped" "signature" |log, place| {
        let issued = |event: &Event| matches!(event, Event::CertificateIssued(issued) if issued.signature.as_slice().len() == 64);
        let (one, two) = (log.find(place, issued)?, log.find(place + 1, issued)?);
        let (Some(Event::CertificateIssued(first)), Some(Event::CertificateIssued(second))) = (log.event(one), log.event(two)) else {
            return None;
        };
        for (at, signature) in [(one, second.signature), (two, first.signature)] {
            log.change(at, |_, event| if let Event::CertificateIssued(issued) = event { issued.signature = signature });
        }
        Some(one.min(two))
    },
    "erasure-for-another-reason" "signature" change!(Erased, |erased| erased.reason = "no reason at all".parse().unwrap()),
    "erasure-of-another" "signature" change!(Erased, |erased| erased.cause = jit_ca_core::event::ErasureCause::Subject(ActorRef::from_bytes([7; 16]))),
}
