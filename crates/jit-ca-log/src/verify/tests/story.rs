//! A small log in which everything happens once.

use jit_ca_core::event::*;
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::workflow::{Approver, Start};
use jit_ca_core::{
    Action, ActorRef, Bytes, Decision, Digest, Facts, GrantId, IssuanceId, Origin, Outcome,
    RequestId, Row, Span, SubjectId, UnixTime, Window,
};

use super::keys::{Keys, Ssh, SshKey, X509};
use crate::hash::sha256;
use crate::{Bundle, LogKey};

pub(super) const START: u64 = 1_795_338_000;
pub(super) const ALICE: ActorRef = ActorRef::from_bytes([0xa1; 16]);
pub(super) const BOB: ActorRef = ActorRef::from_bytes([0xb0; 16]);
const SHELL: &str = "ssh web-shell login=deploy hosts=web1,web2 extensions=permit-pty source-address=10.0.0.0/8 force-command=uptime";

/// Where the entries of the story stand.
pub(super) mod at {
    pub(in crate::verify) const BUNDLE: usize = 6;
    pub(in crate::verify) const CODE: usize = 7;
    pub(in crate::verify) const LOGIN: usize = 8;
    pub(in crate::verify) const LOGIN_INTENT: usize = 9;
    pub(in crate::verify) const LOGIN_DONE: usize = 10;
    pub(in crate::verify) const ENROLLED: usize = 11;
    pub(in crate::verify) const REQUEST: usize = 12;
    pub(in crate::verify) const APPROVAL: usize = 13;
    pub(in crate::verify) const GRANT: usize = 14;
    pub(in crate::verify) const SSH: usize = 15;
    pub(in crate::verify) const SSH_DONE: usize = 16;
    pub(in crate::verify) const X509: usize = 17;
    pub(in crate::verify) const X509_DONE: usize = 18;
    pub(in crate::verify) const LOGOUT: usize = 19;
    pub(in crate::verify) const END: usize = 20;
    pub(in crate::verify) const SERVER: usize = 21;
    pub(in crate::verify) const ORDER: usize = 22;
    pub(in crate::verify) const ERASE: usize = 23;
}

/// What happens, with who acts.
pub(super) type Story = Vec<(ActorRef, Event)>;

pub(super) struct Teller {
    pub(super) keys: Keys,
    pub(super) alice: SshKey,
    pub(super) bob: SshKey,
    pub(super) session: SshKey,
}

pub(super) fn subject(id: &str) -> SubjectId {
    format!("local/{id}").parse().unwrap()
}

pub(super) fn origin() -> Origin {
    "ca.test/jit-ca".parse().unwrap()
}

/// The clock is wrong.
pub(super) fn faulted() -> (ActorRef, Event) {
    let [expected, found] = [START, START + 3_600].map(UnixTime::from_secs);
    (ActorRef::DAEMON, ClockFaulted { expected, found }.into())
}

/// Somebody says that it is right.
pub(super) fn acknowledged() -> (ActorRef, Event) {
    let reason = "chrony was set up anew".parse().unwrap();
    (ActorRef::DAEMON, ClockAcknowledged { reason, uid: 0 }.into())
}

pub(super) fn decided(action: Action, who: &str) -> Decided {
    let facts = Facts {
        action,
        subject: subject(who),
        now: UnixTime::from_secs(START),
        address: "192.0.2.7".parse().unwrap(),
        mfa_at: None,
        role: None,
        requester: None,
        hosts: None,
        duration: None,
        reason: None,
        ticket: None,
    };
    let decision = Decision { outcome: Outcome::Allow, rules: vec!["r".into()], reasons: vec![] };
    Decided { facts, decision }
}

impl Teller {
    pub(super) fn new() -> Self {
        Self {
            keys: Keys::new(),
            alice: SshKey::new(11),
            bob: SshKey::new(12),
            session: SshKey::new(13),
        }
    }

    pub(super) fn log_key(&self) -> LogKey {
        LogKey::new(origin(), self.keys.log.point())
    }

