//! `jit-ca-host feed`

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use jit_ca_api::client::Client;
use jit_ca_api::{Feed, FeedQuery, LONGEST_WAIT};
use jit_ca_log::LogKey;

use super::Fault;
use crate::ca::{Ca, Caller, called};
use crate::config::Config;
use crate::feed::{self, Refused};
use crate::{fault, printer, syslog};

/// The longest answer, a line. One of 256 intents has some 600 KiB.
const LONGEST: u64 = 4 << 20;
/// How long the CA is left alone after it did not answer, or answered what does not hold.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Go on, and take each certificate as it is issued
    #[arg(long, conflicts_with = "answers")]
    follow: bool,
    /// Take answers that somebody else has asked for, where this host can't reach the CA: a line of JSON each
    #[arg(long, value_name = "FILE", requires = "log_key")]
    answers: Option<PathBuf>,
    /// The log's key, for these: `log_key` of GET /v1/trust
    #[arg(long, value_name = "FILE", requires = "answers")]
    log_key: Option<PathBuf>,
}

/// Takes in what the log has come to hold, as it comes. What does not hold is refused, and what came before it stays.
pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Fault> {
    if let (Some(answers), Some(key)) = (&arguments.answers, &arguments.log_key) {
        return given(config, answers, key);
    }
    loop {
        match fetch(config, arguments.follow) {
            Ok(()) => return Ok(()),
            Err(fault) if arguments.follow => {
                // Without it, what is issued from now on opens nothing here.
                syslog::warn(&config.places.syslog, &format!("feed: {fault}"));
                printer::note(&fault.to_string());
                sleep(PAUSE);
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// Asks the CA by a login of this host, until it has all there is; or for as long as the login holds, and then it fails.
fn fetch(config: &Config, follow: bool) -> Result<(), Fault> {
    let ca = Ca::meet(config)?;
    let key = log_key(&ca.trust.log_key, Path::new("the CA's /v1/trust"))?;
    let client = ca.log_in(&Caller::of(config)?)?;
    loop {
        let is_all = ask(config, &client, &key, if follow { LONGEST_WAIT } else { 0 })?;
        if is_all && !follow {
            return Ok(());
        }
    }
}

/// Asks once, and says whether that was all.
fn ask(config: &Config, client: &Client, key: &LogKey, wait: u64) -> Result<bool, Fault> {
    let folder = &config.places.feed;
    let (from, seen) = feed::state(folder)?.unzip();
    let query = FeedQuery { from, seen: seen.unwrap_or_default(), wait };
    let answer = client.feed(&query).map_err(|error| called(&error))?;
    take(folder, key, &answer)?;
    Ok(answer.intents.is_empty())
}

fn given(config: &Config, answers: &Path, key: &Path) -> Result<(), Fault> {
    let text = fs::read_to_string(key).map_err(|error| fault::Fault::file(key, &error))?;
    let key = log_key(text.trim_end(), key)?;
    let file = File::open(answers).map_err(|error| fault::Fault::file(answers, &error))?;
    let (mut from, mut line) = (BufReader::new(file), Vec::new());
    while from.by_ref().take(LONGEST).read_until(b'\n', &mut line)? > 0 {
        let answer: Feed = serde_json::from_slice(&line)
            .map_err(|error| Refused::Unreadable(error.to_string()))?;
        take(&config.places.feed, &key, &answer)?;
        line.clear();
    }
    Ok(())
}

fn take(folder: &Path, key: &LogKey, answer: &Feed) -> Result<(), Fault> {
    let new = feed::take(folder, key, answer)?;
    if new > 0 {
        printer::note(&format!("{new} new, up to entry {}", answer.next));
    }
    Ok(())
}

fn log_key(text: &str, from: &Path) -> Result<LogKey, fault::Fault> {
    text.parse().map_err(|error| {
        let hint = "it is log_key of GET /v1/trust: ORIGIN+HASH+KEY";
        fault::Fault::new(format!("{}: {error}", from.display()), hint)
    })
}
