//! A person's second factor: the code that enrols a first one, and the enrolment.

use jit_ca_core::event::{MfaCodeMade, MfaEnrolled};
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{ActorRef, PersonName, RefusalCode, Span, UnixTime};
use serde::{Deserialize, Serialize};

use super::{ATTEMPTS, CallKey, Caller, Fault, locking, resets};
use crate::app::App;
use crate::clock;
use crate::identity::totp::Secret;
use crate::identity::{enrolment_code_digest, secret_label};
use crate::sequencer::{CommitError, Proposal};
use crate::store::{Clash, Resource};

/// How long an enrolment code can be used.
pub(super) const CODE_LIFE: Span = Span::from_secs(24 * 60 * 60);

/// A one-use code with which a person enrols a first second factor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentCode {
    /// It.
    pub code: String,
    /// Until when it can be used.
    pub expires: UnixTime,
    /// Whether the person has an SSH key, without which nobody logs in.
    pub can_log_in: bool,
}

/// Makes a one-use code for a first second factor. A code made before can't be used any more.
///
/// # Errors
/// If there is no such person, the person has a second factor already or was reset, or the log can't be written.
pub async fn make_code(app: &App, name: &PersonName) -> Result<EnrolmentCode, Fault> {
    let mut policy = app.policy();
    let code = enrolment_code()?;
    for _ in 0..ATTEMPTS {
        let person = policy.bundle.person_named(name).filter(|person| person.id.is_local());
        let person = person.ok_or(Fault::NotFound("person of users.toml"))?;
        let snapshot = app.store.read()?;
        let hint = "two administrators replace it: jit-ca mfa reset; where there are not two who can log in, here: --alone --reason TEXT";
        if resets::has_second_factor(&snapshot, person)? {
            return Err(Fault::bad(format!("{name} has a second factor already"), hint));
        }
        if resets::was_reset(&snapshot, person)? {
            let detail = format!("{name} was reset, and has a code from that to enrol with");
            return Err(Fault::bad(detail, hint));
        }
        let now = clock::now();
        let expires = now.plus(CODE_LIFE);
        let can_log_in = !person.ssh_keys.is_empty();
        let (subject, digest) = (person.id.clone(), enrolment_code_digest(&code));
        let made = MfaCodeMade { subject, code: digest, expires };
        let mut proposal = Proposal::decided_at(now, vec![(ActorRef::DAEMON, made.into())]);
        proposal.rest_on(&policy);
        match app.sequencer.commit(proposal).await {
            Ok(_) => return Ok(EnrolmentCode { code, expires, can_log_in }),
            Err(CommitError::Clash(Clash::Bundle)) => policy = app.policy_after(&policy).await?,
            Err(CommitError::Clash(Clash::Late | Clash::Reset)) => {}
            Err(error) => return Err(Fault::Commit(error)),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// A new secret for the caller, to be confirmed by a code of it. Until then nothing has changed. Asked again, it is
/// the same secret.
///
/// # Errors
/// If the caller's login was not made with an enrolment code, the caller is locked, or the store fails.
pub async fn begin(app: &App, caller: &Caller) -> Result<Secret, Fault> {
    must_enrol(caller)?;
    locking::must_not_be_locked(app, caller, None)?;
    if let Some(secret) = pending(app, caller)? {
        return Ok(secret);
    }
    let secret = Secret::new(clock::random()?);
    let sealed = app
        .keys
        .kek
        .seal(&pending_label(caller), secret.as_bytes())
        .map_err(|error| Fault::Internal(Box::new(error)))?;
    let mut proposal = Proposal::new(Vec::new());
    proposal.secrets = vec![(pending_name(caller), Some(sealed))];
    app.sequencer.commit(proposal).await.map_err(Fault::Commit)?;
    Ok(secret)
}

/// Takes the new secret into use. The login has its second factor from here on.
///
/// # Errors
/// If the code is not one of the secret's, none was begun, the caller is locked, or the log can't be written.
pub async fn confirm(app: &App, caller: &Caller, code: &str, key: &CallKey) -> Result<(), Fault> {
    if app.repeated(caller, key)?.is_some() {
        return Ok(());
    }
    must_enrol(caller)?;
    locking::must_not_be_locked(app, caller, None)?;
    let now = clock::now();
    let secret = pending(app, caller)?;
    let secret = secret.ok_or_else(|| {
        Fault::bad("no second factor was begun with this login", "begin with POST /v1/mfa")
    })?;
    app.failed_codes.attempt(&caller.person.id, now).map_err(|wait| Fault::SlowDown { wait })?;
    let Some(step) = secret.step_of(code, now) else {
        let refusal = Refusal::new(
            RefusalCode::LoginRefused,
            "this is not the code that the authenticator shows now",
        );
        return Err(app.refused(caller, None, refusal, None));
    };
    app.failed_codes.succeeded(&caller.person.id);

    let sealed = app.keys.kek.seal(&secret_label(&caller.person.id), secret.as_bytes());
    let sealed = sealed.map_err(|error| Fault::Internal(Box::new(error)))?;
    let enrolled = MfaEnrolled {
        subject: caller.person.id.clone(),
        login: caller.serial.clone().into(),
        step,
    };
    // The code was right when it came: how long the log takes is not the person's doing.
    for _ in 0..ATTEMPTS {
        let caller = &*caller.today(app)?;
        locking::must_not_be_locked(app, caller, None)?;
        let now = clock::now();
        let mut proposal = Proposal::decided_at(now, vec![(caller.actor, enrolled.clone().into())]);
        proposal.secrets = vec![
            (caller.person.id.to_string(), Some(sealed.clone())),
            (pending_name(caller), None),
        ];
        proposal.rest_on(&caller.policy);
        proposal.reply = Some(caller.reply(key, Resource::Login, now));
        match app.sequencer.commit(proposal).await {
            Ok(_) | Err(CommitError::Clash(Clash::Call)) => return Ok(()),
            Err(CommitError::Clash(Clash::Late | Clash::Lock)) => {}
            Err(CommitError::Clash(Clash::Bundle)) => {
                app.policy_after(&caller.policy).await?;
            }
            Err(CommitError::Clash(_)) => return Err(Fault::login_ended()),
            Err(error) => return Err(Fault::Commit(error)),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// The secret that waits for its confirmation.
fn pending(app: &App, caller: &Caller) -> Result<Option<Secret>, Fault> {
    let sealed = app.store.read()?.secret(&pending_name(caller))?;
    let opened = sealed.and_then(|sealed| app.keys.kek.open(&pending_label(caller), &sealed).ok());
    Ok(opened.as_ref().and_then(|bytes| Secret::from_slice(bytes)))
}

/// A login that a code of an administrator made. Whose issuer saw no second factor has to have it see one.
fn must_enrol(caller: &Caller) -> Result<(), Fault> {
    if caller.login.mfa_at.is_none() && caller.login.key.is_some() {
        return Ok(());
    }
    let refusal = Refusal::new(
        RefusalCode::NotPermitted,
        "a second factor is enrolled with a one-use code from an administrator",
    );
    Err(Fault::Refused(refusal))
}

/// 80 random bits as `xxxx-xxxx-xxxx-xxxx`, in letters and digits that are not mistaken for each other.
pub(super) fn enrolment_code() -> Result<String, Fault> {
    const ALPHABET: [char; 32] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h',
        'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'y', 'z',
    ];
    let random: [u8; 16] = clock::random()?;
    let mut code = String::new();
    for (place, byte) in random.into_iter().enumerate() {
        if place > 0 && place % 4 == 0 {
            code.push('-');
        }
        code.extend(ALPHABET.get(usize::from(byte % 32)));
    }
    Ok(code)
}

/// Where a secret waits for its confirmation: one for each login that enrols.
fn pending_name(caller: &Caller) -> String {
    format!("{} pending {}", caller.person.id, caller.serial_hex())
}

fn pending_label(caller: &Caller) -> String {
    format!("totp {}", pending_name(caller))
}
