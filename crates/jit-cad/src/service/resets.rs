//! Resets of second factors: one administrator asks, another confirms, and neither is whose they are.

mod list;

use jit_ca_api::{ResetCall, ResetDone, ResetTurn};
use jit_ca_core::event::{
    Decided, Event, MfaReset, MfaResetAsked, MfaResetWithdrawn, ResetCode, Resetter,
};
use jit_ca_core::workflow::Refusal;
use jit_ca_core::{
    Action, ActorRef, Facts, PersonName, RefusalCode, Span, SubjectKind, Text, UnixTime,
};
use jit_ca_log::Leaf;
use jit_ca_policy::{Person, SshKey, decide};

pub use list::list;

use super::caller::is_vouched_for;
use super::second_factor::{CODE_LIFE, enrolment_code};
use super::{ATTEMPTS, Again, CallKey, Caller, Fault, again, locking};
use crate::app::App;
use crate::clock;
use crate::identity::enrolment_code_digest;
use crate::policy::Policy;
use crate::sequencer::{CommitError, Proposal};
use crate::store::{AskedReset, Clash, ResetRecord, Resource, Snapshot, StoreError};

/// How long what was asked for waits for another administrator.
const WAIT: Span = Span::from_secs(24 * 60 * 60);

/// Asks that a person's second factors are reset.
///
/// # Errors
/// If the policy does not let the caller, it is the caller, the person has none, or it was asked for already.
pub async fn ask(app: &App, caller: &Caller, call: &ResetCall, key: &CallKey) -> Result<(), Fault> {
    for _ in 0..ATTEMPTS {
        if app.repeated(caller, key)?.is_some() {
            return Ok(());
        }
        let caller = &*caller.today(app)?;
        let asking = Turn::new(app, caller, &call.name)?;
        locking::must_not_be_locked(app, caller, Some(Action::Administer))?;
        asking.must_have_some()?;
        if let Some(asked) = asking.asked() {
            let text = format!("{} asked for it already, in entry {}", asked.name, asked.entry);
            return Err(asking.refused(RefusalCode::ResetUnchanged, text));
        }
        let now = asking.now;
        let asked = MfaResetAsked {
            subject: asking.person.id.clone(),
            reason: call.reason.clone(),
            by: caller.person.id.clone(),
            name: caller.person.name.clone(),
            login: caller.serial.clone().into(),
            decision: asking.decision.clone(),
            lapses: now.plus(WAIT),
        };
        let proposal = asking.proposal(asked.into(), key);
        match again(app, caller, app.sequencer.commit(proposal).await).await? {
            Ok(_) => return Ok(()),
            Err(Again::Decide | Again::Repeated) => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Takes back what an administrator asked for; also while everything is locked, as it takes nothing from anybody.
///
/// # Errors
/// If the policy does not let the caller, it is about the caller, or it does not wait.
pub async fn withdraw(
    app: &App,
    caller: &Caller,
    call: &ResetTurn,
    key: &CallKey,
) -> Result<(), Fault> {
    for _ in 0..ATTEMPTS {
        if app.repeated(caller, key)?.is_some() {
            return Ok(());
        }
        let caller = &*caller.today(app)?;
        let turn = Turn::new(app, caller, &call.name)?;
        let asked = turn.must_wait(call.entry)?.entry;
        let withdrawn = MfaResetWithdrawn {
            subject: turn.person.id.clone(),
            asked,
            by: caller.person.id.clone(),
            name: caller.person.name.clone(),
            login: caller.serial.clone().into(),
            decision: turn.decision.clone(),
        };
        let proposal = turn.proposal(withdrawn.into(), key);
        match again(app, caller, app.sequencer.commit(proposal).await).await? {
            Ok(_) => return Ok(()),
            Err(Again::Decide | Again::Repeated) => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Resets what another administrator asked for.
///
/// # Errors
/// If the policy does not let the caller, it is about the caller, the caller asked for it, or it does not wait. If the
/// same call did it before: its code is not known any more.
pub async fn confirm(
    app: &App,
    caller: &Caller,
    call: &ResetTurn,
    key: &CallKey,
) -> Result<ResetDone, Fault> {
    for _ in 0..ATTEMPTS {
        if app.repeated(caller, key)?.is_some() {
            let detail = "this call has reset it before, and a code is shown once";
            let hint =
                "if the code did not arrive, ask for another: jit-ca mfa reset NAME --reason …";
            return Err(Fault::bad(detail, hint));
        }
        let caller = &*caller.today(app)?;
        let turn = Turn::new(app, caller, &call.name)?;
        locking::must_not_be_locked(app, caller, Some(Action::Administer))?;
        let asked = turn.must_wait(call.entry)?;
        if asked.by == caller.person.id {
            let text = "you asked for it, and another administrator has to confirm it";
            return Err(turn.refused(RefusalCode::SelfApproval, text.to_owned()));
        }
        turn.must_have_some()?;
        turn.must_stand(asked)?;
        let by = Resetter::Person {
            subject: caller.person.id.clone(),
            name: caller.person.name.clone(),
            login: caller.serial.clone().into(),
            decision: Box::new(turn.decision.clone()),
            asked: asked.entry,
        };
        let (reset, done) = reset(&turn.person, by, turn.now)?;
        let mut proposal = turn.proposal(reset.into(), key);
        proposal.forget_secrets_of(std::slice::from_ref(&turn.person.id));
        match again(app, caller, app.sequencer.commit(proposal).await).await? {
            Ok(_) => return Ok(done),
            Err(Again::Decide | Again::Repeated) => {}
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Resets a person's second factors on the daemon's machine, where no two administrators can log in.
///
/// # Errors
/// If there is no such person, or nothing to reset.
pub async fn alone(
    app: &App,
    name: &PersonName,
    reason: &Text,
    uid: u32,
) -> Result<ResetDone, Fault> {
    for _ in 0..ATTEMPTS {
        let policy = app.policy_with_vouched()?;
        let person = person(&policy, name)?;
        let now = clock::now();
        if let Err(text) = has_some(&app.store.read()?, &person)? {
            let hint = "a first second factor needs no --alone: jit-cad user enroll NAME";
            return Err(Fault::bad(text, hint));
        }
        let by = Resetter::Machine { uid, reason: reason.clone() };
        let (reset, done) = reset(&person, by, now)?;
        let mut proposal = Proposal::decided_at(now, vec![(ActorRef::DAEMON, reset.into())]);
        proposal.rest_on(&policy);
        proposal.forget_secrets_of(std::slice::from_ref(&person.id));
        match app.sequencer.commit(proposal).await {
            Ok(_) => return Ok(done),
            Err(CommitError::Clash(Clash::Bundle)) => {
                app.policy_after(&policy).await?;
            }
            Err(CommitError::Clash(_)) => {}
            Err(error) => return Err(Fault::Commit(error)),
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// Whether the person has a second factor that a code alone would replace.
///
/// # Errors
/// If the store fails.
pub(super) fn has_second_factor(snapshot: &Snapshot, person: &Person) -> Result<bool, Fault> {
    let known = snapshot.subject(&person.id)?;
    let has_totp = known.is_some_and(|known| known.totp_step.is_some());
    Ok(has_totp || !snapshot.passkeys(&person.id)?.is_empty())
}

/// Whether the person was reset and has enrolled nothing since: the code is that reset's, or another reset's.
///
/// # Errors
/// If the store fails.
pub(super) fn was_reset(snapshot: &Snapshot, person: &Person) -> Result<bool, Fault> {
    Ok(snapshot.reset(&person.id)?.is_some_and(|record| record.done.is_some()))
}

/// What an administrator does about a reset, by the policy and the store of one moment.
struct Turn<'c> {
    app: &'c App,
    caller: &'c Caller,
    person: Person,
    decision: Decided,
    snapshot: Snapshot,
    record: Option<ResetRecord>,
    now: UnixTime,
}

impl<'c> Turn<'c> {
    fn new(app: &'c App, caller: &'c Caller, name: &PersonName) -> Result<Self, Fault> {
        let now = clock::now();
        let decision = app.ask(caller, caller.facts(Action::Administer, now))?;
        let person = person(&caller.policy, name)?;
        let snapshot = app.store.read()?;
        let record = snapshot.reset(&person.id)?;
        let turn = Self { app, caller, person, decision, snapshot, record, now };
        if turn.person.id == caller.person.id {
            let text = "the second factors are your own, and two others have to agree";
            return Err(turn.refused(RefusalCode::SelfApproval, text.to_owned()));
        }
        Ok(turn)
    }

    /// What was asked for, while it can be confirmed.
    fn asked(&self) -> Option<&AskedReset> {
        let asked = self.record.as_ref().and_then(|record| record.asked.as_ref());
        asked.filter(|asked| self.now < asked.lapses)
    }

    fn must_wait(&self, entry: u64) -> Result<&AskedReset, Fault> {
        self.asked().filter(|asked| asked.entry == entry).ok_or_else(|| {
            let name = &self.person.name;
            let text = format!("no reset for {name} waits that entry {entry} asked for");
            self.refused(RefusalCode::ResetUnchanged, text)
        })
    }

    /// Who asked may still: by the policy of today, on the facts of then. (What is asked by whom is locked or reset since
    /// waits no longer.)
    fn must_stand(&self, asked: &AskedReset) -> Result<(), Fault> {
        let refused = |why: &str| {
            let text = format!("{}, who asked for it, {why}: ask for it anew", asked.name);
            Err(self.refused(RefusalCode::NoLongerPermitted, text))
        };
        let bundle = &self.caller.policy.bundle;
        if bundle.person(&asked.by).is_none() {
            return refused("is no longer in the policy");
        }
        let facts =
            self.facts_of(asked)?.map(|it| Facts { now: self.now, mfa_at: Some(self.now), ..it });
        if !facts.is_some_and(|facts| decide(bundle, &facts).allows()) {
            return refused("may not administer any more");
        }
        // Their issuer may have ended their access meanwhile, and is asked for as long as they are logged in.
        if !is_vouched_for(&self.snapshot, &asked.by)? {
            return refused("has no login any more that their issuer vouches for");
        }
        Ok(())
    }

    /// What it was asked on; none where the entry that says it is erased.
    fn facts_of(&self, asked: &AskedReset) -> Result<Option<Facts>, Fault> {
        let Some(leaf) = self.snapshot.leaf(asked.entry)? else { return Ok(None) };
        let leaf = Leaf::decode(&leaf).map_err(StoreError::from)?;
        Ok(match self.snapshot.event(&leaf)? {
            Some(Event::MfaResetAsked(asked)) => Some(asked.decision.facts),
            _ => None,
        })
    }

    fn must_have_some(&self) -> Result<(), Fault> {
        let some = has_some(&self.snapshot, &self.person)?;
        some.map_err(|text| self.refused(RefusalCode::ResetUnchanged, text))
    }

    fn refused(&self, code: RefusalCode, text: String) -> Fault {
        let refusal = Refusal::new(code, text);
        let (action, decision) = (Some(Action::Administer), Some(self.decision.clone()));
        self.app.refused(self.caller, action, refusal, decision)
    }

    fn proposal(&self, event: Event, key: &CallKey) -> Proposal {
        let mut proposal = Proposal::decided_at(self.now, vec![(self.caller.actor, event)]);
        proposal.rest_on(&self.caller.policy);
        proposal.reply = Some(self.caller.reply(key, Resource::Reset, self.now));
        proposal
    }
}

fn person(policy: &Policy, name: &PersonName) -> Result<Person, Fault> {
    let person = policy.bundle.person_named(name).filter(|it| it.kind == SubjectKind::Person);
    person.cloned().ok_or(Fault::NotFound("person"))
}

/// Whether there is anything to reset, or was before the last reset; if not, what there is instead.
fn has_some(snapshot: &Snapshot, person: &Person) -> Result<Result<(), String>, Fault> {
    if was_reset(snapshot, person)? || has_second_factor(snapshot, person)? {
        return Ok(Ok(()));
    }
    let name = &person.name;
    let keys = match has_security_keys(person) {
        true => "; security keys stand in users.toml, and a lost one is taken out there",
        false => "",
    };
    Ok(Err(format!("{name} has neither an authenticator nor a passkey to reset{keys}")))
}

/// The entry, and what is told of it this once.
fn reset(person: &Person, by: Resetter, now: UnixTime) -> Result<(MfaReset, ResetDone), Fault> {
    let code = person.id.is_local().then(enrolment_code).transpose()?;
    let expires = now.plus(CODE_LIFE);
    let hashed = |code: &String| ResetCode { code: enrolment_code_digest(code), expires };
    let reset = MfaReset { subject: person.id.clone(), by, code: code.as_ref().map(hashed) };
    let done = ResetDone {
        name: person.name.clone(),
        expires: code.as_ref().map(|_| expires),
        code,
        has_security_keys: has_security_keys(person),
        can_log_in: !person.id.is_local() || !person.ssh_keys.is_empty(),
    };
    Ok((reset, done))
}

fn has_security_keys(person: &Person) -> bool {
    person.ssh_keys.iter().map(SshKey::as_str).any(|key| key.starts_with("sk-"))
}
