//! Certificates: what was to be signed, and whether it was.

use std::collections::{HashMap, HashSet};

use jit_ca_core::event::{
    CertificateIntended, CertificateIssued, IssuanceFailed, IssuedUnder, LoggedInByCertificate,
    ProofOfPossession, Validity,
};
use jit_ca_core::statement::Possession;
use jit_ca_core::{ActorRef, Bytes, GrantId, IssuanceId, Row};

use super::fault::{Fault, must};
use super::keys::{CLIENTS, LOGINS, ROOT, SERVERS, SSH_HOST, SSH_USER};
use super::log::Log;
use super::logins::Login;
use super::requests::Requests;
use super::ssh::{self, SshCertificate};
use super::under::{Known, must_be_bounded, must_be_under};
use super::x509::{self, X509};
use super::{Code, Signatures, signatures};
use crate::hash::sha256;
use crate::{Ids, Leaf};

/// All issuances.
#[derive(Debug, Default)]
pub(super) struct Issuances {
    issuances: HashMap<IssuanceId, Issuance>,
    ssh_serials: HashSet<Bytes>,
}

#[derive(Debug)]
struct Issuance {
    intent: u64,
    /// Whom it is for, as the leaf says.
    actor: ActorRef,
    grant: Option<GrantId>,
    has_outcome: bool,
    kind: Kind,
    /// By the key of which purpose which bytes are to be signed, until they are.
    to_sign: Option<Box<(String, Bytes)>>,
}

/// What kind of certificate it is.
#[derive(Debug)]
enum Kind {
    Client(Client),
    Other,
    /// What says so is erased.
    Erased,
}

/// An X.509 client's certificate.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The serial of the login that it was issued by.
    pub(super) login: Bytes,
    validity: Validity,
}

impl Issuances {
    pub(super) fn intent(
        &mut self,
        log: &Log,
        known: Known<'_>,
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        intent: &CertificateIntended,
    ) -> Result<(), Fault> {
        self.use_serial(intent)?;
        let needs_grant = [SSH_USER, CLIENTS].contains(&intent.purpose.as_str());
        let has_grant = intent.under.is_some();
        must(!has_grant || needs_grant, Code::Under, "no grant gives a certificate of this kind")?;
        must(has_grant || !needs_grant, Code::Under, "the certificate is under no grant")?;
        if let Some(under) = &intent.under {
            must_be_under(known, leaf, intent, under)?;
        }
        let Known { requests, logins, hosts, .. } = known;
        if intent.purpose == SSH_HOST {
            hosts.must_be_believed(leaf)?;
        }
        let is_login = intent.purpose == LOGINS;
        let login = if is_login { logins.to_be_issued(leaf, &intent.serial)? } else { None };
        must_be_bounded(requests, leaf, intent)?;
        let check = Check { log, requests, login, leaf, intent };
        let possession = match (intent.purpose.as_str(), &intent.under) {
            (SSH_USER, Some(under)) => Some(check.ssh(under)?),
            (SSH_HOST, None) => {
                hosts.intent(log, leaf, intent)?;
                None
            }
            (ROOT | CLIENTS | SERVERS | LOGINS, under) => check.x509(under.as_ref())?,
            _ => return Err(Fault::new(Code::Certificate, "no key signs such a certificate")),
        };
        if let Some(possession) = possession {
            let message = "the caller did not prove to have the key";
            signatures.check(leaf.idx, Code::Possession, message, possession);
        }
        let kind = match &intent.under {
            Some(under) if intent.purpose == CLIENTS => {
                Kind::Client(Client { login: under.login.clone(), validity: intent.validity })
            }
            _ => Kind::Other,
        };
        self.issuances.insert(
            intent.issuance,
            Issuance {
                intent: leaf.idx,
                actor: leaf.actor,
                grant: intent.under.as_ref().map(|under| under.grant),
                has_outcome: false,
                kind,
                to_sign: Some(Box::new((intent.purpose.clone(), intent.tbs.clone()))),
            },
        );
        Ok(())
    }

    pub(super) fn done(
        &mut self,
        log: &Log,
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        issued: &CertificateIssued,
    ) -> Result<(), Fault> {
        let to_sign = self.outcome(issued.issuance)?;
        if let (Some(to_sign), Some(keys)) = (to_sign, &log.keys) {
            let (purpose, tbs) = *to_sign;
            let (spki, signature) =
                (keys.of(&purpose).map(<[u8]>::to_vec), issued.signature.clone());
            let message = "the certificate's signature is not by the CA's key";
            signatures.check(leaf.idx, Code::Signature, message, move || {
                let (tbs, signature) = (tbs.as_slice(), signature.as_slice());
                spki.is_some_and(|spki| signatures::of_certificate(&spki, tbs, signature))
            });
        }
        self.must_be_of(leaf, issued.issuance, issued.grant)
    }

