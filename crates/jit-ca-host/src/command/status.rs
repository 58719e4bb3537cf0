//! `jit-ca-host status`

use std::io::{self, Write as _};

use clap::Args;
use jit_ca_core::UnixTime;

use super::Fault;
use crate::client::ask;
use crate::config::Config;
use crate::protocol::{Frame, Kind, Open};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Fault> {
    let answer = ask(&config.places.socket(), &Frame::new(Kind::Status, ""))?;
    let mut stdout = io::stdout();
    if arguments.json {
        writeln!(stdout, "{}", answer.text())?;
        return Ok(());
    }
    writeln!(
        stdout,
        "{:28}  {:16}  {:20}  {:8}  CERTIFICATE",
        "SESSION", "ACCOUNT", "ENDS", "CHANNELS"
    )?;
    for open in answer.read::<Vec<Open>>()? {
        let ends = open.ends.map_or("never".to_owned(), |end| UnixTime::from_secs(end).to_string());
        let (key_id, _) = open.certificate.unwrap_or(("none".to_owned(), 0));
        writeln!(
            stdout,
            "{:28}  {:16}  {ends:20}  {:<8}  {key_id}",
            open.id, open.account, open.channels
        )?;
    }
    Ok(())
}
