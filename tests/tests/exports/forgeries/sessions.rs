//! Lies about sessions: which grant a certificate was of, how a session ended, and who watched.

use super::*;

forgeries! {
    // === what opened it ===
    "session-opened-again" "session" |log, place| again(log, place, |event| matches!(event, Event::SessionOpened(_))),
    "session-opened-by-another" "subject" |log, place| acted_by(log, place, |event| matches!(event, Event::SessionOpened(_))),
    "session-without-its-grant" "session" change!(SessionOpened, |opened| if opened.grant.is_some() => (opened.grant, opened.issuance) = (None, None)),
    "session-without-its-issuance" "session" change!(SessionOpened, |opened| if opened.grant.is_some() => opened.issuance = None),
    "session-of-a-grant-without-a-certificate" "session" change!(SessionOpened, |opened| if opened.grant.is_some() => opened.certificate = None),
    "session-by-another-serial" "session" change!(SessionOpened, |opened| if opened.grant.is_some() => opened.certificate.as_mut().unwrap().serial ^= 1),
    "session-by-a-certificate-that-ends-later" "session" change!(SessionOpened, |opened| if opened.grant.is_some() => {
        let used = opened.certificate.as_mut().unwrap();
        used.until = used.until.plus(Span::from_secs(1));
    }),
    "session-by-another-cas-certificate" "session" change!(SessionOpened, |opened| if opened.grant.is_some() => {
        opened.certificate.as_mut().unwrap().ca = Digest::from_bytes([7; 32]);
    }),

    // === its end ===
    "session-closed-again" "session" |log, place| again(log, place, |event| matches!(event, Event::SessionClosed(_))),
    "session-closed-by-another" "subject" |log, place| acted_by(log, place, |event| matches!(event, Event::SessionClosed(_))),
    "session-closed-that-was-not-opened" "session" change!(SessionClosed, |closed| closed.session = SessionId::from_bytes([7; 16])),
    "session-closed-before-it-was-opened" "session" change!(SessionClosed, |closed| closed.closed = closed.closed.minus(Span::from_secs(48 * 3600))),
    "session-closed-under-no-grant" "session" change!(SessionClosed, |closed| if closed.grant.is_some() => closed.grant = None),
    "session-with-a-channel-0" "session" change!(SessionClosed, |closed| if !closed.channels.is_empty() => closed.channels[0].number = 0),
    "session-with-a-channel-twice" "session" change!(SessionClosed, |closed| if !closed.channels.is_empty() => {
        let channel = closed.channels[0].clone();
        closed.channels.push(channel);
    }),

    // === who watched ===
    "watched-against-the-policy" "decision" change!(SessionWatched, |watched| watched.decision.decision.outcome = deny()),
    "watched-as-something-else-was-asked" "decision" change!(SessionWatched, |watched| watched.decision.facts.action = Action::Lock),
    "watched-by-another" "subject" |log, place| acted_by(log, place, |event| matches!(event, Event::SessionWatched(_))),
    "watched-by-no-login" "under" change!(SessionWatched, |watched| watched.login = vec![7; 17].into()),
    "watched-under-another-name" "session" change!(SessionWatched, |watched| watched.name = "mallory".parse().unwrap()),
    "watched-that-was-not-opened" "session" change!(SessionWatched, |watched| watched.session = SessionId::from_bytes([7; 16])),
    "watched-of-no-channel" "session" change!(SessionWatched, |watched| watched.channel = 0),
}
