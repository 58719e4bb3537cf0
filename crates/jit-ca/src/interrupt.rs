//! Interrupts: the first is a wish that is met in order, the second ends the program at once.

use std::os::raw::c_int;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::flag;

use crate::error::{Error, Result};

/// A flag that the first of these signals sets; once that is set, each of them ends the program.
///
/// Whoever no longer looks at the flag sets it, and signals do what they do elsewhere.
pub(crate) fn flag_of(signals: &[c_int]) -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in signals {
        flag::register_conditional_default(*signal, Arc::clone(&flag))
            .and_then(|_| flag::register(*signal, Arc::clone(&flag)))
            .map_err(Error::key("interrupts can't be caught"))?;
    }
    Ok(flag)
}
