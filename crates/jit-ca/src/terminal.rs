//! Questions to a person, at the terminal.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files::fault;

/// The longest answer, or first line of a file, that is read.
const LONGEST: u64 = 4096;

/// Asks for a line.
///
/// # Errors
/// If there is no terminal, with a hint at how to say it otherwise, or no answer.
pub(crate) fn ask(question: &str, what: &'static str, hint: &'static str) -> Result<String> {
    let terminal = open().ok_or(Error::NoTerminal { what, hint })?;
    match answer(&terminal, question)? {
        answer if answer.is_empty() => Err(Error::usage(format!("{what} is needed"), hint)),
        answer => Ok(answer),
    }
}

/// Asks a question that an empty answer says no to.
pub(crate) fn confirm(question: &str) -> Result<bool> {
    let (what, hint) = ("your yes", "say yes beforehand: --yes");
    let terminal = open().ok_or(Error::NoTerminal { what, hint })?;
    let answer = answer(&terminal, &format!("{question} [y/N] "))?;
    Ok(matches!(answer.as_str(), "y" | "Y" | "yes"))
}

/// The first line of a file, or of stdin where the file is `-`.
pub(crate) fn first_line(path: &Path) -> Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(LONGEST).read_line(&mut line)
    } else {
        File::open(path).and_then(|file| BufReader::new(file.take(LONGEST)).read_line(&mut line))
    };
    read.map_err(|source| fault(path, "read", source))?;
    Ok(Zeroizing::new(line.trim().to_owned()))
}

/// Whether somebody can be asked.
pub(crate) fn is_there() -> bool {
    open().is_some()
}

/// The terminal, and not stdin, which may be what a remote command is to read.
fn open() -> Option<File> {
    // A program whose stderr goes to a file runs for another program, whatever terminal it was
    // started from.
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).open(TERMINAL).ok()
}

fn answer(mut terminal: &File, question: &str) -> Result<String> {
    let failed = |source| fault(Path::new(TERMINAL), "used", source);
    write!(terminal, "{question}").map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(terminal.take(LONGEST)).read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim().to_owned())
}

const TERMINAL: &str = "/dev/tty";
