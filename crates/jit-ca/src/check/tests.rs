use super::*;
use crate::ephemeral::EphemeralKey;
use crate::exit::Exit;
use crate::testing::{TestCa, TestLog};
use jit_ca_api::{RequestStatus, Trust, X509Authority};
use jit_ca_core::workflow::{GrantState, Start, Term};
use jit_ca_core::{Digest, Row, UnixTime, Window};
use jit_ca_log::Ids;
use jit_ca_log::hash::sha256;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData as _, date_time_ymd,
};
use std::time::Duration;

const GRANT: &str = "g-01m3250v000w3ge1r70w3ge1r7";
const ISSUANCE: &str = "i-01m3250v000w3ge1r70w3ge1r7";
const START: u64 = 1_790_000_000;

/// The log's name, and the one byte that its key is made from.
const LOG: (&str, u8) = ("ca.example.org/jit-ca", 1);

fn ids() -> Ids {
    Ids {
        request: None,
        grant: Some(GRANT.parse().unwrap()),
        issuance: Some(ISSUANCE.parse().unwrap()),
    }
}

/// A log with one entry of this kind at index 1, among others: its proof.
fn proof_in((origin, seed): (&'static str, u8), kind: &str, ids: Ids, tbs: Digest) -> String {
    let mut log = TestLog::new(origin, seed);
    log.push("log.init", Ids::default(), None);
    let index = log.push(kind, ids, Some(tbs));
    log.push("issue.done", Ids::default(), None);
    assert_eq!(index, 1);
    log.proof(index).to_string()
}

fn proof_of(to_be_signed: &[u8]) -> String {
    proof_in(LOG, "issue.intent", ids(), sha256(to_be_signed))
}

struct Scene {
    ca: KnownCa,
    request: Request,
    grant: GrantView,
    row: SshRow,
    key: EphemeralKey,
}

fn scene(ssh_ca: &TestCa, clients: &str, row: &str) -> Scene {
    let row: Row = row.parse().unwrap();
    let Row::Ssh(ssh) = row.clone() else { panic!("an SSH row") };
    let window = Window::starting(UnixTime::from_secs(START), Span::from_secs(3600)).unwrap();
    let grant = GrantView {
        id: GRANT.parse().unwrap(),
        rows: vec![row.clone()],
        hosts: "web1".parse().unwrap(),
        term: Term::Open(window),
        window: Some(window),
        state: GrantState::Active,
        over: None,
        certificates: None,
    };
    let request = Request {
        id: "r-01m3250v000w3ge1r70w3ge1r7".parse().unwrap(),
        subject: "local/u-1001".parse().unwrap(),
        name: "alice".parse().unwrap(),
        role: "web-shell".parse().unwrap(),
        rows: vec![row],
        hosts: "web1".parse().unwrap(),
        duration: Span::from_secs(3600),
        start: Start::AtApproval,
        extends: None,
        reason: "INC-42".parse().unwrap(),
        ticket: None,
        bundle: Digest::from_bytes([0; 32]),
        hash: Digest::from_bytes([0; 32]),
        made: window.start(),
        lapses: window.end(),
        status: RequestStatus::Approved,
        quorums: Vec::new(),
        still_needed: 0,
        approvals: Vec::new(),
        approvers: Vec::new(),
        denied: None,
        grant: Some(grant.clone()),
        emergency: None,
    };
    let trust = Trust {
        page: None,
        origin: "ca.example.org/jit-ca".parse().unwrap(),
        log_key: TestLog::new(LOG.0, LOG.1).key().to_string(),
        pin: Digest::from_bytes([0; 32]),
        ssh_user_ca: ssh_ca.public_key().to_openssh().unwrap(),
        ssh_host_ca: String::new(),
        hosts: Vec::new(),
        revoked_host_keys: Vec::new(),
        x509: vec![X509Authority {
            purpose: "clients".to_owned(),
            certificate: clients.to_owned(),
        }],
        trust_domain: "example.org".to_owned(),
        succeeds: None,
    };
    let url = "https://ca.example.org".to_owned();
    let key = EphemeralKey::generate().unwrap();
    Scene { ca: KnownCa { url, trust }, request, grant, row: ssh, key }
}

impl Scene {
    fn reply(&self, certificate: &Certificate) -> SshCertificate {
        SshCertificate {
            issuance: ISSUANCE.parse().unwrap(),
            grant: GRANT.parse().unwrap(),
            row: Row::Ssh(self.row.clone()).name(),
            certificate: certificate.to_openssh().unwrap(),
            serial: "1".to_owned(),
            expires: UnixTime::from_secs(certificate.valid_before()),
            entry: 1,
            proof: proof_of(&to_be_signed(certificate).unwrap()),
        }
    }

    fn verdict(&self, reply: &SshCertificate) -> Result<(), String> {
        let under = (&self.request, &self.grant, &self.row);
        let checked = ssh_certificate(&self.ca, reply, under, &self.key.public_key());
        checked.map(drop).map_err(|error| {
            assert_eq!(error.exit(), Exit::Unverified);
            error.to_string()
        })
    }

    fn verdict_on(&self, certificate: &Certificate) -> Result<(), String> {
        self.verdict(&self.reply(certificate))
    }
}

#[test]
fn an_ssh_certificate_is_taken_only_as_it_was_granted() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ssh_ca, other_ca) = (TestCa::new(home.path()), TestCa::new(other.path()));
    let row = "ssh web-shell login=deploy hosts=web1,web2 extensions=permit-pty source-address=10.0.0.0/8 force-command=uptime";
    let scene = scene(&ssh_ca, "", row);
    let options = "-O clear -O permit-pty -O source-address=10.0.0.0/8 -O force-command=uptime";
    let (principal, from, until) = ("web-shell.web1", START - 60, START + 3600);
    let line = |options: &str, principal: &str, from: u64, until: u64| {
        let id = format!("jit-ca:{GRANT}:{ISSUANCE}:alice");
        format!("{options} -n {principal} -V {from:#x}:{until:#x} -I {id}")
    };
    let certify = |by: &TestCa, key: &EphemeralKey, line: &str| {
        by.certify(&key.public_key(), &line.split(' ').collect::<Vec<_>>())
    };

    let granted = line(options, principal, from, until);
    let certificate = certify(&ssh_ca, &scene.key, &granted);
    scene.verdict_on(&certificate).unwrap();
    assert!(serves(&certificate, &scene.row, &scene.request.hosts));
    assert!(!serves(&certificate, &scene.row, &"web2".parse().unwrap()));
    // Shorter is as granted: a role may have a longest for its certificates.
    let shorter = line(options, principal, START, START + 60);
    scene.verdict_on(&certify(&ssh_ca, &scene.key, &shorter)).unwrap();

    let more = format!("{options} -O permit-agent-forwarding");
    let less = "-O clear -O permit-pty -O source-address=10.0.0.0/8";
    let elsewhere = granted.replace(GRANT, "g-01m3250v000w3ge1r70w3ge1r8");
    let stranger = EphemeralKey::generate().unwrap();
    let (alice, longer) = (&scene.key, line(options, principal, from, until + 1));
    for (by, key, line, why) in [
        (&other_ca, alice, granted.clone(), "another CA key"),
        (&ssh_ca, &stranger, granted.clone(), "another key"),
        (&ssh_ca, alice, line("-h", principal, from, until), "not a user's"),
        (&ssh_ca, alice, line(options, "web-shell.web2", from, until), "principals"),
        (&ssh_ca, alice, line(options, "web-shell.web1,root", from, until), "principals"),
        (&ssh_ca, alice, line(&more, principal, from, until), "options"),
        (&ssh_ca, alice, line(less, principal, from, until), "options"),
        (&ssh_ca, alice, longer, "time"),
        (&ssh_ca, alice, line(options, principal, from - 1, until), "time"),
        (&ssh_ca, alice, elsewhere, "another grant"),
    ] {
        let said = scene.verdict_on(&certify(by, key, &line)).unwrap_err();
        assert!(said.contains(why), "{said:?} and not {why:?}");
    }

    let mut forged = certificate.to_bytes().unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let forged = Certificate::from_bytes(&forged).unwrap();
    let said = scene.verdict_on(&forged).unwrap_err();
    assert!(said.contains("wrong signature"), "{said}");
}

