//! An anchor that is a service: `POST` of a note keeps it, `GET` of the same address gives the newest one.

use std::path::Path;
use std::sync::Arc;

use axum::http::{Uri, header};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::{AnchorError, LARGEST_NOTE, PATIENCE};
use crate::failure::Failure;

/// A service that keeps checkpoints.
#[derive(Debug)]
pub(super) struct Webhook {
    agent: Agent,
    url: Uri,
}

impl Webhook {
    /// The service at `url`; for `https://` it is trusted by the roots in `ca_file`, and by no others.
    pub(super) fn open(url: &Uri, ca_file: &Path) -> Result<Self, Failure> {
        let roots = match url.scheme_str() {
            Some("https") => roots(ca_file)?,
            _ => Vec::new(),
        };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&roots))
            .build();
        // No proxy and no other address: it is this service that is trusted, and none that it names.
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("jit-cad/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.into(), url: url.clone() })
    }

    pub(super) fn newest(&self) -> Result<Option<String>, AnchorError> {
        let mut answer = self.agent.get(&self.url).call()?;
        match answer.status().as_u16() {
            200 => {
                let note = answer.body_mut().with_config().limit(LARGEST_NOTE).read_to_vec()?;
                // What is no text is no checkpoint either, and is found to be none.
                Ok(Some(String::from_utf8_lossy(&note).into_owned()))
            }
            204 | 404 => Ok(None),
            status => Err(AnchorError::Status(status)),
        }
    }

    pub(super) fn keep(&self, note: &str) -> Result<(), AnchorError> {
        let post = self.agent.post(&self.url);
        let post = post.header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
        let answer = post.send(note)?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(AnchorError::Status(answer.status().as_u16())),
        }
    }
}

fn roots(ca_file: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let fault = |what: &str| {
        let hint = "name a file of CA certificates in PEM as the webhook's ca_file";
        Failure::usage(format!("{}: {what}", ca_file.display()), hint)
    };
    let roots: Result<Vec<_>, _> = CertificateDer::pem_file_iter(ca_file)
        .map_err(|error| fault(&error.to_string()))?
        .map(|root| root.map(|root| Certificate::from_der(&root).to_owned()))
        .collect();
    let roots = roots.map_err(|error| fault(&error.to_string()))?;
    if roots.is_empty() { Err(fault("there is no certificate in it")) } else { Ok(roots) }
}
