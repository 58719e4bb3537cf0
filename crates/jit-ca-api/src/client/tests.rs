//! Against a TLS server that shows what it is told to show.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::spawn;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData as _,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::{DenyCall, X509Authority};

/// A root, an issuing CA below it, and a certificate for `name` below that.
struct TestCa {
    root: CertificateDer<'static>,
    root_pem: String,
    pin: Digest,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl TestCa {
    fn new(name: &str) -> Self {
        let params = |name: &str, is_ca| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = is_ca;
            params
        };
        let [root_key, issuing_key, key] = [(); 3].map(|()| KeyPair::generate().unwrap());
        let spki = root_key.subject_public_key_info();
        let pin = ring::digest::digest(&ring::digest::SHA256, &spki);
        let root = params("root", IsCa::Ca(BasicConstraints::Constrained(1)));
        let issuing = params("servers", IsCa::Ca(BasicConstraints::Constrained(0)));
        let mut leaf = params("leaf", IsCa::ExplicitNoCa);
        leaf.subject_alt_names =
            CertificateParams::new([name.to_owned()]).unwrap().subject_alt_names;
        let root_certificate = root.self_signed(&root_key).unwrap();
        let root = Issuer::new(root, root_key);
        let issuing_certificate = issuing.signed_by(&issuing_key, &root).unwrap();
        let issuing = Issuer::new(issuing, issuing_key);
        let leaf = leaf.signed_by(&key, &issuing).unwrap();
        let chain = [&leaf, &issuing_certificate, &root_certificate];
        Self {
            root: root_certificate.der().clone(),
            root_pem: root_certificate.pem(),
            pin: Digest::from_bytes(pin.as_ref().try_into().unwrap()),
            chain: chain.map(|certificate| certificate.der().clone()).to_vec(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    fn root(&self) -> RootCertificate {
        RootCertificate::from_pem(&self.root_pem).unwrap()
    }

    /// Serves one connection for each answer, the whole of which is sent; `None` hangs up instead.
    /// What was asked comes back.
    fn serve(&self, answers: Vec<Option<String>>, asks_login: bool) -> (u16, Receiver<String>) {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap();
        let builder = match asks_login {
            false => builder.with_no_client_auth(),
            true => {
                let mut roots = RootCertStore::empty();
                roots.add(self.root.clone()).unwrap();
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let (chain, key) = (self.chain.clone(), self.key.clone_key());
        let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, receiver) = channel();
        spawn(move || {
            for answer in answers {
                let (socket, _) = listener.accept().unwrap();
                let connection = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(connection, socket);
                let mut asked = Vec::new();
                let mut buffer = [0; 4096];
                while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(count) if count > 0 => asked.extend_from_slice(&buffer[..count]),
                        _ => break,
                    }
                }
                let _ = sender.send(String::from_utf8(asked).unwrap());
                if let Some(answer) = answer {
                    let _ = stream.write_all(answer.as_bytes());
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            }
        });
        (port, receiver)
    }
}

fn answer(status: &str, kind: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}

fn trust(pin: Digest) -> Option<String> {
    let trust = Trust {
        page: None,
        origin: "ca.example.org/jit-ca".parse().unwrap(),
        log_key: String::new(),
        pin,
        ssh_user_ca: String::new(),
        ssh_host_ca: String::new(),
        hosts: Vec::new(),
        revoked_host_keys: Vec::new(),
        x509: Vec::<X509Authority>::new(),
        succeeds: None,
        trust_domain: "example.org".to_owned(),
    };
    answer("200 OK", "application/json", &serde_json::to_string(&trust).unwrap())
}

#[test]
fn the_pin_finds_the_root_and_no_other_ca_is_taken_for_it() {
    let (ca, other) = (TestCa::new("127.0.0.1"), TestCa::new("127.0.0.1"));
    let (port, _) = ca.serve(vec![trust(ca.pin)], false);
    let (root, trust_found) = discover(&format!("https://127.0.0.1:{port}"), &ca.pin).unwrap();
    assert_eq!((root, trust_found.pin), (ca.root(), ca.pin));

    let wrong = |error: Error| match error {
        Error::Pin { expected, presented, .. } => (expected, presented.unwrap()),
        other => panic!("{other:?}"),
    };
    let (port, _) = other.serve(vec![trust(ca.pin)], false);
    let url = format!("https://127.0.0.1:{port}");
    assert_eq!(wrong(discover(&url, &ca.pin).unwrap_err()), (ca.pin, other.pin));
    let (port, asked) = other.serve(vec![trust(ca.pin)], false);
    let url = format!("https://127.0.0.1:{port}");
    let client = Client::new(&url, &ca.root(), None).unwrap();
    assert_eq!(wrong(client.trust().unwrap_err()), (ca.pin, other.pin));
    assert_eq!(asked.recv().unwrap(), "", "nothing is said to a stranger");

    // Showing the right root is not enough: the chain has to lead to it.
    let mut liar = TestCa::new("127.0.0.1");
    *liar.chain.last_mut().unwrap() = ca.root.clone();
    let (port, _) = liar.serve(vec![trust(ca.pin)], false);
    let error = discover(&format!("https://127.0.0.1:{port}"), &ca.pin).unwrap_err();
    assert!(matches!(error, Error::Pin { .. }), "{error:?}");

    let elsewhere = TestCa::new("elsewhere.example.org");
    let (port, _) = elsewhere.serve((0..3).map(|_| trust(elsewhere.pin)).collect(), false);
    let error = discover(&format!("https://127.0.0.1:{port}"), &elsewhere.pin).unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
}

#[test]
fn a_post_whose_answer_is_lost_is_repeated_with_its_key() {
    let ca = TestCa::new("127.0.0.1");
    let done = answer("204 No Content", "application/json", "");
    let (port, asked) = ca.serve(vec![None, done], false);
    let client = Client::new(&format!("https://127.0.0.1:{port}"), &ca.root(), None).unwrap();
    let key = IdempotencyKey::random().unwrap();
    assert!(key.as_str().parse::<CallId>().is_ok());
    client.logout(&LogoutCall::default(), &key).unwrap();
    let header = format!("idempotency-key: {}", key.as_str());
    for _ in 0..2 {
        let asked = asked.recv().unwrap();
        assert!(
            asked.starts_with("POST /v1/logout HTTP/1.1\r\n") && asked.contains(&header),
            "{asked}"
        );
    }
}

/// What a CA answers that has too much to do.
fn busy(wait: u64) -> Option<String> {
    let problem =
        r#"{"type":"urn:jit-ca:problem:busy","title":"t","status":503,"detail":"d","code":"busy"}"#;
    let status = format!("503 Service Unavailable\r\nretry-after: {wait}");
    answer(&status, "application/problem+json", problem)
}

#[test]
fn a_busy_ca_is_asked_again_when_it_says_and_not_for_ever() {
    let ca = TestCa::new("127.0.0.1");
    let client =
        |port| Client::new(&format!("https://127.0.0.1:{port}"), &ca.root(), None).unwrap();
    let key = IdempotencyKey::random().unwrap();
    let done = answer("204 No Content", "application/json", "");
    let (port, asked) = ca.serve(vec![busy(1), busy(0), done.clone()], false);
    let begun = std::time::Instant::now();
    client(port).logout(&LogoutCall::default(), &key).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let header = format!("idempotency-key: {}", key.as_str());
    assert_eq!(asked.iter().filter(|asked| asked.contains(&header)).count(), 3);

    let refused = |answers| {
        let (port, asked) = ca.serve(answers, false);
        let error = client(port).logout(&LogoutCall::default(), &key).unwrap_err();
        assert!(matches!(&error, Error::Problem(problem) if problem.code == "busy"), "{error:?}");
        asked.iter().count()
    };
    assert_eq!(refused(vec![busy(0); 4]), 4);
    // An hour is too long to wait for.
    assert_eq!(refused(vec![busy(3_600)]), 1);
}

#[test]
fn who_has_too_many_calls_under_way_waits_and_who_guessed_too_often_is_told() {
    let ca = TestCa::new("127.0.0.1");
    let client =
        |port| Client::new(&format!("https://127.0.0.1:{port}"), &ca.root(), None).unwrap();
    let key = IdempotencyKey::random().unwrap();
    let too_many = |what: &str| {
        let problem =
            format!(r#"{{"type":"t","title":"t","status":429,"detail":"d","code":"{what}"}}"#);
        answer("429 Too Many Requests\r\nretry-after: 0", "application/problem+json", &problem)
    };
    let done = || answer("204 No Content", "application/json", "");
    let (port, asked) = ca.serve(vec![too_many("too-many-calls"), done()], false);
    client(port).logout(&LogoutCall::default(), &key).unwrap();
    assert_eq!(asked.iter().count(), 2);

    let (port, _) = ca.serve(vec![too_many("too-many-attempts"), done()], false);
    let error = client(port).logout(&LogoutCall::default(), &key).unwrap_err();
    assert!(matches!(&error, Error::Problem(problem) if problem.code == "too-many-attempts"));
}

#[test]
fn refusals_and_nonsense_are_told_apart() {
    let ca = TestCa::new("127.0.0.1");
    let problem = r#"{"type":"urn:jit-ca:problem:mfa-too-old","title":"t","status":403,"detail":"d","code":"mfa-too-old","hint":"h"}"#;
    let answers = vec![
        answer("403 Forbidden", "application/problem+json", problem),
        answer("302 Found\r\nlocation: https://example.org/", "text/plain", ""),
        answer("200 OK", "application/json", "[1]"),
        answer("502 Bad Gateway", "text/html", "<html>"),
    ];
    let (port, _) = ca.serve(answers, false);
    let client = Client::new(&format!("https://127.0.0.1:{port}"), &ca.root(), None).unwrap();
    let id = RequestId::from_bytes([0; 16]);
    let deny = || {
        let key = IdempotencyKey::random().unwrap();
        client.deny(&id, &DenyCall::default(), &key).unwrap_err()
    };
    let refused = deny();
    assert_eq!((refused.hint(), refused.to_string().as_str()), (Some("h"), "d"));
    for _ in 0..3 {
        let error = deny();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    }
}

#[test]
fn a_ca_that_wants_a_login_is_understood() {
    let ca = TestCa::new("127.0.0.1");
    let (port, _) = ca.serve((0..3).map(|_| trust(ca.pin)).collect(), true);
    let client = Client::new(&format!("https://127.0.0.1:{port}"), &ca.root(), None).unwrap();
    let error = client.me().unwrap_err();
    assert!(matches!(error, Error::LoginCertificate { .. }), "{error:?}");
}
