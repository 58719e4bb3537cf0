//! Changes of leaves and payloads that nothing else follows from.

use super::*;

forgeries! {
    // === leaves ===
    "index" "leaf" |log, place| leaf(log, place, |leaf| leaf.idx += 1),
    "earlier" "leaf" |log, place| leaf(log, place, |leaf| leaf.ts_ms -= 86_400_000),
    "not-canonical" "leaf" |log, place| {
        let at = any(log, place);
        // The same map with its length in another form.
        let leaf = &mut log.entries[at].leaf;
        let pairs = leaf[0] & 0x1f;
        leaf.splice(0..1, [0xb8, pairs]);
        Some(at)
    },
    "doubled" "leaf" |log, place| {
        let at = any(log, place);
        log.entries.insert(at + 1, log.entries[at].clone());
        Some(at + 1)
    },
    "dropped" "leaf" |log, place| {
        let at = any(log, place);
        log.entries.remove(at);
        Some(at)
    },
    "reordered" "leaf" |log, place| {
        let at = any(log, place);
        log.entries.swap(at, at + 1);
        Some(at)
    },

    // === the clock ===
    "acknowledged-without-a-fault" "clock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::DaemonStarted(_)))?;
        let reason = "chrony was set up anew".parse().unwrap();
        log.insert_like(at + 1, at, |event| *event = ClockAcknowledged { reason, uid: 0 }.into());
        Some(at + 1)
    },
    "a-fault-of-the-clock-again" "clock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::DaemonStarted(_)))?;
        let time = UnixTime::from_secs(1_795_338_000);
        for _ in 0..2 {
            let fault = ClockFaulted { expected: time, found: time };
            log.insert_like(at + 1, at, |event| *event = fault.into());
        }
        Some(at + 2)
    },
    "issued-while-the-clock-is-held" "clock" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::DaemonStarted(_)))?;
        let is_access = |event: &Event| matches!(event, Event::CertificateIntended(intended) if intended.purpose != "x509-servers");
        let intent = log.find_from(at, is_access)?;
        let time = UnixTime::from_secs(1_795_338_000);
        let fault = ClockFaulted { expected: time, found: time };
        log.insert_like(at + 1, at, |event| *event = fault.into());
        Some(intent + 1)
    },

    // === what was made by a clock that was put back ===
    "issued-under-a-grant-taken-back" "under" |log, place| {
        let at = issued_later(log, place)?;
        let grant = log.leaf(at).ids.grant;
        let made = before(log, at, |leaf, event| matches!(event, Event::GrantMade(_)) && leaf.ids.grant == grant)?;
        take_back(log, at, made)?;
        Some(at + 2)
    },
    "issued-under-a-login-taken-back" "under" |log, place| {
        let (asked, issued) = asked_and_issued(log, place)?;
        let Some(Event::CertificateIntended(intent)) = log.event(issued) else { return None };
        let under = intent.under?.login;
        let made = before(log, asked, |_, event| matches!(event, Event::LoggedIn(login) if login.serial == under))?;
        take_back(log, asked, made)?;
        Some(issued + 2)
    },
    "approval-of-a-request-taken-back" "state" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::ApprovalGiven(_)))?;
        let request = log.leaf(at).ids.request;
        let made = before(log, at, |leaf, event| matches!(event, Event::RequestMade(_)) && leaf.ids.request == request)?;
        take_back(log, at, made)?;
        Some(at + 2)
    },
    "login-by-a-code-taken-back" "login" |log, place| {
        let is_by_code = |event: &Event| matches!(event, Event::LoggedIn(login) if matches!(login.factor, Factor::EnrolmentCode { .. }));
        let at = log.find(place, is_by_code)?;
        let Some(Event::LoggedIn(login)) = log.event(at) else { return None };
        let made = before(log, at, |_, event| matches!(event, Event::MfaCodeMade(made) if made.subject == login.subject))?;
        take_back(log, at, made)?;
        Some(at + 2)
    },

    // === payloads ===
    "commit" "payload" |log, place| leaf_of_a_payload(log, place, |leaf| leaf.commit = Digest::from_bytes([7; 32])),
    "other-bundle" "payload" |log, place| leaf(log, place, |leaf| leaf.bundle = Some(Digest::from_bytes([7; 32]))),
    "bundle-of-an-outcome" "payload" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::CertificateIssued(_)))?;
        let in_force = log.bundle_before(at);
        log.change_leaf(at, |leaf| leaf.bundle = in_force);
        Some(at)
    },
    "without-a-bundle" "payload" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::CertificateIntended(intent) if intent.under.is_some()))?;
        log.change_leaf(at, |leaf| leaf.bundle = None);
        Some(at)
    },
    "outcome-of-no-issuance" "payload" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::CertificateIssued(_)))?;
        log.change_leaf(at, |leaf| leaf.ids.issuance = None);
        Some(at)
    },
    "request-of-an-outcome" "payload" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::CertificateIssued(_)))?;
        log.change_leaf(at, |leaf| leaf.ids.request = Some(RequestId::from_bytes([7; 16])));
        Some(at)
    },
    "intent-without-its-grant" "payload" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::CertificateIntended(intent) if intent.under.is_some()))?;
        log.change_leaf(at, |leaf| leaf.ids.grant = None);
        Some(at)
    },
    "grant-of-no-use" "payload" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::CertificateIntended(intent) if intent.under.is_none()))?;
        log.change_leaf(at, |leaf| leaf.ids.grant = Some(GrantId::from_bytes([7; 16])));
        Some(at)
    },
    "ids-in-a-payload" "payload" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::CertificateIssued(_)))?;
        let mut payload = log.entries[at].record[32..].to_vec();
        payload[0] += 1;
        payload.extend(b"\x65grant\xf6");
        log.put(at, log.leaf(at), &payload);
        Some(at)
    },
    "tbs-elsewhere" "payload" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::RequestMade(_) | Event::LoggedIn(_)))?;
        log.change_leaf(at, |leaf| leaf.tbs = Some(Digest::from_bytes([7; 32])));
        Some(at)
    },
    "other-tbs" "payload" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::CertificateIntended(_)))?;
        log.change_leaf(at, |leaf| leaf.tbs = Some(Digest::from_bytes([7; 32])));
        Some(at)
    },
    "other-ids" "payload" |log, place| {
        let at = log.find(place, |event| event.request().is_some())?;
        log.change_leaf(at, |leaf| leaf.ids.request = Some(RequestId::from_bytes([7; 16])));
        Some(at)
    },
    "other-type" "payload" |log, place| {
        let at = log.find(place, |event| matches!(event, Event::RequestCancelled(_)))?;
        log.change_leaf(at, |leaf| leaf.entry_type = "denial".parse().unwrap());
        Some(at)
    },
    "more-behind-a-payload" "payload" |log, place| payload(log, place, |payload| payload.push(0xf6)),
    "another-encoding" "payload" |log, place| payload(log, place, |payload| {
        let fields = payload[0] & 0x1f;
        payload.splice(0..1, [0xb8, fields]);
    }),
    "unknown-field" "payload" |log, place| payload(log, place, |payload| {
        payload[0] += 1;
        payload.extend(b"\x64more\xf6");
    }),
    "removed-payload" "erased" |log, place| {
        let at = log.find(place, |event| !matches!(event, Event::LogInit(_)))?;
        log.entries[at].record.clear();
        Some(at)
    },
}