    /// The CA begins, and knows Alice and Bob.
    pub(super) fn beginning(&self) -> Story {
        let mut story: Story = Vec::new();
        let daemon = ActorRef::DAEMON;
        let init = LogInit { origin: origin(), keys: self.keys.public(), succeeds: None };
        story.push((daemon, init.into()));
        let file = FileListed { path: "roles/web.toml".into(), text: "role".into() };
        story.push((daemon, file.into()));
        let mut people = Vec::new();
        for (id, name, actor, key) in
            [("u-1", "alice", ALICE, &self.alice), ("u-2", "bob", BOB, &self.bob)]
        {
            let name: jit_ca_core::PersonName = name.parse().unwrap();
            let known = SubjectKnown { subject: subject(id), name: name.clone(), actor };
            story.push((actor, known.into()));
            let person = PersonListed {
                subject: subject(id),
                name,
                groups: ["sre".parse().unwrap()].into(),
                ssh_keys: vec![key.line()],
            };
            people.push(person.clone());
            story.push((actor, person.into()));
        }
        let bundle = Bundle::new("UTC", [("roles/web.toml".into(), "role".into())], people);
        let activated = BundleActivated { hash: bundle.hash(), zone: "UTC".into() };
        story.push((daemon, activated.into()));
        story
    }

    /// Everything once.
    pub(super) fn story(&self) -> Story {
        let mut story = self.beginning();
        let code = sha256(b"code");
        let expires = UnixTime::from_secs(START + 3_600);
        story.push((
            ActorRef::DAEMON,
            MfaCodeMade { subject: subject("u-1"), code, expires }.into(),
        ));
        let login = IssuanceId::from_bytes([1; 16]);
        story.push((ALICE, self.login(login, Factor::EnrolmentCode { code }).into()));
        let (intent, done) = self.login_certificate(login);
        story.push((ALICE, intent.into()));
        story.push((ALICE, done.into()));
        let serial = x509_serial(login);
        let enrolled = MfaEnrolled { subject: subject("u-1"), login: serial.clone(), step: 100 };
        story.push((ALICE, enrolled.into()));
        let bundle = in_force(&story);
        story.extend(self.access(bundle, 2, &serial));
        story.push((ALICE, LoggedOut { subject: subject("u-1"), login: serial }.into()));
        let (grant, request) = (GrantId::from_bytes(id(2)), RequestId::from_bytes(id(2)));
        let ended = UnixTime::from_secs(START + 1_800);
        story.push((ActorRef::DAEMON, GrantEnded { grant, request, ended }.into()));
        story.push((ActorRef::DAEMON, self.server().into()));
        let reason = "she asked for it".parse().unwrap();
        let entries = vec![(7, 7)];
        let statement = statement::Erasure {
            origin: &origin(),
            actor: &ALICE,
            reason: &reason,
            entries: &entries,
        };
        let order = ErasureOrdered {
            by: subject("u-2"),
            name: "bob".parse().unwrap(),
            signature: self.bob.signature(Kind::Erasure, &statement.text()),
            step: 200,
            decision: decided(Action::Erase, "u-2"),
        };
        story.push((BOB, order.into()));
        let erased = Erased { cause: ErasureCause::Subject(ALICE), reason, entries };
        story.push((BOB, erased.into()));
        story
    }

    pub(super) fn login(&self, issuance: IssuanceId, factor: Factor) -> LoggedIn {
        let challenge = format!("challenge {issuance}");
        let login_key = sha256(&self.keys.clients.spki());
        let pin = sha256(&self.keys.root.spki());
        let statement = statement::Login {
            origin: &origin(),
            pin: &pin,
            subject: &"alice".parse().unwrap(),
            challenge: &challenge,
            login_key: &login_key,
        };
        LoggedIn {
            subject: subject("u-1"),
            name: "alice".parse().unwrap(),
            key: self.alice.wire().into(),
            signature: self.alice.sign(Kind::Login, &statement.text()),
            challenge,
            login_key,
            factor,
            address: "192.0.2.7".parse().unwrap(),
            serial: x509_serial(issuance),
            window: window(12 * 3_600),
        }
    }

    fn login_certificate(&self, id: IssuanceId) -> (CertificateIntended, CertificateIssued) {
        let uri = "spiffe://example.org/login/x".to_owned();
        let intent = self.x509(id, "x509-logins", 12 * 3_600, vec![], uri, None);
        let signature = self.keys.logins.sign(intent.tbs.as_slice()).into();
        (intent, CertificateIssued { issuance: id, grant: None, signature })
    }

