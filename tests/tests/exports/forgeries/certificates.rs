//! Changes of certificates, and of erasures.

use super::*;

forgeries! {
    // === certificates ===
    "issued-twice" "serial" |log, place| again(log, place, |event| matches!(event, Event::CertificateIntended(_))),
    "serial-again" "serial" |log, place| {
        let at = log.find(place, is_ssh)?;
        log.insert_like(at + 1, at, |event| if let Event::CertificateIntended(intent) = event {
            intent.issuance = IssuanceId::from_bytes([7; 16]);
        });
        Some(at + 1)
    },
    "serial-of-another-issuance" "serial" change!(CertificateIntended, |intent| if intent.purpose.starts_with("x509") => intent.serial = flipped(&intent.serial)),
    "under-no-grant" "under" |log, place| {
        let at = issued_later(log, place)?;
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event { intent.under = None });
        Some(at)
    },
    "under-an-unknown-grant" "under" |log, place| {
        let at = issued_later(log, place)?;
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event { intent.under.as_mut().unwrap().grant = GrantId::from_bytes([7; 16]) });
        Some(at)
    },
    "under-an-unknown-row" "under" change!(CertificateIntended, |intent| if intent.under.is_some() => intent.under.as_mut().unwrap().row = "payments".parse().unwrap()),
    "for-another-purpose" "under" change!(CertificateIntended, |intent| if intent.purpose == "x509-clients" => intent.purpose = "x509-servers".to_owned()),
    "by-anothers-login" "under" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::CertificateIntended(intent) if intent.under.is_some()))?;
        let actor = log.leaf(at).actor;
        let login = (0..at).find(|&at| matches!(log.event(at), Some(Event::LoggedIn(_))) && log.leaf(at).actor != actor)?;
        let Some(Event::LoggedIn(login)) = log.event(login) else { return None };
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event {
            intent.under.as_mut().unwrap().login = login.serial;
        });
        Some(at)
    },
    // No SSH key made it, and no certificate rests on it.
    "by-a-login-to-the-page" "under" |log, place| {
        let page_of = |at: usize| {
            let actor = log.leaf(at).actor;
            (0..at).filter(|&at| log.leaf(at).actor == actor).find_map(|at| match log.event(at) {
                Some(Event::PageLoggedIn(login)) => Some(login.serial),
                _ => None,
            })
        };
        let at = log.find_where(place, |at, event| {
            matches!(event, Event::CertificateIntended(intent) if intent.under.is_some()) && page_of(at).is_some()
        })?;
        let serial = page_of(at)?;
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event {
            intent.under.as_mut().unwrap().login = serial;
        });
        Some(at)
    },
    "after-the-logout" "under" |log, place| {
        let ended = log.find(0, |event| matches!(event, Event::LoggedOut(_)))?;
        let actor = log.leaf(ended).actor;
        let like = log.find(place, |event| matches!(event, Event::CertificateIntended(intent) if intent.under.is_some()))?;
        if log.leaf(like).actor != actor || like > ended {
            return None;
        }
        issue_anew(log, ended + 1, like)
    },
    "after-the-end" "under" |log, place| {
        let like = log.find(place, |event| matches!(event, Event::CertificateIntended(intent) if intent.under.is_some()))?;
        let grant = log.leaf(like).ids.grant;
        let end = grant_of(log, grant)?.term.window()?.end();
        let at = issue_anew(log, log.entries.len(), like)?;
        log.change_leaf(at, |leaf| leaf.ts_ms = 1000 * end.secs());
        (log.leaf(at - 1).ts_ms < 1000 * end.secs()).then_some(at)
    },
    "to-another" "under" |log, place| acted_by(log, place, is_granted),
    "by-no-login" "under" |log, place| {
        let at = log.find(place, is_granted)?;
        let actor = log.leaf(at).actor;
        // Somebody else's login that is erased is no excuse.
        let other = (0..at).find(|&at| matches!(log.event(at), Some(Event::LoggedIn(_))) && log.leaf(at).actor != actor)?;
        log.entries[other].record.clear();
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event {
            let under = intent.under.as_mut().unwrap();
            under.login = flipped(&under.login);
        });
        Some(at)
    },
    "for-no-login" "under" change!(CertificateIntended, |intent| if intent.purpose == "x509-logins" => {
        intent.issuance = IssuanceId::from_bytes([7; 16]);
        intent.serial = [&[1][..], &[7; 16]].concat().into();
    }),
    "later-under-an-erased-grant" "under" |log, place| {
        let at = under_an_erased(log, place, |event| matches!(event, Event::GrantMade(_)))?;
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event { valid(intent, 86_400, 86_400) });
        Some(at)
    },
    "after-the-end-of-an-erased-grant" "under" |log, place| {
        let end = log.find(place, |event| matches!(event, Event::GrantEnded(ended) if ended.cause == EndCause::Over))?;
        let grant = log.leaf(end).ids.grant;
        let of = |at: &usize, log: &Log, kind: &str| log.leaf(*at).ids.grant == grant && log.leaf(*at).entry_type.as_str() == kind;
        let made = (0..end).find(|at| of(at, log, "grant"))?;
        let like = (0..end).find(|at| of(at, log, "issue.intent"))?;
        log.entries[made].record.clear();
        let at = issue_anew(log, end + 1, like)?;
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event { valid(intent, 0, 3600) });
        Some(at)
    },
    "long-under-an-erased-grant" "window" |log, place| {
        let at = under_an_erased(log, place, |event| matches!(event, Event::GrantMade(_)))?;
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event { valid(intent, 0, 86_400) });
        Some(at)
    },
    "never-valid" "window" change!(CertificateIntended, |intent| if intent.purpose == "x509-servers" => intent.validity.until = intent.validity.from),
    "shifted-window" "window" change!(CertificateIntended, |intent| if intent.under.is_some() => valid(intent, 0, 1)),
    "earlier-window" "window" change!(CertificateIntended, |intent| if intent.under.is_some() => valid(intent, -1, 0)),
    "long-login-certificate" "window" change!(CertificateIntended, |intent| if intent.purpose == "x509-logins" => valid(intent, 0, 13 * 3600)),
    "long-server-certificate" "window" change!(CertificateIntended, |intent| if intent.purpose == "x509-servers" => valid(intent, 0, 25 * 3600)),
    "swapped-certificate" "certificate" |log, place| {
        let intended = |event: &Event| matches!(event, Event::CertificateIntended(intent) if intent.under.is_some());
        let at = log.find(place, intended)?;
        let (Some(Event::CertificateIntended(intent)), from) = (log.event(at), at) else { return None };
        let other = log.find_from(from + 1, |event| {
            matches!(event, Event::CertificateIntended(other) if other.purpose == intent.purpose)
        })?;
        let Some(Event::CertificateIntended(other)) = log.event(other) else { return None };
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event { intent.tbs = other.tbs });
        Some(at)
    },
    "no-certificate" "certificate" change!(CertificateIntended, |intent| intent.tbs = Bytes::from(&intent.tbs.as_slice()[1..])),
    "certificate-cut" "certificate" change!(CertificateIntended, |intent| intent.tbs = Bytes::from(&intent.tbs.as_slice()[..intent.tbs.as_slice().len() - 1])),
    "longer-certificate" "certificate" change!(CertificateIntended, |intent| if intent.purpose == "ssh-user" => {
        let until = intent.validity.until.secs();
        replace(intent, &until.to_be_bytes(), &(until + 3600).to_be_bytes());
    }),
    "principal-added" "certificate" change!(CertificateIntended, |intent| if intent.purpose == "ssh-user" => {
        add_to_list(intent, 0, b"root");
    }),
    "principal-changed" "certificate" change!(CertificateIntended, |intent| if holds(intent, b"web-shell.web1") => replace(intent, b"web-shell.web1", b"web-shell.web2")),
    "extension-changed" "certificate" change!(CertificateIntended, |intent| if holds(intent, b"permit-pty") => replace(intent, b"permit-pty", b"permit-pry")),
    "other-command" "certificate" change!(CertificateIntended, |intent| if holds(intent, b"journalctl --unit=nginx") => replace(intent, b"journalctl --unit=nginx", b"journalctl --unit=sshd ")),
    "other-option" "certificate" change!(CertificateIntended, |intent| if holds(intent, b"force-command") => replace(intent, b"force-command", b"fully-ignored")),
    "key-id-of-another" "certificate" change!(CertificateIntended, |intent| if holds(intent, b":alice") => replace(intent, b":alice", b":carol")),
    "host-certificate" "certificate" change!(CertificateIntended, |intent| if intent.purpose == "ssh-user" => {
        let serial = intent.serial.as_slice().to_vec();
        replace(intent, &[&serial[..], &[0, 0, 0, 1]].concat(), &[&serial[..], &[0, 0, 0, 2]].concat());
    }),
    "by-another-ca-key" "certificate" change!(CertificateIntended, |intent| if intent.purpose == "ssh-user" => {
        let mut tbs = intent.tbs.as_slice().to_vec();
        *tbs.last_mut().unwrap() ^= 1;
        intent.tbs = tbs.into();
    }),
    "from-elsewhere" "certificate" change!(CertificateIntended, |intent| if holds(intent, b"127.0.0.1/32") => replace(intent, b"127.0.0.1/32", b"127.0.0.0/24")),
    "from-other-networks" "certificate" change!(CertificateIntended, |intent| if holds(intent, b"127.0.0.0/8") =>
        replace(intent, b"127.0.0.0/8", b"128.0.0.0/8")),
    "of-a-ca" "certificate" change!(CertificateIntended, |intent| if intent.purpose == "x509-clients" =>
        // basicConstraints and noRevAvail, and in their place basicConstraints with cA and an extension of no meaning.
        replace(
            intent,
            b"\x30\x0c\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00\x30\x09\x06\x03\x55\x1d\x38\x04\x02\x05\x00",
            b"\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff\x30\x06\x06\x02\x2a\x03\x04\x00",
        )),
    "without-uri" "certificate" change!(CertificateIntended, |intent| if intent.purpose == "x509-clients" =>
        replace(intent, b"\x06\x03\x55\x1d\x11", b"\x06\x03\x55\x1d\x1e")),
    "other-unit" "certificate" change!(CertificateIntended, |intent| if intent.purpose == "x509-clients" && holds(intent, b"\x0c\x0aorders-api") => replace(intent, b"\x0c\x0aorders-api", b"\x0c\x0aadmins-api")),
    "other-common-name" "certificate" change!(CertificateIntended, |intent| if intent.purpose == "x509-clients" && holds(intent, b"\x0c\x05alice") => replace(intent, b"\x0c\x05alice", b"\x0c\x05carol")),
    "other-uri" "certificate" change!(CertificateIntended, |intent| if intent.purpose == "x509-clients" && holds(intent, b"/role/orders-api/") => replace(intent, b"/role/orders-api/", b"/role/admins-api/")),
    "other-x509-serial" "certificate" change!(CertificateIntended, |intent| if intent.purpose == "x509-clients" => {
        let serial = intent.serial.as_slice().to_vec();
        replace(intent, &serial, flipped(&intent.serial.clone()).as_slice());
    }),
    "of-another-under-an-erased-request" "certificate" |log, place| {
        let at = under_an_erased(log, place, |event| matches!(event, Event::RequestMade(_)))?;
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event {
            let grant = intent.under.as_ref().unwrap().grant.to_string();
            replace(intent, grant.as_bytes(), GrantId::from_bytes([7; 16]).to_string().as_bytes());
        });
        Some(at)
    },
    "login-for-another-key" "certificate" |log, place| with_key_of_a_login(log, place, "x509-logins"),
    "root-for-another-key" "certificate" |log, place| with_key_of_a_login(log, place, "x509-root"),
    "key-of-another" "possession" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::CertificateIntended(intent) if intent.purpose == "ssh-user" && holds(intent, b"ssh-ed25519-cert")))?;
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event {
            // Type and nonce come before the key (PROTOCOL.certkeys): 4 + 32, 4 + 32 and 4 bytes.
            let mut tbs = intent.tbs.as_slice().to_vec();
            tbs[4 + 32 + 4 + 32 + 4 + 5] ^= 1;
            intent.tbs = tbs.into();
        });
        Some(at)
    },
    "possession-of-another-call" "possession" change!(CertificateIntended, |intent| if intent.purpose == "ssh-user" => intent.under.as_mut().unwrap().idempotency_key.push('x')),
    "forged-possession" "possession" change!(CertificateIntended, |intent| if intent.under.is_some() => {
        let (ProofOfPossession::Sha256(kept) | ProofOfPossession::Sha512(kept) | ProofOfPossession::Pkcs10(kept)) =
            &mut intent.under.as_mut().unwrap().possession;
        *kept = flipped(kept);
    }),
    "possession-by-another-hash" "possession" change!(CertificateIntended, |intent| if intent.purpose == "ssh-user" => {
        let proof = &mut intent.under.as_mut().unwrap().possession;
        *proof = match proof.clone() {
            ProofOfPossession::Sha512(kept) => ProofOfPossession::Sha256(kept),
            ProofOfPossession::Sha256(kept) => ProofOfPossession::Sha512(kept),
            of_x509 @ ProofOfPossession::Pkcs10(_) => of_x509,
        };
    }),
    "possession-of-another-kind" "possession" change!(CertificateIntended, |intent| if intent.under.is_some() => {
        let proof = &mut intent.under.as_mut().unwrap().possession;
        *proof = match proof.clone() {
            ProofOfPossession::Pkcs10(request) => ProofOfPossession::Sha512(request),
            ProofOfPossession::Sha256(kept) | ProofOfPossession::Sha512(kept) => ProofOfPossession::Pkcs10(kept),
        };
    }),
    "anothers-request" "possession" |log, place| {
        let is_x509 = |event: &Event| matches!(event, Event::CertificateIntended(intent) if intent.purpose == "x509-clients");
        let (at, from) = (log.find(place, is_x509)?, log.find(place + 1, is_x509)?);
        let Some(Event::CertificateIntended(other)) = log.event(from) else { return None };
        log.change(at, |_, event| if let Event::CertificateIntended(intent) = event {
            intent.under.as_mut().unwrap().possession = other.under.unwrap().possession;
        });
        Some(at)
    },

    // === erasures ===
    "erasure-of-what-stays" "erase" |log, place| erasure(log, place, |entries| entries.insert(0, (0, 0))),
    "erasure-of-what-comes" "erase" |log, place| erasure(log, place, |entries| entries.push((1 << 40, 1 << 40))),
    "erasure-backwards" "erase" |log, place| erasure(log, place, |entries| entries.reverse()),
    "erasure-of-its-order" "erase" |log, place| {
        let order = u64::try_from(log.find(place, |event| matches!(event, Event::Erased(_)))? - 1).unwrap();
        erasure(log, place, |entries| entries.push((order, order)))
    },
    "erasure-of-what-is-there" "erase" |log, place| {
        let there = log.find(place, |event| matches!(event, Event::DaemonStarted(_)))?;
        erasure_with(log, there)
    },
    "erasure-of-who-is-there" "erase" |log, place| {
        let erased = log.find(0, |event| matches!(event, Event::Erased(_)))?;
        let person = log.find(place, |event| matches!(event, Event::PersonListed(_)))?;
        let actor = log.leaf(person).actor;
        let goes = |event: &Event| match event {
            Event::PersonRemoved(removed) => removed.actor == actor,
            _ => false,
        };
        if log.find_from(person, goes).is_some_and(|at| at < erased) {
            return None;
        }
        log.entries[person].record.clear();
        erasure_with(log, person)
    },
    "erasure-of-less" "signature" change!(Erased, |erased| erased.entries.truncate(1)),
    "erasure-by-age" "erase" change!(Erased, |erased| erased.cause = jit_ca_core::event::ErasureCause::Retention(UnixTime::from_secs(1))),
    "erasure-of-what-is-young" "erase" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::Erased(_)))?;
        log.change(at, |leaf, event| if let Event::Erased(erased) = event {
            let month = UnixTime::from_secs(leaf.ts_ms / 1000 - 30 * 86_400 + 1);
            erased.cause = jit_ca_core::event::ErasureCause::Retention(month);
            erased.entries.clear();
        });
        Some(at)
    },
    "erasure-without-order" "erase" |log, _| {
        let at = log.find(0, |event| matches!(event, Event::ErasureOrdered(_)))?;
        log.remove(at);
        Some(at)
    },
    "erasure-hidden" "erased" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::Erased(_)))?;
        let Some(Event::Erased(erased)) = log.event(at) else { return None };
        erasure(log, place, |entries| {
            entries.remove(place);
        });
        usize::try_from(erased.entries[place].0).ok()
    },
}
