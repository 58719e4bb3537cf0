//! Logins, and the codes of second factors.

use std::collections::{HashMap, HashSet};

use jit_ca_core::event::{
    ErasureOrdered, Factor, LoggedIn, LoggedInByCertificate, LoggedInByToken, LoggedOut,
    LoginEnded, LoginSteppedUp, MfaCodeMade, MfaEnrolled, MfaKept, PageLoggedIn, ResetCode,
};
use jit_ca_core::statement::{Kind, Login as Statement};
use jit_ca_core::{Action, ActorRef, Bytes, Digest, Span, SubjectId, UnixTime, Window};

use super::fault::{Fault, must, must_be_allowed, must_be_near};
use super::issuances::Client;
use super::passkeys::Passkeys;
use super::people::has_key;
use super::state::{Log, second_of};
use super::{Code, People, Signatures, signatures};
use crate::Leaf;
use crate::hash::sha256;
use crate::sshsig;

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
    /// When a token last said who it is, of a login that rests on one.
    vouched: Option<UnixTime>,
    /// When its entry was written, in milliseconds since 1970.
    began: u64,
    ended: bool,
}

/// No login is longer.
const LONGEST: Span = Span::from_secs(12 * 60 * 60);
/// How long after a login its certificate is used: a clock may have been set back meanwhile.
const IN_USE: Span = Span::from_secs(12 * 60 * 60 + 10);
/// For how long after its last token a workload may log in without one.
const LONGEST_RENEWAL: Span = Span::from_secs(30 * 24 * 60 * 60);
/// How far the clocks of an issuer and of the CA may be apart.
const CLOCKS_APART: Span = Span::from_secs(60);
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
    pub(super) fn login(
        &mut self,
        log: &Log,
        (people, passkeys): (&People, &mut Passkeys),
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        login: &LoggedIn,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &login.subject)?;
        if let Some(person) = people.person(leaf.actor, &login.subject, Code::Login)? {
            must(person.name == login.name, Code::Login, "the name is not the person's")?;
            let is_theirs = has_key(person, login.key.as_slice());
            must(is_theirs, Code::Login, "the key is not one of the person's")?;
        }
        self.use_challenge(&login.challenge)?;
        must_be_login_window(leaf, login.window)?;
        let statement = log.pin().map(|pin| {
            Statement {
                origin: &log.origin,
                pin: &pin,
                subject: &login.name,
                challenge: &login.challenge,
                login_key: &login.login_key,
            }
            .text()
        });
        match &login.factor {
            Factor::Totp { step } => self.use_step(leaf, &login.subject, *step)?,
            Factor::SecurityKey => must_be_verified(login.signature.as_slice())?,
            Factor::Passkey(assertion) => {
                let answered = sha256(statement.as_deref().unwrap_or_default().as_bytes());
                passkeys.assert(signatures, leaf, Code::Login, answered, assertion)?;
            }
            Factor::EnrolmentCode { code } => {
                let expected = self.codes.remove(&login.subject);
                let is_its = expected.is_some_and(|(expected, _)| expected == *code);
                let may_be = is_its || self.codes_are_partial;
                must(may_be, Code::Login, "the enrolment code is not the subject's")?;
            }
        }
        if let Some(statement) = statement {
            let (key, signature) = (login.key.clone(), login.signature.clone());
            let message = "the login's signature does not hold";
            signatures.check(leaf.idx, Code::Signature, message, move || {
                let (key, signature) = (key.as_slice(), signature.as_slice());
                signatures::of_statement(key, Kind::Login, &statement, signature)
            });
        }
        let has_second_factor = !matches!(login.factor, Factor::EnrolmentCode { .. });
        let (subject, window) = (login.subject.clone(), login.window);
        let (actor, key) = (leaf.actor, login.login_key);
        let began = leaf.ts_ms;
        let (ssh_key, vouched) = (Some(login.key.clone()), None);
        let known = Login {
            actor,
            subject,
            ssh_key,
            key,
            window,
            has_second_factor,
            vouched,
            began,
            ended: false,
        };
        self.begin(login.serial.clone(), known, leaf)
    }

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

    /// A token is used once. A person's is for the login key, by what it answers; a workload's is not.
    pub(super) fn login_by_token(
        &mut self,
        people: &People,
        leaf: &Leaf,
        login: &LoggedInByToken,
    ) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Login, message);
        people.must_act(leaf.actor, &login.subject)?;
        fault(!login.subject.is_local(), "no issuer vouches for people of the user file")?;
        if let Some(person) = people.person(leaf.actor, &login.subject, Code::Login)? {
            fault(
                person.name == login.name,
                "the name is not the one that the issuer vouched for",
            )?;
            let is_workload = people.vouching.may_be_workload(leaf.actor);
            let answers = login.challenge.is_some();
            fault(answers != is_workload, "a person answers a challenge, and a workload does not")?;
            let has_factor = login.mfa_at.is_some();
            fault(!(is_workload && has_factor), "a workload has a second factor")?;
        }
        let is_confirmed = login.confirmed_from.is_some();
        fault(
            login.challenge.is_some() || !is_confirmed,
            "a login by device code answers no challenge",
        )?;
        fault(self.tokens.insert(login.token), "the token was used before")?;
        if let Some(challenge) = &login.challenge {
            self.use_challenge(challenge)?;
        }
        must_be_login_window(leaf, login.window)?;
        let now = second_of(leaf);
        let is_over = login.mfa_at.is_none_or(|at| at <= now.plus(CLOCKS_APART));
        fault(is_over, "the second factor was given later")?;
        fault(now < login.expires.plus(CLOCKS_APART).plus(UNTIL_ISSUED), "the token had expired")?;
        let known = Login {
            actor: leaf.actor,
            subject: login.subject.clone(),
            ssh_key: None,
            key: login.login_key,
            window: login.window,
            has_second_factor: login.mfa_at.is_some(),
            vouched: Some(now),
            began: leaf.ts_ms,
            ended: false,
        };
        self.begin(login.serial.clone(), known, leaf)
    }

    /// A certificate that a workload got stands in for a token: for a month at most since the last one.
    pub(super) fn login_by_certificate(
        &mut self,
        people: &People,
        leaf: &Leaf,
        login: &LoggedInByCertificate,
        by: Option<&Client>,
    ) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Login, message);
        people.must_act(leaf.actor, &login.subject)?;
        if let Some(person) = people.person(leaf.actor, &login.subject, Code::Login)? {
            fault(
                person.name == login.name,
                "the name is not the one that the issuer vouched for",
            )?;
        }
        fault(people.vouching.may_be_workload(leaf.actor), "it is no workload")?;
        let before = by.and_then(|client| self.logins.get(&client.login));
        let is_since = before.is_none_or(|before| before.vouched == Some(login.since));
        fault(is_since, "it is not since then that a token said who it is")?;
        let now = second_of(leaf);
        let is_recent = login.since <= now && now.since(login.since) <= LONGEST_RENEWAL;
        fault(is_recent, "no token has said who it is for a month")?;
        must_be_login_window(leaf, login.window)?;
        let known = Login {
            actor: leaf.actor,
            subject: login.subject.clone(),
            ssh_key: None,
            key: login.login_key,
            window: login.window,
            has_second_factor: false,
            vouched: Some(login.since),
            began: leaf.ts_ms,
            ended: false,
        };
        self.begin(login.serial.clone(), known, leaf)
    }

    /// What a login, or a new passkey, answers is answered once.
    pub(super) fn use_challenge(&mut self, challenge: &str) -> Result<(), Fault> {
        let is_new = self.challenges.insert(sha256(challenge.as_bytes()));
        must(is_new, Code::Login, "the challenge was answered before")
    }

    /// A login to the page: it can be ended, and no certificate rests on it, as no SSH key made it.
    pub(super) fn page(&mut self, leaf: &Leaf, login: &PageLoggedIn) -> Result<(), Fault> {
        must_be_login_window(leaf, login.window)?;
        let known = Login {
            actor: leaf.actor,
            subject: login.subject.clone(),
            ssh_key: Some(Bytes::default()),
            key: Digest::from_bytes([0; 32]),
            window: login.window,
            has_second_factor: true,
            vouched: None,
            began: leaf.ts_ms,
            ended: false,
        };
        self.begin(login.serial.clone(), known, leaf)
    }

    /// A subject is locked: its logins have ended.
    pub(super) fn end_all_of(&mut self, subject: &SubjectId) {
        for serial in self.of.remove(subject).unwrap_or_default() {
            if let Some(login) = self.logins.get_mut(&serial) {
                login.ended = true;
            }
        }
    }

    /// A code is for a first second factor. Whoever has one is reset.
    pub(super) fn code(&mut self, leaf: &Leaf, made: &MfaCodeMade) -> Result<(), Fault> {
        let has_one = self.steps.contains_key(&made.subject) && !self.may_be_reset;
        must(!has_one, Code::Reset, "the subject has a second factor, which was not reset")?;
        self.codes.insert(made.subject.clone(), (made.code, leaf.ts_ms));
        Ok(())
    }

    /// A subject's second factor is reset: codes of it count no more, the logins have ended, and there is one enrolment
    /// code at the most.
    pub(super) fn reset(&mut self, leaf: &Leaf, subject: &SubjectId, code: Option<&ResetCode>) {
        self.end_all_of(subject);
        self.steps.remove(subject);
        self.resets.insert(subject.clone(), leaf.idx);
        self.codes.remove(subject);
        if let Some(made) = code {
            self.codes.insert(subject.clone(), (made.code, leaf.ts_ms));
        }
    }

    /// Time goes back to `now`: what was made later is over.
    pub(super) fn take_back(&mut self, now: u64) {
        let later = self.logins.values_mut().filter(|login| login.began > now);
        later.for_each(|login| login.ended = true);
        self.codes.retain(|_, (_, made)| *made <= now);
        for erased in [&mut self.erased, &mut self.erased_pages, &mut self.erased_factors] {
            erased.values_mut().for_each(|erased| erased.retain(|at| *at <= now));
        }
    }

    pub(super) fn enrolled(&mut self, leaf: &Leaf, enrolled: &MfaEnrolled) -> Result<(), Fault> {
        let may_be_erased = is_within(&self.erased, leaf, IN_USE);
        match self.logins.get_mut(&enrolled.login) {
            Some(login) if login.subject == enrolled.subject => {
                must(login.is_open(leaf), Code::Login, "the login is not open")?;
                login.has_second_factor = true;
            }
            None if may_be_erased => {}
            _ => return Err(Fault::new(Code::Login, "there is no such login of the subject")),
        }
        // Of another secret than the codes before, so that it may be a step before theirs.
        self.steps.insert(enrolled.subject.clone(), enrolled.step);
        self.resets.remove(&enrolled.subject);
        Ok(())
    }

    /// A passkey was used for a login that is open: it has a second factor from here on.
    pub(super) fn stepped_up(
        &mut self,
        people: &People,
        leaf: &Leaf,
        stepped: &LoginSteppedUp,
    ) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Login, message);
        let is_workload = people.vouching.may_be_workload(leaf.actor);
        fault(!is_workload, "a workload has a second factor")?;
        self.use_challenge(&stepped.challenge)?;
        let may_be_erased = is_within(&self.erased, leaf, IN_USE);
        match self.logins.get_mut(&stepped.login) {
            Some(login) if login.subject == stepped.subject => {
                fault(login.is_open(leaf), "the login is not open")?;
                let may_step_up = login.has_second_factor || login.ssh_key.is_none();
                fault(may_step_up, "the login was made by a code, and can only enrol")?;
                fault(!login.is_page(), "it is a login to the page")?;
                login.has_second_factor = true;
                Ok(())
            }
            None if may_be_erased => Ok(()),
            _ => Err(Fault::new(Code::Login, "there is no such login of the subject")),
        }
    }

    pub(super) fn kept(&mut self, log: &Log, leaf: &Leaf, kept: &MfaKept) -> Result<(), Fault> {
        let message = "the log goes on from none that a second factor could be kept of";
        must(log.succeeds != Some(false), Code::Subject, message)?;
        self.use_step(leaf, &kept.subject, kept.step)
    }

    /// An issuer takes back what it said; the login is open until then.
    pub(super) fn end(&mut self, ended: &LoginEnded, leaf: &Leaf) -> Result<(), Fault> {
        must(leaf.actor == ActorRef::DAEMON, Code::State, "somebody else ends a login")?;
        let anybodys = self.erased.values().flatten().next().is_some();
        match self.logins.get_mut(&ended.login) {
            Some(login) if login.subject == ended.subject && login.ssh_key.is_none() => {
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

    pub(super) fn order(
        &mut self,
        people: &People,
        leaf: &Leaf,
        order: &ErasureOrdered,
    ) -> Result<(), Fault> {
        people.must_act(leaf.actor, &order.by)?;
        must_be_allowed(&order.decision, Action::Erase, Some(&order.by))?;
        if let Some(person) = people.person(leaf.actor, &order.by, Code::Login)? {
            must(person.name == order.name, Code::Login, "the name is not the person's")?;
            let is_theirs = has_key(person, order.signature.key.as_slice());
            must(is_theirs, Code::Login, "the key is not one of the person's")?;
        }
        match order.step {
            Some(step) => self.use_step(leaf, &order.by, step),
            None => must_be_verified(order.signature.sshsig.as_slice()),
        }
    }

    /// Takes in what the leaf of an entry still says whose payload is erased.
    pub(super) fn erased(&mut self, leaf: &Leaf) {
        self.may_be_reset |= leaf.entry_type.as_str() == "mfa.reset";
        self.codes_are_partial |= ["mfa.code", "mfa.reset"].contains(&leaf.entry_type.as_str());
        let erased = match leaf.entry_type.as_str() {
            "login" | "login.token" | "login.certificate" => &mut self.erased,
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

    fn use_step(&mut self, leaf: &Leaf, subject: &SubjectId, step: u64) -> Result<(), Fault> {
        if let Some(reset) = self.resets.get(subject) {
            let unseen = self.unseen_enrolments.get(&leaf.actor);
            let may_have_enrolled = unseen.is_some_and(|enrolled| enrolled > reset);
            must(may_have_enrolled, Code::Login, "the second factor was reset, and none enrolled")?;
        }
        let is_new = self.steps.get(subject).is_none_or(|&last| step > last);
        must(is_new, Code::Login, "the code of the second factor was used before")?;
        self.steps.insert(subject.clone(), step);
        Ok(())
    }
}

/// A login lasts for half a day at the most, from when its entry is written.
fn must_be_login_window(leaf: &Leaf, window: Window) -> Result<(), Fault> {
    let length = window.end().since(window.start());
    must(length <= LONGEST, Code::Login, "the login is longer than 12 hours")?;
    must_be_near(leaf, window.start(), Code::Login, "the login starts at another time")
}

/// A signature that is a second factor of its own says so.
fn must_be_verified(signature: &[u8]) -> Result<(), Fault> {
    let is_verified = sshsig::says_user_verified(signature);
    must(is_verified, Code::Login, "no security key says to have verified its user")
}

/// Whether the leaf's actor has one of these whose payload is erased, and that is no older than this.
fn is_within(erased: &HashMap<ActorRef, Vec<u64>>, leaf: &Leaf, age: Span) -> bool {
    // Time goes back only where later ones are over: the last one is the newest.
    let newest = erased.get(&leaf.actor).and_then(|erased| erased.last());
    newest.is_some_and(|at| second_of(leaf).since(UnixTime::from_secs(at / 1_000)) <= age)
}
