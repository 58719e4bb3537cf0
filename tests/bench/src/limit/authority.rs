//! What the limit verifies and signs with: certificates as jit-ca's, put together from bytes that never change.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use hyper::http::request::Parts;
use jit_ca_log::hash::sha256;
use jit_ca_tests::now;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::Deserialize;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::Result;
use crate::sshsig::put_string;
use crate::target::{Prepared, PreparedCaller};

const ORIGIN: &str = "limit.test";
const GRANT: &str = "g-01m82ntxacb4cvdepke7rxsfha";
const LOGIN: &str = "0101a2055d74b9805a25f953ed86b1e8fb";
/// ecdsa-with-SHA256, as DER.
const ECDSA_WITH_SHA256: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// As long as a point of P-256, or a serial: looked for in a certificate and replaced.
const SERIAL: [u8; 17] = [1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];

pub(super) struct Authority {
    random: SystemRandom,
    ssh: Ed25519KeyPair,
    x509: EcdsaKeyPair,
    /// To be signed, with places for the serial and the key.
    template: Vec<u8>,
    serial_at: usize,
    point_at: usize,
}

/// What is to be certified: an ed25519 key, or a point of P-256.
pub(super) enum Wanted {
    Ssh([u8; 32]),
    X509(Vec<u8>),
}

#[derive(Deserialize)]
struct Call {
    public_key: Option<String>,
    signature: Option<String>,
    csr: Option<String>,
}

