//! What hostd takes from the certificate that sshd has accepted.

use base64ct::{Base64, Encoding as _};
use jit_ca_core::Digest;
use jit_ca_log::hash::sha256;
use serde::{Deserialize, Serialize};
use ssh_key::certificate::CertType;
use ssh_key::public::KeyData;
use ssh_key::{Certificate, HashAlg};

/// A certificate by which somebody logged in. That it is genuine, valid now and for this account was for sshd to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    /// The CA key's fingerprint.
    pub(crate) ca: Digest,
    /// Its serial.
    pub(crate) serial: u64,
    /// Its key id.
    pub(crate) key_id: String,
    /// The first second, since 1970, in which it is no longer valid: the connection's end.
    pub(crate) valid_before: u64,
    /// The only command that it allows; an `sshd_config` with a `ForceCommand` of its own runs that instead, and tells nobody.
    pub(crate) forced_command: Option<String>,
    /// The SHA-256 of all its bytes but the signature: the CA's log says the same of it.
    pub(crate) tbs: Digest,
}

/// Why a certificate opens nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// These bytes are none.
    #[error("what sshd accepted is no certificate that can be read")]
    Unreadable,
    /// It is a host's.
    #[error("it is a host's certificate")]
    Host,
    /// Its CA's key is not a plain key, such as a certificate (CVE-2025-49825).
    #[error("its CA's key is of no kind that is known")]
    Ca,
    /// It names no principal: on some servers such a one opens every account (CVE-2024-7594).
    #[error("it names no principal")]
    Principals,
    /// It has no end.
    #[error("it has no end")]
    Endless,
}

impl Accepted {
    /// Reads `$SSH_AUTH_INFO_0` (pam_exec(8), sshd's), or the file that `$SSH_USER_AUTH` names (`ExposeAuthInfo`,
    /// sshd_config(5)): a line for each method that has succeeded. Of several certificates the one that ends first
    /// counts. `None` where no line has one.
    ///
    /// # Errors
    /// If a certificate opens nothing here.
    pub(crate) fn of_methods(text: &str) -> Result<Option<Self>, Refused> {
        let mut first: Option<Self> = None;
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (method, kind, blob) = (words.next(), words.next(), words.next());
            let is_certificate = kind.is_some_and(|kind| kind.contains("-cert-v"));
            if method != Some("publickey") || !is_certificate {
                continue;
            }
            let found = Self::of_base64(blob.unwrap_or_default())?;
            first = match first {
                Some(first) if first.valid_before <= found.valid_before => Some(first),
                _ => Some(found),
            };
        }
        Ok(first)
    }

    /// Reads the base64 that sshd gives to an `AuthorizedPrincipalsCommand` as `%k`.
    ///
    /// # Errors
    /// If it opens nothing here.
    pub(crate) fn of_base64(text: &str) -> Result<Self, Refused> {
        let blob = Base64::decode_vec(text).map_err(|_| Refused::Unreadable)?;
        let certificate = Certificate::from_bytes(&blob).map_err(|error| match error {
            // OpenSSH's "forever" (PROTOCOL.certkeys) is no time.
            ssh_key::Error::Time => Refused::Endless,
            _ => Refused::Unreadable,
        })?;
        if certificate.cert_type() != CertType::User {
            return Err(Refused::Host);
        }
        let ca = certificate.signature_key();
        if matches!(ca, KeyData::Other(_)) || ca.algorithm().as_str().contains("-cert-v") {
            return Err(Refused::Ca);
        }
        if certificate.valid_principals().is_empty() {
            return Err(Refused::Principals);
        }
        Ok(Self {
            ca: ca
                .fingerprint(HashAlg::Sha256)
                .as_bytes()
                .try_into()
                .map(Digest::from_bytes)
                .map_err(|_| Refused::Ca)?,
            serial: certificate.serial(),
            key_id: certificate.key_id().to_owned(),
            valid_before: certificate.valid_before(),
            forced_command: certificate.critical_options().get("force-command").cloned(),
            tbs: tbs(&blob, &certificate).ok_or(Refused::Unreadable)?,
        })
    }

    /// The connection's end, in milliseconds since 1970.
    pub(crate) fn end_ms(&self) -> u64 {
        self.valid_before.saturating_mul(1000)
    }
}

