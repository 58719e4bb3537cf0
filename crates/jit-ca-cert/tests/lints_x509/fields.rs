//! X.509 to-be-signed bytes from their fields, written by neither of the libraries under test.

use jit_ca_cert::PublicKey;
use jit_ca_log::hash::sha256;
use x509_parser::prelude::ASN1Time;

use crate::support::{CA, START, client_certificate, grant, hex, issuance, server_certificate};

pub(super) type Name = Vec<Vec<(&'static str, u8, String)>>;
pub(super) type Extension = (&'static str, bool, Vec<u8>);

/// The fields of RFC 5280 4.1, to be spoilt one by one, and written by neither library.
#[derive(Clone)]
pub(super) struct Fields {
    pub(super) version: Vec<u8>,
    pub(super) serial: Vec<u8>,
    pub(super) algorithm: Vec<u8>,
    pub(super) issuer: Name,
    pub(super) not_before: Vec<u8>,
    pub(super) not_after: Vec<u8>,
    pub(super) subject: Name,
    pub(super) spki: Vec<u8>,
    pub(super) unique_id: Vec<u8>,
    pub(super) extensions: Vec<Extension>,
    pub(super) trailing: Vec<u8>,
}

impl Fields {
    pub(super) fn encode(&self) -> Vec<u8> {
        let extensions: Vec<u8> = self.extensions.iter().flat_map(extension).collect();
        let fields = [
            self.version.clone(),
            der(0x02, &self.serial),
            self.algorithm.clone(),
            name(&self.issuer),
            der(0x30, &[self.not_before.clone(), self.not_after.clone()].concat()),
            name(&self.subject),
            self.spki.clone(),
            self.unique_id.clone(),
            der(0xa3, &der(0x30, &extensions)),
        ];
        [der(0x30, &fields.concat()), self.trailing.clone()].concat()
    }

    pub(super) fn extension(&mut self, oid: &str) -> &mut Extension {
        self.extensions.iter_mut().find(|(found, ..)| *found == oid).unwrap()
    }

    pub(super) fn remove(&mut self, oid: &str) {
        self.extensions.retain(|(found, ..)| *found != oid);
    }
}

pub(super) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        short @ 0..128 => vec![u8::try_from(short).unwrap()],
        long => [&[0x82], u16::try_from(long).unwrap().to_be_bytes().as_slice()].concat(),
    };
    // Between 128 and 255 a single octet of length is DER's form.
    let length = match length.as_slice() {
        [0x82, 0, low] => vec![0x81, *low],
        _ => length,
    };
    [&[tag], length.as_slice(), content].concat()
}

pub(super) fn oid(text: &str) -> Vec<u8> {
    let arcs: Vec<u64> = text.split('.').map(|arc| arc.parse().unwrap()).collect();
    yasna::construct_der(|writer| {
        writer.write_oid(&yasna::models::ObjectIdentifier::from_slice(&arcs));
    })
}

pub(super) fn name(name: &Name) -> Vec<u8> {
    let parts = name.iter().map(|part| {
        let attributes = part.iter().map(|(kind, tag, value)| {
            der(0x30, &[oid(kind), der(*tag, value.as_bytes())].concat())
        });
        der(0x31, &attributes.collect::<Vec<_>>().concat())
    });
    der(0x30, &parts.collect::<Vec<_>>().concat())
}

pub(super) fn extension((kind, critical, value): &Extension) -> Vec<u8> {
    let critical = if *critical { der(0x01, &[0xff]) } else { vec![] };
    der(0x30, &[oid(kind), critical, der(0x04, value)].concat())
}

pub(super) fn time(time: u64) -> Vec<u8> {
    let date = ASN1Time::from_timestamp(time.try_into().unwrap()).unwrap().to_datetime();
    let (year, month, day) = date.to_calendar_date();
    let (hour, minute, second) = date.to_hms();
    let rest = format!("{:02}{day:02}{hour:02}{minute:02}{second:02}Z", u8::from(month));
    if year < 2050 {
        der(0x17, format!("{:02}{rest}", year % 100).as_bytes())
    } else {
        der(0x18, format!("{year}{rest}").as_bytes())
    }
}

pub(super) fn common_name(value: &str) -> Vec<(&'static str, u8, String)> {
    vec![("2.5.4.3", 0x0c, value.to_owned())]
}

pub(super) fn key_identifier(key: &PublicKey) -> Vec<u8> {
    sha256(key.point()).as_bytes()[..20].to_vec()
}

