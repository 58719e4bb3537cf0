//! What each CA key is for.
//!
//! INVARIANT (one key, one purpose): a key's purpose is part of its type, of the label that it is
//! sealed under, and of each content that it may sign. A key of one purpose can be neither opened
//! as another's nor handed another's intent.

use std::fmt;

use crate::Algorithm;

/// What a CA key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Signs the SSH certificates of people.
    SshUser,
    /// Signs the SSH certificates of hosts.
    SshHost,
    /// Signs itself and the issuing CAs' certificates.
    Root,
    /// Signs the client certificates that grants give.
    Clients,
    /// Signs TLS server certificates.
    Servers,
    /// Signs login certificates.
    Logins,
    /// Signs the log's checkpoints, and no certificate.
    Log,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SshUser,
        Self::SshHost,
        Self::Root,
        Self::Clients,
        Self::Servers,
        Self::Logins,
        Self::Log,
    ];

    /// Its word in file names, labels and the log: `ssh-user`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SshUser => "ssh-user",
            Self::SshHost => "ssh-host",
            Self::Root => "x509-root",
            Self::Clients => "x509-clients",
            Self::Servers => "x509-servers",
            Self::Logins => "x509-logins",
            Self::Log => "log",
        }
    }

    /// The algorithm of its key.
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::SshUser | Self::SshHost | Self::Log => Algorithm::Ed25519,
            Self::Root => Algorithm::P384,
            Self::Clients | Self::Servers | Self::Logins => Algorithm::P256,
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A purpose as a type.
pub trait KeyPurpose: fmt::Debug + Copy + PartialEq + sealed::Sealed {
    /// The purpose.
    const PURPOSE: Purpose;
}

/// An X.509 CA that issues leaves.
pub trait Issuing: KeyPurpose {
    /// The last word of its name: "Example Clients".
    const TITLE: &'static str;
    /// What it and all its leaves are for (RFC 5280 4.2.1.12), and nothing else.
    const USAGE: Usage;
}

/// What a leaf may be used for (RFC 5280 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// To prove who a TLS client is.
    ClientAuth,
    /// To prove who a TLS server is.
    ServerAuth,
}

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $name {}

            impl sealed::Sealed for $name {}

            impl KeyPurpose for $name {
                const PURPOSE: Purpose = Purpose::$name;
            }
        )*
    };
}

purposes! {
    /// [`Purpose::SshUser`].
    SshUser,
    /// [`Purpose::SshHost`].
    SshHost,
    /// [`Purpose::Root`].
    Root,
    /// [`Purpose::Clients`].
    Clients,
    /// [`Purpose::Servers`].
    Servers,
    /// [`Purpose::Logins`].
    Logins,
    /// [`Purpose::Log`].
    Log,
}

impl Issuing for Clients {
    const TITLE: &'static str = "Clients";
    const USAGE: Usage = Usage::ClientAuth;
}

impl Issuing for Servers {
    const TITLE: &'static str = "Servers";
    const USAGE: Usage = Usage::ServerAuth;
}

impl Issuing for Logins {
    const TITLE: &'static str = "Logins";
    const USAGE: Usage = Usage::ClientAuth;
}

mod sealed {
    pub trait Sealed {}
}
