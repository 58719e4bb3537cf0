//! Certificates under a grant: the key is made or found here, and never leaves.

use std::fs;
use std::path::{Path, PathBuf};

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{GrantView, Request, SshCall, SshCertificate, X509Call, X509Certificate};
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::{Row, RowName, Span, SshRow, UnixTime};
use ssh_key::{Certificate, PublicKey};

use crate::agent::Agent;
use crate::check;
use crate::ephemeral::{EphemeralKey, fingerprint};
use crate::error::{Error, Result};
use crate::files;
use crate::held::Held;
use crate::login::Ca;
use crate::places::Places;
use crate::request_key::{self, RequestKey};
use crate::signing;

/// A row of a grant, with the request that it comes from.
pub(crate) type Under<'a> = (&'a Request, &'a GrantView, &'a SshRow);

/// An SSH certificate that was just issued, and the key that was made for it.
#[derive(Debug)]
pub(crate) struct Fresh {
    key: EphemeralKey,
    certificate: Certificate,
    pub(crate) reply: SshCertificate,
}

impl Fresh {
    /// Gets a certificate for a key of its own.
    pub(crate) fn issue(ca: &Ca, under: Under<'_>) -> Result<Self> {
        let key = EphemeralKey::generate()?;
        let sign = |statement: &str| key.sign(Kind::Possession, statement);
        let (certificate, reply) = ssh(ca, under, &key.public_key(), sign)?;
        Ok(Self { key, certificate, reply })
    }

    /// Gives the key to ssh-agent, which forgets it when the certificate ends; where there is none,
    /// or none is wanted, to a file in the runtime folder.
    pub(crate) fn hold(self, places: &Places, no_agent: bool, now: UnixTime) -> Result<Held> {
        let socket = places.agent.as_ref().filter(|_| !no_agent);
        let reply = &self.reply;
        match socket.and_then(|socket| Agent::connect(socket).ok()) {
            Some(mut agent) => {
                let comment = self.certificate.key_id();
                let lifetime = reply.expires.since(now);
                agent.add(&self.certificate, &self.key, comment, lifetime)?;
                Held::keep(places, self.certificate, reply, None)
            }
            None => {
                let key = self.key.to_openssh()?;
                Held::keep(places, self.certificate, reply, Some(&key))
            }
        }
    }

    /// Writes key and certificate into a folder that is there, and tells the certificate's file.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf> {
        let file = folder.join("key-cert.pub");
        files::write_private(&folder.join("key"), self.key.to_openssh()?.as_bytes())?;
        write_certificate(&file, &self.reply)?;
        Ok(file)
    }
}

/// A certificate that is held and serves for the row, or else a new one.
pub(crate) fn held_or_fresh(
    places: &Places,
    ca: &Ca,
    under: Under<'_>,
    no_agent: bool,
    now: UnixTime,
) -> Result<Held> {
    let (_, grant, row) = under;
    let soon = now.plus(LEAST_LEFT);
    let found = Held::list(places, now)?.into_iter().find(|held| {
        held.grant == grant.id
            && (held.expires() > soon || held.expires() == grant.last_end())
            && check::serves(&held.certificate, row, &grant.hosts)
            && held.is_usable(places)
    });
    match found {
        Some(held) => Ok(held),
        None => Fresh::issue(ca, under)?.hold(places, no_agent, now),
    }
}

/// A certificate for a key that the person has in a file.
pub(crate) fn existing(ca: &Ca, under: Under<'_>, file: &Path) -> Result<SshCertificate> {
    let public_file = public_half(file);
    let key = PublicKey::read_openssh_file(&public_file)
        .map_err(|source| files::fault(&public_file, "read", source))?;
    let sign = |statement: &str| signing::ssh_keygen_sign(file, Kind::Possession, statement);
    ssh(ca, under, &key, sign).map(|(_, reply)| reply)
}

/// Where OpenSSH looks for the certificate of the key in `file`: `id_ed25519-cert.pub`.
pub(crate) fn certificate_beside(file: &Path) -> PathBuf {
    let mut name = public_half(file).with_extension("").into_os_string();
    name.push("-cert.pub");
    name.into()
}

/// Where the proof lies that the log holds a certificate: C2SP tlog-proof names the extension.
pub(crate) fn proof_beside(certificate: &Path) -> PathBuf {
    let mut name = certificate.as_os_str().to_owned();
    name.push(".tlog-proof");
    name.into()
}

/// Writes a certificate into a file, and the proof that the log holds it beside it.
pub(crate) fn write_certificate(file: &Path, reply: &SshCertificate) -> Result<()> {
    files::write_public(&proof_beside(file), reply.proof.as_bytes())?;
    let line = format!("{}\n", reply.certificate.trim_end());
    files::write_public(file, line.as_bytes())
}

fn ssh(
    ca: &Ca,
    under: Under<'_>,
    key: &PublicKey,
    sign: impl FnOnce(&str) -> Result<String>,
) -> Result<(Certificate, SshCertificate)> {
    let (_, grant, row) = under;
    let idempotency_key = IdempotencyKey::random()?;
    let statement = statement::Possession {
        origin: &ca.profile.ca.trust.origin,
        grant: &grant.id,
        login: &ca.login.me.login.serial,
        key: &fingerprint(key)?,
        idempotency_key: idempotency_key.as_str(),
    };
    let public_key = key.to_openssh().map_err(Error::key("the key can't be written"))?;
    let call = SshCall {
        row: Some(Row::Ssh(row.clone()).name()),
        public_key,
        signature: sign(&statement.text())?,
    };
    let reply = ca.client.ssh_certificate(&grant.id, &call, &idempotency_key)?;
    let (certificate, checkpoint) = check::ssh_certificate(&ca.profile.ca, &reply, under, key)?;
    ca.witness.admit(&ca.client, &checkpoint)?;
    Ok((certificate, reply))
}