pub(super) const ECDSA_SHA256: &str = "300a06082a8648ce3d040302";
pub(super) const ECDSA_SHA384: &str = "300a06082a8648ce3d040303";
pub(super) const CLIENT_AUTH: &str = "300a06082b06010505070302";
pub(super) const SERVER_AUTH: &str = "300a06082b06010505070301";
pub(super) const ANY_USAGE: &str = "30060604551d2500";
pub(super) const AUTHORITY_KEY_ID: &str = "2.5.29.35";
pub(super) const SUBJECT_ALT_NAME: &str = "2.5.29.17";
pub(super) const KEY_USAGE: &str = "2.5.29.15";
pub(super) const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
pub(super) const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub(super) const SUBJECT_KEY_ID: &str = "2.5.29.14";
pub(super) const NO_REV_AVAIL: &str = "2.5.29.56";

/// Those of [`client_certificate`].
pub(super) fn client() -> Fields {
    let content = client_certificate();
    let id = b"spiffe://example.org/role/orders-read/person/abababababababababababababababab";
    Fields {
        version: hex("a003020102"),
        serial: [&[1], issuance(9).as_bytes().as_slice()].concat(),
        algorithm: hex(ECDSA_SHA256),
        issuer: vec![common_name("Example Access Clients")],
        not_before: time(START.secs() - 60),
        not_after: time(START.secs() + 3_599),
        subject: vec![
            common_name("alice"),
            vec![("2.5.4.11", 0x0c, "orders-read".to_owned())],
            vec![("2.5.4.5", 0x13, grant().to_string())],
        ],
        spki: content.key.spki(),
        unique_id: vec![],
        extensions: vec![
            (AUTHORITY_KEY_ID, false, der(0x30, &der(0x80, &key_identifier(CA.clients.key())))),
            (SUBJECT_ALT_NAME, false, der(0x30, &der(0x86, id))),
            (KEY_USAGE, true, hex("03020780")),
            (EXTENDED_KEY_USAGE, false, hex(CLIENT_AUTH)),
            (BASIC_CONSTRAINTS, true, hex("3000")),
            (NO_REV_AVAIL, false, hex("0500")),
        ],
        trailing: vec![],
    }
}

pub(super) fn login() -> Fields {
    let id = b"spiffe://example.org/login/abababababababababababababababab";
    let mut fields = client();
    fields.issuer = vec![common_name("Example Access Logins")];
    fields.subject = vec![common_name("alice"), vec![("2.5.4.5", 0x13, "ab".repeat(16))]];
    fields.extension(AUTHORITY_KEY_ID).2 = der(0x30, &der(0x80, &key_identifier(CA.logins.key())));
    fields.extension(SUBJECT_ALT_NAME).2 = der(0x30, &der(0x86, id));
    fields
}

pub(super) fn server() -> Fields {
    let mut fields = client();
    fields.issuer = vec![common_name("Example Access Servers")];
    fields.subject = vec![];
    fields.spki = server_certificate().key.spki();
    fields.extension(AUTHORITY_KEY_ID).2 = der(0x30, &der(0x80, &key_identifier(CA.servers.key())));
    let names = [
        der(0x82, b"ca.example.org"),
        der(0x87, &[127, 0, 0, 1]),
        der(0x87, &[&[0; 15][..], &[1]].concat()),
    ];
    *fields.extension(SUBJECT_ALT_NAME) = (SUBJECT_ALT_NAME, true, der(0x30, &names.concat()));
    fields.extension(EXTENDED_KEY_USAGE).2 = hex(SERVER_AUTH);
    fields
}

pub(super) fn root() -> Fields {
    let key = CA.root_key.public();
    Fields {
        version: hex("a003020102"),
        serial: [&[1], issuance(9).as_bytes().as_slice()].concat(),
        algorithm: hex(ECDSA_SHA384),
        issuer: vec![common_name("Example Access Root")],
        not_before: time(START.secs() - 60),
        not_after: time(START.secs() + 3_652 * 86_400 - 1),
        subject: vec![common_name("Example Access Root")],
        spki: key.spki(),
        unique_id: vec![],
        extensions: vec![
            (KEY_USAGE, true, hex("03020106")),
            (SUBJECT_KEY_ID, false, der(0x04, &key_identifier(key))),
            (BASIC_CONSTRAINTS, true, hex("30060101ff020101")),
        ],
        trailing: vec![],
    }
}

pub(super) fn issuing() -> Fields {
    let mut fields = root();
    fields.not_after = time(START.secs() + 365 * 86_400 - 1);
    fields.subject = vec![common_name("Example Access Clients")];
    fields.spki = CA.clients.key().spki();
    fields.extensions = vec![
        (AUTHORITY_KEY_ID, false, der(0x30, &der(0x80, &key_identifier(CA.root.key())))),
        (KEY_USAGE, true, hex("03020106")),
        (EXTENDED_KEY_USAGE, false, hex(CLIENT_AUTH)),
        (SUBJECT_KEY_ID, false, der(0x04, &key_identifier(CA.clients.key()))),
        (BASIC_CONSTRAINTS, true, hex("30060101ff020100")),
    ];
    fields
}
