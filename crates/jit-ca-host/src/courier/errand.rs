//! One login at the CA after another, for as long as the host is up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use jit_ca_api::client::{self, Client};

use super::{Line, carry, watch};
use crate::ca::{Ca, Caller};
use crate::config::Config;
use crate::fault::Fault;
use crate::printer;

/// How long the CA is left alone after it did not answer. What waits is kept here meanwhile.
const PAUSE: Duration = Duration::from_secs(5);

/// Why an errand does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The login is over; another one is made at once.
    LoggedOut,
    /// Something is in the way. It is tried again after a while.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Stop {
    /// What a call that failed means.
    pub(super) fn of(error: &client::Error) -> Self {
        match error {
            client::Error::LoginCertificate { .. } => Self::LoggedOut,
            client::Error::Problem(problem) if problem.status == 401 => Self::LoggedOut,
            other => Self::Fault(crate::ca::called(other)),
        }
    }
}

/// Carries and watches until the process ends.
///
/// # Errors
/// If the configuration names no CA, or the host's public key can't be read: nothing that time mends.
pub(crate) fn run(config: &Config) -> Result<(), Fault> {
    let host = Caller::by_hostd(config)?;
    if config.ca.is_none() {
        let hint = "add [ca] with url and pin to host.toml, and enrol the host: jit-ca-host enroll";
        return Err(Fault::new("the configuration names no CA", hint));
    }
    let line = Line::of(config);
    loop {
        match Ca::meet(config).and_then(|ca| ca.log_in(&host)) {
            Ok(client) => errand(&client, &line),
            Err(fault) => say(&fault),
        }
        sleep(PAUSE);
    }
}

/// Until the login is over.
fn errand(client: &Client, line: &Line) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut carrier = carry::Carrier::default();
            go_on(&is_over, || carrier.round(client, line));
        });
        go_on(&is_over, || watch::round(client, line));
    });
}

/// Does rounds until the login is over for one of the two.
fn go_on(is_over: &AtomicBool, mut round: impl FnMut() -> Result<(), Stop>) {
    let mut said = String::new();
    while !is_over.load(Ordering::Relaxed) {
        match round() {
            Ok(()) => said.clear(),
            Err(Stop::LoggedOut) => is_over.store(true, Ordering::Relaxed),
            Err(Stop::Fault(fault)) => {
                // What stays wrong is said once.
                if said != fault.to_string() {
                    said = fault.to_string();
                    say(&fault);
                }
                sleep(PAUSE);
            }
        }
    }
}

fn say(fault: &Fault) {
    printer::note(&fault.to_string());
}
