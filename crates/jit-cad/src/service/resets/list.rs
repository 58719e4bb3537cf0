//! The resets that wait, as administrators see them.

use jit_ca_api::{Reset, ResetStatus};
use jit_ca_core::Action;

use crate::app::App;
use crate::clock;
use crate::service::{Caller, Fault};
use crate::store::{AskedReset, DoneReset, ResetRecord};

/// The resets that wait for another administrator, and those whose codes wait to be used.
///
/// # Errors
/// If the policy does not let the caller administer, or the store fails.
pub fn list(app: &App, caller: &Caller) -> Result<Vec<Reset>, Fault> {
    let now = clock::now();
    app.ask(caller, caller.facts(Action::Administer, now))?;
    let snapshot = app.store.read()?;
    let mut resets = Vec::new();
    for ResetRecord { subject, asked, done } in snapshot.resets()? {
        let known = snapshot.subject(&subject)?;
        let name = known.as_ref().map(|known| known.name.clone());
        // A code that was used, or replaced, is no longer the one that the subject has.
        let code = known.and_then(|known| known.enrolment_code).map(|it| it.code);
        if let Some(done) = done.filter(|it| code == Some(it.code.code) && now < it.code.expires) {
            let DoneReset { entry, asked_by, by, reason, made, code } = done;
            resets.push(Reset {
                name: name.clone(),
                subject: subject.clone(),
                status: ResetStatus::Confirmed,
                asked_by,
                confirmed_by: by,
                reason,
                since: made.time(),
                until: code.expires,
                entry,
            });
        }
        if let Some(asked) = asked.filter(|asked| now < asked.lapses) {
            let AskedReset { entry, by: _, name: by, reason, made, lapses } = asked;
            resets.push(Reset {
                name,
                subject,
                status: ResetStatus::Asked,
                asked_by: Some(by),
                confirmed_by: None,
                reason: Some(reason),
                since: made.time(),
                until: lapses,
                entry,
            });
        }
    }
    Ok(resets)
}
