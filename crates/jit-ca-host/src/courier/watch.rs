//! Which certificates have ended before their time: revoked, given back, locked.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use jit_ca_api::client::{Client, IdempotencyKey};
use jit_ca_api::{MOST_STANDINGS, StandingCall, StandingEnd};

use super::Line;
use super::errand::Stop;
use crate::printer;

/// How long the CA may wait with its answer, in seconds: so long it takes at most until a session that was opened meanwhile
/// is asked about, too.
const WAIT: u64 = 3;
/// How often it is looked whether somebody is here.
const IDLE: Duration = Duration::from_secs(1);

/// Asks once, and ends what has ended.
pub(super) fn round(client: &Client, line: &Line) -> Result<(), Stop> {
    let sessions = line.sessions()?;
    let open = sessions.iter().filter_map(|listed| Some((listed.session, listed.serial.as_ref()?)));
    let open: Vec<_> = open.collect();
    if open.is_empty() {
        sleep(IDLE);
        return Ok(());
    }
    let serials: BTreeSet<String> = open.iter().map(|(_, serial)| (*serial).clone()).collect();
    let certificates = serials.into_iter().take(MOST_STANDINGS).collect();
    let key = IdempotencyKey::random().map_err(|error| Stop::of(&error))?;
    let answer = client.standing(&StandingCall { certificates }, WAIT, &key);
    for ended in answer.map_err(|error| Stop::of(&error))?.ended {
        let sessions = open.iter().filter(|(_, serial)| **serial == ended.serial);
        match ended.why {
            StandingEnd::GrantEnded | StandingEnd::Locked => {
                for (session, _) in sessions {
                    printer::note(&format!(
                        "{session} is ended: its grant is over, or its holder locked"
                    ));
                    line.end(*session)?;
                }
            }
            // Another CA's, or made beside the log: that is told by the session's own entry, and hosts that take no such
            // certificate at all say `strict = true`.
            StandingEnd::Unknown => {}
        }
    }
    Ok(())
}
