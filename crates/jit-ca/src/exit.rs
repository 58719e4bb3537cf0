//! Exit codes.

use std::process::{ExitCode, Termination};

/// How the program ended. `jit-ca ssh` ends with ssh's code instead, once ssh runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command or a configuration is wrong, or names something that is not there.
    Usage = 2,
    /// The CA, or a person, said no.
    Refused = 3,
    /// Something is not what it is said to be: a pin, a hash, a signature, a certificate, a log.
    Unverified = 4,
    /// What was asked for still waits for approval (`EX_TEMPFAIL` of sysexits.h).
    Pending = 75,
}

/// The same for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0   done
  1   failed
  2   wrong usage or configuration, or no such request, grant, person, role, host or row
  3   refused, by the CA or by an approver
  4   verification failed: a pin, a hash, a signature, a certificate that is not as granted,
      or a log that is not what it was
  75  still pending
`jit-ca ssh` ends with ssh's own code once ssh runs.

Data goes to stdout, everything else to stderr. With --json, stdout is one JSON document;
where data comes bit by bit (--watch, --renew), one a line.";

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}
