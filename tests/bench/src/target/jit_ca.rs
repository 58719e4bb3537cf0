//! jit-ca: `/v1/grants/ID/ssh` and `/v1/grants/ID/x509`, over mutual TLS with a login's certificate, each request with
//! its key's proof of possession and an idempotency key. The limit's server speaks the same.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64Unpadded, Encoding as _};
use jit_ca_core::CallId;
use jit_ca_log::hash::sha256;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Call, Target, needed};
use crate::certificate::{Form, Given, Trusted, public_key_of};
use crate::load::LoadArgs;
use crate::pool::{Kind, NewKey, Subject};
use crate::{Result, client, sshsig};

/// What `prepare` and `limit` leave for `load`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Prepared {
    /// Where the server listens.
    pub(crate) address: SocketAddr,
    /// The log's origin.
    pub(crate) origin: String,
    /// The file of the root of the server's certificate.
    pub(crate) root: PathBuf,
    /// The SSH user CA's key, as a line.
    pub(crate) ssh_ca: String,
    /// The X.509 client CA's certificate, as PEM.
    pub(crate) x509_ca: String,
    /// The log's key, where there is a log.
    pub(crate) log_key: Option<String>,
    pub(crate) callers: Vec<PreparedCaller>,
}

/// Somebody who is logged in and has a grant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PreparedCaller {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The serial of the login.
    pub(crate) login: String,
    pub(crate) grant: String,
}

pub(crate) struct JitCa {
    kind: Kind,
    prepared: Prepared,
    callers: Vec<Arc<ClientConfig>>,
    trusted: Trusted,
    random: SystemRandom,
}

impl JitCa {
    pub(crate) fn new(kind: Kind, args: &LoadArgs) -> Result<Self> {
        let file = needed(args.prepared.as_deref(), "--prepared")?;
        let prepared: Prepared = serde_json::from_slice(&fs::read(file)?)?;
        let callers = prepared
            .callers
            .iter()
            .map(|caller| client::tls(&prepared.root, Some((&caller.certificate, &caller.key))));
        let ssh_ca = ssh_key::PublicKey::from_openssh(&prepared.ssh_ca)?;
        let ssh_ca = ssh_ca.key_data().ed25519().ok_or("the SSH CA's key is not ed25519")?;
        let trusted = Trusted {
            ssh: Some(ssh_ca.0.to_vec()),
            x509: Some(public_key_of(prepared.x509_ca.as_bytes())?),
            log: prepared.log_key.as_ref().map(|key| key.parse()).transpose()?,
        };
        let callers = callers.collect::<Result<_>>()?;
        Ok(Self { kind, prepared, callers, trusted, random: SystemRandom::new() })
    }
}

impl Target for JitCa {
    fn callers(&self) -> &[Arc<ClientConfig>] {
        &self.callers
    }

    fn trusted(&self) -> &Trusted {
        &self.trusted
    }

    #[expect(clippy::disallowed_methods, reason = "a client is an edge, where time comes in")]
    fn call(&self, caller: usize, subject: &Subject) -> Call {
        let PreparedCaller { login, grant, .. } = &self.prepared.callers[caller];
        let mut random = [0; 10];
        self.random.fill(&mut random).expect("randomness");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
        // As our client makes them.
        let idempotency_key = CallId::new(now.as_millis().try_into().expect("a time"), random);
        let (place, body) = match &subject.key {
            NewKey::Ssh { pair, blob } => {
                let statement = format!(
                    "jit-ca possession v1\norigin: {}\ngrant: {grant}\nlogin: {login}\n\
                     key: SHA256:{}\nidempotency-key: {idempotency_key}\n",
                    self.prepared.origin,
                    Base64Unpadded::encode_string(sha256(blob).as_bytes()),
                );
                let signature = sshsig::sign(pair, blob, "possession.v1@jit-ca", &statement);
                ("ssh", json!({"public_key": subject.ssh_line(), "signature": signature}))
            }
            NewKey::X509 { csr } => ("x509", json!({"csr": csr})),
        };
        Call {
            path: format!("/v1/grants/{grant}/{place}"),
            headers: format!("idempotency-key: {idempotency_key}\r\n"),
            body: body.to_string(),
        }
    }

    fn given(&self, body: &[u8]) -> Result<Given> {
        #[derive(Deserialize)]
        struct Answer {
            certificate: String,
            proof: Option<String>,
        }
        let Answer { certificate, proof } = serde_json::from_slice(body)?;
        let certificate = match self.kind {
            Kind::Ssh => Form::SshLine(certificate),
            Kind::X509 => Form::X509(certificate),
        };
        Ok(Given { certificate, proof })
    }
}
