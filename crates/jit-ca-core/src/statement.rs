//! Statements: what a person's or a subject's key signs, byte for byte.
//!
//! A statement is UTF-8 lines `name: value` in fixed order, each ended by LF, the first of them
//! `jit-ca <kind> v1`. No value can hold a line end, since the values' types can't. It is signed as
//! an SSHSIG (PROTOCOL.sshsig) in the namespace `<kind>.v1@jit-ca`, so that `ssh-keygen -Y sign`
//! makes the signature and `ssh-keygen -Y verify` checks it.
//!
//! Nobody parses a statement: who checks a signature makes the text anew from the values that it
//! acts on, so that what was signed and what is done can't differ.

use std::collections::BTreeSet;
use std::fmt::Display;

use crate::workflow::Start;
use crate::{
    ActorRef, Digest, GrantId, HostName, Hosts, IssuerName, Origin, PersonName, RequestId,
    RoleName, Row, Span, SubjectId, Text,
};

/// The kinds of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person logs in.
    Login,
    /// A person logs in to the CA's page. A passkey signs it.
    PageLogin,
    /// A person gives a second factor for a login that is open. A passkey signs it.
    StepUp,
    /// A person adds a passkey. It answers it, and one that the person had signs it.
    Passkey,
    /// A key's owner asks for a certificate of it.
    Possession,
    /// A person approves a request.
    Approval,
    /// A person orders that what the log says of a subject be erased.
    Erasure,
    /// A host enrols: its key signs what it is to be called.
    Host,
    /// A host logs in.
    HostLogin,
    /// A person signs on at an issuer. Its SHA-256 is the nonce that the issuer's token has to bear; no key signs it.
    SignOn,
    /// What is asked for. Its SHA-256 is the request's hash; it is not signed by itself.
    Request,
}

impl Kind {
    /// The word in the first line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::PageLogin => "page-login",
            Self::StepUp => "step-up",
            Self::Passkey => "passkey",
            Self::Possession => "possession",
            Self::Approval => "approval",
            Self::Erasure => "erasure",
            Self::Host => "host",
            Self::HostLogin => "host-login",
            Self::SignOn => "sign-on",
            Self::Request => "request",
        }
    }

    /// The SSHSIG namespace. A signature for one kind is none for another.
    pub fn namespace(self) -> String {
        format!("{}.v1@jit-ca", self.name())
    }
}

/// A person logs in: signed by one of the SSH keys that the CA knows the person by; and by a passkey, where that is the
/// second factor.
#[derive(Clone, Debug)]
pub struct Login<'a> {
    /// The log of the CA that is logged in to.
    pub origin: &'a Origin,
    /// That CA's pin, so that the signature is worth nothing at another.
    pub pin: &'a Digest,
    /// The name that the person goes by.
    pub subject: &'a PersonName,
    /// What the CA sent to be answered, once.
    pub challenge: &'a str,
    /// SHA-256 of the login key's SubjectPublicKeyInfo.
    pub login_key: &'a Digest,
}

impl Login<'_> {
    /// The text to sign.
    pub fn text(&self) -> String {
        Lines::new(Kind::Login)
            .line("origin", self.origin)
            .line("pin", self.pin)
            .line("subject", self.subject)
            .line("challenge", self.challenge)
            .line("login-key", self.login_key)
            .0
    }
}

/// A person signs on at an issuer: the nonce that binds the issuer's token to the login key, so that it is worth nothing
/// with another (OpenID Connect Core 3.1.2.1).
#[derive(Clone, Debug)]
pub struct SignOn<'a> {
    /// The log of the CA that is logged in to.
    pub origin: &'a Origin,
    /// That CA's pin.
    pub pin: &'a Digest,
    /// The issuer, as that CA calls it.
    pub issuer: &'a IssuerName,
    /// What the CA sent to be answered, once.
    pub challenge: &'a str,
    /// SHA-256 of the login key's SubjectPublicKeyInfo.
    pub login_key: &'a Digest,
}

