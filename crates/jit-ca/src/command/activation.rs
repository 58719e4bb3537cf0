//! `policy pending` and `policy activate`: a policy that waits for a second administrator.
//!
//! INVARIANT (what is shown is what comes into force): a policy goes by the hash over its files; we make that hash
//! ourselves, from the files that we show.

use std::collections::BTreeMap;

use jit_ca_api::client::IdempotencyKey;
use jit_ca_api::{ActivateCall, FileChange, PendingPolicy, PolicyState};
use jit_ca_core::Digest;
use jit_ca_core::event::Asker;
use jit_ca_log::bundle;

use crate::command::Context;
use crate::error::{Error, Result};
use crate::printer::fields;
use crate::terminal;
use crate::text_diff::unified;

pub(super) fn pending(context: &Context) -> Result<()> {
    let state = checked(context.ca()?.client.policy()?)?;
    context.printer.data(&state, |state| match &state.pending {
        Some(pending) => shown(pending, &state.in_force),
        None => format!("nothing is proposed; {} is in force", state.in_force),
    });
    Ok(())
}

pub(super) fn activate(context: &Context, hash: Digest, yes: bool) -> Result<()> {
    let ca = context.ca()?;
    let state = checked(ca.client.policy()?)?;
    // What is proposed may be another by then; the CA compares again.
    if let Some(pending) = state.pending.filter(|pending| pending.hash == hash) {
        context.printer.note(&shown(&pending, &state.in_force));
        if !yes && !terminal::confirm("bring this policy into force?")? {
            return Err(Error::Denied { what: "the policy in force stays".to_owned(), hint: None });
        }
    }
    let state = ca.client.activate_policy(&ActivateCall { hash }, &IdempotencyKey::random()?)?;
    context.printer.data(&state, |state| format!("{} is in force", state.in_force));
    Ok(())
}

/// What the CA says, if the hashes in it are those of its files.
fn checked(state: PolicyState) -> Result<PolicyState> {
    let Some(pending) = &state.pending else { return Ok(state) };
    let files = |text: fn(&FileChange) -> Option<&String>| -> BTreeMap<String, String> {
        let files = pending.files.iter();
        files.filter_map(|file| Some((file.path.clone(), text(file)?.clone()))).collect()
    };
    let (before, after) = (files(|file| file.before.as_ref()), files(|file| file.after.as_ref()));
    for (files, said) in [(before, state.in_force), (after, pending.hash)] {
        let hash = bundle::hash_of(&files);
        if hash != said {
            let what = format!("the files shown have the hash {hash}, and the CA says {said}");
            return Err(Error::unverified(what));
        }
    }
    Ok(state)
}

fn shown(pending: &PendingPolicy, in_force: &Digest) -> String {
    let asked = match pending.asked {
        Asker::Start => "the daemon, at its start".to_owned(),
        Asker::Signal => "whoever sent the daemon SIGHUP".to_owned(),
        Asker::Account(uid) => format!("the account {uid} on the CA's machine"),
    };
    let mut text = fields(&[
        ("proposed", pending.hash.to_string()),
        ("at", pending.proposed.to_string()),
        ("by", asked),
        ("in force", in_force.to_string()),
    ]);
    for FileChange { path, before, after } in &pending.files {
        let none = String::new();
        let name = |side: &str, text: &Option<String>| match text {
            Some(_) => format!("{side}/{path}"),
            None => "/dev/null".to_owned(),
        };
        let (old, new) = (name("in-force", before), name("proposed", after));
        let texts = (before.as_ref().unwrap_or(&none), after.as_ref().unwrap_or(&none));
        let changes = unified((&old, &new), texts.0, texts.1);
        if before.is_some() != after.is_some() || !changes.is_empty() {
            text.push('\n');
            text.push_str(&changes);
        }
    }
    text
}
