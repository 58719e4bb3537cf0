//! How many connections there is room for: as many as the system lets the daemon have file descriptors.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;

/// How many connections are open at once, at most, that have shown no login certificate. More than one attacker
/// of many addresses is likely to hold, as each costs some tens of kilobytes.
const MOST_STRANGERS: usize = 12_000;
/// And how many that have. No stranger takes one of these places.
const MOST_KNOWN: usize = 4_000;
/// What else needs file descriptors: the store, anchors, listeners, the administrators' socket.
const OTHERS: usize = 384;
/// With fewer file descriptors than this there is no point in serving.
const FEWEST: usize = 512;

/// How many connections there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Those that have shown no login certificate.
    pub(super) strangers: usize,
    /// Those that have.
    pub(super) known: usize,
}

impl Room {
    /// Raises the limit of file descriptors as far as it is needed and may be, and says where that is not enough.
    ///
    /// # Errors
    /// If so few are left that nobody could be served.
    pub(super) fn make() -> Result<Self, Failure> {
        let needed = MOST_STRANGERS + MOST_KNOWN + OTHERS;
        let limit = getrlimit(Resource::Nofile);
        let hard = limit.maximum.unwrap_or(u64::MAX);
        let wanted = hard.min(u64::try_from(needed).unwrap_or(u64::MAX));
        let mut soft = limit.current.unwrap_or(u64::MAX);
        if soft < wanted {
            match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }) {
                Ok(()) => soft = wanted,
                Err(error) => tracing::warn!(%error, "the limit of open files can't be raised"),
            }
        }
        let files = usize::try_from(soft).unwrap_or(usize::MAX);
        if files < FEWEST {
            return Err(Failure::failed(format!(
                "{files} open files are allowed, which is too few"
            ))
            .with_hint(format!("let it have {needed}: LimitNOFILE= of its unit, or ulimit -n")));
        }
        let room = Self::within(files);
        if files < needed {
            let Self { strangers, known } = room;
            tracing::warn!(files, needed, strangers, known, "few open files, so few connections");
        }
        Ok(room)
    }

    /// With so many file descriptors; where they are few, the shares are as they are else.
    fn within(files: usize) -> Self {
        let most = MOST_STRANGERS + MOST_KNOWN;
        let places = files.saturating_sub(OTHERS).min(most);
        let known = places * MOST_KNOWN / most;
        Self { strangers: places - known, known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fit_into_the_limit() {
        let whole = Room { strangers: MOST_STRANGERS, known: MOST_KNOWN };
        assert_eq!(Room::within(usize::MAX), whole);
        assert_eq!(Room::within(MOST_STRANGERS + MOST_KNOWN + OTHERS), whole);
        assert_eq!(Room::within(1_024), Room { strangers: 480, known: 160 });
        assert_eq!(Room::within(FEWEST), Room { strangers: 96, known: 32 });
    }
}
