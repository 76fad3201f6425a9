//! Canaries: before the silence of an expression over rows is believed, it has to find what is planted
//! in a row made up for it: a violation, or a suspect. A server, an operator or a type that answers otherwise than the author
//! of the check knew would show here, and not as a clean audit.

use postgres::Transaction;

use super::outcome::words;
use super::plan::{Decision, Plan};
use crate::db::session::{quote_identifier, quote_literal};
use crate::error::Result;

/// Lets every check with a canary find it; one that does not cannot be evaluated.
///
/// # Errors
/// A lost connection.
pub(super) fn sing(snapshot: &mut Transaction<'_>, plan: &mut Plan<'_>) -> Result<()> {
    let mut songs = Vec::new();
    for (place, (check, decision)) in plan.steps.iter().enumerate() {
        let contract = &check.contract;
        let (Some(canary), Some(expression)) = (&contract.canary, contract.expression()) else {
            continue;
        };
        if *decision == Decision::Evaluate {
            for table in &contract.tables {
                songs.push((place, song(place, table, canary, expression)));
            }
        }
    }
    // All at once, as a rule; one by one only to tell which of them is to blame.
    let all: Vec<&str> = songs.iter().map(|(_, song)| song.as_str()).collect();
    if all.is_empty() {
        return Ok(());
    }
    if let Ok(silent) = listen(snapshot, &all.join("\nUNION ALL\n")) {
        for place in silent {
            plan.steps[place].1 = Decision::Fail(SILENT.to_owned());
        }
        return Ok(());
    }
    for (place, song) in songs {
        let failed = match listen(snapshot, &song) {
            Ok(silent) if silent.is_empty() => continue,
            Ok(_) => SILENT.to_owned(),
            Err(error) if error.connection_lost() => return Err(error),
            Err(error) => words(&error),
        };
        plan.steps[place].1 = Decision::Fail(failed);
    }
    Ok(())
}

const SILENT: &str = "it does not find what its own canary plants, so its silence about the rows of \
                      the table means nothing";

/// The places whose canary was not found.
fn listen(snapshot: &mut Transaction<'_>, songs: &str) -> Result<Vec<usize>> {
    let mut savepoint = snapshot.transaction()?;
    let rows = savepoint.query(songs, &[])?;
    savepoint.commit()?;
    let silent = rows.iter().filter(|row| !row.get::<_, bool>("found"));
    let place = |row: &postgres::Row| usize::try_from(row.get::<_, i64>("place")).ok();
    Ok(silent.filter_map(place).collect())
}

/// The expression of a check over a row with the values of its canary, and NULL elsewhere.
fn song(place: usize, table: &str, canary: &str, expression: &str) -> String {
    let table = quote_identifier(table);
    let values = quote_literal(canary);
    format!(
        "SELECT {place}::bigint AS place, (\n{expression}\n) IS TRUE AS found\n  \
         FROM jsonb_populate_record(NULL::public.{table}, {values}) AS {table}"
    )
}
