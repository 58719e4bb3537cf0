//! A guard, from its first frame to its last.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use jit_ca_core::SessionId;

use super::Peer;
use super::connection::{Channel, Connection, Phase};
use super::login::admit_unannounced;
use super::notice;
use super::registry::Registry;
use crate::clock;
use crate::process::Executable;
use crate::protocol::{Frame, Frames, Hello, Kind, Resume, Size, Welcome};
use crate::recording::{self, End, Header, Recording, Terminal};

/// How long a guard may be silent before what it has said is sealed.
const PAUSE: Duration = Duration::from_secs(2);

/// Serves a guard that has begun, or is back.
pub(super) fn serve(
    registry: &Arc<Registry>,
    peer: Peer,
    mut stream: UnixStream,
    frames: Frames,
    first: &Frame,
) -> io::Result<()> {
    let line = stream.try_clone()?;
    let begun = match first.kind {
        Kind::Hello => begin(registry, peer, line, &first.read()?),
        _ => resume(registry, peer, line, first.read()?),
    };
    match begun {
        Ok((id, mut recording, welcome)) => {
            let number = welcome.channel;
            Frame::json(Kind::Welcome, &welcome)?.send(&mut stream)?;
            stream.set_read_timeout(Some(PAUSE))?;
            let ended = take(&mut recording, &mut stream, frames);
            if let Ended::Unkept(fault) = &ended {
                let why = why(registry, id, end_for(fault));
                let _ = Frame::new(Kind::Refused, why).send(&mut stream);
            }
            if let Err(fault) = recording.end(clock::now_ms()) {
                tracing::error!(session = %id, channel = number, %fault, "its recording can't be ended");
            }
            end(registry, id, number, ended);
            Ok(())
        }
        Err(why) => {
            tracing::warn!(pid = peer.process.pid, why, "a guard is refused");
            Frame::new(Kind::Refused, why).send(&mut stream)?;
            let _ = stream.read(&mut [0]);
            Ok(())
        }
    }
}

type Begun = Result<(SessionId, Recording, Welcome), String>;

fn begin(registry: &Registry, peer: Peer, line: UnixStream, hello: &Hello) -> Begun {
    let ours = Executable::of(&registry.config.places.programs.join("jit-ca-guard"));
    match (peer.process.executable(), ours) {
        (Ok(theirs), Ok(ours)) if theirs == ours => {}
        _ => return Err("only the guard that is installed tells what is done".to_owned()),
    }
    if !registry.lock().values().any(|connection| is_in(registry, connection, peer)) {
        admit_unannounced(registry, peer)?;
    }
    let mut connections = registry.lock();
    let connection = find(registry, connections.values_mut(), peer)?;
    if !matches!(connection.phase, Phase::Open) {
        return Err("this connection is being ended".to_owned());
    }
    registry.open_session(connection)?;
    let number = connection.saved.channels + 1;
    connection.saved.channels = number;
    let held = connection.group().channel(number, peer.process);
    held.map_err(|error| format!("the guard can't be held: {error}"))?;
    let welcome = welcome(registry, connection, number, 0);
    let terminal = hello.terminal.as_ref().map(|(size, term)| Terminal {
        cols: size.cols,
        rows: size.rows,
        term: term.clone(),
    });
    let channel = Channel { guard: peer.process, line: Ok(line), is_terminal: terminal.is_some() };
    connection.channels.insert(number, channel);
    registry.save(connection)?;
    let command = welcome.forced_command.clone().or_else(|| hello.command.clone());
    let header = Header { started_ms: clock::now_ms(), terminal, command };
    let id = connection.id();
    // Whose recording can't begin is gone from the list again as it is refused.
    match registry.spool.channel(&id, number, &header) {
        Ok(recording) => Ok((id, recording, welcome)),
        Err(fault) => {
            connection.channels.remove(&number);
            connection.end(end_for(&fault));
            Err(fault.to_string())
        }
    }
}

fn resume(registry: &Registry, peer: Peer, line: UnixStream, resume: Resume) -> Begun {
    let mut connections = registry.lock();
    let connection = find(registry, connections.values_mut(), peer)?;
    let id = connection.id();
    let channel = connection.channels.get_mut(&resume.channel);
    let known = channel.filter(|channel| channel.guard == peer.process && channel.line.is_err());
    let channel = known.ok_or("this guard was not here before")?;
    let recording =
        registry.spool.resume(&id, resume.channel).map_err(|fault| fault.to_string())?;
    channel.line = Ok(line);
    let welcome = welcome(registry, connection, resume.channel, recording.frames());
    Ok((id, recording, welcome))
}

