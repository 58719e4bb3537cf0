//! One certificate that breaks it for each rule of SSH certificates.

use jit_ca_cert::ssh::UserCertificate;
use jit_ca_cert::{Error, Intent, Lint};

use crate::support::{CA, START, ed25519, hex, p256, user_certificate};

/// The fields of PROTOCOL.certkeys, to be spoilt one by one.
struct Fields {
    kind: &'static [u8],
    nonce: Vec<u8>,
    /// One or two strings, by type.
    key: Vec<Vec<u8>>,
    serial: u64,
    cert_type: u32,
    key_id: Vec<u8>,
    principals: Vec<&'static [u8]>,
    valid_after: u64,
    valid_before: u64,
    critical: Vec<(&'static [u8], Vec<u8>)>,
    extensions: Vec<(&'static [u8], &'static [u8])>,
    reserved: &'static [u8],
    signature_key: Vec<u8>,
    trailing: &'static [u8],
}

impl Fields {
    /// Those of [`user_certificate`].
    fn good() -> Self {
        let content = user_certificate();
        Self {
            kind: b"ssh-ed25519-cert-v01@openssh.com",
            nonce: content.nonce.to_vec(),
            key: vec![content.key.bits().to_vec()],
            serial: content.serial.as_u64(),
            cert_type: 1,
            key_id: content.key_id().into_bytes(),
            principals: vec![b"web-shell.web1", b"web-shell.web2"],
            valid_after: START.secs() - 60,
            valid_before: START.secs() + 3_600,
            critical: vec![
                (b"force-command", string("journalctl -u \"größe\" -f".as_bytes())),
                (b"source-address", string(b"10.0.0.0/8,192.0.2.7/32,2001:db8::/32")),
            ],
            extensions: vec![(b"permit-port-forwarding", b""), (b"permit-pty", b"")],
            reserved: b"",
            signature_key: CA.ssh_user.public().ssh_blob(),
            trailing: b"",
        }
    }

