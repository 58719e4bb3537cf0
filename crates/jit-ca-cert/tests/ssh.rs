//! SSH certificates, as `ssh-keygen -L` prints them.

use std::collections::BTreeSet;

use jit_ca_cert::ssh::{Principals, SshSerial, UserCertificate};
use jit_ca_cert::{Error, PublicKey, SubjectKey};
use jit_ca_log::hash::sha256;

use crate::support::{CA, Folder, bare_user_certificate, p256, user_certificate};

fn listed(certificate: &UserCertificate) -> String {
    let signed = CA.ssh(certificate);
    Folder::new(&[("id-cert.pub", signed.text().as_bytes())])
        .run("ssh-keygen", &["-L", "-f", "id-cert.pub"])
}

fn fingerprint(key: &PublicKey) -> String {
    sha256(&key.ssh_blob()).to_string()
}

fn content_fingerprint(content: &UserCertificate) -> String {
    sha256(&content.key.ssh_blob()).to_string()
}

#[test]
fn ssh_keygen_prints_everything_that_was_granted() {
    let content = user_certificate();
    let expected = format!(
        r#"id-cert.pub:
        Type: ssh-ed25519-cert-v01@openssh.com user certificate
        Public key: ED25519-CERT {}
        Signing CA: ED25519 {} (using ssh-ed25519)
        Key ID: "jit-ca:{}:{}:alice"
        Serial: {}
        Valid: from 2026-11-22T08:59:00 to 2026-11-22T10:00:00
        Principals: 
                web-shell.web1
                web-shell.web2
        Critical Options: 
                force-command journalctl -u "größe" -f
                source-address 10.0.0.0/8,192.0.2.7/32,2001:db8::/32
        Extensions: 
                permit-port-forwarding
                permit-pty
"#,
        content_fingerprint(&content),
        fingerprint(CA.ssh_user.public()),
        content.grant,
        content.issuance,
        content.serial,
    );
    assert_eq!(listed(&content), expected);
}

#[test]
fn ssh_keygen_prints_nothing_that_was_not_granted() {
    let content = UserCertificate { key: p256(), ..bare_user_certificate() };
    let expected = format!(
        r#"id-cert.pub:
        Type: ecdsa-sha2-nistp256-cert-v01@openssh.com user certificate
        Public key: ECDSA-CERT {}
        Signing CA: ED25519 {} (using ssh-ed25519)
        Key ID: "{}"
        Serial: {}
        Valid: from 2026-11-22T08:59:00 to 2026-11-22T10:00:00
        Principals: 
                web-logs
        Critical Options: (none)
        Extensions: (none)
"#,
        content_fingerprint(&content),
        fingerprint(CA.ssh_user.public()),
        content.key_id(),
        content.serial,
    );
    assert_eq!(listed(&content), expected);
}

#[test]
fn ssh_keygen_reads_the_certificates_of_keys_that_roles_may_take() {
    for (kind, bits, shown) in [
        ("ecdsa", "384", "ecdsa-sha2-nistp384-cert-v01@openssh.com"),
        ("rsa", "3072", "ssh-rsa-cert-v01@openssh.com"),
    ] {
        let folder = Folder::new(&[]);
        folder.run("ssh-keygen", &["-q", "-t", kind, "-b", bits, "-N", "", "-f", "id"]);
        let line = String::from_utf8(folder.read("id.pub")).unwrap();
        let key = SubjectKey::from_openssh(&line).unwrap();
        let content = UserCertificate { key, ..bare_user_certificate() };
        let listed = listed(&content);
        assert!(listed.contains(&format!("Type: {shown} user certificate")), "{listed}");
        assert!(listed.contains(&content_fingerprint(&content)), "{listed}");
    }
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    assert_eq!(CA.ssh(&user_certificate()), CA.ssh(&user_certificate()));
}

#[test]
fn one_key_gets_a_serial_of_its_own_each_time() {
    let serials: BTreeSet<_> = (0..100)
        .map(|number| {
            let serial = SshSerial::new(1_795_338_000_000 + u64::from(number), number * 7);
            CA.ssh(&UserCertificate { serial, ..bare_user_certificate() }).content().serial
        })
        .collect();
    assert_eq!(serials.len(), 100);
}

#[test]
fn serials_are_never_zero_and_fit_63_bits() {
    assert_eq!(SshSerial::new(0, 0).as_u64(), 1);
    assert_eq!(SshSerial::new(1_577_836_800_001, 0).as_u64(), 1 << 21);
    assert_eq!(SshSerial::new(u64::MAX, u32::MAX).as_u64() >> 63, 0);
    assert_eq!(SshSerial::from_u64(0), None);
    assert_eq!(SshSerial::from_u64(1 << 63), None);
}

#[test]
fn principals_are_between_one_and_256() {
    let many = |count: usize| Principals::new((0..count).map(|n| format!("p{n}").parse().unwrap()));
    assert!(matches!(many(0), Err(Error::Principals { found: 0, most: 256 })));
    assert!(matches!(many(257), Err(Error::Principals { found: 257, .. })));
    let content = UserCertificate { principals: many(256).unwrap(), ..bare_user_certificate() };
    assert_eq!(listed(&content).matches("                p").count(), 256);
}

#[test]
fn the_longest_key_id_is_of_128_characters() {
    let content =
        UserCertificate { name: "a".repeat(63).parse().unwrap(), ..bare_user_certificate() };
    assert_eq!(content.key_id().len(), 128);
    assert!(listed(&content).contains(&content.key_id()));
}

#[test]
fn a_certificate_is_not_taken_for_a_key() {
    let line = CA.ssh(&user_certificate()).text();
    assert!(matches!(SubjectKey::from_openssh(&line), Err(Error::KeyType { .. })));
}
