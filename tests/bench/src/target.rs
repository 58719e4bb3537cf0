//! The one seam that each CA fills in: what a request looks like, and where the certificate is in the answer.

mod jit_ca;
mod openbao;
mod step_ca;

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;

pub(crate) use jit_ca::{Prepared, PreparedCaller};

use crate::Result;
use crate::certificate::{Given, Trusted};
use crate::client;
use crate::load::LoadArgs;
use crate::pool::{Kind, Subject};

/// A CA under load.
pub(crate) trait Target: Send + Sync {
    /// Who calls: connection `n` is that of caller `n` modulo their number.
    fn callers(&self) -> &[Arc<ClientConfig>];

    /// What certificates are checked by.
    fn trusted(&self) -> &Trusted;

    /// The call that has this caller's key certified. Made before the clock runs, so that whatever has to be signed or
    /// fetched for it costs nothing.
    fn call(&self, caller: usize, subject: &Subject) -> Call;

    /// The certificate in the body of a good answer.
    fn given(&self, body: &[u8]) -> Result<Given>;
}

/// A POST of JSON.
pub(crate) struct Call {
    pub(crate) path: String,
    /// Headers beside those that each request has, a line each.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Call {
    /// The whole request, as it is sent.
    pub(crate) fn request(&self, host: &str) -> Vec<u8> {
        let Self { path, headers, body } = self;
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        )
        .into_bytes()
    }
}

/// The targets by their names.
pub(crate) fn build(args: &LoadArgs) -> Result<(Kind, Box<dyn Target>)> {
    let (name, kind) = match args.target.rsplit_once('-') {
        Some((name, "ssh")) => (name, Kind::Ssh),
        Some((name, "x509")) => (name, Kind::X509),
        _ => return Err("a target is a server and ssh or x509: jit-ca-ssh".into()),
    };
    let target: Box<dyn Target> = match name {
        "jit-ca" => Box::new(jit_ca::JitCa::new(kind, args)?),
        "openbao" => Box::new(openbao::OpenBao::new(kind, args)?),
        "step-ca" => Box::new(step_ca::StepCa::new(kind, args)?),
        _ => return Err(format!("there is no target {name}").into()),
    };
    Ok((kind, target))
}

/// The one caller of a CA that knows its callers by tokens.
fn anonymous(args: &LoadArgs) -> Result<Vec<Arc<ClientConfig>>> {
    Ok(vec![client::tls(needed(args.root.as_deref(), "--root")?, None)?])
}

fn needed<'a>(path: Option<&'a Path>, option: &str) -> Result<&'a Path> {
    path.ok_or_else(|| format!("{option} is needed").into())
}

/// The text at a place of a JSON body.
fn text_at(body: &[u8], pointer: &str) -> Result<String> {
    let value: serde_json::Value = serde_json::from_slice(body)?;
    let text = value.pointer(pointer).and_then(serde_json::Value::as_str);
    Ok(text.ok_or_else(|| format!("there is no {pointer}"))?.to_owned())
}
