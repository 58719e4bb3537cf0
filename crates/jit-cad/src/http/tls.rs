//! TLS: the daemon's own certificates, and whose client certificates are logins.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jit_ca_cert::x509::ServerCertificate;
use jit_ca_cert::{Intent, ServerName, SubjectKey};
use jit_ca_core::{ActorRef, IssuanceId, Span, UnixTime, ValueError, Window};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::app::App;
use crate::clock;
use crate::config::Web;
use crate::failure::Failure;
use crate::issuer::{Issuance, intended, x509_serial};
use crate::sequencer::Proposal;

/// How long the daemon's certificate is valid. It is made anew at every start, and at half of this.
pub(super) const CERTIFICATE_LIFE: Span = Span::LONGEST_GRANT;

/// What is served: each has certificates of its own, and knows its callers by something else.
#[derive(Clone, Debug)]
pub(super) enum Face {
    /// The API. Its callers are known by the certificates of their logins.
    Api,
    /// The page. Browsers are asked for no certificate: a cookie is no login to the API, and a certificate none here.
    Page(Web),
}

/// A certificate with those above it, and its key.
type Certified = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The TLS configuration of what is served. A fresh certificate for a fresh key, which the log holds like any other; or
/// the page's own, from its files.
///
/// # Errors
/// If the certificate can't be issued, or the files can't be read.
pub(super) async fn config(app: &App, face: &Face) -> Result<Arc<ServerConfig>, Failure> {
    match face {
        Face::Api => api(app, certified(app, &app.config.names).await?),
        Face::Page(Web { tls: Some((certificate, key)), .. }) => page(own(certificate, key)?),
        Face::Page(Web { host, tls: None, .. }) => {
            let name =
                host.parse().map_err(|error: ValueError| Failure::failed(error.to_string()))?;
            page(certified(app, &[name]).await?)
        }
    }
}

async fn certified(app: &App, names: &[ServerName]) -> Result<Certified, Failure> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .map_err(|error| Failure::failed(error.to_string()))?;
    let subject = SubjectKey::from_spki(&key.subject_public_key_info())?;
    let certificate = issue(app, subject, names).await?;
    // The root goes along, so that a client that knows nothing but the pin finds it.
    let chain =
        [certificate, app.authorities.servers.der().to_vec(), app.authorities.root.der().to_vec()];
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(Failure::failed)?;
    Ok((chain, key))
}

/// The certificate that somebody else has issued for the page.
fn own(certificate: &Path, key: &Path) -> Result<Certified, Failure> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::usage(
            format!("{}: {error}", path.display()),
            "[web] names a certificate and its private key, each a PEM file",
        )
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|error| failed(certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    Ok((chain, key))
}

fn page((chain, key): Certified) -> Result<Arc<ServerConfig>, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(DaemonsTime))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn api(app: &App, (chain, key): Certified) -> Result<Arc<ServerConfig>, Failure> {
    // INVARIANT (one key, one purpose): the connection tells by its issuer which of the two a certificate is, so that
    // one for a service is no login (`call.rs`, `Shown`).
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut anchors = RootCertStore::empty();
    anchors.add(CertificateDer::from(app.authorities.logins.der().to_vec()))?;
    anchors.add(CertificateDer::from(app.authorities.clients.der().to_vec()))?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(anchors), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| Failure::failed(error.to_string()))?;
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(DaemonsTime))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would outlive the certificate that it began with.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The time that the daemon goes by also where the machine's clock is not right: else nobody who is logged in could
/// be told so.
#[derive(Debug)]
struct DaemonsTime;

impl TimeProvider for DaemonsTime {
    fn current_time(&self) -> Option<rustls_pki_types::UnixTime> {
        let since = Duration::from_millis(clock::now_millis().0);
        Some(rustls_pki_types::UnixTime::since_unix_epoch(since))
    }
}

async fn issue(app: &App, key: SubjectKey, names: &[ServerName]) -> Result<Vec<u8>, Failure> {
    let now = clock::now_millis();
    let window = Window::new(now.time(), until(app, now.time()))
        .map_err(|error| Failure::failed(error.to_string()))?;
    let issuance = Issuance {
        id: IssuanceId::new(now.0, clock::random()?),
        grant: None,
        actor: ActorRef::DAEMON,
    };
    let content = ServerCertificate {
        key,
        issuance: issuance.id,
        names: names.iter().cloned().collect(),
        window,
    };
    let issuer = (&app.keys.servers, &app.authorities.servers);
    let intent = Intent::new(content, issuer.1)?;
    let validity = (window.start().minus(jit_ca_cert::BACKDATE), window.end());
    let event = intended(issuance.id, &intent, x509_serial(issuance.id), validity, None);
    let (signed, _) = app
        .issuer
        .issue(issuance, intent, issuer.0, Proposal::new(vec![(ActorRef::DAEMON, event)]))
        .await?;
    Ok(signed.as_bytes().to_vec())
}

fn until(app: &App, now: UnixTime) -> UnixTime {
    now.plus(CERTIFICATE_LIFE).min(app.authorities.servers.end())
}
