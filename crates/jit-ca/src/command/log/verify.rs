//! `log verify`: whether a log holds, from an archive or from the CA, and whether it holds what hosts saw.

mod observed;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use base64ct::{Base64, Encoding as _};
use jit_ca_core::{IssuanceId, Use};
use jit_ca_log::part::{Part, PartKind, read_entries};
use jit_ca_log::verify::{Options, Verdict};
use jit_ca_log::{Archive, Leaf, LogKey};
use serde::Serialize;

use crate::cli::{LogToCheckArgs, LogVerifyCommand};
use crate::command::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::export;
use crate::files::{self, fault};
use crate::printer::{fields, join};
use crate::profile::Profile;
use crate::progress::Progress;
use crate::witness::Witness;

/// Where the log's key was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum KeyFrom {
    /// The command line.
    CommandLine,
    /// The CA remembered.
    Profile,
    /// The archive itself: it shows that the archive is one log, and not whose.
    Archive,
}

/// What a log is held against.
struct Basis {
    options: Options,
    key_from: KeyFrom,
    /// How many entries this machine has seen of the log, where that is more than there are.
    seen: Option<u64>,
}

/// A verdict, and what it rests on.
#[derive(Serialize)]
struct View {
    #[serde(flatten)]
    verdict: Verdict,
    key: Option<String>,
    key_from: KeyFrom,
    /// How many entries this machine has seen of the log, where that is more than there are.
    seen: Option<u64>,
    #[serde(skip)]
    is_pinned_by_kept: bool,
    #[serde(skip)]
    orphans: Vec<String>,
}

pub(super) fn verify(context: &Context, arguments: &LogVerifyCommand) -> Result<Exit> {
    let uses = observed::read(&arguments.observed)?;
    let (file, view) = checked_view(context, &arguments.log, uses)?;
    drop(file);
    context.printer.data(&view, text);
    say_what_it_rests_on(context, &view);
    Ok(match (view.verdict.holds(), &view.verdict.observed) {
        (false, _) => Exit::Unverified,
        (true, Some(observed)) => observed::exit(observed),
        (true, None) => Exit::Done,
    })
}

/// The log's archive, and what is to be said of it; what that rests on is told.
pub(super) fn verdict(context: &Context, arguments: &LogToCheckArgs) -> Result<(File, Verdict)> {
    let (file, view) = checked_view(context, arguments, None)?;
    say_what_it_rests_on(context, &view);
    Ok((file, view.verdict))
}

fn checked_view(
    context: &Context,
    arguments: &LogToCheckArgs,
    uses: Option<Vec<Use>>,
) -> Result<(File, View)> {
    let (file, Basis { mut options, key_from, seen }) = match &arguments.file {
        Some(path) => {
            let file = File::open(path).map_err(|source| fault(path, "read", source))?;
            let basis = offline(context, arguments, &file)?;
            (file, basis)
        }
        None => online(context, arguments)?,
    };
    let is_pinned_by_kept = !options.pins.is_empty();
    for pin in &arguments.pins {
        options.pins.push(parsed(pin)?);
    }
    options.uses = uses;

    let path = arguments.file.as_deref().unwrap_or(Path::new("the export"));
    let progress = Progress::new("entries");
    let mut tell = |done, total| {
        progress.begin(total);
        progress.at(done);
    };
    let verdict = jit_ca_log::verify(BufReader::new(&file), &options, &mut tell);
    let verdict = verdict.map_err(|source| fault(path, "read", source))?;
    drop(progress);

    let mut archive = Archive::open(BufReader::new(&file)).ok();
    let own_key = archive.as_mut().and_then(|archive| archive.log_key().ok());
    let orphans = match (&mut archive, &verdict.counts) {
        (Some(archive), Some(counts)) => {
            counts.orphans.iter().map(|index| orphan(archive, *index)).collect()
        }
        _ => Vec::new(),
    };
    let key = options.key.or(own_key).map(|key| key.to_string());
    drop(archive);
    Ok((file, View { verdict, key, key_from, seen, is_pinned_by_kept, orphans }))
}

/// The CA's log as it is now, in a file that nobody else sees, and what it is held against: the key of the CA
/// remembered, and what was kept of its log before this contact.
fn online(context: &Context, arguments: &LogToCheckArgs) -> Result<(File, Basis)> {
    let profile = Profile::load(&context.places)?.ok_or(Error::NoProfile)?;
    let known = profile.ca.log_key()?;
    let pins = Witness::new(&context.places, known.clone()).newest()?;
    let ca = context.ca()?;
    let file = export::of_now(&ca, &Progress::new("entries fetched"))?;
    let (key, key_from) = match given(arguments)? {
        Some(key) => (key, KeyFrom::CommandLine),
        None => (known, KeyFrom::Profile),
    };
    let options = Options { key: Some(key), pins: pins.into_iter().collect(), uses: None };
    Ok((file, Basis { options, key_from, seen: None }))
}

