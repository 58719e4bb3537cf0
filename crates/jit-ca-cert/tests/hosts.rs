//! SSH host certificates, as `ssh-keygen -L` prints them, and what none can say.

use jit_ca_cert::ssh::{HostCertificate, LONGEST_HOST, UserCertificate};
use jit_ca_cert::{Error, Intent, Lint};
use jit_ca_core::{HostName, Span};
use jit_ca_log::hash::sha256;

use crate::support::{CA, Folder, START, host_certificate, user_certificate};

#[test]
fn ssh_keygen_prints_the_names_and_nothing_else() {
    let content = host_certificate();
    let signed = CA.host(&content);
    let listed = Folder::new(&[("key-cert.pub", signed.text().as_bytes())])
        .run("ssh-keygen", &["-L", "-f", "key-cert.pub"]);
    let expected = format!(
        r#"key-cert.pub:
        Type: ssh-ed25519-cert-v01@openssh.com host certificate
        Public key: ED25519-CERT {}
        Signing CA: ED25519 {} (using ssh-ed25519)
        Key ID: "jit-ca:host:{}:web1.prod.example.org"
        Serial: {}
        Valid: from 2026-11-22T08:59:00 to 2026-11-29T09:00:00
        Principals: 
                1.web.example.org
                web1
                web1.prod.example.org
        Critical Options: (none)
        Extensions: (none)
"#,
        sha256(&content.key.ssh_blob()),
        sha256(&CA.ssh_host.public().ssh_blob()),
        content.issuance,
        content.serial,
    );
    assert_eq!(listed, expected);
}

/// The to-be-signed bytes with one text in place of another of the same length.
fn spoilt(from: &[u8], to: &[u8]) -> Result<Intent<HostCertificate>, Error> {
    let issuer = CA.ssh_host.public();
    let mut bytes = Intent::new(host_certificate(), issuer).unwrap().to_be_signed().to_vec();
    let at = bytes.windows(from.len()).rposition(|window| window == from).unwrap();
    bytes.splice(at..at + from.len(), to.iter().copied());
    Intent::restore(bytes, issuer)
}

#[test]
fn a_host_certificate_says_no_more_than_names() {
    let lint = |found| match found {
        Err(Error::Lint(lint)) => lint,
        other => panic!("{other:?}"),
    };
    assert!(spoilt(b"web1", b"web1").is_ok());
    // A wildcard, two names in one, an order that is not the one form, and none of its own.
    assert_eq!(lint(spoilt(b"\x00\x04web1", b"\x00\x04web*")), Lint::Principals);
    assert_eq!(lint(spoilt(b"\x00\x04web1", b"\x00\x04we,b")), Lint::Principals);
    assert_eq!(lint(spoilt(b"\x00\x04web1", b"\x00\x04zzzz")), Lint::Principals);
    assert_eq!(lint(spoilt(b"1.prod", b"2.prod")), Lint::Principals);
    assert_eq!(lint(spoilt(b"jit-ca:host", b"jit-ca:hosd")), Lint::KeyId);
    // SSH_CERT_TYPE_USER.
    let number = |role: u32| [role.to_be_bytes().as_slice(), b"\0\0\0"].concat();
    assert_eq!(lint(spoilt(&number(2), &number(1))), Lint::CertificateType);
    // An extension takes the place of no options, no extensions and nothing reserved.
    let none = [[0; 12].as_slice(), &[0, 0, 0, 51]].concat();
    let option = |before: usize, after: usize, name: &[u8]| {
        let pair = [&[0, 0, 0, 10], name, &[0; 4]].concat();
        [&vec![0; before], [0, 0, 0, 18].as_slice(), &pair, &vec![0; after], &[0, 0, 0, 51]]
            .concat()
    };
    let found = lint(spoilt(&none, &option(4, 4, b"permit-pty")));
    assert_eq!(found, Lint::Extension { name: "permit-pty".to_owned() });
    let found = lint(spoilt(&none, &option(0, 8, b"force-comm")));
    assert_eq!(found, Lint::CriticalOption { name: "force-comm".to_owned() });
}

#[test]
fn a_host_certificate_is_bounded_and_only_by_the_hosts_key() {
    let with_end = |span| HostCertificate { end: START.plus(span), ..host_certificate() };
    let issuer = CA.ssh_host.public();
    let made = |content| Intent::new(content, issuer);
    assert!(made(with_end(LONGEST_HOST)).is_ok());
    let longer = made(with_end(Span::from_secs(LONGEST_HOST.secs() + 1)));
    assert!(matches!(
        longer,
        Err(Error::Lint(Lint::TooLong { seconds: 2_592_061, cap: 2_592_060 }))
    ));
    assert!(matches!(made(with_end(Span::from_secs(0))), Err(Error::Lint(Lint::Validity))));
    let mut twice = host_certificate();
    twice.aliases.insert(twice.host.clone());
    assert!(matches!(made(twice), Err(Error::OtherContent)));
    let many: Vec<HostName> = (0..256).map(|nth| format!("web{nth}").parse().unwrap()).collect();
    let many = HostCertificate { aliases: many.into_iter().collect(), ..host_certificate() };
    assert!(matches!(made(many), Err(Error::Lint(Lint::Principals))));

    // Neither kind is read as the other, whoever signed it.
    let host = made(host_certificate()).unwrap().to_be_signed().to_vec();
    let user = Intent::new(user_certificate(), issuer).unwrap().to_be_signed().to_vec();
    let found = Intent::<UserCertificate>::restore(host, issuer);
    assert!(matches!(found, Err(Error::Lint(Lint::CertificateType))));
    let found = Intent::<HostCertificate>::restore(user, issuer);
    assert!(matches!(found, Err(Error::Lint(Lint::CertificateType))));
}
