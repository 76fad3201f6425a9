//! Why an audit with a state has to read everything all the same.

use super::{Horizon, Identity, State, TABLES};

/// What was asked for, besides the file.
#[derive(Clone, Copy, Debug)]
pub(in crate::invariants) struct Request {
    /// Read everything, for this reason.
    pub full: Option<&'static str>,
    /// All checks; some of them say too little to seal anything.
    pub whole: bool,
}

/// Why an audit has to read everything although there is a state; none when it need not.
pub(super) fn reason(
    state: &State,
    now: &Identity,
    horizon: &Horizon,
    schema_version: &str,
    request: Request,
) -> Option<String> {
    if let Some(reason) = request.full {
        return Some(reason.to_owned());
    }
    if !request.whole {
        return Some("only some checks were asked for".to_owned());
    }
    if state.schema_version != schema_version {
        let then = &state.schema_version;
        return Some(format!("the schema was at version {then}"));
    }
    if state.database.timeline != now.timeline {
        let (then, now) = (state.database.timeline, now.timeline);
        return Some(format!(
            "the server was on timeline {then} and is on {now}: it failed over or was restored"
        ));
    }
    if state.tables.values().all(|sealed| sealed.id == 0) {
        return Some("nothing is sealed yet".to_owned());
    }
    for table in TABLES {
        let sealed = state.tables.get(table).map_or(0, |sealed| sealed.id);
        let last = horizon.tables.get(table).map(|reach| reach.last);
        if let Some(last) = last.filter(|last| *last < sealed) {
            return Some(format!(
                "the sequence of \"{table}\" stands at {last}, and {sealed} was sealed: a backup \
                 was restored, or the sequence was set back"
            ));
        }
    }
    None
}