    fn encode(&self) -> Vec<u8> {
        let critical: Vec<u8> = self
            .critical
            .iter()
            .flat_map(|(name, data)| [string(name), string(data)].concat())
            .collect();
        let extensions: Vec<u8> = self
            .extensions
            .iter()
            .flat_map(|(name, data)| [string(name), string(data)].concat())
            .collect();
        [
            string(self.kind),
            string(&self.nonce),
            self.key.iter().flat_map(|part| string(part)).collect(),
            self.serial.to_be_bytes().to_vec(),
            self.cert_type.to_be_bytes().to_vec(),
            string(&self.key_id),
            string(&self.principals.iter().flat_map(|p| string(p)).collect::<Vec<_>>()),
            self.valid_after.to_be_bytes().to_vec(),
            self.valid_before.to_be_bytes().to_vec(),
            string(&critical),
            string(&extensions),
            string(self.reserved),
            string(&self.signature_key),
            self.trailing.to_vec(),
        ]
        .concat()
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn restore(fields: &Fields) -> Result<Intent<UserCertificate>, Error> {
    Intent::restore(fields.encode(), CA.ssh_user.public())
}

#[track_caller]
fn breaks(lint: &Lint, spoil: impl FnOnce(&mut Fields)) {
    let mut fields = Fields::good();
    spoil(&mut fields);
    match restore(&fields) {
        Err(Error::Lint(found)) => assert_eq!(found, *lint),
        other => panic!("{lint:?} was not found, but {other:?}"),
    }
}

#[test]
fn the_unspoilt_fields_are_the_certificate() {
    let intent = Intent::new(user_certificate(), CA.ssh_user.public()).unwrap();
    assert_eq!(restore(&Fields::good()).unwrap(), intent);
}

#[test]
fn key_and_nonce() {
    breaks(&Lint::SubjectKey, |f| {
        f.kind = b"ssh-rsa-cert-v01@openssh.com";
    });
    breaks(&Lint::SubjectKey, |f| f.kind = b"ssh-ed25519");
    breaks(&Lint::SubjectKey, |f| f.key = vec![vec![0; 32]]);
    breaks(&Lint::SubjectKey, |f| f.key = vec![vec![9; 31]]);
    breaks(&Lint::SubjectKey, |f| {
        f.kind = b"ecdsa-sha2-nistp256-cert-v01@openssh.com";
        f.key = vec![b"nistp384".to_vec(), p256().bits().to_vec()];
    });
    breaks(&Lint::SubjectKey, |f| {
        f.kind = b"ecdsa-sha2-nistp256-cert-v01@openssh.com";
        f.key = vec![b"nistp256".to_vec(), hex("04").repeat(65)];
    });
    breaks(&Lint::Nonce, |f| f.nonce = vec![1; 16]);
}

#[test]
fn serial_type_and_key_id() {
    breaks(&Lint::Serial, |f| f.serial = 0);
    breaks(&Lint::Serial, |f| f.serial = 1 << 63);
    breaks(&Lint::CertificateType, |f| f.cert_type = 2);
    for wrong in ["", "alice", "jit-ca:x:y:alice", "jit-ca"] {
        breaks(&Lint::KeyId, |f| f.key_id = wrong.into());
    }
    breaks(&Lint::KeyId, |f| f.key_id.extend(b":more"));
    breaks(&Lint::KeyId, |f| f.key_id.extend(b" \n"));
}

#[test]
fn principals() {
    breaks(&Lint::Principals, |f| f.principals = vec![]);
    for wrong in [&b""[..], b"root,deploy", b"web shell", b"*", b"web\xff"] {
        breaks(&Lint::Principals, |f| f.principals = vec![wrong]);
    }
    breaks(&Lint::Principals, |f| f.principals.reverse());
    breaks(&Lint::Principals, |f| f.principals = vec![b"web", b"web"]);
}

#[test]
fn validity() {
    let cap = 24 * 3_600 + 60;
    breaks(&Lint::Validity, |f| f.valid_after = 0);
    breaks(&Lint::Validity, |f| f.valid_before = u64::MAX);
    breaks(&Lint::Validity, |f| f.valid_before = f.valid_after);
    breaks(&Lint::Validity, |f| f.valid_before = f.valid_after - 1);
    breaks(&Lint::Validity, |f| f.valid_before = f.valid_after + 60);
    breaks(&Lint::TooLong { seconds: cap + 1, cap }, |f| f.valid_before = f.valid_after + cap + 1);
    let mut longest = Fields::good();
    longest.valid_before = longest.valid_after + cap;
    assert!(restore(&longest).is_ok());
}

#[test]
fn critical_options() {
    let fault = |name: &str| Lint::CriticalOption { name: name.to_owned() };
    breaks(&fault("force-command"), |f| f.critical.reverse());
    breaks(&fault("force-command"), |f| {
        f.critical = vec![(b"force-command", string(b"a")), (b"force-command", string(b"b"))];
    });
    breaks(&fault("verify-required"), |f| {
        f.critical.push((b"verify-required", vec![]));
    });
    breaks(&fault("zzz@example.org"), |f| {
        f.critical.push((b"zzz@example.org", string(b"x")));
    });
    for wrong in [&b"ls"[..], &string(b""), &string(b"a\nb"), &[string(b"ls"), vec![0]].concat()] {
        breaks(&fault("force-command"), |f| {
            f.critical[0].1 = wrong.to_vec();
        });
    }
    for wrong in
        ["", "10.0.0.1/8", "web1", "192.0.2.7", "192.0.2.0/24,10.0.0.0/8", "10.0.0.0/8,10.0.0.0/8"]
    {
        breaks(&fault("source-address"), |f| {
            f.critical[1].1 = string(wrong.as_bytes());
        });
    }
}

#[test]
fn extensions() {
    let fault = |name: &str| Lint::Extension { name: name.to_owned() };
    for wrong in [
        "permit-X11-forwarding",
        "permit-agent-forwarding",
        "permit-user-rc",
        "no-touch-required",
        "x@example.org",
    ] {
        breaks(&fault(wrong), |f| {
            f.extensions = vec![(wrong.as_bytes(), b"")];
        });
    }
    breaks(&fault("permit-pty"), |f| f.extensions[1].1 = b"\0\0\0\x01x");
    breaks(&fault("permit-port-forwarding"), |f| f.extensions.reverse());
    breaks(&fault("permit-pty"), |f| {
        f.extensions = vec![(b"permit-pty", b""); 2];
    });
}

#[test]
fn reserved_issuer_and_ends() {
    breaks(&Lint::Reserved, |f| f.reserved = b"x");
    breaks(&Lint::Issuer, |f| {
        f.signature_key = ed25519(3).ssh_blob();
    });
    let certificate = f_certificate();
    breaks(&Lint::Issuer, |f| f.signature_key = certificate);
    breaks(&Lint::TrailingBytes, |f| f.trailing = b"\0\0\0\0");
    let good = Fields::good().encode();
    for cut in 0..good.len() {
        let found = Intent::<UserCertificate>::restore(good[..cut].to_vec(), CA.ssh_user.public());
        assert!(matches!(found, Err(Error::Lint(_))), "cut at {cut}");
    }
}

/// A certificate in the place of the CA's key, which PROTOCOL.certkeys forbids.
fn f_certificate() -> Vec<u8> {
    CA.ssh(&user_certificate()).as_bytes().to_vec()
}