/// An X.509 certificate for a fresh key, written into `folder` with what a TLS client needs.
pub(crate) fn x509(
    ca: &Ca,
    grant: &GrantView,
    row: RowName,
    folder: &Path,
) -> Result<X509Certificate> {
    let key = RequestKey::generate()?;
    persons_folder(folder)?;
    let reply = x509_of(ca, grant, row, key.request()?, &key.public_key())?;
    files::write_private(&folder.join("key.pem"), key.private_key().as_bytes())?;
    write_chain(ca, folder, &reply)?;
    Ok(reply)
}

/// An X.509 certificate for the key of a PKCS#10 request that the person has in a file; whoever made it has the key.
pub(crate) fn requested(
    ca: &Ca,
    grant: &GrantView,
    row: RowName,
    csr: &Path,
    folder: &Path,
) -> Result<X509Certificate> {
    let bytes = fs::read(csr).map_err(|source| files::fault(csr, "read", source))?;
    let (pem, key) = request_key::requested(&bytes).ok_or_else(|| no_request(csr, &bytes))?;
    let beside = folder.join("key.pem");
    let its_key = fs::read_to_string(&beside).ok().and_then(|pem| request_key::public_key(&pem));
    if beside.exists() && its_key.as_ref() != Some(&key) {
        // A client that finds the two beside each other takes them for a pair.
        let what = match its_key {
            Some(_) => format!("{} is another key than the request's", beside.display()),
            None => format!("{} is there, and can't be read as a PKCS#8 key", beside.display()),
        };
        return Err(Error::usage(
            what,
            "name another folder with --out, or move that key out of it",
        ));
    }
    persons_folder(folder)?;
    let reply = x509_of(ca, grant, row, pem, &key)?;
    write_chain(ca, folder, &reply)?;
    Ok(reply)
}

/// Why a file is no request, with what makes one of it.
fn no_request(csr: &Path, bytes: &[u8]) -> Error {
    let file = csr.display();
    let hint = match request_key::is_request(bytes) {
        true => format!(
            "it is one in DER; convert it: openssl req -inform DER -in {file} -out request.pem"
        ),
        false => {
            "make one: openssl req -new -key key.pem -subj /CN=any -out request.pem".to_owned()
        }
    };
    Error::usage(format!("{file} is no PKCS#10 request in PEM"), hint)
}

fn x509_of(
    ca: &Ca,
    grant: &GrantView,
    row: RowName,
    csr: String,
    public_key: &[u8],
) -> Result<X509Certificate> {
    let call = X509Call { row: Some(row), csr };
    let reply = ca.client.x509_certificate(&grant.id, &call, &IdempotencyKey::random()?)?;
    let checkpoint = check::x509_certificate(&ca.profile.ca, &reply, grant, public_key)?;
    ca.witness.admit(&ca.client, &checkpoint)?;
    Ok(reply)
}

/// What a TLS client needs beside its key.
fn write_chain(ca: &Ca, folder: &Path, reply: &X509Certificate) -> Result<()> {
    let chain = format!("{}\n{}\n", reply.certificate.trim_end(), reply.chain.trim_end());
    let certificate = folder.join("cert.pem");
    files::write_public(&proof_beside(&certificate), reply.proof.as_bytes())?;
    files::write_public(&certificate, chain.as_bytes())?;
    let known = &ca.profile.ca;
    let (root, servers) = (known.authority("root")?, known.authority("servers")?);
    let anchors = format!("{}\n{}\n", root.trim_end(), servers.trim_end());
    files::write_public(&folder.join("ca.pem"), anchors.as_bytes())
}

/// A folder that the person named: made for its owner alone; one that is there stays as it is.
pub(crate) fn persons_folder(folder: &Path) -> Result<()> {
    match folder.is_dir() {
        true => Ok(()),
        false => files::private_folder(folder),
    }
}

fn public_half(file: &Path) -> PathBuf {
    match file.extension() {
        Some(extension) if extension == "pub" => file.to_owned(),
        _ => {
            let mut name = file.as_os_str().to_owned();
            name.push(".pub");
            name.into()
        }
    }
}

/// A certificate that ends sooner is not worth a connection, unless its grant ends with it.
pub(crate) const LEAST_LEFT: Span = Span::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_lie_where_openssh_looks_for_them() {
        for file in ["a.b/id_ed25519", "a.b/id_ed25519.pub"] {
            let beside = certificate_beside(Path::new(file));
            assert_eq!(beside, Path::new("a.b/id_ed25519-cert.pub"));
        }
        assert_eq!(certificate_beside(Path::new("my.key")), Path::new("my.key-cert.pub"));
        let proof = proof_beside(Path::new("a.b/id_ed25519-cert.pub"));
        assert_eq!(proof, Path::new("a.b/id_ed25519-cert.pub.tlog-proof"));
    }
}
