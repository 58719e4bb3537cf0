//! `observed`.

use crate::config::Config;
use crate::fault::Fault;
use crate::observed::Observed;
use crate::printer;

/// Prints which certificates were used here, as `jit-ca log verify --observed` reads it.
///
/// # Errors
/// If the list can't be read.
pub(super) fn run(config: &Config) -> Result<(), Fault> {
    let state = &config.places.state;
    let uses = Observed::of(state).all().map_err(|error| Fault::file(state, &error))?;
    for used in uses {
        // Our own type: it has a JSON form.
        printer::data(&serde_json::to_string(&used).unwrap_or_default());
    }
    Ok(())
}
