//! Evaluates query checks: a SELECT that returns its violations.

use postgres::Transaction;

use super::contract::Contract;
use super::evidence::{Violations, evidence, totals};
use crate::error::{Error, Result};

/// Wrapped around the check's own SELECT, in place of `$query`.
const WRAPPER: &str = include_str!("query.sql");

/// SQLSTATE of a column that does not exist.
const UNDEFINED_COLUMN: &str = "42703";

/// Runs the check once: the server keeps its rows (on disk when they are many), counts them and
/// sends the first ones.
pub(super) fn run(
    snapshot: &mut Transaction<'_>,
    contract: &Contract,
    limit: u32,
) -> Result<Violations> {
    let statement = WRAPPER.replace("$query", &contract.sql);
    let rows = snapshot
        .query(&statement, &[&i64::from(limit)])
        .map_err(|error| explain(error.into()))?;
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

/// The wrapper names the columns, so the server speaks of an alias that the author never wrote.
fn explain(error: Error) -> Error {
    if error.sqlstate() == Some(UNDEFINED_COLUMN) && error.primary().starts_with("column f.") {
        return error
            .hint("a query returns subject, expected, actual, difference, cause and detail");
    }
    error
}