/// What a file is held against: what was given, or else what is remembered of the CA, if it is this log's.
///
/// A checkpoint that is newer than the file is none to hold it against: that the one goes on from the other takes a
/// proof, which the CA alone could give. That this machine has seen more is said.
fn offline(context: &Context, arguments: &LogToCheckArgs, file: &File) -> Result<Basis> {
    if let Some(key) = given(arguments)? {
        let options = Options { key: Some(key), ..Options::default() };
        return Ok(Basis { options, key_from: KeyFrom::CommandLine, seen: None });
    }
    let claimed = Archive::open(BufReader::new(file))
        .and_then(|mut archive| Ok(archive.checkpoint()?.unverified()?));
    let profile = Profile::load(&context.places)?;
    let known = profile.map(|profile| profile.ca.log_key()).transpose()?;
    match (known, claimed) {
        (Some(key), Ok(claimed)) if *key.origin() == claimed.origin => {
            let kept = Witness::new(&context.places, key.clone()).newest()?;
            let size = kept.as_ref().and_then(|kept| Some(kept.unverified().ok()?.size));
            let seen = size.filter(|size| *size > claimed.size);
            let pins = kept.into_iter().filter(|_| seen.is_none()).collect();
            Ok(Basis {
                options: Options { key: Some(key), pins, uses: None },
                key_from: KeyFrom::Profile,
                seen,
            })
        }
        _ => {
            let options = Options::default();
            Ok(Basis { options, key_from: KeyFrom::Archive, seen: None })
        }
    }
}

fn given(arguments: &LogToCheckArgs) -> Result<Option<LogKey>> {
    match (&arguments.key, &arguments.log_key) {
        (Some(key), _) => Ok(Some(key.clone())),
        (None, Some(file)) => parsed(file).map(Some),
        (None, None) => Ok(None),
    }
}

/// What a small file holds: a key on a line, or a checkpoint.
fn parsed<T>(path: &Path) -> Result<T>
where
    T: std::str::FromStr<Err = jit_ca_log::Error>,
{
    let text = files::read(path)?
        .ok_or_else(|| fault(path, "read", std::io::Error::from(std::io::ErrorKind::NotFound)))?;
    let whole = text.parse();
    // A key stands on a line; a checkpoint's last line end is its own.
    whole.or_else(|_| text.trim_end().parse()).map_err(|source| fault(path, "understood", source))
}

/// An intent without an outcome, by the id of its issuance.
fn orphan(archive: &mut Archive<impl Read + Seek>, index: u64) -> String {
    let id = issuance(archive, index).map(|id| id.to_string());
    format!("entry {index} {}", id.unwrap_or_default())
}

fn issuance(archive: &mut Archive<impl Read + Seek>, index: u64) -> Option<IssuanceId> {
    let size = archive.checkpoint().ok()?.unverified().ok()?.size;
    let holds = |part: &Part| (part.range().0..part.range().1).contains(&index);
    let name = Part::all(PartKind::Entries, size).find(holds)?.to_string();
    let member = archive.members().iter().find(|member| member.name == name)?.clone();
    let bytes = archive.read(&member).ok()?;
    let (leaves, _) = read_entries(&bytes);
    let leaf = leaves.get(usize::try_from(index % 256).ok()?)?;
    Leaf::decode(leaf).ok()?.ids.issuance
}

fn text(view: &View) -> String {
    let verdict = &view.verdict;
    let count = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    let counts = verdict.counts.as_ref();
    let unaccounted: Vec<String> = counts
        .map(|counts| {
            counts.unaccounted.iter().map(|index| format!("session of entry {index}")).collect()
        })
        .unwrap_or_default();
    let some = |count: u64| (count > 0).then_some(count);
    let root = verdict.root.map(|root| Base64::encode_string(root.as_bytes()));
    let head = fields(&[
        ("log", verdict.origin.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("entries", count(verdict.size)),
        ("root", root.unwrap_or_default()),
        ("certificates", count(counts.map(|counts| counts.certificates))),
        ("erased payloads", count(counts.and_then(|counts| some(counts.erased)))),
        ("unknown entries", count(counts.and_then(|counts| some(counts.unknown)))),
        ("without outcome", join(&view.orphans)),
        ("unaccounted", join(&unaccounted)),
        ("checked", counts.map(|_| checked(verdict.pins)).unwrap_or_default()),
    ]);
    let verdict = match &verdict.finding {
        None => "holds".to_owned(),
        Some(finding) => match finding.index {
            Some(index) => format!("broken: entry {index} ({}): {}", finding.code, finding.message),
            None => format!("broken ({}): {}", finding.code, finding.message),
        },
    };
    match &view.verdict.observed {
        Some(seen) => format!("{head}\n{verdict}\n{}", observed::text(seen)),
        None => format!("{head}\n{verdict}"),
    }
}

fn checked(pins: usize) -> String {
    let with = match pins {
        0 => "no kept checkpoint".to_owned(),
        1 => "a kept checkpoint".to_owned(),
        pins => format!("{pins} kept checkpoints"),
    };
    format!(
        "the tree and its signature, consistency with {with}, each entry by itself and against those before it"
    )
}

fn say_what_it_rests_on(context: &Context, view: &View) {
    let note = |text: &str| {
        if let Some(key) = &view.key {
            context.printer.note(&format!("{text}: {key}"));
        }
    };
    match view.key_from {
        KeyFrom::CommandLine => {}
        KeyFrom::Profile => note("the key is that of the CA remembered"),
        KeyFrom::Archive => note(
            "the key is the archive's own: compare it with the one that the CA's operators publish",
        ),
    }
    if view.is_pinned_by_kept {
        context.printer.note("the checkpoint that this machine kept of the log is a pin");
    }
    if let Some(seen) = view.seen {
        context.printer.note(&format!(
            "it is older than what this machine has seen ({seen} entries); whether that goes on from it is not checked offline"
        ));
    }
}

#[cfg(test)]
mod tests;
