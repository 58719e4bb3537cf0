//! Logins: how long they are open, and what rests on them.

mod begun;
mod factors;

use std::collections::{HashMap, HashSet};

use jit_ca_core::event::{LoggedOut, LoginEnded};
use jit_ca_core::{ActorRef, Bytes, Digest, Span, SubjectId, UnixTime, Window};

use super::fault::{Fault, must};
use super::log::second_of;
use super::people::has_key;
use super::{Code, People};
use crate::Leaf;
use crate::hash::sha256;

/// Logins by their certificates' serials, and what was used up by them.
#[derive(Debug, Default)]
pub(super) struct Logins {
    logins: HashMap<Bytes, Login>,
    /// The serials of each subject's logins that had not ended at its last one.
    of: HashMap<SubjectId, Vec<Bytes>>,
    challenges: HashSet<Digest>,
    tokens: HashSet<Digest>,
    /// The newest step of each subject's second factor.
    steps: HashMap<SubjectId, u64>,
    /// The entry that reset the second factor of each subject which has enrolled none since.
    resets: HashMap<SubjectId, u64>,
    /// Each person's newest enrolment whose payload is erased: it may have been the one after a reset.
    unseen_enrolments: HashMap<ActorRef, u64>,
    /// Whether the payload of a reset was erased: what anybody had may be gone.
    may_be_reset: bool,
    /// The enrolment code of each subject that was not used yet, and when its entry was written.
    codes: HashMap<SubjectId, (Digest, u64)>,
    /// Whether the payload of an enrolment code was erased: it may have been anybody's.
    codes_are_partial: bool,
    /// When each person's logins were whose payloads are erased, in milliseconds since 1970: a serial that is not here
    /// may be theirs.
    erased: HashMap<ActorRef, Vec<u64>>,
    /// The same of logins to the page.
    erased_pages: HashMap<ActorRef, Vec<u64>>,
    /// When each person's enrolments and step-ups were whose payloads are erased: any of their logins may have got a
    /// second factor.
    erased_factors: HashMap<ActorRef, Vec<u64>>,
}

#[derive(Debug)]
pub(super) struct Login {
    actor: ActorRef,
    subject: SubjectId,
    /// The SSH key that it was made with; none where an issuer vouched instead.
    ssh_key: Option<Bytes>,
    /// The digest of the key that it is for.
    pub(super) key: Digest,
    pub(super) window: Window,
    has_second_factor: bool,
    is_by_token: bool,
    /// When a token last said who it is, of a login that rests on one.
    vouched: Option<UnixTime>,
    /// When its entry was written, in milliseconds since 1970.
    began: u64,
    ended: bool,
}

/// How long after a login its certificate is used: a clock may have been set back meanwhile.
const IN_USE: Span = Span::from_secs(12 * 60 * 60 + 10);
/// How long after a login its certificate is issued at the most.
const UNTIL_ISSUED: Span = Span::from_secs(60);

impl Login {
    /// Whether something can be done by it at this entry.
    fn is_open(&self, leaf: &Leaf) -> bool {
        self.window.contains(second_of(leaf)) && !self.ended
    }

    /// Whether a passkey made it, on the CA's page.
    fn is_page(&self) -> bool {
        self.ssh_key.as_ref().is_some_and(|key| key.as_slice().is_empty())
    }
}

impl Logins {
    /// From here on it is open, and those of the subject whose windows are over have ended for good.
    fn begin(&mut self, serial: Bytes, login: Login, leaf: &Leaf) -> Result<(), Fault> {
        let own = self.of.entry(login.subject.clone()).or_default();
        own.retain(|serial| {
            let Some(known) = self.logins.get_mut(serial) else { return false };
            known.ended |= known.window.end() <= second_of(leaf);
            !known.ended
        });
        own.push(serial.clone());
        self.logins.insert(serial, login);
        Ok(())
    }

    /// What a login, or a new passkey, answers is answered once.
    pub(super) fn use_challenge(&mut self, challenge: &str) -> Result<(), Fault> {
        let is_new = self.challenges.insert(sha256(challenge.as_bytes()));
        must(is_new, Code::Login, "the challenge was answered before")
    }

    /// A subject is locked: its logins have ended, and nothing rests on any of them.
    pub(super) fn end_all_of(&mut self, subject: &SubjectId) {
        for serial in self.of.remove(subject).unwrap_or_default() {
            if let Some(login) = self.logins.get_mut(&serial) {
                login.ended = true;
            }
        }
        let own = self.logins.values_mut().filter(|login| login.subject == *subject);
        own.for_each(|login| login.vouched = None);
    }

    /// Time goes back to `now`: what was made later is over.
    pub(super) fn take_back(&mut self, now: u64) {
        let later = self.logins.values_mut().filter(|login| login.began > now);
        later.for_each(|login| (login.ended, login.vouched) = (true, None));
        self.codes.retain(|_, (_, made)| *made <= now);
        for erased in [&mut self.erased, &mut self.erased_pages, &mut self.erased_factors] {
            erased.values_mut().for_each(|erased| erased.retain(|at| *at <= now));
        }
    }

