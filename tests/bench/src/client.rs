//! A keep-alive HTTP/1.1 connection over TLS, that sends requests which were written before the clock ran.
//!
//! The load generator shares the machine with what it measures, so it does no more than it must.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Result;

/// What a server is trusted by, and what a client shows: files in PEM.
pub(crate) fn tls(root: &Path, identity: Option<(&Path, &Path)>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(root)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_file_iter(certificate)?;
            let chain = chain.collect::<std::result::Result<Vec<_>, _>>()?;
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A connection.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    /// What has been read of an answer.
    read: Vec<u8>,
    /// The body of an answer that came in chunks.
    joined: Vec<u8>,
}

impl Connection {
    /// # Errors
    /// If nobody answers, or the server is not the one that is trusted.
    pub(crate) async fn open(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<Self> {
        if !address.ip().is_loopback() {
            return Err(format!("{address} is not this machine").into());
        }
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(address.ip().into());
        let stream = TlsConnector::from(tls).connect(name, tcp).await?;
        Ok(Self { stream, read: Vec::with_capacity(8 * 1024), joined: Vec::new() })
    }

    /// Sends a whole request, and gives status and body of the answer.
    ///
    /// # Errors
    /// If the connection ends, or the answer is not HTTP.
    pub(crate) async fn call(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.read.clear();
        let (status, body, framing) = loop {
            self.more().await?;
            if let Some(head) = head(&self.read)? {
                break head;
            }
        };
        match framing {
            Framing::Length(length) => {
                while self.read.len() < body + length {
                    self.more().await?;
                }
                Ok((status, &self.read[body..body + length]))
            }
            Framing::Chunked => {
                while !join_chunks(&self.read[body..], &mut self.joined)? {
                    self.more().await?;
                }
                Ok((status, &self.joined))
            }
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

/// Status, where the body begins, and how long it is; nothing if the head is not complete.
fn head(read: &[u8]) -> io::Result<Option<(u16, usize, Framing)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let body = match response.parse(read).map_err(io::Error::other)? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(body) => body,
    };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| str::from_utf8(header.value).ok())
    };
    let framing = match header("content-length").and_then(|length| length.parse().ok()) {
        Some(length) => Framing::Length(length),
        None if header("transfer-encoding") == Some("chunked") => Framing::Chunked,
        None => return Err(io::Error::other("an answer of no known length")),
    };
    Ok(Some((response.code.unwrap_or_default(), body, framing)))
}

/// Puts chunks together; `false` if there are more to come.
fn join_chunks(mut rest: &[u8], joined: &mut Vec<u8>) -> io::Result<bool> {
    joined.clear();
    loop {
        let (begin, length) = match httparse::parse_chunk_size(rest) {
            Err(_) => return Err(io::Error::other("a chunk of no known length")),
            Ok(httparse::Status::Partial) => return Ok(false),
            Ok(httparse::Status::Complete((begin, length))) => (begin, length),
        };
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let Some(after) = rest.get(begin + length + 2..) else { return Ok(false) };
        joined.extend_from_slice(&rest[begin..begin + length]);
        if length == 0 {
            return Ok(true);
        }
        rest = after;
    }
}
