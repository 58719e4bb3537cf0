//! step-ca: `/1.0/ssh/sign` and `/1.0/sign`. Each request bears a token of its own, a JWT signed with the key of a
//! JWK provisioner; they are made before the clock runs.

use std::fs;
use std::sync::Arc;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use jit_ca_tests::now;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::ClientConfig;
use serde_json::json;

use super::{Call, Target, anonymous, needed, text_at};
use crate::Result;
use crate::certificate::{Form, Given, Trusted, public_key_of};
use crate::load::LoadArgs;
use crate::pool::{Kind, Subject};

/// The provisioner's name and its key's id.
const PROVISIONER: &str = "bench";

pub(crate) struct StepCa {
    kind: Kind,
    /// Whom the tokens are for: the endpoint.
    audience: String,
    key: EcdsaKeyPair,
    random: SystemRandom,
    callers: Vec<Arc<ClientConfig>>,
    trusted: Trusted,
}

impl StepCa {
    pub(crate) fn new(kind: Kind, args: &LoadArgs) -> Result<Self> {
        let random = SystemRandom::new();
        let der = fs::read(needed(args.provisioner_key.as_deref(), "--provisioner-key")?)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random);
        let issuer =
            args.issuer.as_ref().map(|file| public_key_of(&fs::read(file)?)).transpose()?;
        Ok(Self {
            kind,
            audience: format!("https://{}{}", args.address, path(kind)),
            key: key.map_err(|_| "the provisioner's key is none of P-256 in PKCS#8")?,
            random,
            callers: anonymous(args)?,
            trusted: Trusted { x509: issuer, ..Trusted::default() },
        })
    }

    fn token(&self, subject: &Subject) -> String {
        let mut id = [0; 16];
        self.random.fill(&mut id).expect("randomness");
        let header = json!({"alg": "ES256", "kid": PROVISIONER, "typ": "JWT"});
        let mut claims = json!({
            "aud": self.audience, "iss": PROVISIONER, "sub": subject.name,
            "iat": now(), "nbf": now(), "exp": now() + 3600,
            "jti": Base64UrlUnpadded::encode_string(&id),
        });
        match self.kind {
            Kind::Ssh => {
                let options =
                    json!({"certType": "user", "keyID": subject.name, "principals": ["alice"]});
                claims["step"] = json!({"ssh": options});
            }
            Kind::X509 => claims["sans"] = json!([subject.name]),
        }
        let [header, claims] = [header, claims]
            .map(|part| Base64UrlUnpadded::encode_string(part.to_string().as_bytes()));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(&self.random, signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", Base64UrlUnpadded::encode_string(signature.as_ref()))
    }
}

fn path(kind: Kind) -> &'static str {
    match kind {
        Kind::Ssh => "/1.0/ssh/sign",
        Kind::X509 => "/1.0/sign",
    }
}

impl Target for StepCa {
    fn callers(&self) -> &[Arc<ClientConfig>] {
        &self.callers
    }

    fn trusted(&self) -> &Trusted {
        &self.trusted
    }

    fn call(&self, _: usize, subject: &Subject) -> Call {
        let token = self.token(subject);
        let body = match self.kind {
            Kind::Ssh => json!({
                "publicKey": Base64::encode_string(subject.ssh_blob()), "ott": token,
                "certType": "user", "keyID": subject.name, "principals": ["alice"],
            }),
            Kind::X509 => json!({"csr": subject.csr(), "ott": token}),
        };
        Call { path: path(self.kind).to_owned(), headers: String::new(), body: body.to_string() }
    }

    fn given(&self, body: &[u8]) -> Result<Given> {
        let certificate = text_at(body, "/crt")?;
        let certificate = match self.kind {
            Kind::Ssh => Form::SshBlob(Base64::decode_vec(&certificate)?),
            Kind::X509 => Form::X509(certificate),
        };
        Ok(Given { certificate, proof: None })
    }
}