#[test]
fn an_ssh_certificate_is_taken_only_as_the_log_has_it() {
    let home = tempfile::tempdir().unwrap();
    let ssh_ca = TestCa::new(home.path());
    let scene = scene(&ssh_ca, "", "ssh web-shell login=deploy hosts=web1");
    let validity = format!("{:#x}:{:#x}", START - 60, START + 3600);
    let id = format!("jit-ca:{GRANT}:{ISSUANCE}:alice");
    let certify = |serial| {
        let options = ["-O", "clear", "-n", "web-shell.web1", "-V", &validity, "-I", &id];
        ssh_ca.certify(&scene.key.public_key(), &[&options[..], &["-z", serial]].concat())
    };
    let certificate = certify("1");
    let good = scene.reply(&certificate);
    scene.verdict(&good).unwrap();

    let tbs = to_be_signed(&certificate).unwrap();
    let hash = sha256(&tbs);
    let other_grant = Ids { grant: Some("g-01m3250v000w3ge1r70w3ge1r8".parse().unwrap()), ..ids() };
    let other_issuance = Ids { issuance: None, ..ids() };
    let whole = sha256(&certificate.to_bytes().unwrap());
    let not_its_entry = [
        // Another certificate that the CA has signed and recorded; the same bytes with the signature.
        scene.reply(&certify("2")).proof,
        proof_in(LOG, "issue.intent", ids(), whole),
        proof_in(LOG, "issue.done", ids(), hash),
        proof_in(LOG, "issue.intent", other_grant, hash),
        proof_in(LOG, "issue.intent", other_issuance, hash),
    ];
    for proof in not_its_entry {
        let said = scene.verdict(&SshCertificate { proof, ..good.clone() }).unwrap_err();
        assert!(said.contains("entry is not that of the certificate"), "{said}");
    }
    let elsewhere = SshCertificate { entry: 2, ..good.clone() };
    assert!(scene.verdict(&elsewhere).unwrap_err().contains("entry is not that"));

    // Somebody between us and the CA: any line changed, cut, or by another key.
    let lines = good.proof.split_inclusive('\n');
    let mut tampered: Vec<String> = lines.map(|line| good.proof.replacen(line, "", 1)).collect();
    tampered.extend(["", "c2sp.org/tlog-proof@v1\n"].map(str::to_owned));
    tampered.push(good.proof.replace("\n3\n", "\n2\n"));
    tampered.push(proof_in((LOG.0, 2), "issue.intent", ids(), hash));
    tampered.push(proof_in(("ca.example.org/other", LOG.1), "issue.intent", ids(), hash));
    for proof in tampered {
        let said = scene.verdict(&SshCertificate { proof, ..good.clone() }).unwrap_err();
        assert!(said.contains("nothing proves that the log holds the certificate"), "{said}");
    }

    // The text is what is written into files: nothing may stand beside what was checked.
    let certificate = format!("{}\nssh-ed25519 AAAA", good.certificate);
    scene.verdict(&SshCertificate { certificate, ..good }).unwrap_err();
}

