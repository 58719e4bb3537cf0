//! One certificate that breaks it for each rule of X.509 certificates.

mod fields;

use jit_ca_cert::x509::{
    ClientCertificate, IssuingCertificate, LoginCertificate, RootCertificate, ServerCertificate,
};
use jit_ca_cert::{Error, Intent, Lint, Profile, purpose};

use self::fields::*;
use crate::support::{
    CA, START, client_certificate, hex, issuance, login_certificate, server_certificate,
};

#[track_caller]
fn breaks<C: Profile>(
    fields: &Fields,
    issuer: &C::Issuer,
    lint: &Lint,
    spoil: impl FnOnce(&mut Fields),
) {
    let mut fields = fields.clone();
    spoil(&mut fields);
    match Intent::<C>::restore(fields.encode(), issuer) {
        Err(Error::Lint(found)) => assert_eq!(found, *lint),
        other => panic!("{lint:?} was not found, but {other:?}"),
    }
}

#[track_caller]
fn client_breaks(lint: &Lint, spoil: impl FnOnce(&mut Fields)) {
    breaks::<ClientCertificate>(&client(), &CA.clients, lint, spoil);
}

fn wrong(name: &str) -> Lint {
    Lint::Extension { name: name.to_owned() }
}

#[test]
fn the_unspoilt_fields_are_the_certificates() {
    fn same<C: Profile>(fields: &Fields, content: C, issuer: &C::Issuer) {
        let intent = Intent::new(content, issuer).unwrap();
        assert_eq!(Intent::restore(fields.encode(), issuer).unwrap(), intent);
    }
    same(&client(), client_certificate(), &CA.clients);
    same(&login(), login_certificate(), &CA.logins);
    same(&server(), server_certificate(), &CA.servers);
    let name = || "Example Access".parse().unwrap();
    let content = RootCertificate { name: name(), issuance: issuance(9), issued: START };
    same(&root(), content, CA.root_key.public());
    let content = IssuingCertificate::new(name(), &CA.clients_key, issuance(9), START);
    same(&issuing(), content, &CA.root);
}

#[test]
fn version_serial_and_algorithm() {
    client_breaks(&Lint::Version, |f| {
        f.version = hex("a003020101");
    });
    for serial in
        ["00", "7f", "ff", &format!("02{}", "00".repeat(16)), &format!("01{}", "00".repeat(17))]
    {
        client_breaks(&Lint::Serial, |f| f.serial = hex(serial));
    }
    client_breaks(&Lint::SignatureAlgorithm, |f| {
        f.algorithm = hex(ECDSA_SHA384);
    });
    client_breaks(&Lint::SignatureAlgorithm, |f| {
        f.algorithm = hex("300c06082a8648ce3d0403020500");
    });
    client_breaks(&Lint::Reserved, |f| f.unique_id = hex("81020001"));
}

#[test]
fn names() {
    client_breaks(&Lint::Issuer, |f| {
        f.issuer = vec![common_name("Example Access Logins")];
    });
    client_breaks(&Lint::Issuer, |f| f.issuer.push(common_name("x")));
    client_breaks(&Lint::Subject, |f| f.subject.reverse());
    client_breaks(&Lint::Subject, |f| f.subject.push(common_name("root")));
    client_breaks(&Lint::Subject, |f| drop(f.subject.pop()));
    client_breaks(&Lint::Subject, |f| f.subject[0].extend(common_name("root")));
    client_breaks(&Lint::Subject, |f| {
        f.subject[0][0].2 = "Alice/CN=root".to_owned();
    });
    client_breaks(&Lint::Subject, |f| f.subject[0][0].1 = 0x14);
    client_breaks(&Lint::Subject, |f| f.subject[2][0].2 = "g-1".to_owned());
    let server_breaks = |spoil: fn(&mut Fields)| {
        breaks::<ServerCertificate>(&server(), &CA.servers, &Lint::Subject, spoil);
    };
    server_breaks(|f| f.subject = vec![common_name("ca.example.org")]);
    let login_breaks = |spoil: fn(&mut Fields)| {
        breaks::<LoginCertificate>(&login(), &CA.logins, &Lint::Subject, spoil);
    };
    login_breaks(|f| f.subject[1][0].2 = "ab".repeat(15));
}

