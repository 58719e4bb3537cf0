//! Passkeys, and what is signed with them: logins, approvals, other passkeys.

use std::collections::{HashMap, HashSet};

use jit_ca_core::event::{Assertion, LoginSteppedUp, PageLoggedIn, PasskeyAdded, PasskeyRemoved};
use jit_ca_core::{ActorRef, Bytes, Digest, statement};

use super::fault::{Fault, must};
use super::log::Log;
use super::{Code, Logins, People, Signatures};
use crate::Leaf;
use crate::hash::sha256;
use crate::webauthn::{self, Party, Passkey, must_count_on};

/// The passkeys that people have, by their ids.
#[derive(Debug, Default)]
pub(super) struct Passkeys {
    held: HashMap<Bytes, Held>,
    /// Who has added a passkey whose entry's payload is erased: one that is not here may be theirs.
    erased: HashSet<ActorRef>,
    /// Whether the payload of a reset was erased, with which those that are here may have gone.
    may_be_reset: bool,
}

#[derive(Debug)]
struct Held {
    actor: ActorRef,
    party: String,
    passkey: Passkey,
}

impl Passkeys {
    pub(super) fn added(
        &mut self,
        log: &Log,
        people: &People,
        logins: &mut Logins,
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        added: &PasskeyAdded,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &added.subject)?;
        logins.use_challenge(&added.challenge)?;
        let login = hex(added.login.as_slice());
        let statement = statement::Passkey {
            origin: &log.origin,
            subject: &added.subject,
            label: &added.label,
            login: &login,
            challenge: &added.challenge,
        };
        let challenge = sha256(statement.text().as_bytes());
        match &added.consent {
            Some(consent) => self.assert(signatures, leaf, Code::Login, challenge, consent)?,
            None => {
                must(
                    !self.has_one(leaf.actor),
                    Code::Login,
                    "no passkey that the subject had consents",
                )?;
            }
        }
        let message = "the passkey's registration does not hold";
        let recorded = webauthn::recorded(&added.registration);
        let passkey = recorded.map_err(|_| Fault::new(Code::Signature, message))?;
        let (party, registration) = (added.party.clone(), added.registration.clone());
        signatures.check(leaf.idx, Code::Signature, message, move || {
            let party = Party { id: &party, origin: None };
            webauthn::registered(&party, &challenge, &registration).is_ok()
        });
        let (id, is_new) = (passkey.id.clone(), !self.held.contains_key(&passkey.id));
        must(is_new || self.may_be_reset, Code::Signature, "the passkey is somebody's already")?;
        logins.must_be_open(people, leaf, &added.login, Some(&added.subject))?;
        let held = Held { actor: leaf.actor, party: added.party.clone(), passkey };
        self.held.insert(id, held);
        Ok(())
    }

    pub(super) fn removed(
        &mut self,
        people: &People,
        logins: &Logins,
        leaf: &Leaf,
        removed: &PasskeyRemoved,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &removed.subject)?;
        self.must_be_of(leaf, &removed.passkey, Code::Login)?;
        logins.must_be_open(people, leaf, &removed.login, Some(&removed.subject))?;
        self.held.remove(&removed.passkey);
        Ok(())
    }

    pub(super) fn page_login(
        &mut self,
        log: &Log,
        people: &People,
        logins: &mut Logins,
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        login: &PageLoggedIn,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &login.subject)?;
        if let Some(person) = people.person(leaf.actor, &login.subject, Code::Login)? {
            must(person.name == login.name, Code::Login, "the name is not the person's")?;
        }
        logins.use_challenge(&login.challenge)?;
        logins.page(leaf, login)?;
        let statement =
            statement::PageLogin { origin: &log.origin, challenge: &login.challenge }.text();
        let challenge = sha256(statement.as_bytes());
        self.assert(signatures, leaf, Code::Login, challenge, &login.assertion)
    }

    pub(super) fn step_up(
        &mut self,
        log: &Log,
        people: &People,
        logins: &mut Logins,
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        stepped: &LoginSteppedUp,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &stepped.subject)?;
        logins.stepped_up(people, leaf, stepped)?;
        let statement = statement::StepUp {
            origin: &log.origin,
            subject: &stepped.subject,
            login: &hex(stepped.login.as_slice()),
            challenge: &stepped.challenge,
        };
        let challenge = sha256(statement.text().as_bytes());
        self.assert(signatures, leaf, Code::Login, challenge, &stepped.assertion)
    }

    /// Takes in an assertion by a passkey of the leaf's actor. What is not so fails as `code`; but its signature is
    /// checked beside.
    pub(super) fn assert(
        &mut self,
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        code: Code,
        challenge: Digest,
        assertion: &Assertion,
    ) -> Result<(), Fault> {
        self.must_be_of(leaf, &assertion.passkey, code)?;
        let Some(held) = self.held.get_mut(&assertion.passkey) else { return Ok(()) };
        let found = webauthn::counter(assertion)
            .map_err(|_| Fault::new(code, "the authenticator's data is malformed"))?;
        let last = std::mem::replace(&mut held.passkey.counter, found);
        let counts_on = must_count_on(last, found).is_ok();
        must(counts_on, code, "the passkey's counter has not gone up")?;
        let (party, passkey) = (held.party.clone(), held.passkey.clone());
        let assertion = assertion.clone();
        let message = "the passkey's signature does not hold";
        signatures.check(leaf.idx, Code::Signature, message, move || {
            let party = Party { id: &party, origin: None };
            passkey.verify(&party, &challenge, &assertion).is_ok()
        });
        Ok(())
    }

    /// Who has a passkey has a second factor, and needs no code for a first one.
    pub(super) fn must_be_none_of(&self, actor: Option<ActorRef>) -> Result<(), Fault> {
        let has_one = actor.is_some_and(|actor| self.has_one(actor));
        must(!has_one, Code::Reset, "the subject has a passkey, and was not reset")
    }

    /// Whether this is somebody who has a passkey, as far as that is known.
    fn has_one(&self, actor: ActorRef) -> bool {
        !self.may_be_reset && self.held.values().any(|held| held.actor == actor)
    }

    /// Of somebody whose second factors are reset no passkey is left.
    pub(super) fn reset(&mut self, actor: ActorRef) {
        self.held.retain(|_, held| held.actor != actor);
        self.erased.remove(&actor);
    }

    /// Takes in what the leaf of an entry still says whose payload is erased.
    pub(super) fn erased(&mut self, leaf: &Leaf) {
        match leaf.entry_type.as_str() {
            "passkey.added" => drop(self.erased.insert(leaf.actor)),
            "mfa.reset" => self.may_be_reset = true,
            _ => {}
        }
    }

    fn must_be_of(&self, leaf: &Leaf, passkey: &Bytes, code: Code) -> Result<(), Fault> {
        let is_theirs = match self.held.get(passkey) {
            Some(held) => held.actor == leaf.actor,
            None => self.erased.contains(&leaf.actor),
        };
        must(is_theirs, code, "the passkey is not the subject's")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