/// The SHA-256 of what is signed: all but the last field, which is the signature as a string (PROTOCOL.certkeys).
fn tbs(blob: &[u8], certificate: &Certificate) -> Option<Digest> {
    // The signature's own two strings: the algorithm's name, and what that makes.
    let signature = certificate.signature();
    let length = 4 + signature.algorithm().as_str().len() + 4 + signature.as_bytes().len();
    let (before, _) = blob.split_at_checked(blob.len().checked_sub(length)?)?;
    before.strip_suffix(&u32::try_from(length).ok()?.to_be_bytes()).map(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    /// ssh-keygen certifies a key by a CA's, with these words besides, and gives the certificate's base64.
    fn certify(folder: &Path, options: &[&str]) -> String {
        let run = |arguments: &[&str]| {
            let made = Command::new("ssh-keygen").args(arguments).current_dir(folder).output();
            assert!(made.as_ref().is_ok_and(|made| made.status.success()), "{made:?}");
        };
        for key in ["ca", "id"] {
            if !folder.join(key).exists() {
                run(&["-q", "-t", "ed25519", "-N", "", "-f", key]);
            }
        }
        run(&[&["-q", "-s", "ca", "-I", "jit", "-z", "7"], options, &["id.pub"]].concat());
        let text = std::fs::read_to_string(folder.join("id-cert.pub")).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }

    #[test]
    fn a_certificate_is_read_or_refused_for_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let certify = |options: &[&str]| Accepted::of_base64(&certify(folder.path(), options));
        let validity = "20260101000000Z:20260101000015Z";
        let forced = ["-n", "web", "-V", validity, "-O", "force-command=uptime"];
        let read = certify(&forced).unwrap();
        assert_eq!((read.serial, read.key_id.as_str()), (7, "jit"));
        assert_eq!(read.valid_before, 1_767_225_615);
        assert_eq!(read.forced_command.as_deref(), Some("uptime"));
        let shown =
            Command::new("ssh-keygen").arg("-lf").arg(folder.path().join("ca.pub")).output();
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        assert!(shown.contains(&format!(" {} ", read.ca)), "{shown}");
        // RFC 8709: behind it comes a string of 83 bytes.
        let blob = Base64::decode_vec(&self::certify(folder.path(), &forced)).unwrap();
        let signed = &blob[..blob.len() - 4 - 83];
        let again = Accepted::of_base64(&Base64::encode_string(&blob)).unwrap();
        assert_eq!(again.tbs, sha256(signed));

        assert_eq!(certify(&["-h", "-n", "web", "-V", validity]), Err(Refused::Host));
        assert_eq!(certify(&["-V", validity]), Err(Refused::Principals));
        assert_eq!(certify(&["-n", "web"]), Err(Refused::Endless));
        assert_eq!(Accepted::of_base64("AAAA"), Err(Refused::Unreadable));
    }

    #[test]
    fn of_several_certificates_the_first_to_end_counts() {
        let folder = tempfile::tempdir().unwrap();
        let blob = |end: &str| {
            let validity = format!("20260101000000Z:202601010000{end}Z");
            certify(folder.path(), &["-n", "web", "-V", &validity])
        };
        let (long, short) = (blob("30"), blob("15"));
        let line = |blob| format!("publickey ssh-ed25519-cert-v01@openssh.com {blob}\n");
        for lines in [[&long, &short], [&short, &long]] {
            let text = lines.map(line).concat();
            let read = Accepted::of_methods(&text).unwrap().unwrap();
            assert_eq!(read.valid_before, 1_767_225_615);
        }
        assert_eq!(Accepted::of_methods("publickey ssh-ed25519 AAAA\npassword\n"), Ok(None));
        let none = "publickey ssh-ed25519-cert-v01@openssh.com AAAA";
        assert_eq!(Accepted::of_methods(none), Err(Refused::Unreadable));
    }
}
