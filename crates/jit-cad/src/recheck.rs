//! Whether issuers still vouch for those who are logged in: asked again after the time that the issuer's file says.
//!
//! ```text
//! login ──> refresh token, sealed beside the log ──each `recheck`──> issuer: yes, with what it says now ──> subject.vouched
//!                                                                          └─ no ──> login.end
//! ```
//!
//! An issuer that is down says nothing: the login goes on until it ends by itself, and the issuer is asked again soon.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_core::event::LoginEnded;
use jit_ca_core::{ActorRef, SubjectId, UnixTime};
use jit_ca_policy::{Issuer, Vouches};
use zeroize::Zeroizing;

use crate::app::App;
use crate::clock;
use crate::failure::with_causes;
use crate::identity::{NothingSaid, Refresh, SaidAgain, ask_again};
use crate::provider::Doing;
use crate::sequencer::{CommitError, Proposal};
use crate::service::login::provider;
use crate::service::vouching::vouch;
use crate::service::{Fault, blocking};
use crate::store::{Clash, LoginRecord};

/// How often it is looked who is due.
const TICK: Duration = Duration::from_secs(10);
/// What the names of these secrets have in them; no subject holds a space.
const MARK: &str = " refresh ";

/// By what an issuer can be asked again about a login, as it is kept: its name, and it sealed.
///
/// # Errors
/// If it can't be sealed.
pub fn kept(
    app: &App,
    subject: &SubjectId,
    serial: &[u8],
    refresh: &Refresh,
) -> Result<(String, Option<Vec<u8>>), Fault> {
    let name = format!("{subject}{MARK}{}", Base64UrlUnpadded::encode_string(serial));
    let sealed = app.keys.kek.seal(&name, refresh.0.as_bytes());
    let sealed = sealed.map_err(|error| Fault::Internal(Box::new(error)))?;
    Ok((name, Some(sealed)))
}

/// Asks about everybody in their time, until the daemon stops.
pub async fn run(app: Arc<App>) {
    // When each login was asked about last; after a start, when it began.
    let mut asked = HashMap::new();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        if let Err(fault) = round(&app, &mut asked).await {
            tracing::warn!(error = with_causes(&fault), "logins are not asked about");
        }
    }
}

/// A login that an issuer can be asked about.
struct Open {
    name: String,
    subject: SubjectId,
    serial: Vec<u8>,
    sealed: Vec<u8>,
    login: Arc<LoginRecord>,
}

async fn round(app: &App, asked: &mut HashMap<Vec<u8>, UnixTime>) -> Result<(), Fault> {
    let now = clock::now();
    let (open, over) = all(app, now)?;
    asked.retain(|serial, _| open.iter().any(|open| open.serial == *serial));
    if !over.is_empty() {
        let mut proposal = Proposal::new(Vec::new());
        proposal.secrets = over.into_iter().map(|name| (name, None)).collect();
        app.sequencer.commit(proposal).await.map_err(Fault::Commit)?;
    }
    // Whoever does not answer one question is not asked the others now: each takes its time.
    let mut silent = HashSet::new();
    for open in open {
        let policy = app.policy();
        let issuer = open.subject.issuer().parse().ok();
        let Some(issuer) = issuer.and_then(|name| policy.bundle.issuer(&name)) else { continue };
        let Vouches::People(people) = &issuer.vouches else { continue };
        let last = asked.get(&open.serial).copied().unwrap_or(open.login.window.start());
        let is_due = people.recheck.is_some_and(|recheck| now.since(last) >= recheck);
        if !is_due || silent.contains(&issuer.name) {
            continue;
        }
        match recheck(app, issuer, &open, now).await {
            Ok(()) => _ = asked.insert(open.serial, now),
            // It is tried again at the next tick.
            Err(fault) => {
                if matches!(fault, Fault::Issuer(_)) {
                    silent.insert(issuer.name.clone());
                }
                tracing::warn!(
                    subject = %open.subject,
                    error = with_causes(&fault),
                    "an issuer can't be asked again about a login, which goes on meanwhile"
                );
            }
        }
    }
    Ok(())
}

/// The logins that are open, and the names of what is kept of others.
fn all(app: &App, now: UnixTime) -> Result<(Vec<Open>, Vec<String>), Fault> {
    let snapshot = app.store.read()?;
    let (mut open, mut over) = (Vec::new(), Vec::new());
    for (name, sealed) in snapshot.secrets_with(MARK)? {
        let parts = name.split_once(MARK);
        let parts = parts.and_then(|(subject, serial)| {
            Some((subject.parse().ok()?, Base64UrlUnpadded::decode_vec(serial).ok()?))
        });
        let login = parts.as_ref().map(|(_, serial)| snapshot.login(serial)).transpose()?.flatten();
        let login = login.filter(|login| !login.ended && login.window.contains(now));
        match parts.zip(login) {
            Some(((subject, serial), login)) => {
                open.push(Open { name, subject, serial, sealed, login });
            }
            None => over.push(name),
        }
    }
    Ok((open, over))
}

async fn recheck(app: &App, issuer: &Issuer, open: &Open, now: UnixTime) -> Result<(), Fault> {
    let opened = app.keys.kek.open(&open.name, &open.sealed);
    let opened = opened.map_err(|error| Fault::Internal(Box::new(error)))?;
    let refresh = Refresh(Zeroizing::new(String::from_utf8_lossy(&opened).into_owned()));
    let asked = provider(app, issuer).await?;
    let (like, subject) = (issuer.clone(), open.subject.clone());
    let said =
        blocking(move || Ok(asked.ask(|asked| ask_again(asked, &like, (&subject, &refresh), now))))
            .await?;
    // Nobody is erased meanwhile; whoever was while the issuer was asked is not to come back.
    let _alone = app.erasing.lock().await;
    if app.store.read()?.login(&open.serial)?.is_none_or(|login| login.ended) {
        return Ok(());
    }
    match said {
        Ok(SaidAgain { vouched, refresh }) => {
            // First: the one before may have been used up (RFC 6749 10.4).
            if let Some(refresh) = refresh {
                let mut proposal = Proposal::new(Vec::new());
                proposal.secrets = vec![kept(app, &open.subject, &open.serial, &refresh)?];
                app.sequencer.commit(proposal).await.map_err(Fault::Commit)?;
            }
            if let Some(vouched) = vouched {
                vouch(app, issuer, (&open.subject, &vouched)).await?;
                app.policy_with_vouched()?;
            }
            Ok(())
        }
        Err(NothingSaid::Provider(fault)) if fault.doing() == Doing::Provider => {
            Err(Fault::Issuer(fault))
        }
        Err(nothing) => end(app, open, &nothing).await,
    }
}

/// The issuer no longer vouches for whose login it is.
async fn end(app: &App, open: &Open, nothing: &NothingSaid) -> Result<(), Fault> {
    let (subject, login) = (open.subject.clone(), open.serial.clone().into());
    let ended = LoginEnded { subject, login, refusal: nothing.to_string() };
    let mut proposal = Proposal::new(vec![(ActorRef::DAEMON, ended.into())]);
    proposal.secrets = vec![(open.name.clone(), None)];
    match app.sequencer.commit(proposal).await {
        // The subject may have ended it at the same moment.
        Ok(_) | Err(CommitError::Clash(Clash::Login)) => Ok(()),
        Err(error) => Err(Fault::Commit(error)),
    }
}