#[test]
fn validity() {
    let at = |seconds: u64| time(START.secs() + seconds);
    client_breaks(&Lint::Validity, |f| f.not_after = time(START.secs() - 1));
    client_breaks(&Lint::Validity, |f| {
        f.not_before = der(0x18, b"20261122085900Z");
    });
    client_breaks(&Lint::Validity, |f| f.not_before = time(0));
    let day = 24 * 3_600;
    client_breaks(&Lint::TooLong { seconds: day + 1, cap: day }, |f| f.not_after = at(day));
    let (half, cap) = (12 * 3_600, 12 * 3_600);
    let lint = Lint::TooLong { seconds: half + 1, cap };
    breaks::<LoginCertificate>(&login(), &CA.logins, &lint, |f| f.not_after = at(half));
    client_breaks(&Lint::OutlivesIssuer, |f| {
        f.not_before = time(CA.clients.end().secs() - 60);
        f.not_after = time(CA.clients.end().secs());
    });
    let decade = 3_652 * 86_400;
    let lint = Lint::TooLong { seconds: decade + 1, cap: decade };
    breaks::<RootCertificate>(&root(), CA.root_key.public(), &lint, |f| {
        f.not_after = at(decade);
    });
    breaks::<RootCertificate>(&root(), CA.root_key.public(), &Lint::Validity, |f| {
        f.not_after = at(decade - 2);
    });
}

#[test]
fn subject_keys() {
    client_breaks(&Lint::SubjectKey, |f| {
        f.spki = CA.root.key().spki();
        *f.spki.last_mut().unwrap() ^= 1;
    });
    // RSA of 2048 bits: an INTEGER of 257 bytes in a SEQUENCE in a BIT STRING.
    client_breaks(&Lint::SubjectKey, |f| {
        let head = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
        f.spki = [hex(head), vec![0xc3; 256], hex("0203010001")].concat();
    });
    client_breaks(&Lint::SubjectKey, |f| {
        f.spki = [hex("302a300506032b6570032100"), vec![0; 32]].concat();
    });
    let spki = CA.root.key().spki();
    breaks::<IssuingCertificate<purpose::Clients>>(&issuing(), &CA.root, &Lint::SubjectKey, |f| {
        f.spki = spki;
    });
    let spki = CA.clients.key().spki();
    breaks::<RootCertificate>(&root(), CA.root_key.public(), &Lint::SubjectKey, |f| {
        f.spki = spki;
    });
}

#[test]
fn extensions_of_leaves() {
    let other = der(0x30, &der(0x80, &[0; 20]));
    client_breaks(&wrong("authorityKeyIdentifier"), |f| {
        f.extension(AUTHORITY_KEY_ID).2 = other;
    });
    client_breaks(&wrong("basicConstraints"), |f| {
        f.extension(BASIC_CONSTRAINTS).2 = hex("30030101ff");
    });
    client_breaks(&wrong("basicConstraints"), |f| {
        f.extension(BASIC_CONSTRAINTS).1 = false;
    });
    client_breaks(&wrong("keyUsage"), |f| {
        f.extension(KEY_USAGE).2 = hex("03020284");
    });
    client_breaks(&wrong("keyUsage"), |f| f.extension(KEY_USAGE).1 = false);
    let both = hex("301406082b0601050507030206082b06010505070301");
    for usages in [hex(SERVER_AUTH), both, hex(ANY_USAGE)] {
        client_breaks(&wrong("extKeyUsage"), |f| {
            f.extension(EXTENDED_KEY_USAGE).2 = usages;
        });
    }
    client_breaks(&wrong("noRevAvail"), |f| f.extension(NO_REV_AVAIL).1 = true);
    // Those that no leaf has, and one that stands twice.
    for unexpected in [SUBJECT_KEY_ID, "2.5.29.31", "1.3.6.1.5.5.7.1.1", "1.2.3.4"] {
        client_breaks(&wrong(unexpected), |f| {
            f.extensions.push((unexpected, false, hex("0500")));
        });
    }
    client_breaks(&wrong(NO_REV_AVAIL), |f| {
        f.extensions.push((NO_REV_AVAIL, false, hex("0500")));
    });
    for (oid, name) in [
        (AUTHORITY_KEY_ID, "authorityKeyIdentifier"),
        (SUBJECT_ALT_NAME, "subjectAltName"),
        (KEY_USAGE, "keyUsage"),
        (EXTENDED_KEY_USAGE, "extKeyUsage"),
        (BASIC_CONSTRAINTS, "basicConstraints"),
        (NO_REV_AVAIL, "noRevAvail"),
    ] {
        client_breaks(&Lint::MissingExtension { name }, |f| f.remove(oid));
    }
}

