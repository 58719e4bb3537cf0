//! X.509 certificates, as OpenSSL and rustls-webpki take them.

use std::collections::BTreeSet;
use std::time::Duration;

use jit_ca_cert::x509::ClientCertificate;
use jit_ca_cert::{Error, Lint, read};
use jit_ca_core::{Span, UnixTime};
use rustls_pki_types::{CertificateDer, ServerName};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::support::{
    CA, Folder, START, client_certificate, ed25519, grant, hour, issuance, login_certificate, p256,
    server_certificate,
};

/// Whether webpki takes the leaf for this usage at this time.
fn webpki_accepts(
    leaf: &[u8],
    issuing: &[u8],
    usage: KeyUsage,
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let [root, issuing, leaf] = [CA.root.der(), issuing, leaf].map(CertificateDer::from);
    let anchor = anchor_from_trusted_cert(&root).unwrap();
    let now = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now.secs()));
    let leaf = EndEntityCert::try_from(&leaf).unwrap();
    leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &[anchor], &[issuing], now, usage, None, None)
        .map(drop)
}

/// Whether OpenSSL takes the leaf for this purpose at this time.
fn openssl_accepts(
    leaf: &str,
    issuing: &str,
    purpose: &str,
    now: UnixTime,
) -> Result<String, String> {
    let folder = Folder::new(&[
        ("root.pem", CA.root.pem().as_bytes()),
        ("issuing.pem", issuing.as_bytes()),
        ("leaf.pem", leaf.as_bytes()),
    ]);
    let now = now.secs().to_string();
    let arguments = [
        "verify",
        "-x509_strict",
        "-purpose",
        purpose,
        "-attime",
        &now,
        "-CAfile",
        "root.pem",
        "-untrusted",
        "issuing.pem",
        "leaf.pem",
    ];
    folder.try_run("openssl", &arguments)
}

fn shown(pem: &str) -> String {
    let options = "no_pubkey,no_sigdump,no_header,no_version";
    Folder::new(&[("c.pem", pem.as_bytes())])
        .run("openssl", &["x509", "-in", "c.pem", "-noout", "-text", "-certopt", options])
}

#[test]
fn all_accept_a_client_inside_its_window_only() {
    let second = Span::from_secs(1);
    let (first, end) = (START.minus(Span::from_secs(60)), hour().end());
    // OpenSSL takes `notAfter` for the first second outside, where RFC 5280 4.1.2.5 has it inside.
    let edges = [
        (first.minus(second), false, false),
        (first, true, true),
        (end.minus(second).minus(second), true, true),
        (end.minus(second), true, false),
        (end, false, false),
    ];
    for key in [ed25519(7), p256()] {
        let signed = CA.client(&ClientCertificate { key, ..client_certificate() });
        for (now, webpki, openssl) in edges {
            let usage = KeyUsage::client_auth();
            let found = webpki_accepts(signed.as_bytes(), CA.clients.der(), usage, now);
            assert_eq!(found.is_ok(), webpki, "webpki at {now}: {found:?}");
            let found = openssl_accepts(&signed.text(), &CA.clients.pem(), "sslclient", now);
            assert_eq!(found.is_ok(), openssl, "openssl at {now}: {found:?}");
        }
    }
}

#[test]
fn a_client_is_no_server_and_a_server_no_client() {
    let (client, server) = (CA.client(&client_certificate()), CA.server(&server_certificate()));
    let login = CA.login(&login_certificate());
    let usages =
        || [("sslclient", KeyUsage::client_auth()), ("sslserver", KeyUsage::server_auth())];
    let cases = [
        (client.as_bytes(), client.text(), CA.clients.der(), CA.clients.pem(), [true, false]),
        (server.as_bytes(), server.text(), CA.servers.der(), CA.servers.pem(), [false, true]),
        (login.as_bytes(), login.text(), CA.logins.der(), CA.logins.pem(), [true, false]),
    ];
    for (der, pem, issuing, issuing_pem, expected) in cases {
        for ((purpose, usage), expected) in usages().into_iter().zip(expected) {
            assert_eq!(webpki_accepts(der, issuing, usage, START).is_ok(), expected, "{purpose}");
            assert_eq!(
                openssl_accepts(&pem, &issuing_pem, purpose, START).is_ok(),
                expected,
                "{purpose}"
            );
        }
    }
    // Under another issuing CA of the same root.
    assert!(openssl_accepts(&client.text(), &CA.logins.pem(), "sslclient", START).is_err());
}

#[test]
fn a_server_goes_by_its_names() {
    let signed = CA.server(&server_certificate());
    let der = CertificateDer::from(signed.as_bytes());
    let leaf = EndEntityCert::try_from(&der).unwrap();
    for (name, expected) in [
        ("ca.example.org", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("example.org", false),
        ("127.0.0.2", false),
    ] {
        let found = leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap());
        assert_eq!(found.is_ok(), expected, "{name}");
    }
}

