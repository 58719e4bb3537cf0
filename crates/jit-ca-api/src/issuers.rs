//! Issuers of identities, and logging in with what they say.

use jit_ca_core::{IssuerName, SubjectKind, UnixTime};
use serde::{Deserialize, Serialize};

/// An issuer that the policy names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerView {
    /// What it is called here.
    pub name: IssuerName,
    /// Whom it vouches for.
    pub kind: SubjectKind,
    /// What it calls itself: the `iss` of its tokens.
    pub url: String,
    /// Whom a workload's token has to be for: its `aud`.
    pub audience: Option<String>,
}

/// How a person signs on at an issuer (OpenID Connect Core 3.1.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignOnView {
    /// The issuer: the `iss` that its answer has to name.
    pub issuer: String,
    /// Whether its answer always names itself (RFC 9207).
    pub names_itself: bool,
    /// Where the browser is sent.
    pub authorization_endpoint: String,
    /// The client id.
    pub client: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The `acr` values of which each says that there was a second factor, the first one preferred.
    pub acr_values: Vec<String>,
}

/// The code of the problem that says that a person has not signed on yet: the call is to be made again, a while later.
pub const NOT_YET: &str = "not-yet";

/// A login that is begun on a machine without a browser (RFC 8628).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceCall {
    /// A PKCS#10 request for the login key, as PEM. The login is good for this key alone.
    pub csr: String,
    /// How long ago the issuer may have seen the person, in seconds (OpenID Connect Core 3.1.2.1).
    pub max_age: u64,
}

/// Where such a login goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceBegun {
    /// What the login call names it by: a secret of who began it.
    pub challenge: String,
    /// What is typed on the CA's page: eight letters, such as `WDJB-MJHT`.
    pub user_code: String,
    /// The page, with the code.
    pub url: String,
    /// How many seconds to wait between two login calls.
    pub interval: u64,
    /// Until when it can be confirmed and signed on.
    pub expires: UnixTime,
}

/// A login with what an issuer says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerLoginCall {
    /// The issuer.
    pub issuer: IssuerName,
    /// A PKCS#10 request for the login key, as PEM, of which the public key and the signature are read.
    pub csr: String,
    /// What shows who it is.
    pub credential: Credential,
}

/// A login with an X.509 certificate of this CA, which the call's TLS connection shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateLoginCall {
    /// A PKCS#10 request for the login key, as PEM, of which the public key and the signature are read.
    pub csr: String,
}

/// What shows who it is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Credential {
    /// A person's authorization code (RFC 6749 4.1.2), with what only whoever asked for it knows.
    Code {
        /// The challenge that the sign-on answers: its nonce is the hash of the sign-on statement.
        challenge: String,
        /// The code.
        code: String,
        /// What the code challenge is the hash of (RFC 7636 4.1).
        verifier: String,
        /// Where the code was sent: the loopback address of the client (RFC 8252 7.3).
        redirect_uri: String,
    },
    /// A workload's token: a JWT in its compact form (RFC 7519).
    Token(String),
    /// A person's login that was begun without a browser, and goes on in one somewhere else.
    Device {
        /// What [`DeviceBegun`] names it by.
        challenge: String,
    },
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Code { .. } => "Code(hidden)",
            Self::Token(_) => "Token(hidden)",
            Self::Device { .. } => "Device(hidden)",
        })
    }
}
