//! Each step as a call of the service that does it in the daemon.

use jit_ca_api::{
    ApproveCall, BreakGlassCall, DenyCall, ExtendCall, LockCall, RequestCall, ReviewCall,
    RevokeCall, SshCall,
};
use jit_ca_core::statement::{Approval, Kind, Possession};
use jit_ca_core::{GrantId, HostName, Hosts, RequestId, Span, Text, UnixTime};
use jit_ca_log::hash::sha256;

use super::lab::{Lab, Person, work_key};
use super::model::{Model, SKIPPED};
use super::step::{Part, Step, What};
use super::world::{HOSTS, ROLES, row_name};
use crate::app::App;
use crate::clock;
use crate::passage;
use crate::sequencer::CommitError;
use crate::service::locking::Turn;
use crate::service::{
    CallKey, Caller, Fault, acknowledgement, approval, asking, certificate, ending, locking,
};

/// What became of a step: a certificate's end where there is one; or the code of what was refused.
pub(super) type Done = Result<Option<UnixTime>, String>;

pub(super) struct Day<'l> {
    pub(super) lab: &'l mut Lab,
    pub(super) requests: Vec<RequestId>,
    work: Person,
    /// The last call for a certificate that was cut off.
    cut_off: Option<(usize, Issue)>,
}

/// A call for a certificate.
struct Issue {
    grant: GrantId,
    call: SshCall,
    key: CallKey,
}

impl<'l> Day<'l> {
    pub(super) fn new(lab: &'l mut Lab) -> Self {
        lab.begin();
        Self { lab, requests: Vec::new(), work: work_key(), cut_off: None }
    }

    /// Does it; the model says nothing but which request is meant.
    pub(super) fn act(&mut self, step: &Step, model: &Model) -> Done {
        let nth = |of: usize| model.nth(of).map_err(str::to_owned);
        match step.clone() {
            Step::Login { by } if model.skips_login(by) => Err(SKIPPED.to_owned()),
            Step::Login { by } => self.lab.login(by).map(|()| None).map_err(code),
            Step::Request { by, role, hosts, duration, ahead } => {
                let call = RequestCall {
                    role: ROLES[role].parse().unwrap(),
                    hosts: host_names(hosts),
                    duration: Some(Span::from_secs(duration)),
                    start: ahead.map(|ahead| clock::now().plus(Span::from_secs(ahead))),
                    reason: why(),
                    ticket: None,
                };
                self.ask(by, async |app, caller, key| {
                    asking::request(app, caller, &call, key).await
                })
            }
            Step::Extend { by, of, duration } => {
                let grant = self.grant(nth(of)?)?;
                let duration = Some(Span::from_secs(duration));
                let call = ExtendCall { duration, reason: why(), ticket: None };
                self.ask(by, async |app, caller, key| {
                    asking::extend(app, caller, grant, &call, key).await
                })
            }
            Step::BreakGlass { by, role, hosts, duration } => {
                let call = BreakGlassCall {
                    role: ROLES[role].parse().unwrap(),
                    hosts: host_names(hosts),
                    duration: Some(Span::from_secs(duration)),
                    reason: why(),
                    ticket: None,
                };
                self.ask(by, async |app, caller, key| {
                    asking::break_glass(app, caller, &call, key).await
                })
            }
            Step::Approve { by, of, part } => self.approve(by, nth(of)?, &part),
            Step::Deny { by, of } => {
                let (id, call) = (self.requests[nth(of)?], DenyCall::default());
                self.call(by, async |app, caller, key| {
                    approval::deny(app, caller, id, &call, key).await
                })
            }
            Step::Cancel { by, of } => {
                let id = self.requests[nth(of)?];
                self.call(by, async |app, caller, key| approval::cancel(app, caller, id, key).await)
            }
            Step::Issue { by, of, row } => {
                let (caller, issue) = self.issue(by, nth(of)?, row, model)?;
                self.lab.run(async |app| issue.done(app, &caller).await)
            }
            Step::CutOff { by, of, row } => {
                let (caller, issue) = self.issue(by, nth(of)?, row, model)?;
                let done = self.lab.run_and_die(async |app| issue.done(app, &caller).await)?;
                self.cut_off = Some((by, issue));
                Ok(done)
            }
            Step::Again => {
                let (by, issue) = self.cut_off.as_ref().ok_or(SKIPPED)?;
                let caller = self.lab.caller(*by).map_err(code)?;
                self.lab.run(async |app| issue.done(app, &caller).await)
            }
            Step::GiveBack { by, of } => {
                let grant = self.grant(nth(of)?)?;
                self.call(by, async |app, caller, key| {
                    ending::give_back(app, caller, grant, key).await
                })
            }
            Step::Revoke { by, of } => {
                let (grant, call) = (self.grant(nth(of)?)?, RevokeCall { reason: why() });
                self.call(by, async |app, caller, key| {
                    ending::revoke(app, caller, grant, &call, key).await
                })
            }
            Step::Review { by, of } => {
                let (id, call) = (self.requests[nth(of)?], ReviewCall { comment: why() });
                self.call(by, async |app, caller, key| {
                    ending::review(app, caller, id, &call, key).await
                })
            }
            Step::Lock { by, what } => self.turn(by, Turn::Lock, what),
            Step::Unlock { by, what } => self.turn(by, Turn::Unlock, what),
            Step::UnlockHere { what } => {
                let call = LockCall { what: self.named(what), reason: why() };
                let done = self.lab.run(async |app| locking::unlock_here(app, &call, 0).await);
                done.map(|_| None).map_err(code)
            }
            Step::Reload { world } => {
                self.lab.reload(world);
                Ok(None)
            }
            Step::Pass { seconds } => {
                clock::set::pass(seconds);
                Ok(None)
            }
            Step::Tick => {
                self.lab.run(async |app| passage::tick(app, clock::now()).await);
                Ok(None)
            }
            Step::SetClock { seconds } => {
                clock::set::put(seconds);
                // The daemon looks at it all the time.
                assert!(clock::fault().is_some(), "a clock that was set is not noticed");
                Ok(None)
            }
            Step::Acknowledge => {
                let done =
                    self.lab.run(async |app| acknowledgement::acknowledge(app, why(), 0).await);
                done.map(|_| None).map_err(code)
            }
        }
    }

