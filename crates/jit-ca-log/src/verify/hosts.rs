//! Hosts: by which tokens they enrol, with which keys, and until when they are believed.

use std::collections::{BTreeSet, HashMap};

use jit_ca_core::event::{
    CertificateIntended, HostEnrolled, HostLoggedIn, HostRevoked, HostTokenMade,
};
use jit_ca_core::statement::{Host as Statement, HostLogin, Kind};
use jit_ca_core::{
    Action, ActorRef, Bytes, Digest, HostName, Hosts as Named, PersonName, Span, SubjectId,
    UnixTime,
};

use super::fault::{Fault, must, must_be_allowed};
use super::keys::SSH_HOST;
use super::log::{Log, second_of};
use super::ssh::{self, SshCertificate};
use super::{Code, Logins, People, Signatures, signatures};
use crate::Leaf;
use crate::hash::sha256;

/// No token can be used for longer; the entry may be some seconds later than it was made.
const LONGEST_TOKEN: Span = Span::from_secs(24 * 60 * 60);

/// The hosts that have enrolled, by pseudonym, and what others may enrol by.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    hosts: HashMap<ActorRef, Host>,
    /// Whose each key is, or was.
    keys: HashMap<Bytes, ActorRef>,
    tokens: HashMap<Digest, Token>,
    /// Whether the payload of a token was erased: any may have been it.
    tokens_are_partial: bool,
}

#[derive(Debug)]
struct Host {
    name: HostName,
    aliases: BTreeSet<HostName>,
    key: Bytes,
    is_revoked: bool,
}

#[derive(Debug)]
struct Token {
    host: HostName,
    aliases: BTreeSet<HostName>,
    expires: UnixTime,
    /// When its entry was written, in milliseconds since 1970.
    made: u64,
}

impl Host {
    fn names(&self) -> impl Iterator<Item = &HostName> {
        std::iter::once(&self.name).chain(&self.aliases)
    }
}

