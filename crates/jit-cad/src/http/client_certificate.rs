//! What a client certificate is that TLS has verified: a login, or one that a workload got under a grant.

use jit_ca_core::IssuanceId;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::app::App;

/// The names of the two authorities by which TLS verifies clients. Each names itself in what it issues, and TLS has
/// looked for the authority by that name (RFC 5280 section 6.1.3).
#[derive(Clone, Debug)]
pub(super) struct Issuers {
    logins: String,
    clients: String,
}

/// A client certificate whose chain and key TLS has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientCertificate {
    /// A login's.
    Login {
        /// The serial that the login goes by.
        serial: Vec<u8>,
        /// Whose it is: the distinguished name in DER.
        subject: Vec<u8>,
    },
    /// One that was issued under a grant, for services. It is no login; a workload may get one by it.
    Client(IssuanceId),
}

impl Issuers {
    /// Those of this CA.
    pub(super) fn of(app: &App) -> Self {
        Self {
            logins: app.authorities.logins.common_name().to_owned(),
            clients: app.authorities.clients.common_name().to_owned(),
        }
    }

    /// INVARIANT (one key, one purpose): what the logins' CA has not issued is no login.
    pub(super) fn read(&self, leaf: &[u8]) -> Option<ClientCertificate> {
        // TLS has verified what it read; what can't be read again is nobody's.
        let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
        let mut names = certificate.issuer().iter_common_name();
        let issuer = names.next()?.as_str().ok().filter(|_| names.next().is_none())?;
        let serial = certificate.raw_serial();
        if issuer == self.logins {
            let subject = certificate.subject().as_raw().to_vec();
            return Some(ClientCertificate::Login { serial: serial.to_vec(), subject });
        }
        let [1, issuance @ ..] = serial else { return None };
        let issuance = IssuanceId::from_bytes(issuance.try_into().ok()?);
        (issuer == self.clients).then_some(ClientCertificate::Client(issuance))
    }
}
