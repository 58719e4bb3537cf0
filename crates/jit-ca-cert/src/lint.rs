//! The rules that every certificate keeps, checked on its bytes before a CA key signs them and after.
//!
//! None can be skipped. Most can't be broken through the contents' types; they are for the bytes
//! that come back from the store, and for faults in the libraries that write certificates.

/// The rule that a certificate breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lint {
    /// The bytes are cut short, or not in the form that the format prescribes.
    #[error("{field} is malformed")]
    Form {
        /// Where.
        field: &'static str,
    },
    /// Bytes follow the certificate.
    #[error("bytes follow the certificate")]
    TrailingBytes,
    /// Not X.509 version 3 (RFC 5280 4.1.2.1).
    #[error("the certificate is not of X.509 version 3")]
    Version,
    /// Both algorithm fields must name what the issuing key does (RFC 5280 4.1.1.2).
    #[error("the signature algorithm is not the issuing key's")]
    SignatureAlgorithm,
    /// The serial is 0, too long, or not made from an issuance id.
    #[error("the serial number is not one of ours")]
    Serial,
    /// PROTOCOL.certkeys: against collisions in the hash that is signed.
    #[error("the nonce is not of 32 bytes")]
    Nonce,
    /// A user CA is to sign a host certificate, or a host CA a user's.
    #[error("the certificate's type is not the CA key's purpose")]
    CertificateType,
    /// The subject's key is not on the list of accepted types, or malformed.
    #[error("the subject's key is not an accepted one")]
    SubjectKey,
    /// The key id does not name grant, issuance and subject, or of a host issuance and name.
    #[error("the key id does not name what it was issued for")]
    KeyId,
    /// None, too many, out of order, twice the same, or with characters that sshd may misread.
    #[error("the principals are not a non-empty, sorted list of accepted names")]
    Principals,
    /// The certificate's times are no window.
    #[error("the validity is empty, endless or begins before 1970")]
    Validity,
    /// The certificate lives longer than its profile allows.
    #[error("the validity of {seconds} s is longer than {cap} s")]
    TooLong {
        /// How long it lives.
        seconds: u64,
        /// How long it may.
        cap: u64,
    },
    /// RFC 5280 lets a certificate outlive its issuer's; we don't.
    #[error("the certificate ends after its issuer's")]
    OutlivesIssuer,
    /// An option that is unknown, out of order, doubled or with other data.
    #[error("the critical option {name:?} is not accepted as it stands")]
    CriticalOption {
        /// Its name.
        name: String,
    },
    /// An extension that is unknown, out of order, doubled or with other data.
    #[error("the extension {name:?} is not accepted as it stands")]
    Extension {
        /// Its name, or its object identifier.
        name: String,
    },
    /// The profile demands an extension that is not there.
    #[error("the extension {name} is missing")]
    MissingExtension {
        /// Its name.
        name: &'static str,
    },
    /// PROTOCOL.certkeys: "reserved" is empty; RFC 5280 4.1.2.8: no unique identifiers.
    #[error("a reserved field is in use")]
    Reserved,
    /// The certificate names another issuer than the CA that is to sign it.
    #[error("the certificate names another issuer")]
    Issuer,
    /// The subject's name is not of the profile's form.
    #[error("the subject's name is not of the profile's form")]
    Subject,
    /// The alternative names are not of the profile's form.
    #[error("the subject's alternative names are not of the profile's form")]
    SubjectAltName,
}