#[test]
fn openssl_shows_the_client_profile_and_nothing_else() {
    let expected = format!(
        "        Serial Number:
            01:{}
        Signature Algorithm: ecdsa-with-SHA256
        Issuer: CN = Example Access Clients
        Validity
            Not Before: Nov 22 08:59:00 2026 GMT
            Not After : Nov 22 09:59:59 2026 GMT
        Subject: CN = alice, OU = orders-read, serialNumber = {}
        X509v3 extensions:
            X509v3 Authority Key Identifier: 
                {}
            X509v3 Subject Alternative Name: 
                URI:spiffe://example.org/role/orders-read/person/abababababababababababababababab
            X509v3 Key Usage: critical
                Digital Signature
            X509v3 Extended Key Usage: 
                TLS Web Client Authentication
            X509v3 Basic Constraints: critical
                CA:FALSE
            X509v3 No Revocation Available: 
                ..
",
        colons(issuance(9).as_bytes()),
        grant(),
        key_id(&CA.clients.pem()),
    );
    let found = shown(&CA.client(&client_certificate()).text());
    assert_eq!(found.replace("2.5.29.56: ", "X509v3 No Revocation Available: "), expected);
}

#[test]
fn openssl_shows_the_login_and_server_profiles() {
    let login = shown(&CA.login(&login_certificate()).text());
    assert!(login.contains("Issuer: CN = Example Access Logins\n"), "{login}");
    assert!(
        login.contains("Subject: CN = alice, serialNumber = abababababababababababababababab\n"),
        "{login}"
    );
    assert!(
        login.contains("URI:spiffe://example.org/login/abababababababababababababababab\n"),
        "{login}"
    );
    let server = shown(&CA.server(&server_certificate()).text());
    assert!(server.contains("Subject: \n"), "{server}");
    assert!(
        server.contains(
            "X509v3 Subject Alternative Name: critical\n                DNS:ca.example.org, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1\n"
        ),
        "{server}"
    );
    assert!(
        server.contains("TLS Web Server Authentication\n") && !server.contains("Client"),
        "{server}"
    );
}

#[test]
fn openssl_shows_the_cas() {
    let root = shown(&CA.root.pem());
    for line in [
        "Signature Algorithm: ecdsa-with-SHA384\n",
        "Issuer: CN = Example Access Root\n",
        "Subject: CN = Example Access Root\n",
        "Not Before: Nov 22 08:59:00 2026 GMT\n",
        "Not After : Nov 21 08:59:59 2036 GMT\n",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:1\n",
    ] {
        assert!(root.contains(line), "{line}{root}");
    }
    assert_eq!(root.matches("X509v3 ").count(), 4, "{root}");
    for (pem, name, usage) in [
        (CA.clients.pem(), "Clients", "TLS Web Client Authentication"),
        (CA.servers.pem(), "Servers", "TLS Web Server Authentication"),
        (CA.logins.pem(), "Logins", "TLS Web Client Authentication"),
    ] {
        let issuing = shown(&pem);
        for line in [
            "Issuer: CN = Example Access Root\n".to_owned(),
            format!("Subject: CN = Example Access {name}\n"),
            "Not After : Nov 22 08:59:59 2027 GMT\n".to_owned(),
            "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0\n".to_owned(),
            format!("X509v3 Extended Key Usage: \n                {usage}\n"),
        ] {
            assert!(issuing.contains(&line), "{line}{issuing}");
        }
        assert_eq!(issuing.matches("X509v3 ").count(), 6, "{issuing}");
    }
}

#[test]
fn one_key_gets_a_serial_of_its_own_each_time() {
    let serials: BTreeSet<_> = (0..100)
        .map(|number| {
            let content = ClientCertificate { issuance: issuance(number), ..client_certificate() };
            let signed = CA.client(&content);
            let (_, parsed) = x509_parser::parse_x509_certificate(signed.as_bytes()).unwrap();
            parsed.raw_serial().to_vec()
        })
        .collect();
    assert_eq!(serials.len(), 100);
    assert!(serials.iter().all(|serial| serial.len() == 17 && serial[0] == 1));
}

#[test]
fn a_certificate_is_read_under_its_own_ca_only() {
    let login = CA.login(&login_certificate());
    assert_eq!(
        read::<jit_ca_cert::x509::LoginCertificate>(login.as_bytes(), &CA.logins).unwrap(),
        login_certificate()
    );
    let client = CA.client(&client_certificate());
    let found = read::<jit_ca_cert::x509::LoginCertificate>(client.as_bytes(), &CA.logins);
    assert!(matches!(found, Err(Error::Lint(Lint::Issuer))), "{found:?}");
}

fn key_id(pem: &str) -> String {
    let text = shown(pem);
    let (_, rest) = text.split_once("X509v3 Subject Key Identifier: \n").unwrap();
    rest.lines().next().unwrap().trim().to_owned()
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}