#[test]
fn alternative_names() {
    let person = "ab".repeat(16);
    for id in [
        format!("spiffe://example.org/role/other/person/{person}"),
        format!("spiffe://example.org/role/orders-read/person/{person}0"),
        format!("spiffe://Example.org/role/orders-read/person/{person}"),
        format!("https://example.org/role/orders-read/person/{person}"),
        format!("spiffe://example.org/login/{person}"),
    ] {
        client_breaks(&Lint::SubjectAltName, |f| {
            f.extension(SUBJECT_ALT_NAME).2 = der(0x30, &der(0x86, id.as_bytes()));
        });
    }
    client_breaks(&Lint::SubjectAltName, |f| {
        let good = f.extension(SUBJECT_ALT_NAME).2[2..].to_vec();
        f.extension(SUBJECT_ALT_NAME).2 =
            der(0x30, &[good, der(0x82, b"admin.example.org")].concat());
    });
    client_breaks(&Lint::SubjectAltName, |f| {
        f.extension(SUBJECT_ALT_NAME).1 = true;
    });
    client_breaks(&Lint::SubjectAltName, |f| {
        f.extension(SUBJECT_ALT_NAME).2.push(0);
    });
    let server_breaks = |critical, names: &[u8]| {
        let value = (SUBJECT_ALT_NAME, critical, der(0x30, names));
        breaks::<ServerCertificate>(&server(), &CA.servers, &Lint::SubjectAltName, |f| {
            *f.extension(SUBJECT_ALT_NAME) = value;
        });
    };
    server_breaks(true, &[]);
    server_breaks(true, &der(0x82, b"*.example.org"));
    server_breaks(true, &der(0x87, &[127, 0, 0]));
    server_breaks(true, &der(0x82, b"a").repeat(2));
    server_breaks(true, &der(0x86, b"spiffe://example.org/x"));
    server_breaks(false, &der(0x82, b"a"));
    let value =
        der(0x30, &der(0x86, format!("spiffe://example.org/login/{}", "00".repeat(16)).as_bytes()));
    breaks::<LoginCertificate>(&login(), &CA.logins, &Lint::SubjectAltName, |f| {
        f.extension(SUBJECT_ALT_NAME).2 = value;
    });
}

#[test]
fn extensions_of_cas() {
    let root_breaks = |name, spoil: fn(&mut Fields)| {
        breaks::<RootCertificate>(&root(), CA.root_key.public(), &wrong(name), spoil);
    };
    root_breaks("basicConstraints", |f| {
        f.extension(BASIC_CONSTRAINTS).2 = hex("30030101ff");
    });
    root_breaks("keyUsage", |f| f.extension(KEY_USAGE).2 = hex("03020186"));
    root_breaks("subjectKeyIdentifier", |f| {
        f.extension(SUBJECT_KEY_ID).2 = der(0x04, &[0; 20]);
    });
    root_breaks(EXTENDED_KEY_USAGE, |f| {
        f.extensions.push((EXTENDED_KEY_USAGE, false, hex(CLIENT_AUTH)));
    });
    let issuing_breaks = |lint: &Lint, spoil: fn(&mut Fields)| {
        breaks::<IssuingCertificate<purpose::Clients>>(&issuing(), &CA.root, lint, spoil);
    };
    issuing_breaks(&wrong("basicConstraints"), |f| {
        f.extension(BASIC_CONSTRAINTS).2 = hex("30060101ff020101");
    });
    issuing_breaks(&wrong("extKeyUsage"), |f| {
        f.extension(EXTENDED_KEY_USAGE).2 = hex(SERVER_AUTH);
    });
    issuing_breaks(&Lint::MissingExtension { name: "extKeyUsage" }, |f| {
        f.remove(EXTENDED_KEY_USAGE);
    });
    issuing_breaks(&Lint::Subject, |f| {
        f.subject = vec![common_name("Example Access Logins")];
    });
    issuing_breaks(&Lint::Subject, |f| f.subject = vec![common_name("Clients")]);
}

#[test]
fn ends() {
    let good = client().encode();
    for cut in 0..good.len() {
        let found = Intent::<ClientCertificate>::restore(good[..cut].to_vec(), &CA.clients);
        assert!(matches!(found, Err(Error::Lint(_))), "cut at {cut}");
    }
    client_breaks(&Lint::Form { field: "certificate" }, |f| f.trailing = vec![0]);
    let certificate = [CA.client(&client_certificate()).as_bytes(), &[0]].concat();
    let found = jit_ca_cert::read::<ClientCertificate>(&certificate, &CA.clients);
    assert!(matches!(found, Err(Error::Lint(Lint::TrailingBytes))));
}
