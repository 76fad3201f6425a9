//! Ctrl-C and SIGTERM.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};
use crate::migrations::Stop;

/// The first one asks the run to end at the next safe place; a second one ends the program at once,
/// and the server then undoes what is in a transaction.
pub(super) fn stop() -> Result<Stop> {
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal must not find the flag of its own registration set.
        flag::register_conditional_shutdown(signal, 128 + signal, stop.flag())
            .and_then(|_| flag::register(signal, stop.flag()))
            .map_err(|error| Error::undecided(format!("cannot listen to signals: {error}")))?;
    }
    Ok(stop)
}