fn welcome(registry: &Registry, connection: &Connection, channel: u32, kept: u64) -> Welcome {
    let certificate = connection.saved.certificate.as_ref();
    Welcome {
        channel,
        shell: connection.saved.shell.clone(),
        forced_command: certificate.and_then(|found| found.forced_command.clone()),
        input: registry.config.recording.input,
        kept,
    }
}

fn find<'a>(
    registry: &Registry,
    mut connections: impl Iterator<Item = &'a mut Connection>,
    peer: Peer,
) -> Result<&'a mut Connection, String> {
    let found = connections.find(|connection| is_in(registry, connection, peer));
    let found = found.ok_or("this guard is in no connection that is known")?;
    match found.saved.uid == peer.user {
        true => Ok(found),
        false => Err("a guard runs as the account that was logged in to".to_owned()),
    }
}

fn is_in(registry: &Registry, connection: &Connection, peer: Peer) -> bool {
    let cgroup = peer.process.cgroup().unwrap_or_default();
    connection.group().holds(&registry.mount, &cgroup)
}

/// How a guard's frames have ended.
enum Ended {
    /// Its program has.
    Well,
    /// It is gone, or has said what it can't.
    Vanished,
    /// They can't be kept.
    Unkept(recording::Fault),
}

/// Keeps a guard's frames until there are no more.
fn take(recording: &mut Recording, stream: &mut UnixStream, mut frames: Frames) -> Ended {
    let mut bytes = vec![0; 16 * 1024];
    let mut told = recording.frames();
    loop {
        loop {
            let frame = match frames.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => return Ended::Vanished,
            };
            match keep(recording, &frame) {
                Ok(true) => {
                    let kept = Frame::new(Kind::Kept, recording.frames().to_string());
                    let _ = kept.send(stream);
                    return Ended::Well;
                }
                Ok(false) => {}
                Err(Some(fault)) => return Ended::Unkept(fault),
                Err(None) => return Ended::Vanished,
            }
        }
        if recording.frames() != told {
            told = recording.frames();
            if Frame::new(Kind::Kept, told.to_string()).send(stream).is_err() {
                return Ended::Vanished;
            }
        }
        match stream.read(&mut bytes) {
            Ok(0) => return Ended::Vanished,
            Ok(length) => frames.push(bytes.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Err(fault) = recording.seal_due(clock::now_ms()) {
                    return Ended::Unkept(fault);
                }
            }
            Err(_) => return Ended::Vanished,
        }
    }
}

/// Keeps one frame. True if it is the last; an error without a fault if it is none that a guard sends.
fn keep(recording: &mut Recording, frame: &Frame) -> Result<bool, Option<recording::Fault>> {
    use recording::Frame as Event;
    let event = match frame.kind {
        Kind::Output => Event::Output(&frame.payload),
        Kind::Input => Event::Input(&frame.payload),
        Kind::Resize => {
            let Size { cols, rows } = frame.read().map_err(|_| None)?;
            Event::Resize { cols, rows }
        }
        Kind::File => Event::File(frame.read().map_err(|_| None)?),
        Kind::Exit => Event::Exit(frame.number().map_err(|_| None)?),
        _ => return Err(None),
    };
    let is_last = matches!(event, Event::Exit(_));
    recording.write(clock::now_ms(), event).map_err(Some)?;
    Ok(is_last)
}

/// What a guard's end means for its connection.
fn end(registry: &Registry, id: SessionId, number: u32, ended: Ended) {
    let mut connections = registry.lock();
    let Some(connection) = connections.get_mut(&id) else { return };
    connection.channels.remove(&number);
    match ended {
        Ended::Well => {}
        Ended::Vanished => connection.end(End::Unguarded),
        Ended::Unkept(fault) => {
            tracing::error!(session = %id, channel = number, %fault, "what is done can't be kept");
            connection.end(end_for(&fault));
        }
    }
    if let Err(error) = registry.save(connection) {
        tracing::error!(session = %id, error);
    }
}

/// What the user is told.
fn why(registry: &Registry, id: SessionId, end: End) -> String {
    let host = registry.config.host.name.as_str();
    let connections = registry.lock();
    connections.get(&id).map_or_else(String::new, |found| notice::ending(&found.saved, host, end))
}

fn end_for(fault: &recording::Fault) -> End {
    match fault {
        recording::Fault::Full(_) => End::Full,
        _ => End::Unguarded,
    }
}
