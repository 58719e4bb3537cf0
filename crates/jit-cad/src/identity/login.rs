//! Whether somebody is who they say, from an SSH signature and a second factor.

use jit_ca_api::{Factor, LoginCall};
use jit_ca_cert::{KeyEncryptionKey, SubjectKey};
use jit_ca_core::event::{self, Assertion};
use jit_ca_core::statement::{Kind, Login};
use jit_ca_core::{Bytes, Digest, Origin, SubjectId, UnixTime};
use jit_ca_log::hash::sha256;
use jit_ca_log::sshsig;
use jit_ca_log::webauthn::Party;
use jit_ca_policy::{Bundle, Person};
use ssh_key::public::KeyData;

use super::totp::Secret;
use super::{Authenticated, Challenges, Proof};
use crate::store::{Snapshot, StoreError};

/// A login as it was sent, with the login key that its request proved possession of.
#[derive(Debug)]
pub struct UnverifiedLogin<'a> {
    /// What was sent.
    pub call: &'a LoginCall,
    /// The login key.
    pub login_key: &'a SubjectKey,
}

/// What became of a login.
#[derive(Debug)]
pub enum Verdict<'b> {
    /// The person is who they say.
    Accepted(Authenticated<'b>),
    /// The SSH key is the person's, and something else was wrong.
    WrongFactor(SubjectId),
    /// Anybody could have sent it.
    Stranger,
}

/// An id that no user file can hold.
const NOBODY: &str = "local/(nobody)";

/// Whether the login is by whom it says. Unknown names and wrong keys, signatures and codes all go the same way
/// through here and are told apart at the end, so that neither the answer nor the
/// work done for it says which it was.
///
/// # Errors
/// If the store fails.
pub fn verify<'b>(
    login: &UnverifiedLogin<'_>,
    bundle: &'b Bundle,
    snapshot: &Snapshot,
    challenges: &Challenges,
    kek: &KeyEncryptionKey,
    (origin, pin, party): (&Origin, &Digest, Option<Party<'_>>),
    now: UnixTime,
) -> Result<Verdict<'b>, StoreError> {
    let UnverifiedLogin { call, login_key } = login;
    let person = bundle.person_named(&call.name);
    let challenge_holds =
        challenges.knows(&call.challenge, now) && !snapshot.is_spent(&call.challenge)?;

    // The statement is made anew from what is acted on; only the signature comes from the caller.
    let login_key = login_key.spki_digest();
    let statement = Login {
        origin,
        pin,
        subject: &call.name,
        challenge: &call.challenge,
        login_key: &login_key,
    }
    .text();
    let signed = signed_by(&call.signature, &statement);
    let key_is_known = signed
        .as_ref()
        .is_some_and(|signed| person.is_some_and(|person| signed.is_a_key_of(person)));

    // Whom nobody knows is looked up all the same.
    let id = person.map(|person| person.id.clone()).or_else(|| NOBODY.parse().ok());
    let subject = id.as_ref().map(|id| snapshot.subject(id)).transpose()?.flatten();
    let factor = match &call.factor {
        Factor::Totp(code) => {
            let sealed =
                id.as_ref().map(|id| snapshot.secret(&id.to_string())).transpose()?.flatten();
            let label = id.as_ref().map(secret_label).unwrap_or_default();
            let secret = sealed.and_then(|sealed| kek.open(&label, &sealed).ok());
            // Without a secret a code is compared all the same, with what nobody can know.
            let known = secret.as_ref().and_then(|secret| Secret::from_slice(secret));
            let enrolled = known.is_some()
                && subject.as_ref().is_some_and(|subject| subject.totp_step.is_some());
            let step = known.unwrap_or_else(|| Secret::new(decoy(pin))).step_of(code, now);
            let last = subject.as_ref().and_then(|subject| subject.totp_step);
            step.filter(|step| enrolled && last.is_some_and(|last| *step > last))
                .map(|step| event::Factor::Totp { step })
        }
        Factor::SecurityKey => signed
            .as_ref()
            .filter(|signed| sshsig::says_user_verified(signed.signature.as_slice()))
            .map(|_| event::Factor::SecurityKey),
        Factor::Passkey(assertion) => {
            let answered = sha256(statement.as_bytes());
            let theirs = id.as_ref().zip(party.as_ref());
            let holds = theirs.map(|(id, party)| signs(snapshot, id, party, &answered, assertion));
            holds.transpose()?.unwrap_or(false).then(|| event::Factor::Passkey(assertion.clone()))
        }
        Factor::EnrolmentCode(code) => {
            let code = enrolment_code_digest(code);
            let expected = subject.as_ref().and_then(|subject| subject.enrolment_code);
            let holds =
                expected.is_some_and(|expected| expected.code == code && now < expected.expires);
            holds.then_some(event::Factor::EnrolmentCode { code })
        }
    };

    Ok(match (person, signed, factor) {
        (Some(person), Some(signed), Some(factor)) if challenge_holds && key_is_known => {
            let challenge = call.challenge.clone();
            let Signed { key, signature, .. } = signed;
            let proof = Proof::Ssh { challenge, key, signature, factor };
            Verdict::Accepted(Authenticated::assertion(person, proof))
        }
        (Some(person), Some(_), _) if challenge_holds && key_is_known => {
            Verdict::WrongFactor(person.id.clone())
        }
        _ => Verdict::Stranger,
    })
}

