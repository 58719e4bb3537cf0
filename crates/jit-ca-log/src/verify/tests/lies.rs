//! Lies, each with the check that it fails and the entry at which it does.

mod agreement;
mod running;

use jit_ca_core::event::*;
use jit_ca_core::statement::{Erasure, Kind};
use jit_ca_core::workflow::{Approver, Term};
use jit_ca_core::{Action, ActorRef, Digest, GrantId, IssuanceId, Outcome, Span, UnixTime, Window};

use super::access::*;
use super::keys;
use super::story::*;
use super::workflow::{scope, time};
use crate::verify::Code;

/// An event of the story, to be changed.
macro_rules! event {
    ($story:expr, $at:expr, $type:ident) => {
        match &mut $story[$at].1 {
            Event::$type(event) => event.as_mut(),
            other => panic!("{other:?}"),
        }
    };
}
pub(super) use event;
pub(super) use running::lock;

pub(super) type Change = fn(&Teller, &mut Story);

/// What is wrong, what is found, and where.
pub(super) fn lies() -> Vec<(Code, usize, Change)> {
    let mut lies: Vec<(Code, usize, Change)> = vec![
        (Code::Init, 0, |_, s| drop(s.remove(0))),
        (Code::Init, 3, |_, s| s.insert(3, s[0].clone())),
        (Code::Init, 0, |_, s| event!(s, 0, LogInit).origin = "other".parse().unwrap()),
        (Code::Init, 0, |_, s| event!(s, 0, LogInit).keys.swap_remove(6).purpose.clear()),
        (Code::Init, 0, |_, s| {
            let keys = &mut event!(s, 0, LogInit).keys;
            keys[1].spki = keys[0].spki.clone();
        }),
        (Code::Init, 0, |_, s| {
            let keys = &mut event!(s, 0, LogInit).keys;
            (keys[6].spki, keys[1].spki) = (keys[1].spki.clone(), keys[6].spki.clone());
        }),
        (Code::Clock, at::LOGIN, |_, s| s.insert(at::LOGIN, acknowledged())),
        (Code::Clock, at::LOGIN + 1, |_, s| {
            s.splice(at::LOGIN..at::LOGIN, [faulted(), faulted()]);
        }),
        (Code::Clock, at::LOGIN + 2, |_, s| {
            s.splice(at::LOGIN..at::LOGIN, [faulted(), acknowledged(), acknowledged()]);
        }),
        (Code::Clock, at::LOGIN, |_, s| s.insert(at::LOGIN, (ALICE, faulted().1))),
        (Code::Clock, at::LOGIN + 1, |_, s| {
            s.splice(at::LOGIN..at::LOGIN, [faulted(), (ALICE, acknowledged().1)]);
        }),
        (Code::Clock, at::LOGIN_INTENT + 1, |_, s| s.insert(at::LOGIN, faulted())),
        (Code::Clock, at::SSH + 1, |_, s| s.insert(at::SSH, faulted())),
        (Code::Clock, at::X509 + 1, |_, s| s.insert(at::SSH_DONE, faulted())),
        (Code::Subject, 2, |_, s| event!(s, 2, SubjectKnown).actor = BOB),
        (Code::Subject, 4, |_, s| event!(s, 4, SubjectKnown).subject = subject("u-1")),
        (Code::Subject, 5, |_, s| s[5].0 = ALICE),
        (Code::Subject, at::LOGIN, |_, s| s[at::LOGIN].0 = BOB),
        (Code::Subject, at::ENROLLED, |_, s| s[at::ENROLLED].0 = BOB),
        (Code::Subject, at::REQUEST, |_, s| s[at::REQUEST].0 = ActorRef::DAEMON),
        (Code::Subject, at::APPROVAL, |_, s| s[at::APPROVAL].0 = ALICE),
        (Code::Subject, at::ORDER, |_, s| s[at::ORDER].0 = ALICE),
        (Code::Subject, at::LOGOUT, |_, s| s[at::LOGOUT].0 = BOB),
        (Code::Subject, at::END, |_, s| {
            let kept = MfaKept { subject: subject("u-1"), step: 300 };
            s.insert(at::END, (ALICE, kept.into()));
        }),
        (Code::Bundle, at::BUNDLE - 1, |_, s| drop(s.remove(1))),
        (Code::Bundle, at::BUNDLE, |_, s| event!(s, 1, FileListed).text.push('!')),
        (Code::Bundle, at::BUNDLE, |_, s| event!(s, at::BUNDLE, BundleActivated).zone.push('!')),
        (Code::Decision, at::REQUEST, |_, s| {
            event!(s, at::REQUEST, RequestMade).decision.decision.outcome = Outcome::Deny;
        }),
        (Code::Decision, at::APPROVAL, |_, s| {
            event!(s, at::APPROVAL, ApprovalGiven).decision = decided(Action::Request, "u-2");
        }),
        (Code::Decision, at::APPROVAL, |_, s| {
            event!(s, at::APPROVAL, ApprovalGiven).decision = decided(Action::Approve, "u-1");
        }),
        (Code::Decision, at::ORDER, |_, s| {
            event!(s, at::ORDER, ErasureOrdered).decision = decided(Action::Erase, "u-1");
        }),
        (Code::Login, at::LOGIN, |_, s| {
            event!(s, at::LOGIN, LoggedIn).name = "alicia".parse().unwrap();
        }),
        (Code::Login, at::LOGIN, |t, s| event!(s, at::LOGIN, LoggedIn).key = t.bob.wire().into()),
        (Code::Login, at::LOGIN, |_, s| event!(s, at::LOGIN, LoggedIn).window = window(43_201)),
        (Code::Login, at::LOGIN + 1, |_, s| s.insert(at::LOGIN, s[at::LOGIN].clone())),
        (Code::Login, at::LOGOUT, |t, s| {
            let login = t.login(IssuanceId::from_bytes([7; 16]), Factor::Totp { step: 100 });
            s.insert(at::LOGOUT, (ALICE, login.into()));
        }),
        (Code::Login, at::ORDER, |_, s| {
            event!(s, at::ORDER, ErasureOrdered).name = "bobby".parse().unwrap();
        }),
        (Code::Signature, at::LOGIN, |_, s| {
            event!(s, at::LOGIN, LoggedIn).login_key = Digest::from_bytes([0; 32]);
        }),
        (Code::Signature, at::APPROVAL, |_, s| {
            event!(s, at::APPROVAL, ApprovalGiven).duration = Span::from_secs(1_799);
        }),
        (Code::Signature, at::LOGIN_DONE, |t, s| {
            let tbs = event!(s, at::LOGIN_INTENT, CertificateIntended).tbs.clone();
            let signature = t.keys.clients.sign(tbs.as_slice());
            event!(s, at::LOGIN_DONE, CertificateIssued).signature = signature.into();
        }),
        (Code::Signature, at::SSH_DONE, |_, s| {
            event!(s, at::SSH_DONE, CertificateIssued).signature = vec![0; 64].into();
        }),
        (Code::Signature, at::ERASE, |_, s| {
            event!(s, at::ERASE, Erased).reason = "nobody asked".parse().unwrap();
        }),
        (Code::Request, at::REQUEST, |_, s| {
            event!(s, at::REQUEST, RequestMade).reason = "INC-43".parse().unwrap();
        }),
        (Code::Request, at::REQUEST, |_, s| {
            let made = event!(s, at::REQUEST, RequestMade);
            made.role = "db".parse().unwrap();
            made.hash = request_hash(made);
        }),
        (Code::Request, at::REQUEST, |_, s| {
            let made = event!(s, at::REQUEST, RequestMade);
            made.bundle = Digest::from_bytes([0; 32]);
            made.hash = request_hash(made);
        }),
        (Code::Request, at::END + 1, |_, s| s.insert(at::END + 1, s[at::REQUEST].clone())),
        (Code::State, at::APPROVAL + 1, |_, s| {
            let request = event!(s, at::REQUEST, RequestMade).request;
            s.insert(at::APPROVAL, (ALICE, RequestCancelled { request }.into()));
        }),
        (Code::State, at::GRANT + 1, |_, s| {
            s.insert(at::GRANT + 1, (ActorRef::DAEMON, lapsed(s)));
        }),
        (Code::State, at::SSH_DONE + 1, |_, s| s.insert(at::SSH_DONE, s[at::SSH_DONE].clone())),
        (Code::State, at::X509_DONE, |_, s| {
            event!(s, at::X509_DONE, CertificateIssued).grant = None;
        }),
        (Code::State, at::END, |_, s| {
            event!(s, at::END, GrantEnded).ended = UnixTime::from_secs(START);
        }),
        (Code::State, at::END + 1, |_, s| s.insert(at::END, s[at::END].clone())),
        (Code::State, at::LOGOUT + 1, |_, s| s.insert(at::LOGOUT, s[at::LOGOUT].clone())),
        (Code::Approval, at::APPROVAL, |t, s| {
            let given = event!(s, at::APPROVAL, ApprovalGiven);
            given.signature = Some(sign_approval(given, &t.session));
        }),
        (Code::Approval, at::APPROVAL, |t, s| {
            let given = event!(s, at::APPROVAL, ApprovalGiven);
            given.duration = Span::from_secs(3_601);
            given.signature = Some(sign_approval(given, &t.bob));
        }),
        (Code::Approval, at::APPROVAL, |t, s| {
            let given = event!(s, at::APPROVAL, ApprovalGiven);
            given.rows.push(row("x509 other"));
            given.signature = Some(sign_approval(given, &t.bob));
        }),
        (Code::Approval, at::APPROVAL, |t, s| {
            let given = event!(s, at::APPROVAL, ApprovalGiven);
            given.rows.clear();
            given.signature = Some(sign_approval(given, &t.bob));
        }),
        (Code::Approval, at::APPROVAL, |t, s| {
            let given = event!(s, at::APPROVAL, ApprovalGiven);
            given.by = Approver::Person { subject: subject("u-1"), name: "alice".parse().unwrap() };
            given.decision = decided(Action::Approve, "u-1");
            given.signature = Some(sign_approval(given, &t.alice));
            s[at::APPROVAL].0 = ALICE;
        }),
        (Code::Grant, at::APPROVAL, |_, s| drop(s.remove(at::APPROVAL))),
        (Code::Grant, at::GRANT, |_, s| event!(s, at::REQUEST, RequestMade).approvals[0].count = 2),
        (Code::Grant, at::GRANT, |_, s| {
            event!(s, at::GRANT, GrantMade).term = Term::Open(window(3_600));
        }),
        (Code::Grant, at::GRANT, |_, s| {
            let start = UnixTime::from_secs(START + 11);
            let window = Window::starting(start, Span::from_secs(1_800)).unwrap();
            event!(s, at::GRANT, GrantMade).term = Term::Open(window);
        }),
        (Code::Grant, at::GRANT, |_, s| event!(s, at::GRANT, GrantMade).rows.reverse()),
        (Code::Grant, at::GRANT, |_, s| drop(event!(s, at::GRANT, GrantMade).rows.pop())),
        (Code::Grant, at::GRANT, |_, s| {
            event!(s, at::GRANT, GrantMade).hosts = "web2".parse().unwrap();
        }),
        (Code::Grant, at::GRANT, |_, s| {
            event!(s, at::GRANT, GrantMade).subject = subject("u-2");
        }),
        (Code::Serial, at::SSH_DONE, |_, s| s.insert(at::SSH, s[at::SSH].clone())),
        (Code::Serial, at::SSH_DONE, |_, s| {
            let mut again = s[at::SSH].clone();
            if let Event::CertificateIntended(intent) = &mut again.1 {
                intent.issuance = IssuanceId::from_bytes([8; 16]);
            }
            s.insert(at::SSH_DONE, again);
        }),
        (Code::Serial, at::X509, |_, s| {
            event!(s, at::X509, CertificateIntended).serial = vec![1; 17].into();
        }),
        (Code::Under, at::SSH, |_, s| {
            let under = event!(s, at::SSH, CertificateIntended).under.as_mut().unwrap();
            under.row = "orders-api".parse().unwrap();
        }),
        (Code::Under, at::SSH, |_, s| {
            let under = event!(s, at::SSH, CertificateIntended).under.as_mut().unwrap();
            under.grant = GrantId::from_bytes([0; 16]);
        }),
        (Code::Under, at::SSH, |_, s| {
            let under = event!(s, at::SSH, CertificateIntended).under.as_mut().unwrap();
            under.login = [&[1][..], &[3; 16]].concat().into();
        }),
        (Code::Under, at::SSH, |_, s| event!(s, at::SSH, CertificateIntended).under = None),
        (Code::Under, at::SSH - 1, |_, s| drop(s.remove(at::ENROLLED))),
        (Code::Under, at::SSH + 1, |_, s| {
            let logout = s.remove(at::LOGOUT);
            s.insert(at::SSH, logout);
        }),
        (Code::Under, at::SERVER, |_, s| {
            let under = event!(s, at::SSH, CertificateIntended).under.clone();
            event!(s, at::SERVER, CertificateIntended).under = under;
        }),
        (Code::Window, at::SSH, |_, s| {
            event!(s, at::SSH, CertificateIntended).validity = validity(1_801);
        }),
        (Code::Window, at::X509, |_, s| {
            let intent = event!(s, at::X509, CertificateIntended);
            intent.validity.from = UnixTime::from_secs(START - 61);
        }),
        (Code::Window, at::LOGIN_INTENT, |_, s| {
            event!(s, at::LOGIN_INTENT, CertificateIntended).validity = validity(43_201);
        }),
        (Code::Window, at::SERVER, |_, s| {
            event!(s, at::SERVER, CertificateIntended).validity = validity(86_401);
        }),
        (Code::Certificate, at::SERVER, |_, s| {
            event!(s, at::SERVER, CertificateIntended).validity = validity(86_399);
        }),
        (Code::Certificate, at::LOGIN_INTENT, |_, s| {
            let tbs = event!(s, at::X509, CertificateIntended).tbs.clone();
            event!(s, at::LOGIN_INTENT, CertificateIntended).tbs = tbs;
        }),
        (Code::Possession, at::SSH, |_, s| {
            event!(s, at::SSH, CertificateIntended)
                .under
                .as_mut()
                .unwrap()
                .idempotency_key
                .push('!');
        }),
        (Code::Possession, at::X509, |t, s| {
            let under = event!(s, at::X509, CertificateIntended).under.as_mut().unwrap();
            under.possession = ProofOfPossession::Pkcs10(t.keys.servers.request().into());
        }),
        (Code::Erase, at::ERASE, |t, s| erase(t, s, vec![(0, CODE)])),
        (Code::Erase, at::ERASE, |t, s| erase(t, s, vec![(CODE + 1, CODE)])),
        (Code::Erase, at::ERASE, |t, s| erase(t, s, vec![(CODE, at::ERASE as u64)])),
        (Code::Erase, at::ERASE, |t, s| erase(t, s, vec![(CODE, CODE + 2), (CODE + 2, CODE + 2)])),
        (Code::Erase, at::ORDER, |_, s| drop(s.remove(at::ORDER))),
        (Code::Erase, at::ERASE, |t, s| erase(t, s, vec![(at::ORDER as u64, at::ORDER as u64)])),
        (Code::Erase, at::ERASE, |t, s| erase(t, s, vec![(3, 3)])),
        (Code::Signature, at::ERASE, |_, s| {
            event!(s, at::ERASE, Erased).entries = vec![(CODE, CODE + 1)];
        }),
        (Code::Subject, 2, |_, s| {
            event!(s, 2, SubjectKnown).actor = ActorRef::DAEMON;
            s[2].0 = ActorRef::DAEMON;
        }),
        (Code::State, at::APPROVAL, |_, s| {
            let request = event!(s, at::REQUEST, RequestMade).request;
            s.insert(at::APPROVAL, (BOB, RequestCancelled { request }.into()));
        }),
        (Code::State, at::APPROVAL, |_, s| {
            event!(s, at::REQUEST, RequestMade).lapses = time(0);
            s.insert(at::APPROVAL, (ALICE, lapsed(s)));
        }),
        (Code::State, at::END, |_, s| s[at::END].0 = ALICE),
        (Code::State, at::SSH_DONE, |_, s| s[at::SSH_DONE].0 = BOB),
        (Code::State, at::SSH_DONE, |_, s| {
            let done = event!(s, at::SSH_DONE, CertificateIssued).clone();
            let error = "the key broke".to_owned();
            let failed = IssuanceFailed { issuance: done.issuance, grant: done.grant, error };
            s[at::SSH_DONE] = (BOB, failed.into());
        }),
        (Code::Under, at::SSH, |_, s| s[at::SSH].0 = BOB),
        (Code::Serial, at::SSH, |_, s| {
            event!(s, at::SSH, CertificateIntended).serial = vec![0; 8].into();
        }),
        (Code::Login, at::LOGIN, |_, s| {
            let start = UnixTime::from_secs(START + 11);
            let window = Window::starting(start, Span::from_secs(600)).unwrap();
            event!(s, at::LOGIN, LoggedIn).window = window;
        }),
        (Code::Login, at::ENROLLED, |_, s| {
            event!(s, at::ENROLLED, MfaEnrolled).login = vec![2; 17].into();
        }),
        (Code::Request, at::REQUEST, |_, s| {
            event!(s, at::REQUEST, RequestMade).made = UnixTime::from_secs(START - 11);
        }),
        (Code::State, at::APPROVAL, |_, s| {
            event!(s, at::REQUEST, RequestMade).lapses = UnixTime::from_secs(START - 10);
        }),
        (Code::Under, at::SSH + 1, |t, s| {
            let usual = t.granted(s, at::REQUEST, at::GRANT);
            s.insert(at::SSH, (ALICE, usual.ended(0, EndCause::GivenBack).into()));
        }),
        (Code::Under, at::LOGIN_INTENT, |_, s| s[at::LOGIN_INTENT].0 = BOB),
        (Code::Under, at::LOGIN, |_, s| drop(s.remove(at::LOGIN))),
        (Code::Certificate, at::LOGIN_INTENT, |t, s| {
            let key = t.keys.servers.spki();
            change_x509(s, at::LOGIN_INTENT, |certificate| certificate.spki = key);
        }),
        (Code::Certificate, at::LOGIN_INTENT, |_, s| {
            change_x509(s, at::LOGIN_INTENT, |certificate| certificate.is_ca = true);
        }),
        (Code::Certificate, at::LOGIN_INTENT, |_, s| {
            change_x509(s, at::LOGIN_INTENT, |certificate| certificate.validity = validity(3_600));
            event!(s, at::LOGIN_INTENT, CertificateIntended).validity = validity(3_600);
        }),
        (Code::Certificate, at::SERVER, |_, s| {
            change_x509(s, at::SERVER, |certificate| certificate.is_ca = true);
        }),
        (Code::Certificate, at::SERVER, |t, s| {
            event!(s, at::SERVER, CertificateIntended).purpose = "x509-root".into();
            change_x509(s, at::SERVER, |certificate| certificate.spki = t.session.spki());
        }),
        (Code::Certificate, at::SERVER, |_, s| {
            event!(s, at::SERVER, CertificateIntended).purpose = "x509-anything".into();
        }),
        (Code::Window, at::SERVER, |_, s| {
            let intent = event!(s, at::SERVER, CertificateIntended);
            intent.validity.until = intent.validity.from;
        }),
    ];
    lies.extend(certificates());
    lies.extend(agreement::lies());
    lies.extend(running::lies());
    lies
}