#[test]
fn an_x509_certificate_is_taken_only_as_it_was_granted() {
    let home = tempfile::tempdir().unwrap();
    let ssh_ca = TestCa::new(home.path());
    let authority = || {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), Issuer::new(params, key))
    };
    let ((clients, issuer), (_, other_issuer)) = (authority(), authority());
    let scene = scene(&ssh_ca, &clients, "ssh web-shell login=deploy hosts=web1");
    let (key, other_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let ours = key.subject_public_key_info();

    let tbs = |pem: &str| {
        let der = der(pem).unwrap();
        ParsedX509::from_der(&der).unwrap().1.tbs_certificate.as_ref().to_vec()
    };
    let reply = |key: &KeyPair, by: &Issuer<'_, KeyPair>, from: u64, until: u64, is_ca: bool| {
        let time = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        let mut params = CertificateParams::default();
        params.not_before = time(from);
        params.not_after = time(until - 1);
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        }
        let certificate = params.signed_by(key, by).unwrap().pem();
        X509Certificate {
            issuance: ISSUANCE.parse().unwrap(),
            grant: GRANT.parse().unwrap(),
            row: "orders-api".parse().unwrap(),
            proof: proof_of(&tbs(&certificate)),
            certificate,
            chain: clients.clone(),
            serial: "01".to_owned(),
            expires: UnixTime::from_secs(until),
            entry: 1,
        }
    };
    let verdict_on = |reply: &X509Certificate| {
        x509_certificate(&scene.ca, reply, &scene.grant, &ours)
            .map_err(|error| (error.exit(), error.to_string()))
    };
    let verdict = |key: &KeyPair, by: &Issuer<'_, KeyPair>, from, until, is_ca| {
        verdict_on(&reply(key, by, from, until, is_ca))
    };
    let (from, until) = (START - 60, START + 3600);
    let good = reply(&key, &issuer, from, until, false);
    verdict_on(&good).unwrap();
    // Of another certificate that the CA has recorded.
    let another = reply(&key, &issuer, from + 1, until, false);
    let with = |proof: &str| X509Certificate { proof: proof.to_owned(), ..good.clone() };
    for (said, why) in [
        (verdict(&other_key, &issuer, from, until, false), "another key"),
        (verdict(&key, &issuer, from, until + 1, false), "time"),
        (verdict(&key, &issuer, from - 1, until, false), "time"),
        (verdict(&key, &other_issuer, from, until, false), "not signed"),
        (verdict(&key, &issuer, from, until, true), "a CA"),
        (verdict_on(&with(&another.proof)), "entry is not that"),
        (verdict_on(&with(&good.proof.replace("\n3\n", "\n2\n"))), "nothing proves"),
        (verdict_on(&with("")), "nothing proves"),
    ] {
        let (exit, text) = said.unwrap_err();
        assert_eq!(exit, Exit::Unverified);
        assert!(text.contains(why), "{text:?} and not {why:?}");
    }
}