    fn call<T>(
        &mut self,
        by: usize,
        call: impl AsyncFnOnce(&App, &Caller, &CallKey) -> Result<T, Fault>,
    ) -> Done {
        self.calls(by, call).map(|_| None)
    }

    fn calls<T>(
        &mut self,
        by: usize,
        call: impl AsyncFnOnce(&App, &Caller, &CallKey) -> Result<T, Fault>,
    ) -> Result<T, String> {
        let (caller, key) = (self.lab.caller(by).map_err(code)?, self.lab.key());
        self.lab.run(async |app| call(app, &caller, &key).await).map_err(code)
    }

    fn ask(
        &mut self,
        by: usize,
        call: impl AsyncFnOnce(&App, &Caller, &CallKey) -> Result<RequestId, Fault>,
    ) -> Done {
        let id = self.calls(by, call)?;
        self.requests.push(id);
        Ok(None)
    }

    fn approve(&mut self, by: usize, nth: usize, part: &Part) -> Done {
        let id = self.requests[nth];
        let record = self.lab.app.store.read().unwrap().access(id).unwrap().unwrap();
        let request = &record.access.request;
        let is_kept = |row: &usize| part.rows & 1 << row != 0;
        let rows = (0..request.rows.len()).filter(is_kept).map(|row| request.rows[row].clone());
        let hosts = part.hosts.map_or_else(|| request.hosts.clone(), hosts);
        let (duration, rows): (_, Vec<_>) =
            (part.duration.map_or(request.duration, Span::from_secs), rows.collect());
        let statement = Approval {
            origin: &self.lab.app.config.origin,
            request: &request.hash,
            duration,
            rows: &rows,
            hosts: &hosts,
        };
        let sign = || self.lab.people[by].sign(Kind::Approval, &statement.text());
        let signature = part.signed.then(sign);
        let comment = part.says_why.then(why);
        let hash = request.hash;
        let call = ApproveCall { hash, duration, rows, hosts, comment, signature };
        let with = approval::SignedWith::SshKey;
        self.call(by, async |app, caller, key| {
            approval::approve(app, caller, id, &call, with, key).await
        })
    }

    fn issue(
        &mut self,
        by: usize,
        nth: usize,
        row: usize,
        model: &Model,
    ) -> Result<(Caller, Issue), String> {
        let grant = self.grant(nth)?;
        let caller = self.lab.caller(by).map_err(code)?;
        let public = ssh_key::PublicKey::from_openssh(&self.work.openssh).unwrap();
        let statement = Possession {
            origin: &self.lab.app.config.origin,
            grant: &grant,
            login: &caller.serial_hex(),
            key: &sha256(&public.to_bytes().unwrap()),
            idempotency_key: "k",
        };
        let call = SshCall {
            row: Some(row_name(ROLES[model.requests[nth].role], row).parse().unwrap()),
            public_key: self.work.openssh.clone(),
            signature: self.work.sign(Kind::Possession, &statement.text()),
        };
        Ok((caller, Issue { grant, call, key: self.lab.key() }))
    }

    fn turn(&mut self, by: usize, turn: Turn, what: What) -> Done {
        let call = LockCall { what: self.named(what), reason: why() };
        self.call(by, async |app, caller, key| locking::turn(app, caller, turn, &call, key).await)
    }

    fn named(&self, what: What) -> String {
        match what {
            What::All | What::Held => "all".to_owned(),
            What::Person(who) => self.lab.people[who].id.to_string(),
            What::Role(role) => ROLES[role].to_owned(),
        }
    }

    fn grant(&self, nth: usize) -> Result<GrantId, String> {
        let record = self.lab.app.store.read().unwrap().access(self.requests[nth]).unwrap();
        let grant = record.unwrap().access.grant().map(|grant| grant.id);
        grant.ok_or_else(|| SKIPPED.to_owned())
    }
}

impl Issue {
    async fn done(&self, app: &App, caller: &Caller) -> Done {
        let Self { grant, call, key } = self;
        let done = certificate::ssh(app, caller, *grant, call, "k", key).await;
        done.map(|certificate| Some(certificate.expires)).map_err(code)
    }
}

fn why() -> Text {
    "INC-42".parse().unwrap()
}

fn host_names(hosts: u8) -> Vec<HostName> {
    let named = (0..HOSTS.len()).filter(|host| hosts & 1 << host != 0);
    named.map(|host| HOSTS[host].parse().unwrap()).collect()
}

pub(super) fn hosts(hosts: u8) -> Hosts {
    match hosts {
        0 => Hosts::All,
        some => Hosts::Named(host_names(some).into_iter().collect()),
    }
}

fn code(fault: Fault) -> String {
    match fault {
        Fault::Refused(refusal) => refusal.code.to_string(),
        Fault::NotFound(_) | Fault::NoSuch { .. } => "not-found".to_owned(),
        Fault::Unauthenticated { .. } => "login-ended".to_owned(),
        Fault::Bad { .. } => "bad".to_owned(),
        Fault::Commit(CommitError::Held(_)) => "held".to_owned(),
        other => format!("{other:?}"),
    }
}