impl SignOn<'_> {
    /// The text to hash.
    pub fn text(&self) -> String {
        Lines::new(Kind::SignOn)
            .line("origin", self.origin)
            .line("pin", self.pin)
            .line("issuer", self.issuer)
            .line("challenge", self.challenge)
            .line("login-key", self.login_key)
            .0
    }
}

/// A person logs in to the CA's page: what a passkey of the person's signs says who it is.
#[derive(Clone, Debug)]
pub struct PageLogin<'a> {
    /// The log of the CA whose page it is.
    pub origin: &'a Origin,
    /// What the CA sent to be answered, once.
    pub challenge: &'a str,
}

impl PageLogin<'_> {
    /// The text whose SHA-256 is the passkey's challenge.
    pub fn text(&self) -> String {
        Lines::new(Kind::PageLogin).line("origin", self.origin).line("challenge", self.challenge).0
    }
}

/// A person gives a second factor for a login that is open: signed by one of the person's passkeys.
#[derive(Clone, Debug)]
pub struct StepUp<'a> {
    /// The log of the CA that the login is to.
    pub origin: &'a Origin,
    /// Whose it is.
    pub subject: &'a SubjectId,
    /// The serial of the login certificate, as lower-case hexadecimal.
    pub login: &'a str,
    /// What the CA sent to be answered, once.
    pub challenge: &'a str,
}

impl StepUp<'_> {
    /// The text whose SHA-256 is the passkey's challenge.
    pub fn text(&self) -> String {
        Lines::new(Kind::StepUp)
            .line("origin", self.origin)
            .line("subject", self.subject)
            .line("login", self.login)
            .line("challenge", self.challenge)
            .0
    }
}

/// A person adds a passkey.
#[derive(Clone, Debug)]
pub struct Passkey<'a> {
    /// The log of the CA that is to know it.
    pub origin: &'a Origin,
    /// Whose it is to be.
    pub subject: &'a SubjectId,
    /// What it is to be called.
    pub label: &'a Text,
    /// The serial of the login certificate of the call that asks for it, as lower-case hexadecimal.
    pub login: &'a str,
    /// What the CA sent with that call, to be answered once.
    pub challenge: &'a str,
}

impl Passkey<'_> {
    /// The text whose SHA-256 is the challenge of the passkey, and of the one that consents.
    pub fn text(&self) -> String {
        Lines::new(Kind::Passkey)
            .line("origin", self.origin)
            .line("subject", self.subject)
            .line("label", self.label)
            .line("login", self.login)
            .line("challenge", self.challenge)
            .0
    }
}

/// A key's owner asks for a certificate of it: signed by that key.
#[derive(Clone, Debug)]
pub struct Possession<'a> {
    /// The log of the CA that is to certify.
    pub origin: &'a Origin,
    /// The grant that the certificate is for.
    pub grant: &'a GrantId,
    /// The serial of the login certificate of the call, as lower-case hexadecimal.
    pub login: &'a str,
    /// SHA-256 of the key in its SSH wire form: what `ssh-keygen -l` prints.
    pub key: &'a Digest,
    /// The call's idempotency key.
    pub idempotency_key: &'a str,
}

impl Possession<'_> {
    /// The text to sign.
    pub fn text(&self) -> String {
        Lines::new(Kind::Possession)
            .line("origin", self.origin)
            .line("grant", self.grant)
            .line("login", self.login)
            .line("key", self.key)
            .line("idempotency-key", self.idempotency_key)
            .0
    }
}

/// A person approves exactly one request: signed by one of the person's SSH keys.
#[derive(Clone, Debug)]
pub struct Approval<'a> {
    /// The log of the CA that was asked.
    pub origin: &'a Origin,
    /// The request's hash.
    pub request: &'a Digest,
    /// For how long; at most what was asked for.
    pub duration: Span,
    /// The rows kept; at least one of those asked for.
    pub rows: &'a [Row],
    /// The hosts kept.
    pub hosts: &'a Hosts,
}

impl Approval<'_> {
    /// The text to sign.
    pub fn text(&self) -> String {
        Lines::new(Kind::Approval)
            .line("origin", self.origin)
            .line("request", self.request)
            .line("duration", self.duration)
            .lines("row", self.rows)
            .line("hosts", self.hosts)
            .0
    }
}

