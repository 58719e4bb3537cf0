//! Private keys, and what they sign: certificates' to-be-signed bytes are written by hand here.

use jit_ca_core::event::{ProofOfPossession, PublicKey, Signature, Validity};
use jit_ca_core::statement::Kind;
use jit_ca_core::{ActorRef, Bytes};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _,
};
use ssh_encoding::Encode as _;
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, SshSig};

use crate::hash::sha256;
use crate::verify::signatures::{ED25519_SPKI, P256_SPKI, P384_SPKI};

/// A person's key, or one to be certified.
pub(super) struct SshKey(Ed25519KeyPair);

impl SshKey {
    pub(super) fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(super) fn point(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap()
    }

    /// Its wire form.
    pub(super) fn wire(&self) -> Vec<u8> {
        strings(&[b"ssh-ed25519", &self.point()])
    }

    pub(super) fn line(&self) -> String {
        use base64ct::{Base64, Encoding as _};
        format!("ssh-ed25519 {}", Base64::encode_string(&self.wire()))
    }

    pub(super) fn sign(&self, kind: Kind, statement: &str) -> Bytes {
        let namespace = kind.namespace();
        let signature = self.signed(kind, statement);
        let signature = ssh_key::Signature::new(Algorithm::Ed25519, &signature[..]).unwrap();
        let key = KeyData::Ed25519(Ed25519PublicKey(self.point()));
        let sshsig = SshSig::new(key, namespace, HashAlg::Sha512, signature).unwrap();
        let mut blob = Vec::new();
        sshsig.encode(&mut blob).unwrap();
        blob.into()
    }

    pub(super) fn possession(&self, statement: &str) -> ProofOfPossession {
        ProofOfPossession::Sha512(self.signed(Kind::Possession, statement).to_vec().into())
    }

    fn signed(&self, kind: Kind, statement: &str) -> [u8; 64] {
        let statement = statement.as_bytes();
        self.raw(&SshSig::signed_data(&kind.namespace(), HashAlg::Sha512, statement).unwrap())
    }

    pub(super) fn signature(&self, kind: Kind, statement: &str) -> Signature {
        Signature { key: self.wire().into(), sshsig: self.sign(kind, statement) }
    }

    pub(super) fn raw(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().unwrap()
    }

    pub(super) fn spki(&self) -> Vec<u8> {
        [ED25519_SPKI, &self.point()].concat()
    }
}

/// A CA's key for X.509.
pub(super) struct Ecdsa(EcdsaKeyPair, &'static [u8]);

impl Ecdsa {
    /// What certificates that it issues call it by.
    pub(super) fn key_id(&self) -> Vec<u8> {
        sha256(self.0.public_key().as_ref()).as_bytes()[..20].to_vec()
    }

    fn new(p384: bool) -> Self {
        let (algorithm, prefix) = match p384 {
            true => (&ECDSA_P384_SHA384_ASN1_SIGNING, P384_SPKI),
            false => (&ECDSA_P256_SHA256_ASN1_SIGNING, P256_SPKI),
        };
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap(), prefix)
    }

    pub(super) fn spki(&self) -> Vec<u8> {
        [self.1, self.0.public_key().as_ref()].concat()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// A PKCS#10 request for this key, by this key.
    pub(super) fn request(&self) -> Vec<u8> {
        let info =
            der(0x30, &[&der(0x02, &[&[0]]), &der(0x30, &[]), &self.spki(), &der(0xa0, &[])]);
        let signature = der(0x03, &[&[0], &self.sign(&info)]);
        der(0x30, &[&info, &algorithm(), &signature])
    }
}

/// All keys of a CA.
pub(super) struct Keys {
    pub(super) log: SshKey,
    pub(super) ssh_user: SshKey,
    pub(super) root: Ecdsa,
    pub(super) clients: Ecdsa,
    pub(super) servers: Ecdsa,
    pub(super) logins: Ecdsa,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self {
            log: SshKey::new(1),
            ssh_user: SshKey::new(2),
            root: Ecdsa::new(true),
            clients: Ecdsa::new(false),
            servers: Ecdsa::new(false),
            logins: Ecdsa::new(false),
        }
    }

    pub(super) fn public(&self) -> Vec<PublicKey> {
        [
            ("ssh-user", self.ssh_user.spki()),
            ("ssh-host", SshKey::new(3).spki()),
            ("x509-root", self.root.spki()),
            ("x509-clients", self.clients.spki()),
            ("x509-servers", self.servers.spki()),
            ("x509-logins", self.logins.spki()),
            ("log", self.log.spki()),
        ]
        .map(|(purpose, spki)| PublicKey { purpose: purpose.to_owned(), spki: spki.into() })
        .to_vec()
    }
}

pub(super) fn strings(strings: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::new();
    strings.iter().for_each(|string| string.encode(&mut joined).unwrap());
    joined
}

/// What an SSH user certificate says beside what is the same in all.
pub(super) struct Ssh<'a> {
    pub(super) key: &'a SshKey,
    pub(super) nonce: Vec<u8>,
    pub(super) serial: u64,
    pub(super) kind: u32,
    pub(super) key_id: String,
    pub(super) principals: Vec<&'a str>,
    pub(super) validity: Validity,
    pub(super) options: Vec<(&'a str, &'a str)>,
    pub(super) extensions: Vec<&'a str>,
}