impl Authority {
    /// A new one, what its clients need, and its TLS.
    pub(super) fn new(dir: &Path, address: SocketAddr) -> Result<(Self, Prepared, ServerConfig)> {
        let random = SystemRandom::new();
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
        let (root_key, server_key, client_key, subject_key) = (key()?, key()?, key()?, key()?);
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_certificate = root.self_signed(&root_key)?;
        let issuer = Issuer::new(root, &root_key);
        let mut server = CertificateParams::default();
        server.subject_alt_names = vec![SanType::IpAddress(address.ip())];
        let server = server.signed_by(&server_key, &issuer)?;
        let mut client = CertificateParams::default();
        client.serial_number = Some(SERIAL.to_vec().into());
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        client.subject_alt_names = vec![SanType::URI(
            "spiffe://example.org/role/measured/person/p-0123456789".try_into()?,
        )];
        client.not_after = (std::time::SystemTime::UNIX_EPOCH
            + std::time::Duration::from_secs(now() + LIFETIME))
        .into();
        let login = client.signed_by(&client_key, &issuer)?;
        let leaf = client.signed_by(&subject_key, &issuer)?;

        let (_, parsed) = X509Certificate::from_der(leaf.der())?;
        let template = parsed.tbs_certificate.as_ref().to_vec();
        let place = |of: &[u8]| template.windows(of.len()).position(|window| window == of);
        let serial_at = place(&SERIAL).ok_or("no serial")?;
        let point_at = place(subject_key.der_bytes()).ok_or("no key")?;

        let write = |name: &str, text: String| -> Result<_> {
            let file = dir.join(name);
            fs::write(&file, text)?;
            Ok(file)
        };
        let ssh = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).map_err(|_| "no key")?;
        let mut blob = Vec::new();
        put_string(&mut blob, b"ssh-ed25519");
        put_string(&mut blob, ssh.public_key().as_ref());
        let prepared = Prepared {
            address,
            origin: ORIGIN.to_owned(),
            root: write("root.pem", root_certificate.pem())?,
            ssh_ca: format!("ssh-ed25519 {}", Base64::encode_string(&blob)),
            x509_ca: root_certificate.pem(),
            log_key: None,
            callers: vec![PreparedCaller {
                certificate: write("client.pem", login.pem())?,
                key: write("client.key", client_key.serialize_pem())?,
                login: LOGIN.to_owned(),
                grant: GRANT.to_owned(),
            }],
        };
        let mut roots = RootCertStore::empty();
        roots.add(root_certificate.der().clone())?;
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build()?;
        let server_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![server.der().clone()], server_key)?;
        let x509 = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            root_key.serialized_der(),
            &random,
        );
        let x509 = x509.map_err(|_| "no key")?;
        Ok((Self { random, ssh, x509, template, serial_at, point_at }, prepared, tls))
    }

    /// Reads a call, and verifies its key's signature.
    pub(super) fn read(&self, head: &Parts, body: &[u8]) -> Result<Wanted> {
        let call: Call = serde_json::from_slice(body)?;
        if let Some(csr) = call.csr {
            let (_, csr) = x509_parser::pem::parse_x509_pem(csr.as_bytes())?;
            let (_, csr) = X509CertificationRequest::from_der(&csr.contents)?;
            csr.verify_signature()?;
            let key = &csr.certification_request_info.subject_pki.subject_public_key;
            return Ok(Wanted::X509(key.data.to_vec()));
        }
        let line = call.public_key.ok_or("no key")?;
        let blob = Base64::decode_vec(line.strip_prefix("ssh-ed25519 ").ok_or("no key")?)?;
        let point: [u8; 32] = blob[blob.len() - 32..].try_into()?;
        let idempotency_key = head.headers.get("idempotency-key").ok_or("no idempotency key")?;
        let statement = format!(
            "jit-ca possession v1\norigin: {ORIGIN}\ngrant: {GRANT}\nlogin: {LOGIN}\n\
             key: SHA256:{}\nidempotency-key: {}\n",
            Base64Unpadded::encode_string(sha256(&blob).as_bytes()),
            idempotency_key.to_str()?,
        );
        let hash = ring::digest::digest(&ring::digest::SHA512, statement.as_bytes());
        let mut signed = b"SSHSIG".to_vec();
        for part in [b"possession.v1@jit-ca".as_slice(), b"", b"sha512", hash.as_ref()] {
            put_string(&mut signed, part);
        }
        let armoured = call.signature.ok_or("no signature")?;
        let armour: String = armoured.lines().filter(|line| !line.starts_with('-')).collect();
        let signature = Base64::decode_vec(&armour)?;
        let signature = &signature[signature.len() - 64..];
        let verified = UnparsedPublicKey::new(&ED25519, point).verify(&signed, signature);
        verified.map_err(|_| "the proof of possession does not hold")?;
        Ok(Wanted::Ssh(point))
    }

    /// The bytes of the certificate that are signed.
    pub(super) fn to_be_signed(&self, wanted: &Wanted) -> Result<Vec<u8>> {
        let mut random = [0; 32];
        self.random.fill(&mut random).map_err(|_| "no randomness")?;
        let point = match wanted {
            Wanted::X509(point) => {
                let mut bytes = self.template.clone();
                bytes[self.serial_at + 1..self.serial_at + 17].copy_from_slice(&random[..16]);
                bytes[self.point_at..self.point_at + 65].copy_from_slice(point);
                return Ok(bytes);
            }
            Wanted::Ssh(point) => point,
        };
        let mut extensions = Vec::new();
        put_string(&mut extensions, b"permit-pty");
        put_string(&mut extensions, b"");
        let mut principals = Vec::new();
        put_string(&mut principals, b"measured.web1");
        put_string(&mut principals, b"measured.web2");
        let mut ca = Vec::new();
        put_string(&mut ca, b"ssh-ed25519");
        put_string(&mut ca, self.ssh.public_key().as_ref());
        // PROTOCOL.certkeys.
        let mut bytes = Vec::with_capacity(512);
        put_string(&mut bytes, b"ssh-ed25519-cert-v01@openssh.com");
        put_string(&mut bytes, &random);
        put_string(&mut bytes, point);
        bytes.extend(&random[..8]);
        bytes.extend(1_u32.to_be_bytes());
        put_string(
            &mut bytes,
            b"jit-ca:g-01m82ntxacb4cvdepke7rxsfha:i-01m82ntxacb4cvdepke7rxsfha:p",
        );
        put_string(&mut bytes, &principals);
        bytes.extend((now() - 60).to_be_bytes());
        bytes.extend((now() + LIFETIME).to_be_bytes());
        put_string(&mut bytes, b"");
        put_string(&mut bytes, &extensions);
        put_string(&mut bytes, b"");
        put_string(&mut bytes, &ca);
        Ok(bytes)
    }

    /// The certificate, as text.
    pub(super) fn sign(&self, wanted: &Wanted, mut bytes: Vec<u8>) -> Result<String> {
        if let Wanted::Ssh(_) = wanted {
            let mut signature = Vec::with_capacity(83);
            put_string(&mut signature, b"ssh-ed25519");
            put_string(&mut signature, self.ssh.sign(&bytes).as_ref());
            put_string(&mut bytes, &signature);
            let blob = Base64::encode_string(&bytes);
            return Ok(format!("ssh-ed25519-cert-v01@openssh.com {blob}"));
        }
        let signature = self.x509.sign(&self.random, &bytes).map_err(|_| "no signature")?;
        bytes.extend(ECDSA_WITH_SHA256);
        let length = u8::try_from(signature.as_ref().len() + 1)?;
        bytes.extend([3, length, 0]);
        bytes.extend(signature.as_ref());
        let mut der = vec![0x30, 0x82];
        der.extend(u16::try_from(bytes.len())?.to_be_bytes());
        der.extend(bytes);
        let text = Base64::encode_string(&der);
        Ok(format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"))
    }
}

/// Seconds that certificates are valid.
const LIFETIME: u64 = 3600;