/// A person orders an erasure: signed by one of the person's SSH keys.
///
/// It names the subject by the pseudonym alone, so that the signature can be checked afterwards.
#[derive(Clone, Debug)]
pub struct Erasure<'a> {
    /// The log that is to forget.
    pub origin: &'a Origin,
    /// Of whom.
    pub actor: &'a ActorRef,
    /// Why.
    pub reason: &'a Text,
    /// The entries whose payloads are to go, as ranges with both ends in them: no more, and no others.
    pub entries: &'a [(u64, u64)],
}

impl Erasure<'_> {
    /// The text to sign.
    pub fn text(&self) -> String {
        let range = |(first, last): &(u64, u64)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let entries: Vec<String> = self.entries.iter().map(range).collect();
        Lines::new(Kind::Erasure)
            .line("origin", self.origin)
            .line("actor", self.actor)
            .line("reason", self.reason)
            .line("entries", entries.join(","))
            .0
    }
}

/// A host enrols: signed by the host key that it is to be known by from then on.
#[derive(Clone, Debug)]
pub struct Host<'a> {
    /// The log of the CA that is to certify it.
    pub origin: &'a Origin,
    /// That CA's pin, so that the signature is worth nothing at another.
    pub pin: &'a Digest,
    /// What the host is called.
    pub host: &'a HostName,
    /// What it is called besides.
    pub aliases: &'a BTreeSet<HostName>,
    /// SHA-256 of the one-use token, which is used up by it.
    pub token: &'a Digest,
    /// SHA-256 of the key in its SSH wire form: what `ssh-keygen -l` prints.
    pub key: &'a Digest,
}

impl Host<'_> {
    /// The text to sign.
    pub fn text(&self) -> String {
        Lines::new(Kind::Host)
            .line("origin", self.origin)
            .line("pin", self.pin)
            .line("host", self.host)
            .lines("alias", self.aliases)
            .line("token", self.token)
            .line("key", self.key)
            .0
    }
}

/// A host logs in: signed by the host key that it enrolled with.
#[derive(Clone, Debug)]
pub struct HostLogin<'a> {
    /// The log of the CA that is logged in to.
    pub origin: &'a Origin,
    /// That CA's pin.
    pub pin: &'a Digest,
    /// What the host is called.
    pub host: &'a HostName,
    /// What the CA sent to be answered, once.
    pub challenge: &'a str,
    /// SHA-256 of the login key's SubjectPublicKeyInfo.
    pub login_key: &'a Digest,
}

impl HostLogin<'_> {
    /// The text to sign.
    pub fn text(&self) -> String {
        Lines::new(Kind::HostLogin)
            .line("origin", self.origin)
            .line("pin", self.pin)
            .line("host", self.host)
            .line("challenge", self.challenge)
            .line("login-key", self.login_key)
            .0
    }
}

/// What a subject asks for.
///
/// The id is in it, so that an approval of one request is none of the same request made again.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The log of the CA that is asked.
    pub origin: &'a Origin,
    /// The request's id.
    pub id: &'a RequestId,
    /// Who asks.
    pub subject: &'a SubjectId,
    /// For which role.
    pub role: &'a RoleName,
    /// The role's rows, as they were when it was asked for.
    pub rows: &'a [Row],
    /// On which hosts.
    pub hosts: &'a Hosts,
    /// For how long.
    pub duration: Span,
    /// From when.
    pub start: &'a Start,
    /// The grant that it is to follow on.
    pub extends: Option<&'a GrantId>,
    /// Why.
    pub reason: &'a Text,
    /// The ticket that it is about.
    pub ticket: Option<&'a Text>,
    /// The bundle in force.
    pub bundle: &'a Digest,
}

