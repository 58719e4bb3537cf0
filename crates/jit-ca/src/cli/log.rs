//! `jit-ca log`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jit_ca_core::{RoleName, UnixTime};
use jit_ca_log::LogKey;

use super::ContactArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// List entries
    ///
    /// Each is held against its leaf. That no entry is left out, and what names, roles and payloads say, is the CA's
    /// word: jit-ca log show and jit-ca log export check more.
    List(LogListCommand),
    /// Show one entry whole, checked
    ///
    /// That it is in the log, and that its payload is the one that its leaf commits to, is checked; the name and the role
    /// are the CA's word.
    Show {
        /// Its index
        index: u64,
    },
    /// Who got the certificate with this key id, as sshd logs it, why, and by whose leave
    ///
    /// Entries are held against their leaves. What their payloads say is the CA's word: jit-ca log show checks it.
    Who {
        /// jit-ca:GRANT:ISSUANCE:NAME
        key_id: String,
    },
    /// Print the log's newest checkpoint, checked
    Checkpoint {
        #[command(flatten)]
        contact: ContactArgs,
    },
    Export(LogExportCommand),
    Verify(LogVerifyCommand),
    Replay(LogReplayCommand),
    Follow(LogFollowCommand),
}

#[derive(Debug, Args)]
pub(crate) struct LogListCommand {
    #[command(flatten)]
    pub(crate) filter: LogFilterArgs,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// Which entries are meant: all that is given has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct LogFilterArgs {
    /// Of this subject: a name or an id
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Of this role
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    /// Of this grant, or the last four or more characters of its id
    #[arg(long)]
    pub(crate) grant: Option<String>,
    /// From this time on, as 2026-11-22T09:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<UnixTime>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<UnixTime>,
}

/// Write the log to a file: as an archive that proves itself, as JSON lines or as CSV.
///
/// The archive (tar) is the whole log: whoever has it can check it without the CA, by jit-ca log verify or by
/// docs/log-format.md. JSON lines and CSV are for other programs. Without a filter they are checked as they are written:
/// each leaf against the CA's checkpoint, each payload against its leaf. With one, nothing shows that no entry is left
/// out, and payloads are the CA's word. Names and roles are that in both; the archive alone proves them, and that what
/// is erased was erased by order.
///
/// In CSV, a cell that begins with = + - @, a tab or a carriage return has ' put before it, so that no spreadsheet
/// takes it for a formula.
#[derive(Debug, Args)]
pub(crate) struct LogExportCommand {
    /// The file, ending in .tar, .jsonl or .csv, or - for stdout. It is for its owner alone: names are in it
    pub(crate) file: PathBuf,
    /// The format, where the file's ending does not say it
    #[arg(long)]
    pub(crate) format: Option<ExportFormat>,
    #[command(flatten)]
    pub(crate) filter: LogFilterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// The whole log, with all that is needed to check it
    Tar,
    /// A line of JSON for each entry, as the API has it
    Jsonl,
    /// A row for each entry, under a heading
    Csv,
}

/// Check everything that a log says: of an archive, or of the CA's log as it is now.
///
/// With --observed, what hosts saw is held against it: each certificate that one accepted must be in the log. What is
/// not was made by somebody who has the CA's key. It is named, and this ends with 4, as it does where one was used at a
/// time or for an account that the log does not give it; and with 1 where the worst is that it can't be said, as the
/// log's payload of it is erased or another CA's key signed it.
///
/// With a file nothing else is needed: no CA, no login, no network. Without one, the CA's log is fetched first.
/// What is checked, and in which order, stands in docs/log-format.md. It ends with 0 where the log holds, with 4
/// where it is broken, and says the first entry that is.
///
/// A log can show by itself that it is whole, and not that it is the right one. That the key shows: without --key or
/// --log-key it is that of the CA remembered, where it is this log's; the checkpoint that was kept of it is then a
/// pin, or it is said where it is newer than the archive. Else it is the archive's own, and has to be compared with the one that the CA's operators publish.
#[derive(Debug, Args)]
pub(crate) struct LogVerifyCommand {
    #[command(flatten)]
    pub(crate) log: LogToCheckArgs,
    /// What a host saw, as jit-ca-host observed prints it, or - for stdin; may be given again
    #[arg(long, value_name = "FILE")]
    pub(crate) observed: Vec<PathBuf>,
}

/// Which log is checked, and what it is held against.
#[derive(Debug, Args)]
pub(crate) struct LogToCheckArgs {
    /// An archive that jit-ca log export wrote
    pub(crate) file: Option<PathBuf>,
    /// The log's key, as the CA's operators publish it: ORIGIN+HASH+KEY
    #[arg(long, value_name = "KEY", conflicts_with = "log_key")]
    pub(crate) key: Option<LogKey>,
    /// A file that holds the log's key
    #[arg(long, value_name = "FILE")]
    pub(crate) log_key: Option<PathBuf>,
    /// A checkpoint that was kept, and that the log has to extend; may be given again
    #[arg(long = "pin", value_name = "FILE")]
    pub(crate) pins: Vec<PathBuf>,
}

/// Make every decision in a log again, and say which come out otherwise
///
/// The log is verified first, and may come from an archive or from the CA, as for jit-ca log verify. Requests, approvals,
/// denials, refusals, issuances, orders to erase and activations are then decided again, on the facts in the log, by the
/// policy that was in force, which the log's own entries add up to. What rests on erased payloads is counted. It ends with
/// 0 where all come out as they did, and with 4 where one does not.
///
/// With --policy it says what another policy would have decided, and ends with 1 where that is something else.
#[derive(Debug, Args)]
pub(crate) struct LogReplayCommand {
    /// Decide by the policy in this folder, in place of those that were in force
    #[arg(long, value_name = "DIR")]
    pub(crate) policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: LogToCheckArgs,
}

/// Print new entries as they come, a line of JSON each, and check that none is changed or left out.
///
/// Each entry's leaf is hashed on from those before, and held against the CA's checkpoints, and its payload against the
/// leaf: a log that was rewritten, or is not told as it is, ends this with exit code 4. Names and roles are the CA's
/// word, and so are payloads of types that this release does not know. It goes on until SIGINT or SIGTERM, also while the CA is away, and ends with 3 when the
/// login does: log in and start it again.
///
/// With a cursor it goes on where it was, whatever ended it. With --out, each entry stands in the file once, also
/// after a kill -9 or a power cut; a file that was moved away is begun anew. On stdout, what was printed just before a
/// kill -9 may be printed again.
#[derive(Debug, Args)]
pub(crate) struct LogFollowCommand {
    /// Append to this file, instead of printing
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Where to remember how far it came; with --out FILE, FILE.cursor if left out
    #[arg(long, value_name = "FILE")]
    pub(crate) cursor: Option<PathBuf>,
    /// Begin at the first entry, and not at the next new one. Where there is a cursor, that says where
    #[arg(long, conflicts_with = "since_index")]
    pub(crate) from_start: bool,
    /// Begin at this entry. Where there is a cursor, that says where
    #[arg(long, value_name = "N")]
    pub(crate) since_index: Option<u64>,
}
