//! Requests, approvals, grants and certificates, as parts of a story.

use jit_ca_core::event::*;
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::workflow::{Approver, Quorum, Start, Term};
use jit_ca_core::{Action, Bytes, Digest, GrantId, IssuanceId, RequestId, Span, UnixTime};

use super::keys::{Ssh, SshKey, X509};
use super::story::*;
use crate::hash::sha256;

pub(super) const SHELL: &str = "ssh web-shell login=deploy hosts=web1,web2 extensions=permit-pty source-address=10.0.0.0/8 force-command=uptime";

impl Teller {
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
            term: Term::Open(window(1_800)),
            certificates: None,
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

    pub(super) fn request(&self, id: RequestId, bundle: Digest) -> RequestMade {
        let mut made = RequestMade {
            request: id,
            subject: subject("u-1"),
            name: "alice".parse().unwrap(),
            role: "web".parse().unwrap(),
            rows: [SHELL, "x509 orders-api"].map(|row| row.parse().unwrap()).to_vec(),
            hosts: "web1".parse().unwrap(),
            duration: Span::from_secs(3_600),
            start: Start::AtApproval,
            extends: None,
            reason: "INC-42".parse().unwrap(),
            ticket: None,
            bundle,
            hash: bundle,
            made: UnixTime::from_secs(START),
            lapses: UnixTime::from_secs(START + 600),
            approvals: vec![quorum(1, "sre", false)],
            use_within: None,
            certificates: None,
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
            groups: ["sre".parse().unwrap()].into(),
            duration: Span::from_secs(1_800),
            rows: request.rows.clone(),
            hosts: request.hosts.clone(),
            comment: Some("half an hour will do".parse().unwrap()),
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

    pub(super) fn ssh(
        &self,
        issuance: IssuanceId,
        grant: &GrantMade,
        login: &Bytes,
    ) -> CertificateIntended {
        self.ssh_in(issuance, grant, login, validity(1_800))
    }

    /// A certificate for this time.
    pub(super) fn ssh_in(
        &self,
        issuance: IssuanceId,
        grant: &GrantMade,
        login: &Bytes,
        validity: Validity,
    ) -> CertificateIntended {
        let certificate = Ssh { validity, ..self.ssh_certificate(issuance, grant) };
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
        extends: made.extends.as_ref(),
        reason: &made.reason,
        ticket: made.ticket.as_ref(),
        bundle: &made.bundle,
    };
    sha256(statement.text().as_bytes())
}

pub(super) fn sign_approval(given: &ApprovalGiven, key: &SshKey) -> Consent {
    let statement = statement::Approval {
        origin: &origin(),
        request: &given.hash,
        duration: given.duration,
        rows: &given.rows,
        hosts: &given.hosts,
    };
    Consent::Ssh(key.signature(Kind::Approval, &statement.text()))
}

pub(super) fn quorum(count: u8, from: &str, signed: bool) -> Quorum {
    Quorum { count, from: [from.parse().unwrap()].into(), signed }
}