impl Request<'_> {
    /// The text to hash.
    pub fn text(&self) -> String {
        Lines::new(Kind::Request)
            .line("origin", self.origin)
            .line("request", self.id)
            .line("subject", self.subject)
            .line("role", self.role)
            .lines("row", self.rows)
            .line("hosts", self.hosts)
            .line("duration", self.duration)
            .line("start", self.start)
            .lines("extends", self.extends)
            .line("reason", self.reason)
            .lines("ticket", self.ticket)
            .line("bundle", self.bundle)
            .0
    }
}

struct Lines(String);

impl Lines {
    fn new(kind: Kind) -> Self {
        Self(format!("jit-ca {} v1\n", kind.name()))
    }

    fn line(mut self, name: &str, value: impl Display) -> Self {
        self.0.push_str(&format!("{name}: {value}\n"));
        self
    }

    fn lines(self, name: &str, values: impl IntoIterator<Item = impl Display>) -> Self {
        values.into_iter().fold(self, |lines, value| lines.line(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_erasure_statement_names_every_entry() {
        let text = Erasure {
            origin: &"ca.example.org/jit-ca".parse().unwrap(),
            actor: &ActorRef::from_bytes([7; 16]),
            reason: &"DPO-31".parse().unwrap(),
            entries: &[(3, 5), (9, 9), (12, 20)],
        }
        .text();
        assert_eq!(
            text,
            "jit-ca erasure v1\n\
             origin: ca.example.org/jit-ca\n\
             actor: 07070707070707070707070707070707\n\
             reason: DPO-31\n\
             entries: 3-5,9,12-20\n"
        );
    }

    #[test]
    fn the_statements_of_hosts_are_for_ever() {
        let (origin, pin) = ("ca.example.org/jit-ca".parse().unwrap(), Digest::from_bytes([0; 32]));
        let host = "web1.prod.example.org".parse().unwrap();
        let aliases = ["web1", "db.prod.example.org"].map(|alias| alias.parse().unwrap());
        let (token, key) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let (origin, pin, host) = (&origin, &pin, &host);
        let aliases = &BTreeSet::from(aliases);
        assert_eq!(
            Host { origin, pin, host, aliases, token: &token, key: &key }.text(),
            "jit-ca host v1\n\
             origin: ca.example.org/jit-ca\n\
             pin: SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
             host: web1.prod.example.org\n\
             alias: db.prod.example.org\n\
             alias: web1\n\
             token: SHA256:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n\
             key: SHA256:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI\n"
        );
        assert_eq!(
            HostLogin { origin, pin, host, challenge: "abc", login_key: &key }.text(),
            "jit-ca host-login v1\n\
             origin: ca.example.org/jit-ca\n\
             pin: SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
             host: web1.prod.example.org\n\
             challenge: abc\n\
             login-key: SHA256:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI\n"
        );
        assert_eq!(Kind::HostLogin.namespace(), "host-login.v1@jit-ca");
    }

    #[test]
    fn the_request_statement_is_for_ever() {
        let rows =
            ["ssh web-shell login=deploy hosts=web1,web2 extensions=permit-pty", "x509 orders-api"];
        let rows = rows.map(|row| row.parse().unwrap());
        let text = Request {
            origin: &"ca.example.org/jit-ca".parse().unwrap(),
            id: &RequestId::from_bytes([0; 16]),
            subject: &"local/u-1001".parse().unwrap(),
            role: &"web-shell".parse().unwrap(),
            rows: &rows,
            hosts: &"web1".parse().unwrap(),
            duration: Span::from_secs(3600),
            start: &Start::AtApproval,
            extends: None,
            reason: &"INC-42".parse().unwrap(),
            ticket: None,
            bundle: &Digest::from_bytes([0; 32]),
        }
        .text();
        assert_eq!(
            text,
            "jit-ca request v1\n\
             origin: ca.example.org/jit-ca\n\
             request: r-00000000000000000000000000\n\
             subject: local/u-1001\n\
             role: web-shell\n\
             row: ssh web-shell login=deploy hosts=web1,web2 extensions=permit-pty\n\
             row: x509 orders-api\n\
             hosts: web1\n\
             duration: 1h\n\
             start: at-approval\n\
             reason: INC-42\n\
             bundle: SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
        );
    }
}