    fn server(&self) -> CertificateIntended {
        let id = IssuanceId::from_bytes([9; 16]);
        self.x509(id, "x509-servers", 24 * 3_600, vec![], "spiffe://x".into(), None)
    }

    fn x509(
        &self,
        issuance: IssuanceId,
        purpose: &str,
        length: u64,
        subject: Vec<(u8, String)>,
        uri: String,
        under: Option<IssuedUnder>,
    ) -> CertificateIntended {
        let validity = validity(length);
        let (serial, spki) = (x509_serial(issuance), self.keys.clients.spki());
        let key_id = self.keys.clients.key_id();
        let (serial_bytes, is_ca, more) = (serial.as_slice().to_vec(), false, vec![]);
        let certificate =
            X509 { serial: serial_bytes, validity, subject, spki, is_ca, uri, key_id, more };
        let (tbs, purpose) = (certificate.tbs(), purpose.to_owned());
        CertificateIntended { issuance, purpose, serial, tbs, validity, under }
    }

    /// Alice asks, Bob approves, and she takes a certificate of each kind. All ids are of this number.
    pub(super) fn access(&self, bundle: Digest, number: u64, login: &Bytes) -> Story {
        let request = self.request(RequestId::from_bytes(id(number)), bundle);
        let approval = self.approval(&request);
        let grant = GrantMade {
            grant: GrantId::from_bytes(id(number)),
            request: request.request,
            subject: request.subject.clone(),
            role: request.role.clone(),
            rows: approval.rows.clone(),
            hosts: request.hosts.clone(),
            window: window(1_800),
        };
        let ssh = self.ssh(IssuanceId::from_bytes(id(number)), &grant, login);
        let mut other = id(number);
        other[0] = 0x99;
        let x509 = self.client(IssuanceId::from_bytes(other), &grant, login);
        let ssh_done = CertificateIssued {
            issuance: ssh.issuance,
            grant: Some(grant.grant),
            signature: self.keys.ssh_user.raw(ssh.tbs.as_slice()).to_vec().into(),
        };
        let x509_done = CertificateIssued {
            issuance: x509.issuance,
            grant: Some(grant.grant),
            signature: self.keys.clients.sign(x509.tbs.as_slice()).into(),
        };
        vec![
            (ALICE, request.into()),
            (BOB, approval.into()),
            (BOB, grant.into()),
            (ALICE, ssh.into()),
            (ALICE, ssh_done.into()),
            (ALICE, x509.into()),
            (ALICE, x509_done.into()),
        ]
    }

    fn request(&self, id: RequestId, bundle: Digest) -> RequestMade {
        let mut made = RequestMade {
            request: id,
            subject: subject("u-1"),
            name: "alice".parse().unwrap(),
            role: "web".parse().unwrap(),
            rows: [SHELL, "x509 orders-api"].map(|row| row.parse().unwrap()).to_vec(),
            hosts: "web1".parse().unwrap(),
            duration: Span::from_secs(3_600),
            start: Start::AtApproval,
            reason: "INC-42".parse().unwrap(),
            ticket: None,
            bundle,
            hash: bundle,
            made: UnixTime::from_secs(START),
            lapses: UnixTime::from_secs(START + 600),
            approvals: 1,
            decision: decided(Action::Request, "u-1"),
        };
        made.hash = request_hash(&made);
        made
    }

    pub(super) fn approval(&self, request: &RequestMade) -> ApprovalGiven {
        let mut given = ApprovalGiven {
            request: request.request,
            hash: request.hash,
            by: Approver::Person { subject: subject("u-2"), name: "bob".parse().unwrap() },
            duration: Span::from_secs(1_800),
            rows: request.rows.clone(),
            comment: None,
            signature: None,
            decision: decided(Action::Approve, "u-2"),
        };
        given.signature = Some(sign_approval(&given, &self.bob));
        given
    }

