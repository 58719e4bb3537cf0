//! A connection that is kept, and a call that waits for its last byte: two of these arrive at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jit_ca_tests::{Ca, Wire};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;

/// A connection of somebody's login.
pub(super) struct Line {
    stream: Stream,
    /// When it was last used: the daemon hangs up on who says nothing for long.
    used: Instant,
    config: Arc<ClientConfig>,
    address: String,
    last: Vec<u8>,
    calls: u64,
    name: String,
}

type Stream = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// How long a line is trusted to be open.
const IDLE: Duration = Duration::from_secs(3);

/// What a call was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert!(self.is_done(), "{self:#?}");
        self.body
    }
}

impl Line {
    /// `name` is in no other line's calls.
    pub(super) fn open(ca: &Ca, wire: &Wire, name: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(wire.root()).unwrap()).unwrap();
        let (key, certificate) = wire.login_files();
        let chain = CertificateDer::pem_file_iter(certificate).unwrap();
        let chain = chain.collect::<Result<_, _>>().unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap());
        let (config, address) = (Arc::new(config.unwrap()), ca.url().replace("https://", ""));
        let stream = connected(&config, &address);
        let used = Instant::now();
        Self { stream, used, config, address, last: Vec::new(), calls: 0, name: name.to_owned() }
    }

    /// Sends all of a call but its last byte.
    pub(super) fn begin(&mut self, path: &str, body: &Value, key: Option<&str>) {
        self.calls += 1;
        if self.used.elapsed() > IDLE {
            self.stream = connected(&self.config, &self.address);
        }
        let own = format!("{}-{}", self.name, self.calls);
        let (key, body) = (key.unwrap_or(&own), body.to_string());
        let call = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nidempotency-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (first, last) = call.as_bytes().split_at(call.len() - 1);
        self.last = last.to_vec();
        self.send(first);
    }

    /// Sends its last byte, and returns what it is answered.
    pub(super) fn end(&mut self) -> Answer {
        let last = std::mem::take(&mut self.last);
        self.send(&last);
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        assert!(status.is_some(), "{line:?} is no answer");
        let status = status.unwrap_or_default();
        let mut length = 0;
        loop {
            let mut header = String::new();
            self.stream.read_line(&mut header).unwrap();
            if header.trim_end().is_empty() {
                break;
            }
            if let Some(found) = header.to_lowercase().strip_prefix("content-length:") {
                length = found.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        self.used = Instant::now();
        Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    /// The whole call.
    pub(super) fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.begin(path, body, None);
        self.end()
    }

    fn send(&mut self, bytes: &[u8]) {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).unwrap();
        stream.flush().unwrap();
    }
}

fn connected(config: &Arc<ClientConfig>, address: &str) -> Stream {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let host = ServerName::try_from("127.0.0.1").unwrap();
    let tls = ClientConnection::new(Arc::clone(config), host).unwrap();
    BufReader::new(StreamOwned::new(tls, tcp))
}