    pub(super) fn failed(&mut self, leaf: &Leaf, failed: &IssuanceFailed) -> Result<(), Fault> {
        self.outcome(failed.issuance)?;
        self.must_be_of(leaf, failed.issuance, failed.grant)
    }

    /// The client's certificate that the leaf's actor logs in with: one of its own, valid, and under a grant that is open.
    /// None where what it says is erased.
    pub(super) fn client(
        &self,
        requests: &Requests,
        leaf: &Leaf,
        login: &LoggedInByCertificate,
    ) -> Result<Option<&Client>, Fault> {
        let fault = |message| Fault::new(Code::Login, message);
        let known =
            self.issuances.get(&login.certificate).filter(|known| known.actor == leaf.actor);
        let known = known.ok_or_else(|| fault("there is no such certificate of the subject"))?;
        let grant = known.grant.and_then(|grant| requests.grant(grant));
        let grant = grant.ok_or_else(|| fault("the certificate is under no grant"))?;
        must(!grant.ended, Code::Login, "the certificate's grant is over")?;
        match &known.kind {
            Kind::Client(client) => {
                // When it was decided: the entry may be some seconds later.
                let (Validity { from, until }, then) = (client.validity, login.window.start());
                must(from <= then && then < until, Code::Login, "the certificate is not valid")?;
                Ok(Some(client))
            }
            Kind::Other => Err(fault("it is no client's certificate")),
            Kind::Erased => Ok(None),
        }
    }

    /// Takes in what the leaf of an entry still says whose payload is erased.
    pub(super) fn erased(&mut self, leaf: &Leaf) {
        let Ids { grant, issuance: Some(id), .. } = leaf.ids else { return };
        match leaf.entry_type.as_str() {
            "issue.intent" => {
                let (intent, actor) = (leaf.idx, leaf.actor);
                let issuance = Issuance {
                    intent,
                    actor,
                    grant,
                    has_outcome: false,
                    kind: Kind::Erased,
                    to_sign: None,
                };
                self.issuances.entry(id).or_insert(issuance);
            }
            "issue.done" | "issue.failed" => {
                self.issuances.entry(id).and_modify(|issuance| {
                    issuance.has_outcome = true;
                    issuance.to_sign = None;
                });
            }
            _ => {}
        }
    }

    /// The indices of the intents without an outcome.
    pub(super) fn orphans(&self) -> Vec<u64> {
        let orphans = self.issuances.values().filter(|issuance| !issuance.has_outcome);
        let mut orphans: Vec<u64> = orphans.map(|issuance| issuance.intent).collect();
        orphans.sort_unstable();
        orphans
    }

    fn use_serial(&mut self, intent: &CertificateIntended) -> Result<(), Fault> {
        let (issuance, serial) = (intent.issuance, &intent.serial);
        let is_new = !self.issuances.contains_key(&issuance);
        must(is_new, Code::Serial, "the issuance's id was used before")?;
        if intent.purpose.starts_with("ssh-") {
            let is_number = serial.as_slice().iter().any(|&byte| byte != 0);
            must(is_number, Code::Serial, "the serial is zero")?;
            let is_new = self.ssh_serials.insert(serial.clone());
            must(is_new, Code::Serial, "the serial was used before")
        } else {
            // So it is as new as the issuance.
            let is_its = matches!(serial.as_slice(), [1, id @ ..] if id == issuance.as_bytes());
            must(is_its, Code::Serial, "the serial is not that of the issuance")
        }
    }

    /// The issuance must wait for its outcome, and does so no longer. What was to be signed comes back.
    fn outcome(&mut self, id: IssuanceId) -> Result<Option<Box<(String, Bytes)>>, Fault> {
        let issuance = self.issuances.get_mut(&id).filter(|issuance| !issuance.has_outcome);
        let issuance = issuance.ok_or_else(|| {
            Fault::new(Code::State, "there is no intent that waits for this outcome")
        })?;
        issuance.has_outcome = true;
        Ok(issuance.to_sign.take())
    }

    /// The outcome must be told as the intent was: under the same grant, by the same actor.
    fn must_be_of(&self, leaf: &Leaf, id: IssuanceId, grant: Option<GrantId>) -> Result<(), Fault> {
        let issuance = self.issuances.get(&id);
        let is_its =
            issuance.is_some_and(|intent| intent.grant == grant && intent.actor == leaf.actor);
        must(is_its, Code::State, "the intent was under another grant, or somebody else's")
    }
}

type Possessed = Box<dyn FnOnce() -> bool + Send>;

/// A certificate that is compared with what it has to be.
struct Check<'a> {
    log: &'a Log,
    requests: &'a Requests,
    /// The login that it is for, if it is one's and that is known.
    login: Option<&'a Login>,
    leaf: &'a Leaf,
    intent: &'a CertificateIntended,
}