/// Whether it was signed with a passkey of the subject's, on the CA's page.
fn signs(
    snapshot: &Snapshot,
    subject: &SubjectId,
    party: &Party<'_>,
    answered: &Digest,
    assertion: &Assertion,
) -> Result<bool, StoreError> {
    let known = snapshot.passkey(assertion.passkey.as_slice())?;
    let known = known.filter(|known| known.subject == *subject);
    Ok(known.is_some_and(|known| {
        let passkey = known.with_id(assertion.passkey.clone());
        passkey.verify_next(party, answered, assertion).is_ok()
    }))
}

/// The step of a code of the person's second factor, if it is one that shows now and was not used before.
///
/// # Errors
/// If the store fails.
pub fn totp_step(
    snapshot: &Snapshot,
    kek: &KeyEncryptionKey,
    person: &Person,
    code: &str,
    now: UnixTime,
) -> Result<Option<u64>, StoreError> {
    let sealed = snapshot.secret(&person.id.to_string())?;
    let secret = sealed.and_then(|sealed| kek.open(&secret_label(&person.id), &sealed).ok());
    let secret = secret.as_ref().and_then(|secret| Secret::from_slice(secret));
    let last = snapshot.subject(&person.id)?.and_then(|subject| subject.totp_step);
    let step = secret.and_then(|secret| secret.step_of(code, now));
    Ok(step.filter(|step| last.is_some_and(|last| *step > last)))
}

/// The label that a subject's TOTP secret is sealed under.
pub fn secret_label(subject: &SubjectId) -> String {
    format!("totp {subject}")
}

/// What the log keeps of an enrolment code.
pub fn enrolment_code_digest(code: &str) -> Digest {
    sha256(code.trim().to_ascii_lowercase().as_bytes())
}

struct Signed {
    public_key: KeyData,
    key: Bytes,
    signature: Bytes,
}

impl Signed {
    fn is_a_key_of(&self, person: &Person) -> bool {
        person.ssh_keys.iter().any(|key| {
            ssh_key::PublicKey::from_openssh(key.as_str())
                .is_ok_and(|key| *key.key_data() == self.public_key)
        })
    }
}

/// The key that signed the statement, if any did: whose it is, is another question.
fn signed_by(signature: &str, statement: &str) -> Option<Signed> {
    let public_key = sshsig::key_named_in(signature).ok()?;
    let blob =
        sshsig::verify(&public_key, &Kind::Login.namespace(), statement.as_bytes(), signature)
            .ok()?;
    let key = ssh_key::PublicKey::from(public_key.clone()).to_bytes().ok()?;
    Some(Signed { public_key, key: key.into(), signature: blob.into() })
}

/// Bytes to compare a stranger's code with.
fn decoy(pin: &Digest) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes.iter_mut().zip(pin.as_bytes()).for_each(|(byte, pin)| *byte = *pin);
    bytes
}
