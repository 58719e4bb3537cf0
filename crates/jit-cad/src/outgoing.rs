//! HTTP to others: to anchors, to whom is notified, and to identity providers. One client, set up in one place.
//!
//! It is a service that the configuration names which is trusted, and none that it sends us to: no redirect is followed,
//! and no proxy used. An answer is waited for so long and no longer. (An issuer says where its endpoints are; which of
//! these are asked is `provider/endpoint.rs`.)

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::Resolver;
use ureq::unversioned::transport::DefaultConnector;

use crate::failure::Failure;

/// A client for the service at `url`, whose name `resolver` looks up; for `https://` the service is trusted by the roots
/// in `ca_file`, and by no others. A call to it takes no longer than `patience`, all in all.
///
/// # Errors
/// If the roots can't be read.
pub fn client(
    url: &Uri,
    ca_file: &Path,
    patience: Duration,
    resolver: impl Resolver,
) -> Result<Agent, Failure> {
    let roots = match url.scheme_str() {
        Some("https") => roots(ca_file)?,
        _ => Vec::new(),
    };
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&roots))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        // Each call finds out anew where it goes.
        .max_idle_connections(0)
        .timeout_global(Some(patience))
        .user_agent(concat!("jit-cad/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(Agent::with_parts(config, DefaultConnector::default(), resolver))
}

fn roots(ca_file: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let fault = |what: &str| {
        let hint = "name a file of CA certificates in PEM as ca_file";
        Failure::usage(format!("{}: {what}", ca_file.display()), hint)
    };
    let roots: Result<Vec<_>, _> = CertificateDer::pem_file_iter(ca_file)
        .map_err(|error| fault(&error.to_string()))?
        .map(|root| root.map(|root| Certificate::from_der(&root).to_owned()))
        .collect();
    let roots = roots.map_err(|error| fault(&error.to_string()))?;
    if roots.is_empty() { Err(fault("there is no certificate in it")) } else { Ok(roots) }
}
