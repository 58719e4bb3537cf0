//! Sessions: what hosts said of them, and who watched the recordings.
//!
//! What a host says is not checked for being true, or one host that lies could spoil the log for ever. It is checked that the
//! CA compared it with the log, and said of each session which grant it was under. Those that no certificate of this log
//! accounts for are listed.

use std::collections::{HashMap, HashSet};

use jit_ca_core::event::{
    CertificateIntended, SessionClosed, SessionOpened, SessionWatched, UsedCertificate, Validity,
};
use jit_ca_core::{Action, ActorRef, GrantId, IssuanceId, KeyId, SessionId};

use super::fault::{Fault, must, must_be_allowed};
use super::keys::SSH_USER;
use super::log::Log;
use super::logins::Logins;
use super::ssh;
use super::{Code, People};
use crate::Leaf;
use crate::hash::sha256;

/// How far a host's clock may be from the CA's before a certificate counts as used outside its time: in seconds.
const CLOCKS_APART: u64 = 60;

/// All sessions, and the certificates that can open one.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    certificates: HashMap<u64, Issued>,
    /// Intents whose payload is missing: the certificate may be any.
    erased_certificates: HashMap<IssuanceId, Option<GrantId>>,
    sessions: HashMap<SessionId, Session>,
    /// Hosts of which what opened a session is missing.
    erased: HashSet<ActorRef>,
    unaccounted: Vec<u64>,
}

#[derive(Debug)]
struct Issued {
    issuance: IssuanceId,
    grant: GrantId,
    validity: Validity,
}

#[derive(Debug)]
struct Session {
    host: ActorRef,
    grant: Option<GrantId>,
    opened: u64,
    /// The channels' numbers, once it is over.
    channels: Option<Vec<u32>>,
}

impl Sessions {
    /// A certificate is to be signed.
    pub(super) fn intent(&mut self, intent: &CertificateIntended) {
        let serial = intent.serial.as_slice().try_into().ok().map(u64::from_be_bytes);
        let Some((serial, under)) = serial.zip(intent.under.as_ref()) else { return };
        if intent.purpose == SSH_USER {
            let (issuance, grant, validity) = (intent.issuance, under.grant, intent.validity);
            self.certificates.insert(serial, Issued { issuance, grant, validity });
        }
    }

    pub(super) fn opened(
        &mut self,
        log: &Log,
        people: &People,
        leaf: &Leaf,
        opened: &SessionOpened,
    ) -> Result<(), Fault> {
        let SessionOpened { subject, session, certificate, grant, issuance, .. } = opened;
        people.must_act(leaf.actor, subject)?;
        let fault = |is_so, message| must(is_so, Code::Session, message);
        fault(subject.is_host(), "it is not a host that says so")?;
        fault(!self.sessions.contains_key(session), "the session was opened before")?;
        fault(grant.is_some() == issuance.is_some(), "a grant and no issuance, or the reverse")?;
        let named = grant.zip(*issuance);
        let found = certificate.as_ref().and_then(|used| self.find(log, used));
        match found {
            Some(issued) => {
                let is_its = named == Some((issued.grant, issued.issuance));
                fault(is_its, "it is not said under which grant the certificate was issued")?;
                let at = opened.opened.secs();
                let Validity { from, until } = issued.validity;
                let was_valid = from.secs() <= at.saturating_add(CLOCKS_APART)
                    && at < until.secs().saturating_add(CLOCKS_APART);
                if !was_valid {
                    self.unaccounted.push(leaf.idx);
                }
            }
            None => {
                let may_be = named.is_none_or(|(grant, issuance)| {
                    self.erased_certificates.get(&issuance) == Some(&Some(grant))
                });
                fault(may_be, "the log has no such certificate of that grant")?;
                if named.is_none() {
                    self.unaccounted.push(leaf.idx);
                }
            }
        }
        let known = Session {
            host: leaf.actor,
            grant: *grant,
            opened: opened.opened.secs(),
            channels: None,
        };
        self.sessions.insert(*session, known);
        Ok(())
    }

    pub(super) fn closed(
        &mut self,
        people: &People,
        leaf: &Leaf,
        closed: &SessionClosed,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &closed.subject)?;
        let fault = |is_so, message| must(is_so, Code::Session, message);
        let numbers: Vec<u32> = closed.channels.iter().map(|channel| channel.number).collect();
        let is_sorted = numbers.first() != Some(&0) && numbers.is_sorted_by(|a, b| a < b);
        fault(is_sorted, "the channels are not in the order of their numbers")?;
        let Some(session) = self.sessions.get_mut(&closed.session) else {
            return fault(self.erased.contains(&leaf.actor), "no such session was opened");
        };
        fault(session.host == leaf.actor, "the session is on another host")?;
        fault(session.grant == closed.grant, "the session is under another grant")?;
        fault(session.channels.is_none(), "the session was closed before")?;
        fault(session.opened <= closed.closed.secs(), "the session ends before it began")?;
        session.channels = Some(numbers);
        Ok(())
    }

    pub(super) fn watched(
        &self,
        people: &People,
        logins: &Logins,
        leaf: &Leaf,
        watched: &SessionWatched,
    ) -> Result<(), Fault> {
        let SessionWatched { session, channel, by, name, login, decision, grant } = watched;
        people.must_act(leaf.actor, by)?;
        let action = if grant.is_some() { Action::Watch } else { Action::ReadLog };
        must_be_allowed(decision, action, Some(by))?;
        logins.must_be_open(people, leaf, login, Some(by))?;
        let fault = |is_so, message| must(is_so, Code::Session, message);
        if let Some(person) = people.person(leaf.actor, by, Code::Session)? {
            fault(person.name == *name, "the name is not the person's")?;
        }
        let Some(known) = self.sessions.get(session) else {
            return fault(!self.erased.is_empty(), "no such session was opened");
        };
        fault(known.grant == *grant, "the session is under another grant")?;
        let has = known.channels.as_ref().is_none_or(|channels| channels.contains(channel));
        fault(has && *channel > 0, "the session has no such channel")
    }

    /// Takes in what the leaf of an entry still says whose payload is erased.
    pub(super) fn erased(&mut self, leaf: &Leaf) {
        match leaf.entry_type.as_str() {
            "issue.intent" => {
                let issuance = leaf.ids.issuance;
                self.erased_certificates.extend(issuance.map(|id| (id, leaf.ids.grant)));
            }
            "session.open" => _ = self.erased.insert(leaf.actor),
            _ => {}
        }
    }

    /// The indices of the sessions that no certificate of this log accounts for.
    pub(super) fn unaccounted(&self) -> Vec<u64> {
        self.unaccounted.clone()
    }

    /// The certificate that was used, if it is to the last field one that was to be signed.
    fn find(&self, log: &Log, used: &UsedCertificate) -> Option<&Issued> {
        let key = log.keys.as_ref()?.of(SSH_USER).and_then(ssh::ed25519_key)?;
        let issued = self.certificates.get(&used.serial)?;
        let KeyId { grant, issuance, name: _ } = KeyId::parse(used.key_id.as_str())?;
        let is_it = sha256(&key) == used.ca
            && (grant, issuance) == (issued.grant, issued.issuance)
            && used.until == issued.validity.until;
        is_it.then_some(issued)
    }
}
