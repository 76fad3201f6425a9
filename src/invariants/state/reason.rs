//! Why an audit with a state has to read everything all the same, and why its findings keep it from
//! leaving another one.

use std::time::Instant;

use postgres::Transaction;

use super::content::newest;
use super::since::reads_sealed_tables;
use super::{Horizon, Identity, State, TABLES};
use crate::invariants::plan::Plan;
use crate::invariants::{equations, hands};
use crate::report::{CheckResult, CheckStatus};

/// What was asked for, besides the file.
#[derive(Clone, Copy, Debug)]
pub(in crate::invariants) struct Request {
    /// Read everything, for this reason.
    pub full: Option<&'static str>,
    /// All checks; some of them say too little to seal anything.
    pub whole: bool,
    /// When the time for the audit is over, where it has a deadline.
    pub until: Option<Instant>,
}

/// Why an audit has to read everything although there is a state; none when it need not.
pub(super) fn reason(
    state: &State,
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

/// Why the rows that a state has sealed are not the rows that have these ids here.
pub(super) fn other_history(
    snapshot: &mut Transaction<'_>,
    state: &State,
    identity: &Identity,
    until: Option<Instant>,
) -> Option<String> {
    let other = state.database.other_history(identity);
    other.or_else(|| {
        state.tables.iter().find_map(|(table, sealed)| {
            let now = hands::savepoint(snapshot, until)
                .and_then(|mut savepoint| newest(&mut savepoint, (table, sealed.id), state.key));
            match now {
                Ok(now) if now == sealed.newest => None,
                Ok(_) => Some(format!(
                    "the newest sealed row of \"{table}\" is another one: a backup was restored, or \
                     somebody edited it"
                )),
                Err(error) => Some(format!(
                    "the sealed rows of \"{table}\" cannot be read: {error}"
                )),
            }
        })
    })
}

/// Which result keeps rows from being sealed. Findings about other tables are found again by the
/// next audit, of whatever kind it is. So are breaks of the chain, which nothing ends: to wait for
/// that would be to seal nothing more. `chains_off` is none where sums cannot go on from them.
pub(super) fn hindrance(
    plan: &Plan<'_>,
    checks: &[CheckResult],
    chains_off: Option<i128>,
) -> Option<String> {
    if checks
        .iter()
        .any(|c| matches!(c.status, CheckStatus::Error(_)))
    {
        return Some("the audit is incomplete".to_owned());
    }
    let violated = plan.steps.iter().zip(checks).find(|((check, _), result)| {
        result.status == CheckStatus::Violated
            && result.check.severity.fails()
            && reads_sealed_tables(&check.contract)
            && !(lasts(result) && chains_off.is_some())
    });
    violated.map(|(_, result)| format!("{} is violated", result.check.id))
}

/// Whether a check has found what no later entry mends.
pub(super) fn lasts(result: &CheckResult) -> bool {
    result.status == CheckStatus::Violated && equations::LASTING.contains(&result.check.id.as_str())
}
