//! How logins begin.

use jit_ca_core::event::{
    Factor, HostLoggedIn, LoggedIn, LoggedInByCertificate, LoggedInByToken, PageLoggedIn,
};
use jit_ca_core::statement::{Kind, Login as Statement};
use jit_ca_core::{Bytes, Digest, Span, Window};

use super::factors::must_be_verified;
use super::{Login, Logins, UNTIL_ISSUED};
use crate::Leaf;
use crate::hash::sha256;
use crate::verify::fault::{Fault, must, must_be_near};
use crate::verify::issuances::Client;
use crate::verify::log::{Log, second_of};
use crate::verify::passkeys::Passkeys;
use crate::verify::people::has_key;
use crate::verify::{Code, People, Signatures, signatures};

/// No login is longer.
const LONGEST: Span = Span::from_secs(12 * 60 * 60);
/// For how long after its last token a workload may log in without one.
const LONGEST_RENEWAL: Span = Span::from_secs(30 * 24 * 60 * 60);
/// How far the clocks of an issuer and of the CA may be apart.
const CLOCKS_APART: Span = Span::from_secs(60);

impl Logins {
    pub(in crate::verify) fn login(
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
            is_by_token: false,
            vouched,
            began,
            ended: false,
        };
        self.begin(login.serial.clone(), known, leaf)
    }

    /// A token is used once. A person's is for the login key, by what it answers; a workload's is not.
    pub(in crate::verify) fn login_by_token(
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
            is_by_token: true,
            vouched: Some(now),
            began: leaf.ts_ms,
            ended: false,
        };
        self.begin(login.serial.clone(), known, leaf)
    }

    /// A certificate that a workload got stands in for a token: for a month after the last one at most, its login too.
    pub(in crate::verify) fn login_by_certificate(
        &mut self,
        people: &People,
        leaf: &Leaf,
        login: &LoggedInByCertificate,
        by: Option<&Client>,
    ) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Login, message);
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
        must_be_login_window(leaf, login.window)?;
        fault(login.since <= login.window.start(), "a token said later who it is")?;
        let is_in_time = login.window.end() <= login.since.plus(LONGEST_RENEWAL);
        fault(is_in_time, "it lasts for longer than a month after the token")?;
        let known = Login {
            actor: leaf.actor,
            subject: login.subject.clone(),
            ssh_key: None,
            key: login.login_key,
            window: login.window,
            has_second_factor: false,
            is_by_token: false,
            vouched: Some(login.since),
            began: leaf.ts_ms,
            ended: false,
        };
        self.begin(login.serial.clone(), known, leaf)
    }

    /// A host's: its own certificates are all that it gets by it, and these rest on its enrolment.
    pub(in crate::verify) fn host(
        &mut self,
        leaf: &Leaf,
        login: &HostLoggedIn,
    ) -> Result<(), Fault> {
        self.use_challenge(&login.challenge)?;
        must_be_login_window(leaf, login.window)?;
        let known = Login {
            actor: leaf.actor,
            subject: login.subject.clone(),
            ssh_key: None,
            key: login.login_key,
            window: login.window,
            has_second_factor: false,
            is_by_token: false,
            vouched: None,
            began: leaf.ts_ms,
            ended: false,
        };
        self.begin(login.serial.clone(), known, leaf)
    }

    /// A login to the page: it can be ended, and no certificate rests on it, as no SSH key made it.
    pub(in crate::verify) fn page(
        &mut self,
        leaf: &Leaf,
        login: &PageLoggedIn,
    ) -> Result<(), Fault> {
        must_be_login_window(leaf, login.window)?;
        let known = Login {
            actor: leaf.actor,
            subject: login.subject.clone(),
            ssh_key: Some(Bytes::default()),
            key: Digest::from_bytes([0; 32]),
            window: login.window,
            has_second_factor: true,
            is_by_token: false,
            vouched: None,
            began: leaf.ts_ms,
            ended: false,
        };
        self.begin(login.serial.clone(), known, leaf)
    }
}

/// A login lasts for half a day at the most, from when its entry is written.
fn must_be_login_window(leaf: &Leaf, window: Window) -> Result<(), Fault> {
    let length = window.end().since(window.start());
    must(length <= LONGEST, Code::Login, "the login is longer than 12 hours")?;
    must_be_near(leaf, window.start(), Code::Login, "the login starts at another time")
}
