//! `sessions` and `session`: what was done with certificates on hosts.

use jit_ca_api::{Channel, Session, SessionList, SessionsFilter};
use jit_ca_core::SessionId;
use jit_ca_log::tree::{Frontier, leaf_hash};

use crate::cli::{SessionCommand, SessionsCommand};
use crate::command::Context;
use crate::error::{Error, Result};
use crate::files::write_private;
use crate::id_ending;
use crate::login::Ca;
use crate::printer::{fields, table};

pub(super) fn sessions(context: &Context, arguments: SessionsCommand) -> Result<()> {
    let SessionsCommand { mine, host, role, open, from, to } = arguments;
    let filter = SessionsFilter { mine, host, role, open, from, to };
    let SessionList { sessions, more } = context.ca()?.client.sessions(&filter)?;
    context.printer.data(&sessions, |sessions| sessions_table(sessions));
    if more {
        context.printer.note("there may be more; narrow it by --host, --role, --from or --to");
    }
    Ok(())
}

pub(super) fn run(context: &Context, arguments: SessionCommand) -> Result<()> {
    let ca = context.ca()?;
    match arguments {
        SessionCommand::Show { id } => {
            context.printer.data(&named(&ca, &id)?, session_fields);
            Ok(())
        }
        SessionCommand::Export { id, out } => {
            let (id, number) = match id.split_once('/') {
                Some((id, number)) => (id, Some(number)),
                None => (id.as_str(), None),
            };
            let session = named(&ca, id)?;
            let channel = chosen(&session, number)?;
            let recording = ca.client.recording(&session.session, channel.number)?;
            let chunks = chunks_of(&recording)?;
            let said = must_match(&session, channel, &chunks)?;
            write_private(&out, &chunks.concat())?;
            context.printer.note(&format!("{}: {said}", out.display()));
            Ok(())
        }
    }
}

/// The session that is named, by its id or the ending of it.
fn named(ca: &Ca, text: &str) -> Result<Session> {
    let id = match text.parse::<SessionId>() {
        Ok(id) => id,
        Err(_) => {
            let SessionList { sessions, more } = ca.client.sessions(&SessionsFilter::default())?;
            id_ending::find("session", text, sessions.iter().map(|it| it.session), more)?
        }
    };
    ca.client.session(&id).map_err(Error::from)
}

/// The channel of this number; the only one where none is given.
fn chosen<'a>(session: &'a Session, number: Option<&str>) -> Result<&'a Channel> {
    let numbers: Vec<String> = session.channels.iter().map(|it| it.number.to_string()).collect();
    let found = match (number, session.channels.as_slice()) {
        (Some(number), channels) => channels.iter().find(|it| it.number.to_string() == number),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    found.ok_or_else(|| {
        let hint = match numbers.is_empty() {
            true => "nothing of it is here, or not yet".to_owned(),
            false => format!("it has {}: write it behind the id, such as /1", numbers.join(", ")),
        };
        Error::usage(format!("which channel of {}?", session.session), hint)
    })
}

/// The chunks of a recording as it is sent: each behind its length in 4 bytes.
fn chunks_of(mut bytes: &[u8]) -> Result<Vec<&[u8]>> {
    let mut chunks = Vec::new();
    while !bytes.is_empty() {
        let split = bytes.split_first_chunk::<4>().and_then(|(length, rest)| {
            rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
        });
        let Some((chunk, rest)) = split else {
            return Err(Error::unverified("what was recorded breaks off within a chunk"));
        };
        chunks.push(chunk);
        bytes = rest;
    }
    Ok(chunks)
}

/// What came is what the host said was recorded; says how far that is known.
fn must_match(session: &Session, channel: &Channel, chunks: &[&[u8]]) -> Result<String> {
    let id = format!("{}/{}", session.session, channel.number);
    let Some(said) = &channel.recorded else {
        return Ok(format!("{id} goes on; once it is over, the log says what has to be in it"));
    };
    let came = u64::try_from(chunks.len()).unwrap_or(u64::MAX);
    if came < said.chunks {
        let what = format!("chunk {came} of {id} is not here, of {}", said.chunks);
        return Err(Error::usage(what, "it may be on its way from the host; try again later"));
    }
    let mut tree = Frontier::default();
    chunks.iter().for_each(|chunk| tree.push(leaf_hash(chunk)));
    if came > said.chunks || tree.root() != said.root {
        let what = format!("the {came} chunks of {id} are not what its host said was recorded");
        return Err(Error::unverified(what));
    }
    Ok(format!("{id}, {came} chunks, as its host said when it was over: {}", said.root))
}

fn sessions_table(sessions: &[Session]) -> String {
    let row = |it: &Session| {
        [
            it.session.to_string(),
            or_dash(it.opened.as_ref()),
            it.closed.map_or_else(|| "goes on".to_owned(), |at| at.to_string()),
            or_dash(it.name.as_ref()),
            or_dash(it.role.as_ref()),
            format!("{}@{}", or_dash(it.account.as_ref()), it.host.sub()),
            it.channels.len().to_string(),
        ]
    };
    let rows: Vec<[String; 7]> = sessions.iter().map(row).collect();
    match rows.is_empty() {
        true => "there are no sessions that you may see".to_owned(),
        false => table(["id", "opened", "closed", "who", "role", "on", "channels"], &rows),
    }
}

fn session_fields(session: &Session) -> String {
    let mut lines = vec![
        ("session", session.session.to_string()),
        ("on", format!("{}@{}", or_dash(session.account.as_ref()), session.host.sub())),
        ("from", or_dash(session.from.as_ref())),
        ("who", or_dash(session.name.as_ref())),
        ("role", or_dash(session.role.as_ref())),
        ("grant", or_dash(session.grant.as_ref())),
        ("key id", or_dash(session.certificate.as_ref().map(|it| &it.key_id))),
        ("opened", or_dash(session.opened.as_ref())),
        ("closed", session.closed.map_or_else(|| "goes on".to_owned(), |at| at.to_string())),
    ];
    if session.grant.is_none() {
        lines.push(("unaccounted", "no certificate of the log opened it".to_owned()));
    }
    lines.extend(session.channels.iter().map(|channel| ("channel", channel_line(channel))));
    fields(&lines)
}

fn channel_line(channel: &Channel) -> String {
    let Channel { number, here, recorded } = channel;
    match recorded {
        None => format!("{number}: {here} chunks so far"),
        Some(said) => {
            let what = said.command.as_ref().map_or("a shell", |command| command.as_str());
            format!("{number}: {what}; {} bytes, {here} of {} chunks here", said.bytes, said.chunks)
        }
    }
}

fn or_dash(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_behind_their_lengths_and_whole() {
        let sent = b"\0\0\0\x02ab\0\0\0\x01c";
        assert_eq!(chunks_of(sent).unwrap(), [b"ab".as_slice(), b"c"]);
        assert!(chunks_of(b"").unwrap().is_empty());
        for cut in [1, 4, 5, 8, 10] {
            assert!(chunks_of(&sent[..cut]).is_err(), "{cut}");
        }
    }
}