const CODE: u64 = at::CODE as u64;

/// The end of the usual request, of which its time is up.
fn lapsed(story: &Story) -> Event {
    let Event::RequestMade(made) = &story[at::REQUEST].1 else { panic!() };
    RequestLapsed { request: made.request, lapsed: made.lapses, scope: scope(made) }.into()
}

/// Erases these entries, by an order for just them.
fn erase(teller: &Teller, story: &mut Story, entries: Vec<(u64, u64)>) {
    let reason = event!(story, at::ERASE, Erased).reason.clone();
    let statement =
        Erasure { origin: &origin(), actor: &ALICE, reason: &reason, entries: &entries };
    let signature = teller.bob.signature(Kind::Erasure, &statement.text());
    event!(story, at::ORDER, ErasureOrdered).signature = signature;
    event!(story, at::ERASE, Erased).entries = entries;
}

/// Writes an X.509 certificate under no grant anew, with something else in it.
fn change_x509(story: &mut Story, at: usize, change: impl FnOnce(&mut keys::X509)) {
    let intent = event!(story, at, CertificateIntended);
    let mut certificate = keys::X509 {
        serial: intent.serial.as_slice().to_vec(),
        validity: intent.validity,
        subject: vec![],
        spki: keys::Keys::new().clients.spki(),
        is_ca: false,
        uri: "spiffe://x".into(),
        key_id: vec![0; 20],
        more: vec![],
    };
    change(&mut certificate);
    intent.tbs = certificate.tbs();
}

