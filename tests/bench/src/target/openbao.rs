//! OpenBao: `ssh/sign/ROLE` and `pki/sign/ROLE`, for whoever has a token.

use std::sync::Arc;
use std::{env, fs};

use rustls::ClientConfig;
use serde_json::json;

use super::{Call, Target, anonymous, text_at};
use crate::Result;
use crate::certificate::{Form, Given, Trusted, public_key_of};
use crate::load::LoadArgs;
use crate::pool::{Kind, Subject};

pub(crate) struct OpenBao {
    kind: Kind,
    path: String,
    token: String,
    callers: Vec<Arc<ClientConfig>>,
    trusted: Trusted,
}

impl OpenBao {
    pub(crate) fn new(kind: Kind, args: &LoadArgs) -> Result<Self> {
        let issuer =
            args.issuer.as_ref().map(|file| public_key_of(&fs::read(file)?)).transpose()?;
        Ok(Self {
            kind,
            path: args.path.clone().ok_or("--path is needed")?,
            token: env::var("BENCH_TOKEN").map_err(|_| "BENCH_TOKEN has to hold a token")?,
            callers: anonymous(args)?,
            trusted: Trusted { x509: issuer, ..Trusted::default() },
        })
    }
}

impl Target for OpenBao {
    fn callers(&self) -> &[Arc<ClientConfig>] {
        &self.callers
    }

    fn trusted(&self) -> &Trusted {
        &self.trusted
    }

    fn call(&self, _: usize, subject: &Subject) -> Call {
        let body = match self.kind {
            Kind::Ssh => {
                json!({"public_key": subject.ssh_line(), "valid_principals": "alice", "ttl": "30m"})
            }
            Kind::X509 => {
                json!({"csr": subject.csr(), "common_name": subject.name, "ttl": "30m"})
            }
        };
        let headers = format!("x-vault-token: {}\r\n", self.token.trim());
        Call { path: self.path.clone(), headers, body: body.to_string() }
    }

    fn given(&self, body: &[u8]) -> Result<Given> {
        let certificate = match self.kind {
            Kind::Ssh => Form::SshLine(text_at(body, "/data/signed_key")?),
            Kind::X509 => Form::X509(text_at(body, "/data/certificate")?),
        };
        Ok(Given { certificate, proof: None })
    }
}
