//! Connections, from many addresses, with a login certificate or without.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A login, if there is one.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoginArgs {
    /// The login certificate, in PEM
    #[arg(long, requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, requires = "certificate")]
    key: Option<PathBuf>,
}

/// How connections are made.
#[derive(Clone, Debug)]
pub(crate) struct Connecting {
    to: SocketAddr,
    is_known: bool,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Connecting {
    pub(crate) fn new(to: SocketAddr, login: Option<&LoginArgs>) -> Self {
        let config = |protocol: &[u8]| {
            let mut config = config(login);
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        Self { to, is_known: login.is_some(), http1: config(b"http/1.1"), http2: config(b"h2") }
    }

    /// Whether it is with a login.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    /// A TCP connection from one of the loopback's many addresses. It reads little at once.
    pub(crate) async fn tcp(&self, from: u16) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        let [high, low] = from.to_be_bytes();
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 1, high, low)), 0))?;
        socket.set_recv_buffer_size(4_096)?;
        let stream = socket.connect(self.to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub(crate) async fn tls(&self, from: u16, is_http2: bool) -> io::Result<TlsStream<TcpStream>> {
        let config = if is_http2 { &self.http2 } else { &self.http1 };
        let name = ServerName::from(self.to.ip());
        TlsConnector::from(Arc::clone(config)).connect(name, self.tcp(from).await?).await
    }

    /// What a client says first.
    pub(crate) fn hello(&self) -> io::Result<Vec<u8>> {
        let name = ServerName::from(self.to.ip());
        let client = rustls::ClientConnection::new(Arc::clone(&self.http1), name);
        let mut hello = Vec::new();
        client.map_err(io::Error::other)?.write_tls(&mut hello)?;
        Ok(hello)
    }
}

fn config(login: Option<&LoginArgs>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody));
    let files = login.and_then(|login| login.certificate.as_ref().zip(login.key.as_ref()));
    let mut config = match files {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_file_iter(certificate).expect("a certificate");
            let chain = chain.collect::<Result<_, _>>().expect("a certificate");
            let key = PrivateKeyDer::from_pem_file(key).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("a login")
        }
    };
    config.resumption = Resumption::disabled();
    config
}

/// Takes anybody for the CA.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519]
    }
}