/// Certificates that say something else than they should, in each way once.
fn certificates() -> Vec<(Code, usize, Change)> {
    macro_rules! ssh {
        ($($change:expr,)*) => {
            vec![$({
                let lie: Change = |t, s| {
                let grant = event!(s, at::GRANT, GrantMade).clone();
                let mut certificate = t.ssh_certificate(IssuanceId::from_bytes(id(2)), &grant);
                let change: fn(&mut keys::Ssh<'_>) = $change;
                change(&mut certificate);
                event!(s, at::SSH, CertificateIntended).tbs = certificate.tbs(&t.keys.ssh_user);
                };
                (Code::Certificate, at::SSH, lie)
            }),*]
        };
    }
    let mut lies = ssh![
        |c| c.serial = 99,
        |c| c.nonce.push(9),
        |c| c.kind = 2,
        |c| c.key_id.push('x'),
        |c| c.key_id = c.key_id.replace(":alice", &format!(":{BOB}")),
        |c| c.principals = vec!["web-shell"],
        |c| c.principals.push("web-shell.web2"),
        |c| c.validity = validity(1_799),
        |c| c.extensions.clear(),
        |c| c.extensions.insert(0, "permit-X11-forwarding"),
        |c| c.options.retain(|(name, _)| *name != "force-command"),
        |c| c.options.truncate(1),
        |c| c.options[0].1 = "reboot",
        |c| c.options[1].1 = "0.0.0.0/0",
        |c| c.options.push(("verify-required", "")),
    ];
    lies.push((Code::Certificate, at::SSH, |t, s| {
        let grant = event!(s, at::GRANT, GrantMade).clone();
        let certificate = t.ssh_certificate(IssuanceId::from_bytes(id(2)), &grant);
        event!(s, at::SSH, CertificateIntended).tbs = certificate.tbs(&t.session);
    }));
    macro_rules! x509 {
        ($($change:expr,)*) => {
            vec![$({
                let lie: Change = |t, s| {
                let intent = event!(s, at::X509, CertificateIntended);
                let grant = intent.under.as_ref().unwrap().grant.to_string();
                let mut certificate = keys::X509 {
                    serial: intent.serial.as_slice().to_vec(),
                    validity: intent.validity,
                    subject: vec![(3, "alice".into()), (11, "web".into()), (5, grant)],
                    spki: t.keys.clients.spki(),
                    is_ca: false,
                    uri: keys::X509::uri("web", ALICE),
                    key_id: t.keys.clients.key_id(),
                    more: vec![],
                };
                assert_eq!(certificate.tbs(), intent.tbs);
                let change: fn(&mut keys::X509) = $change;
                change(&mut certificate);
                intent.tbs = certificate.tbs();
                };
                (Code::Certificate, at::X509, lie)
            }),*]
        };
    }
    lies.extend(x509![
        |c| c.serial[16] ^= 1,
        |c| c.validity = validity(1_799),
        |c| c.subject[0].1 = "bob".into(),
        |c| c.subject[0].1 = BOB.to_string(),
        |c| c.subject[1].1 = "db".into(),
        |c| c.subject[2].1 = "g-0".into(),
        |c| c.subject.swap(0, 1),
        |c| drop(c.subject.pop()),
        |c| c.spki = keys::rsa_spki(2_048, 65_537),
        |c| c.spki = keys::rsa_spki(3_072, 3),
        |c| c.is_ca = true,
        |c| c.uri = keys::X509::uri("db", ALICE),
        |c| c.uri = keys::X509::uri("web", BOB),
        |c| c.uri = keys::X509::uri("web", ALICE).replace("example", "Example"),
        |c| c.key_id[0] ^= 1,
        |c| c.more.push((18, keys::uri_name("spiffe://example.org/role/db"))),
        |c| c.more.push((15, vec![3, 2, 1, 6])),
    ]);
    lies
}
