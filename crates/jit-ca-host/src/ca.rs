//! The CA, as a host calls it: with the pin that its configuration has, and by its host key.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::config::Config;
use crate::courier::Line;
use crate::fault::Fault;
use jit_ca_api::client::{self, Client, IdempotencyKey, LoginIdentity, RootCertificate};
use jit_ca_api::{EnrolCall, HostCertificate, HostLoginCall, Trust};
use jit_ca_core::statement::{Host, HostLogin, Kind};
use jit_ca_core::{Digest, HostName};
use jit_ca_log::hash::sha256;
use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
};

/// A CA whose keys were fetched over TLS that its pin verified.
#[derive(Debug)]
pub(crate) struct Ca {
    url: String,
    root: RootCertificate,
    client: Client,
    /// Its keys.
    pub(crate) trust: Trust,
}

/// This host, as it calls.
#[derive(Debug)]
pub(crate) struct Caller {
    name: HostName,
    aliases: BTreeSet<HostName>,
    key: PathBuf,
    /// Who signs for it, if it can't read its own key.
    hostd: Option<Line>,
    /// The public half, as its file has it.
    pub(crate) public_key: ssh_key::PublicKey,
}

impl Ca {
    /// Meets the CA of the configuration.
    ///
    /// # Errors
    /// If there is none in it, nobody answers, or who answers is not of that pin.
    pub(crate) fn meet(config: &Config) -> Result<Self, Fault> {
        let Some(ca) = &config.ca else {
            let hint = "add [ca] with url and pin, as its operators publish them; `jit-ca trust` prints both";
            return Err(Fault::new("the configuration names no CA", hint));
        };
        let (root, trust) = client::discover(&ca.url, &ca.pin).map_err(|error| called(&error))?;
        let client = Client::new(&ca.url, &root, None).map_err(|error| called(&error))?;
        Ok(Self { url: ca.url.clone(), root, client, trust })
    }

    /// What the CA's clock says, in seconds since 1970.
    ///
    /// # Errors
    /// If it doesn't answer.
    pub(crate) fn time(&self) -> Result<u64, Fault> {
        let challenge = self.client.challenge().map_err(|error| called(&error))?;
        Ok(challenge.made.secs())
    }

    /// Enrols this host by a token.
    ///
    /// # Errors
    /// If the host key can't sign, or the CA refuses.
    pub(crate) fn enrol(&self, host: &Caller, token: &str) -> Result<HostCertificate, Fault> {
        let statement = Host {
            origin: &self.trust.origin,
            pin: &self.trust.pin,
            host: &host.name,
            aliases: &host.aliases,
            token: &sha256(token.as_bytes()),
            key: &host.fingerprint()?,
        };
        let call = EnrolCall {
            token: token.to_owned(),
            host: host.name.clone(),
            aliases: host.aliases.clone(),
            public_key: host
                .public_key
                .to_openssh()
                .map_err(|error| unreadable(&host.key, &error))?,
            signature: host.sign(Kind::Host, &statement.text())?,
        };
        self.client
            .enrol_host(&call, &IdempotencyKey::random().map_err(|error| called(&error))?)
            .map_err(|error| called(&error))
    }

    /// Logs this host in: a client whose login makes hosts' calls, for half a day at most.
    ///
    /// # Errors
    /// If the host key can't sign, or the CA refuses.
    pub(crate) fn log_in(&self, host: &Caller) -> Result<Client, Fault> {
        let internal = |error: rcgen::Error| {
            Fault::new(
                format!("no login key can be made: {error}"),
                "see that the machine has randomness",
            )
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(internal)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let csr = params.serialize_request(&key).and_then(|request| request.pem());
        let challenge = self.client.challenge().map_err(|error| called(&error))?.challenge;
        let statement = HostLogin {
            origin: &self.trust.origin,
            pin: &self.trust.pin,
            host: &host.name,
            challenge: &challenge,
            login_key: &sha256(&key.subject_public_key_info()),
        };
        let signature = host.sign(Kind::HostLogin, &statement.text())?;
        let csr = csr.map_err(internal)?;
        let call = HostLoginCall { host: host.name.clone(), challenge, csr, signature };
        let reply = self
            .client
            .host_login(&call, &IdempotencyKey::random().map_err(|error| called(&error))?);
        let reply = reply.map_err(|error| called(&error))?;
        let identity = LoginIdentity::from_pem(&reply.certificate, &key.serialize_pem());
        let identity = identity.map_err(|error| called(&error))?;
        Client::new(&self.url, &self.root, Some(&identity)).map_err(|error| called(&error))
    }
}

impl Caller {
    /// This host with its own key.
    ///
    /// # Errors
    /// If its public half can't be read.
    pub(crate) fn of(config: &Config) -> Result<Self, Fault> {
        let key = config.places.host_key();
        let file = key.with_extension("pub");
        let text = std::fs::read_to_string(&file).map_err(|error| Fault::file(&file, &error))?;
        let public_key = ssh_key::PublicKey::from_openssh(text.trim_end());
        let public_key = public_key.map_err(|error| unreadable(&file, &error))?;
        let host = &config.host;
        let aliases = host.aliases.iter().cloned().collect();
        Ok(Self { name: host.name.clone(), aliases, key, hostd: None, public_key })
    }

    /// This host as who can't read its key: hostd signs its logins.
    ///
    /// # Errors
    /// If the key's public half can't be read.
    pub(crate) fn by_hostd(config: &Config) -> Result<Self, Fault> {
        Ok(Self { hostd: Some(Line::of(config)), ..Self::of(config)? })
    }

    /// All its names.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        std::iter::once(&self.name).chain(&self.aliases).map(HostName::as_str).collect()
    }

    /// SHA-256 of its key, as `ssh-keygen -l` prints it.
    fn fingerprint(&self) -> Result<Digest, Fault> {
        let wire = self.public_key.to_bytes().map_err(|error| unreadable(&self.key, &error))?;
        Ok(sha256(&wire))
    }

    /// Signs a statement, as everybody's are signed: `ssh-keygen -Y sign` reads every kind of key that sshd does.
    ///
    /// # Errors
    /// If the key can't be read, or hostd does not sign.
    pub(crate) fn sign(&self, kind: Kind, statement: &str) -> Result<String, Fault> {
        if let Some(hostd) = &self.hostd {
            return hostd.sign(statement);
        }
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", &kind.namespace(), "-f"]).arg(&self.key);
        keygen.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = || {
            let mut child = keygen.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(statement.as_bytes())?;
            }
            child.wait_with_output()
        };
        let output = run().map_err(|error| Fault::program("ssh-keygen", &error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let what = format!("ssh-keygen can't sign with {}: {said}", self.key.display());
        Err(Fault::new(what, "run it as root: sudo jit-ca-host …"))
    }
}

/// What the CA said, or that it said nothing.
pub(crate) fn called(error: &client::Error) -> Fault {
    let hint = error
        .hint()
        .unwrap_or("see that the CA is reached from here, and [ca] in host.toml is right");
    Fault::new(error.to_string(), hint)
}

fn unreadable(file: &Path, error: &ssh_key::Error) -> Fault {
    let hint = "make another: ssh-keygen -t ed25519 -N '' -f FILE, and restart sshd";
    Fault::new(format!("{} is no host key: {error}", file.display()), hint)
}
