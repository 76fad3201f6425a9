//! Evaluates query checks: a SELECT that returns its violations.

use postgres::Transaction;

use super::contract::Contract;
use super::evidence::{Violations, evidence, totals};
use crate::error::Result;

/// Wrapped around the check's own SELECT, in place of `$query`.
const WRAPPER: &str = include_str!("query.sql");

/// Runs the check once: the server keeps its rows (on disk when they are many), counts them and
/// sends the first ones.
pub(super) fn run(
    snapshot: &mut Transaction<'_>,
    contract: &Contract,
    limit: u32,
) -> Result<Violations> {
    let rows = snapshot.query(
        &WRAPPER.replace("$query", &contract.sql),
        &[&i64::from(limit)],
    )?;
    let mut violations = rows
        .first()
        .map(|row| totals(row, "violations", "at_risk"))
        .unwrap_or_default();
    violations.evidence = rows
        .iter()
        .filter(|row| row.get("is_evidence"))
        .map(evidence)
        .collect();
    Ok(violations)
}
