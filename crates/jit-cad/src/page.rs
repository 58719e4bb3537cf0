//! The page that people's browsers see: where it is, and what passkeys know it by.

use std::net::SocketAddr;

use jit_ca_log::webauthn::Party;

use crate::config::Web;

/// The page, once its address is known.
#[derive(Debug)]
pub struct Page {
    host: String,
    origin: String,
}

/// The port that browsers leave out of an origin (RFC 6454 section 6.1).
const HTTPS: u16 = 443;

impl Page {
    /// The page of the configuration, served at this address.
    pub fn new(web: &Web, address: SocketAddr) -> Self {
        let host = web.host.clone();
        let origin = match address.port() {
            HTTPS => format!("https://{host}"),
            port => format!("https://{host}:{port}"),
        };
        Self { host, origin }
    }

    /// Its host: the RP ID.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its origin, such as `https://ca.example.org:8441`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whom passkeys are for.
    pub fn party(&self) -> Party<'_> {
        Party { id: &self.host, origin: Some(&self.origin) }
    }
}