impl Hosts {
    pub(super) fn token(
        &mut self,
        people: &People,
        logins: &Logins,
        leaf: &Leaf,
        made: &HostTokenMade,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &made.by)?;
        must_be_allowed(&made.decision, Action::EnrolHost, Some(&made.by))?;
        let names = std::iter::once(&made.host).chain(&made.aliases).cloned();
        let is_asked = made.decision.facts.hosts == Some(Named::Named(names.collect()));
        must(is_asked, Code::Decision, "the policy was asked about other names")?;
        logins.must_be_open(people, leaf, &made.login, Some(&made.by))?;
        if let Some(person) = people.person(leaf.actor, &made.by, Code::Host)? {
            must(person.name == made.name, Code::Host, "the name is not the subject's")?;
        }
        let now = second_of(leaf);
        let is_bounded = now < made.expires && made.expires <= now.plus(LONGEST_TOKEN);
        must(is_bounded, Code::Host, "the token can be used for longer than a day, or never")?;
        let (host, aliases) = (made.host.clone(), made.aliases.clone());
        let token = Token { host, aliases, expires: made.expires, made: leaf.ts_ms };
        let is_new = self.tokens.insert(made.token, token).is_none();
        must(is_new, Code::Host, "the token was made before")
    }

    pub(super) fn enrolled(
        &mut self,
        log: &Log,
        (people, logins): (&People, &mut Logins),
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        enrolled: &HostEnrolled,
    ) -> Result<(), Fault> {
        let HostEnrolled { subject, host: name, aliases, key, token, .. } = enrolled;
        let fault = |is_so, message| must(is_so, Code::Host, message);
        people.must_act(leaf.actor, subject)?;
        if let Some(pin) = log.pin() {
            let (origin, pin, host) = (&log.origin, &pin, name);
            let key_hash = sha256(key.as_slice());
            let statement = Statement { origin, pin, host, aliases, token, key: &key_hash }.text();
            let signature = (key.clone(), enrolled.signature.clone());
            must_be_signed(signatures, leaf, Kind::Host, statement, signature);
        }
        must_be_called(subject, name)?;
        match self.tokens.remove(token) {
            Some(lets) => {
                let is_its = lets.host == *name && lets.aliases == *aliases;
                fault(is_its, "the token is for other names")?;
                fault(second_of(leaf) < lets.expires, "the token is too old")?;
            }
            None => fault(self.tokens_are_partial, "there is no such token, or it was used")?,
        }
        let is_taken = self.hosts.iter().any(|(actor, other)| {
            let is_other = *actor != leaf.actor && !other.is_revoked;
            is_other && other.names().any(|other| other == name || aliases.contains(other))
        });
        fault(!is_taken, "one of the names is another host's")?;
        let is_current = |host: &Host| !host.is_revoked && host.key == *key;
        let may_be = match self.keys.get(key) {
            Some(actor) => *actor == leaf.actor && self.hosts.get(actor).is_some_and(is_current),
            None => true,
        };
        fault(may_be, "the key is another host's, was given up, or is revoked")?;

        if self.keys.insert(key.clone(), leaf.actor).is_some()
            || self.hosts.contains_key(&leaf.actor)
        {
            logins.end_all_of(subject);
        }
        let (name, aliases, key) = (name.clone(), aliases.clone(), key.clone());
        self.hosts.insert(leaf.actor, Host { name, aliases, key, is_revoked: false });
        Ok(())
    }

    pub(super) fn login(
        &self,
        log: &Log,
        (people, logins): (&People, &mut Logins),
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        login: &HostLoggedIn,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &login.subject)?;
        logins.host(leaf, login)?;
        let host = self.believed(leaf.actor, Code::Host);
        if let (Ok(host), Some(pin)) = (&host, log.pin()) {
            let statement = HostLogin {
                origin: &log.origin,
                pin: &pin,
                host: &login.host,
                challenge: &login.challenge,
                login_key: &login.login_key,
            };
            let signature = (host.key.clone(), login.signature.clone());
            must_be_signed(signatures, leaf, Kind::HostLogin, statement.text(), signature);
        }
        must_be_called(&login.subject, &login.host)?;
        host.map(drop)
    }

    /// Who revokes is let to lock, and acts by a login; the leaf's actor is the host.
    pub(super) fn revoked(
        &mut self,
        people: &People,
        logins: &mut Logins,
        leaf: &Leaf,
        revoked: &HostRevoked,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &revoked.subject)?;
        let by = people.actor_of(&revoked.by);
        let is_workload = by.is_some_and(|by| people.vouching.is_workload(by));
        must(!is_workload, Code::Subject, "a workload decides over others")?;
        must_be_allowed(&revoked.decision, Action::Lock, Some(&revoked.by))?;
        // Whose pseudonym is erased, of them nothing can be compared.
        if let Some(actor) = by {
            let by = Leaf { actor, ..leaf.clone() };
            logins.must_be_open(people, &by, &revoked.login, Some(&revoked.by))?;
            let said = people.person(actor, &revoked.by, Code::Host)?;
            let is_called = said.is_none_or(|person| person.name == revoked.name);
            must(is_called, Code::Host, "the name is not the person's")?;
        }
        self.believed(leaf.actor, Code::Host)?;
        self.revoke(leaf.actor);
        logins.end_all_of(&revoked.subject);
        Ok(())
    }

    /// Takes in what the leaf of an entry still says whose payload is erased.
    pub(super) fn erased(&mut self, people: &People, logins: &mut Logins, leaf: &Leaf) {
        match leaf.entry_type.as_str() {
            "host.token" => self.tokens_are_partial = true,
            "host.revoked" => {
                self.revoke(leaf.actor);
                if let Some(subject) = people.subject_of(leaf.actor) {
                    logins.end_all_of(subject);
                }
            }
            _ => {}
        }
    }

    /// Time goes back to `now`: tokens that were made later are over.
    pub(super) fn take_back(&mut self, now: u64) {
        self.tokens.retain(|_, token| token.made <= now);
    }

    /// What is issued for a host is issued while it is enrolled, and not revoked.
    pub(super) fn must_be_believed(&self, leaf: &Leaf) -> Result<(), Fault> {
        self.believed(leaf.actor, Code::Under).map(drop)
    }

    /// A host's certificate says what the host has enrolled as, and no more.
    pub(super) fn intent(
        &self,
        log: &Log,
        leaf: &Leaf,
        intent: &CertificateIntended,
    ) -> Result<(), Fault> {
        let host = self.believed(leaf.actor, Code::Under)?;
        let certificate = SshCertificate::read(intent.tbs.as_slice());
        let certificate = certificate
            .ok_or_else(|| Fault::new(Code::Certificate, "the certificate can't be read"))?;
        let fault = |is_so, message| must(is_so, Code::Certificate, message);
        fault(certificate.is_as_intended(intent), "the certificate is another than intended")?;
        fault(certificate.kind == ssh::HOST, "the certificate is not a host's")?;
        let is_ours = log.keys.as_ref().is_none_or(|keys| {
            let expected = keys.of(SSH_HOST).and_then(ssh::ed25519_key);
            expected.as_deref() == Some(certificate.signing_key.as_slice())
        });
        fault(is_ours, "the certificate names another CA key")?;
        let key_id = format!("jit-ca:host:{}:{}", intent.issuance, host.name);
        fault(certificate.key_id == key_id, "the certificate has another key id")?;
        fault(certificate.key == host.key.as_slice(), "the key is not the one that enrolled")?;
        let names: BTreeSet<&str> = host.names().map(HostName::as_str).collect();
        let are_its = names.iter().copied().eq(certificate.principals.iter().map(String::as_str));
        fault(are_its, "the principals are not the host's names")?;
        let options = (&certificate.critical_options, &certificate.extensions);
        fault(options.0.is_empty() && options.1.is_empty(), "the certificate has options")
    }

    /// Who the host is, for locks.
    pub(super) fn subject(&self, actor: ActorRef) -> Option<SubjectId> {
        self.hosts.get(&actor).map(|host| SubjectId::of_host(&host.name))
    }

    fn believed(&self, actor: ActorRef, code: Code) -> Result<&Host, Fault> {
        let host = self.hosts.get(&actor).filter(|host| !host.is_revoked);
        host.ok_or_else(|| Fault::new(code, "the host has not enrolled, or is revoked"))
    }

    fn revoke(&mut self, actor: ActorRef) {
        if let Some(host) = self.hosts.get_mut(&actor) {
            host.is_revoked = true;
        }
    }
}

/// The subject is the host of this name.
fn must_be_called(subject: &SubjectId, name: &HostName) -> Result<(), Fault> {
    let is_its = *subject == SubjectId::of_host(name) && PersonName::of_host(name).is_ok();
    must(is_its, Code::Host, "the name is not the host's")
}

fn must_be_signed(
    signatures: &Signatures<'_>,
    leaf: &Leaf,
    kind: Kind,
    statement: String,
    (key, signature): (Bytes, Bytes),
) {
    let message = "the host key did not sign";
    signatures.check(leaf.idx, Code::Signature, message, move || {
        signatures::of_statement(key.as_slice(), kind, &statement, signature.as_slice())
    });
}