    /// An issuer takes back what it said; the login is open until then.
    pub(super) fn end(&mut self, ended: &LoginEnded, leaf: &Leaf) -> Result<(), Fault> {
        must(leaf.actor == ActorRef::DAEMON, Code::State, "somebody else ends a login")?;
        let anybodys = self.erased.values().flatten().next().is_some();
        match self.logins.get_mut(&ended.login) {
            Some(login) if login.subject == ended.subject && login.is_by_token => {
                must(!login.ended, Code::State, "the login has ended before")?;
                login.ended = true;
                Ok(())
            }
            None if anybodys => Ok(()),
            _ => Err(Fault::new(Code::State, "there is no such login by a token of the subject")),
        }
    }

    pub(super) fn logout(&mut self, leaf: &Leaf, logout: &LoggedOut) -> Result<(), Fault> {
        let mut erased = [&self.erased, &self.erased_pages].into_iter();
        let may_be_erased = erased.any(|erased| is_within(erased, leaf, IN_USE));
        let fault = "there is no such login of the subject, or it ended before";
        match self.logins.get_mut(&logout.login) {
            Some(login) if login.subject == logout.subject && !login.ended => {
                login.ended = true;
                Ok(())
            }
            None if may_be_erased => Ok(()),
            _ => Err(Fault::new(Code::State, fault)),
        }
    }

    /// Takes in what the leaf of an entry still says whose payload is erased.
    pub(super) fn erased(&mut self, leaf: &Leaf) {
        self.may_be_reset |= leaf.entry_type.as_str() == "mfa.reset";
        self.codes_are_partial |= ["mfa.code", "mfa.reset"].contains(&leaf.entry_type.as_str());
        let erased = match leaf.entry_type.as_str() {
            "login" | "login.token" | "login.certificate" | "login.host" => &mut self.erased,
            "page.login" => &mut self.erased_pages,
            "login.step-up" => &mut self.erased_factors,
            "mfa.enrolled" => {
                self.unseen_enrolments.insert(leaf.actor, leaf.idx);
                &mut self.erased_factors
            }
            _ => return,
        };
        erased.entry(leaf.actor).or_default().push(leaf.ts_ms);
    }

    /// The login whose certificate has this serial, to be issued now; none if it is erased.
    pub(super) fn to_be_issued(
        &self,
        leaf: &Leaf,
        serial: &Bytes,
    ) -> Result<Option<&Login>, Fault> {
        match self.logins.get(serial) {
            Some(login) if login.actor == leaf.actor => Ok(Some(login)),
            None if is_within(&self.erased, leaf, UNTIL_ISSUED) => Ok(None),
            _ => Err(Fault::new(Code::Under, "there is no such login of the leaf's actor")),
        }
    }

    /// The login must be open, this subject's where that is known, and with a second factor; and the bundle in force must
    /// still have the person, and the key that the login was made with.
    pub(super) fn must_be_open(
        &self,
        people: &People,
        leaf: &Leaf,
        serial: &Bytes,
        subject: Option<&SubjectId>,
    ) -> Result<(), Fault> {
        let Some(login) = self.logins.get(serial) else {
            let may_be_erased = is_within(&self.erased, leaf, IN_USE);
            return must(may_be_erased, Code::Under, "there is no such login");
        };
        let is_theirs =
            login.actor == leaf.actor && subject.is_none_or(|subject| login.subject == *subject);
        must(is_theirs, Code::Under, "the login is not the grant's subject's")?;
        must(login.is_open(leaf), Code::Under, "the login is not open")?;
        must(!login.is_page(), Code::Under, "it is a login to the page")?;
        let person = people.person(leaf.actor, &login.subject, Code::Under)?;
        if let Some((person, ssh_key)) = person.zip(login.ssh_key.as_ref()) {
            let is_still_theirs = has_key(person, ssh_key.as_slice());
            must(is_still_theirs, Code::Under, "the login's SSH key is no longer the person's")?;
        }
        let may_have_one = is_within(&self.erased_factors, leaf, IN_USE);
        let needs_none = people.vouching.may_be_workload(leaf.actor);
        let may_issue = login.has_second_factor || may_have_one || needs_none;
        must(may_issue, Code::Under, "the login has no second factor")
    }
}

/// Whether the leaf's actor has one of these whose payload is erased, and that is no older than this.
fn is_within(erased: &HashMap<ActorRef, Vec<u64>>, leaf: &Leaf, age: Span) -> bool {
    // Time goes back only where later ones are over: the last one is the newest.
    let newest = erased.get(&leaf.actor).and_then(|erased| erased.last());
    newest.is_some_and(|at| second_of(leaf).since(UnixTime::from_secs(at / 1_000)) <= age)
}