impl Check<'_> {
    fn ssh(&self, under: &IssuedUnder) -> Result<Possessed, Fault> {
        let Self { log, requests, intent, .. } = self;
        let certificate = SshCertificate::read(intent.tbs.as_slice());
        let certificate = certificate
            .ok_or_else(|| Fault::new(Code::Certificate, "the certificate can't be read"))?;
        let fault = |is_so, message| must(is_so, Code::Certificate, message);

        let is_it = certificate.is_as_intended(intent);
        fault(is_it, "the certificate has another serial, or is valid at another time")?;
        fault(certificate.kind == ssh::USER, "the certificate is not a user's")?;
        if let Some(keys) = &log.keys {
            let expected = keys.of(SSH_USER).and_then(ssh::ed25519_key);
            let is_ours = expected.as_deref() == Some(certificate.signing_key.as_slice());
            fault(is_ours, "the certificate names another CA key")?;
        }
        let prefix = format!("jit-ca:{}:{}:", under.grant, intent.issuance);
        let named = certificate.key_id.strip_prefix(&prefix);
        let is_theirs = named.is_some_and(|named| match requests.holder(under.grant) {
            Some((_, name)) => named == name.as_str() || named == self.leaf.actor.to_string(),
            None => true,
        });
        fault(is_theirs, "the certificate has another key id")?;
        let grant = requests.grant(under.grant).and_then(|grant| grant.said.as_ref());
        if let Some(said) = grant
            && let Some(Row::Ssh(row)) =
                said.rows.iter().find(|row| is_ssh(row) && row.name() == under.row)
        {
            let gives = certificate.gives(row, &said.hosts);
            gives.map_err(|message| Fault::new(Code::Certificate, message))?;
        }

        let statement = Possession {
            origin: &log.origin,
            grant: &under.grant,
            login: &hex(under.login.as_slice()),
            key: &sha256(&certificate.key),
            idempotency_key: &under.idempotency_key,
        }
        .text();
        let (key, proof) = (certificate.key, under.possession.clone());
        Ok(Box::new(move || signatures::of_possession(&key, &statement, &proof)))
    }

    fn x509(&self, under: Option<&IssuedUnder>) -> Result<Option<Possessed>, Fault> {
        let Self { requests, leaf, intent, .. } = self;
        let certificate = X509::read(intent.tbs.as_slice());
        let certificate = certificate
            .ok_or_else(|| Fault::new(Code::Certificate, "the certificate can't be read"))?;
        let fault = |is_so, message| must(is_so, Code::Certificate, message);

        let has_serial = certificate.serial() == intent.serial.as_slice();
        fault(has_serial, "the certificate has another serial")?;
        let is_valid = certificate.is_valid(intent.validity);
        fault(is_valid, "the certificate is valid at another time")?;
        if intent.purpose == ROOT {
            let keys = self.log.keys.as_ref();
            let is_ours = keys.is_none_or(|keys| keys.are_with_x509(certificate.spki()));
            fault(is_ours, "the root certifies a key that is not the CA's")?;
            return Ok(None);
        }
        fault(certificate.is_leaf(), "the certificate is a CA's")?;
        if let Some(login) = self.login {
            let has_key = sha256(certificate.spki()) == login.key;
            fault(has_key, "the certificate is for another key than the login's")?;
            let ends = intent.validity.until == login.window.end();
            fault(ends, "the certificate ends at another time than the login")?;
        }
        let Some(under) = under else { return Ok(None) };
        let name = requests.holder(under.grant).map(|(_, name)| name);
        let said = requests.grant(under.grant).and_then(|grant| grant.said.as_ref());
        let role = said.map(|said| &said.role);
        let role = certificate.names((name, leaf.actor), role, under.grant);
        let role = role
            .ok_or_else(|| Fault::new(Code::Certificate, "the certificate's subject is another"))?;
        let identifies = certificate.identifies(&role, leaf.actor);
        fault(identifies, "the certificate's alternative name is another")?;
        if let Some(point) = self.log.keys.as_ref().and_then(|keys| keys.point(CLIENTS)) {
            let tbs = intent.tbs.as_slice();
            let is_a_clients = certificate.is_a_clients(tbs, intent.validity, point);
            fault(is_a_clients, "the certificate says more or less than a client's does")?;
        }
        let (spki, proof) = (certificate.spki().to_vec(), under.possession.clone());
        Ok(Some(Box::new(move || match proof {
            ProofOfPossession::Pkcs10(request) => x509::is_requested(&spki, request.as_slice()),
            ProofOfPossession::Sha256(_) | ProofOfPossession::Sha512(_) => false,
        })))
    }
}

fn is_ssh(row: &Row) -> bool {
    matches!(row, Row::Ssh(_))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