impl Ssh<'_> {
    pub(super) fn tbs(&self, ca: &SshKey) -> Bytes {
        let list =
            |items: &[&str]| strings(&items.iter().map(|item| item.as_bytes()).collect::<Vec<_>>());
        let option = |(name, value): &(&str, &str)| {
            strings(&[name.as_bytes(), &strings(&[value.as_bytes()])])
        };
        let extension = |name: &&str| strings(&[name.as_bytes(), b""]);
        [
            strings(&[b"ssh-ed25519-cert-v01@openssh.com", &self.nonce, &self.key.point()]),
            self.serial.to_be_bytes().to_vec(),
            self.kind.to_be_bytes().to_vec(),
            strings(&[self.key_id.as_bytes(), &list(&self.principals)]),
            self.validity.from.secs().to_be_bytes().to_vec(),
            self.validity.until.secs().to_be_bytes().to_vec(),
            strings(&[&self.options.iter().flat_map(option).collect::<Vec<_>>()]),
            strings(&[&self.extensions.iter().flat_map(extension).collect::<Vec<_>>()]),
            strings(&[b"", &ca.wire()]),
        ]
        .concat()
        .into()
    }
}

/// What an X.509 certificate says.
pub(super) struct X509 {
    pub(super) serial: Vec<u8>,
    pub(super) validity: Validity,
    pub(super) subject: Vec<(u8, String)>,
    pub(super) spki: Vec<u8>,
    pub(super) is_ca: bool,
    pub(super) uri: String,
    pub(super) key_id: Vec<u8>,
    /// Extensions that it should not have.
    pub(super) more: Vec<(u8, Vec<u8>)>,
}

impl X509 {
    pub(super) fn tbs(&self) -> Bytes {
        let name = |parts: &[(u8, String)]| {
            let part = |(kind, value): &(u8, String)| {
                let oid = der(0x06, &[&[0x55, 0x04, *kind]]);
                let tag = if *kind == 5 { 0x13 } else { 0x0c };
                der(0x31, &[&der(0x30, &[&oid, &der(tag, &[value.as_bytes()])])])
            };
            der(0x30, &[&parts.iter().flat_map(part).collect::<Vec<_>>()])
        };
        let extension = |oid: u8, critical: bool, value: &[u8]| {
            let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
            der(0x30, &[&der(0x06, &[&[0x55, 0x1d, oid]]), critical, &der(0x04, &[value])])
        };
        let basic: &[u8] = if self.is_ca { &[1, 1, 0xff] } else { &[] };
        let mut extensions = vec![
            extension(35, false, &der(0x30, &[&der(0x80, &[&self.key_id])])),
            extension(17, false, &der(0x30, &[&der(0x86, &[self.uri.as_bytes()])])),
            extension(15, true, &[3, 2, 7, 0x80]),
            extension(37, false, &der(0x30, &[&der(0x06, &[&[0x2b, 6, 1, 5, 5, 7, 3, 2]])])),
            extension(19, true, &der(0x30, &[basic])),
            extension(56, false, &[5, 0]),
        ];
        extensions.extend(self.more.iter().map(|(oid, value)| extension(*oid, false, value)));
        der(
            0x30,
            &[
                &der(0xa0, &[&der(0x02, &[&[2]])]),
                &der(0x02, &[&self.serial]),
                &algorithm(),
                &name(&[(3, "CA".to_owned())]),
                &der(
                    0x30,
                    &[&time(self.validity.from.secs()), &time(self.validity.until.secs() - 1)],
                ),
                &name(&self.subject),
                &self.spki,
                &der(0xa3, &[&der(0x30, &[&extensions.concat()])]),
            ],
        )
        .into()
    }

    pub(super) fn uri(role: &str, actor: ActorRef) -> String {
        format!("spiffe://example.org/role/{role}/person/{actor}")
    }
}

/// The SubjectPublicKeyInfo of an RSA key of so many bits.
pub(super) fn rsa_spki(bits: usize, exponent: u32) -> Vec<u8> {
    let modulus = [vec![0], vec![0xc3; bits / 8]].concat();
    let exponent = exponent.to_be_bytes();
    let exponent = &exponent[exponent.iter().position(|&byte| byte != 0).unwrap()..];
    let key = der(0x30, &[&der(0x02, &[&modulus]), &der(0x02, &[exponent])]);
    let algorithm = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    der(0x30, &[&algorithm, &der(0x03, &[&[0], &key])])
}

/// A URI, as one of other names.
pub(super) fn uri_name(uri: &str) -> Vec<u8> {
    der(0x30, &[&der(0x86, &[uri.as_bytes()])])
}

/// ecdsa-with-SHA256.
fn algorithm() -> Vec<u8> {
    der(0x30, &[&der(0x06, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]])])
}

/// UTCTime.
fn time(seconds: u64) -> Vec<u8> {
    let text = jit_ca_core::UnixTime::from_secs(seconds).to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).skip(2).collect();
    der(0x17, &[digits.as_bytes(), b"Z"])
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = match u8::try_from(content.len()) {
        Ok(short @ 0..=127) => vec![short],
        Ok(long) => vec![0x81, long],
        Err(_) => [&[0x82][..], &u16::try_from(content.len()).unwrap().to_be_bytes()].concat(),
    };
    [&[tag][..], &length, &content].concat()
}