    pub(super) fn ssh_certificate<'a>(
        &'a self,
        issuance: IssuanceId,
        grant: &GrantMade,
    ) -> Ssh<'a> {
        Ssh {
            key: &self.session,
            nonce: vec![9; 32],
            serial: u64::from_be_bytes(*issuance.as_bytes().last_chunk().unwrap()),
            kind: 1,
            key_id: format!("jit-ca:{}:{issuance}:alice", grant.grant),
            principals: vec!["web-shell.web1"],
            validity: validity(1_800),
            options: vec![("force-command", "uptime"), ("source-address", "10.0.0.0/8")],
            extensions: vec!["permit-pty"],
        }
    }

    fn ssh(&self, issuance: IssuanceId, grant: &GrantMade, login: &Bytes) -> CertificateIntended {
        let certificate = self.ssh_certificate(issuance, grant);
        let statement = statement::Possession {
            origin: &origin(),
            grant: &grant.grant,
            login: &login.as_slice().iter().map(|b| format!("{b:02x}")).collect::<String>(),
            key: &sha256(&self.session.wire()),
            idempotency_key: "once",
        };
        let possession = self.session.possession(&statement.text());
        CertificateIntended {
            issuance,
            purpose: "ssh-user".into(),
            serial: certificate.serial.to_be_bytes().to_vec().into(),
            tbs: certificate.tbs(&self.keys.ssh_user),
            validity: certificate.validity,
            under: Some(under(grant, "web-shell", login, possession)),
        }
    }

    fn client(
        &self,
        issuance: IssuanceId,
        grant: &GrantMade,
        login: &Bytes,
    ) -> CertificateIntended {
        let names = vec![(3, "alice".into()), (11, "web".into()), (5, grant.grant.to_string())];
        let request = ProofOfPossession::Pkcs10(self.keys.clients.request().into());
        let under = under(grant, "orders-api", login, request);
        let uri = X509::uri("web", ALICE);
        self.x509(issuance, "x509-clients", 1_800, names, uri, Some(under))
    }
}

fn under(
    grant: &GrantMade,
    row: &str,
    login: &Bytes,
    possession: ProofOfPossession,
) -> IssuedUnder {
    IssuedUnder {
        grant: grant.grant,
        row: row.parse().unwrap(),
        login: login.clone(),
        idempotency_key: "once".into(),
        possession,
        decision: Allowed {
            now: UnixTime::from_secs(START),
            address: "192.0.2.7".parse().unwrap(),
            mfa_at: None,
            rules: vec!["r".into()],
        },
    }
}

pub(super) fn request_hash(made: &RequestMade) -> Digest {
    let statement = statement::Request {
        origin: &origin(),
        id: &made.request,
        subject: &made.subject,
        role: &made.role,
        rows: &made.rows,
        hosts: &made.hosts,
        duration: made.duration,
        start: &made.start,
        reason: &made.reason,
        ticket: made.ticket.as_ref(),
        bundle: &made.bundle,
    };
    sha256(statement.text().as_bytes())
}

pub(super) fn sign_approval(given: &ApprovalGiven, key: &SshKey) -> Signature {
    let (duration, rows) = (given.duration, given.rows.as_slice());
    let statement = statement::Approval { origin: &origin(), request: &given.hash, duration, rows };
    key.signature(Kind::Approval, &statement.text())
}

/// The id of this number.
pub(super) fn id(number: u64) -> [u8; 16] {
    let mut id = [7; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

/// The bundle in force at the end of a story.
pub(super) fn in_force(story: &Story) -> Digest {
    let activated = story.iter().rev().find_map(|(_, event)| match event {
        Event::BundleActivated(activated) => Some(activated.hash),
        _ => None,
    });
    activated.unwrap()
}

pub(super) fn x509_serial(issuance: IssuanceId) -> Bytes {
    [[1].as_slice(), issuance.as_bytes()].concat().into()
}

pub(super) fn window(seconds: u64) -> Window {
    Window::starting(UnixTime::from_secs(START), Span::from_secs(seconds)).unwrap()
}

pub(super) fn validity(seconds: u64) -> Validity {
    Validity { from: UnixTime::from_secs(START - 60), until: UnixTime::from_secs(START + seconds) }
}

pub(super) fn row(text: &str) -> Row {
    text.parse().unwrap()
}
