//! `transaction: batched`: each statement is repeated until it changes no row, each repetition in
//! a transaction of its own, so that no lock is held for longer than a batch takes.
//!
//! Whatever is cut off when, the rows say themselves what is left to do. So a later run begins with
//! the first statement again, and the file is recorded when each one has changed nothing in that
//! run: a row that somebody added meanwhile is found, too.

use std::ops::Range;

use postgres::SimpleQueryMessage;

use super::{Deployer, Numbered, Trouble, failure};
use crate::db::session::UNLIMITED;
use crate::error::{Error, Result};
use crate::header::Header;
use crate::migrations::log::Event;
use crate::migrations::pace::Pace;
use crate::migrations::session::Failure;
use crate::migrations::set::File;
use crate::migrations::watch::Task;
use crate::syntax::Script;
use crate::syntax::batch::Batch;

pub(super) fn run(deployer: &mut Deployer<'_>, file: &File) -> Result<()> {
    let batches = Script::parse(file.sql()).batches().unwrap_or_default();
    let estimate = estimate(deployer, file, &batches)?;
    deployer.progress.begin(file.migration.name(), estimate);
    let mut changed = 0;
    let result = repeat_all(deployer, file, batches, &mut changed);
    deployer.progress.end();
    let done = format!("{changed} rows are done");
    let finished = result.map_err(|stuck| explain(deployer, file, stuck, changed, &done));
    finished.and_then(|()| deployer.record(file))
}

/// Why the file did not come to its end.
enum Stuck {
    Trouble(Trouble),
    /// The wish to stop came between two batches.
    Stopped,
    /// Standbys or other sessions were behind for as long as we may wait.
    Behind(String),
}

fn repeat_all(
    deployer: &mut Deployer<'_>,
    file: &File,
    batches: Vec<(Range<usize>, Batch)>,
    changed: &mut u64,
) -> std::result::Result<(), Stuck> {
    let mut pace = Pace::new(deployer.options);
    for (index, (range, batch)) in batches.into_iter().enumerate() {
        let statement = Numbered::new(index, range, file.sql());
        record(deployer, file, &statement, Event::Started, None)?;
        let mut rows_of_statement = 0;
        loop {
            if deployer.options.stop.is_set() {
                return Err(Stuck::Stopped);
            }
            pace.keep(&mut deployer.client, deployer.progress)
                .map_err(|error| Stuck::Trouble(Trouble::Other(error)))?
                .map_or(Ok(()), |behind| Err(Stuck::Behind(behind)))?;
            let rows = deployer
                .patiently(file, |deployer| one(deployer, file, &statement, &batch))
                .map_err(Stuck::Trouble)?;
            if rows == 0 {
                break;
            }
            rows_of_statement += rows;
            *changed += rows;
            deployer.progress.advance(rows);
        }
        let rows = i64::try_from(rows_of_statement).ok();
        record(deployer, file, &statement, Event::Finished, rows)?;
    }
    Ok(())
}

/// One repetition; how many rows it changed.
fn one(
    deployer: &mut Deployer<'_>,
    file: &File,
    statement: &Numbered,
    batch: &Batch,
) -> std::result::Result<u64, Trouble> {
    let limit = format!(
        "SET LOCAL statement_timeout = {}; {UNLIMITED}",
        deployer.options.batch_timeout.as_millis()
    );
    let Deployer { client, watch, .. } = deployer;
    let work = || {
        let failed = |error: &postgres::Error| Failure::new(error, None, false);
        let mut transaction = client.transaction().map_err(|e| failed(&e))?;
        transaction.batch_execute(&limit).map_err(|e| failed(&e))?;
        let answer = transaction
            .simple_query(&file.sql()[statement.range.clone()])
            .map_err(|e| Failure::new(&e, Some(statement.range.clone()), false))?;
        let rows = count(&answer, batch);
        // Without a count there is no end, so the batch is rolled back.
        if rows.is_some() {
            transaction
                .commit()
                .map_err(|e| Failure::new(&e, None, true))?;
        }
        Ok(rows)
    };
    let rows = watch.during(Task::Batch, work).map_err(Trouble::Failed)?;
    rows.ok_or_else(|| Trouble::Other(uncounted(file, statement)))
}

fn uncounted(file: &File, statement: &Numbered) -> Error {
    Error::rolled_back(format!(
        "statement {} of \"{}\" does not say how many rows it changed",
        statement.number, file.path
    ))
    .detail(
        "a SELECT in a batched file must return one row with one whole number; it was rolled back",
    )
    .hint("return the number of changed rows, and 0 when there is nothing left to do")
}

fn count(answer: &[SimpleQueryMessage], batch: &Batch) -> Option<u64> {
    match batch {
        Batch::Rows => answer.iter().find_map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        }),
        Batch::Value => {
            let mut rows = answer.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let row = rows.next()?;
            let is_single = rows.next().is_none() && row.len() == 1;
            is_single.then(|| row.get(0)?.parse().ok()).flatten()
        }
        Batch::Refused(_) => None,
    }
}

fn record(
    deployer: &mut Deployer<'_>,
    file: &File,
    statement: &Numbered,
    event: Event,
    rows: Option<i64>,
) -> std::result::Result<(), Stuck> {
    let Deployer { client, log, .. } = deployer;
    let place = (file.version(), statement.number);
    log.statement(client, event, place, &statement.digest, rows)
        .map_err(|error| Stuck::Trouble(Trouble::Failed(Failure::new(&error, None, false))))
}

/// About how many rows there are to change: what the header's query says, else the size of the
/// tables that are changed as the planner knows it; 0 when nobody knows.
fn estimate(
    deployer: &mut Deployer<'_>,
    file: &File,
    batches: &[(Range<usize>, Batch)],
) -> Result<u64> {
    if let Some(query) = Header::parse(file.sql()).get("rows") {
        let answer = deployer.client.simple_query(query).map_err(|error| {
            Error::from(error)
                .during(format!("the header key \"rows\" of \"{}\"", file.path))
                .hint("it must be a query that returns one whole number")
        })?;
        return Ok(count(&answer, &Batch::Value).unwrap_or_default());
    }
    let tables: Vec<String> = batches
        .iter()
        .filter_map(|(range, _)| Script::parse(&file.sql()[range.clone()]).changed_table())
        .collect();
    let query = "SELECT coalesce(sum(reltuples) FILTER (WHERE reltuples > 0), 0)::int8
                   FROM pg_catalog.pg_class
                  WHERE oid IN (SELECT pg_catalog.to_regclass(name) FROM unnest($1::text[]) AS name)";
    let rows: i64 = deployer.client.query_one(query, &[&tables])?.get(0);
    Ok(u64::try_from(rows).unwrap_or_default())
}

/// Undone when no row is changed, cut off when some are.
fn explain(deployer: &Deployer<'_>, file: &File, stuck: Stuck, changed: u64, done: &str) -> Error {
    match stuck {
        Stuck::Stopped => {
            Error::cut_off(format!("stopped in \"{}\", between two batches", file.path))
                .detail(done)
                .hint(deployer.set.command("migrate") + " goes on from there")
        }
        Stuck::Behind(words) => {
            Error::cut_off(format!("\"{}\" had to wait for too long", file.path))
                .detail(words)
                .detail(done)
                .hint(
                    deployer.set.command("migrate")
                        + " goes on from there; see --retry-for and --max-lag",
                )
        }
        Stuck::Trouble(Trouble::Failed(found)) if changed == 0 && !found.error.connection_lost => {
            failure::undone(deployer, file, &found)
        }
        Stuck::Trouble(Trouble::Failed(found)) => failure::cut_off(deployer, file, &found, done),
        Stuck::Trouble(Trouble::Locked(gave_up)) if changed == 0 => {
            failure::locked(deployer, file, &gave_up).detail("nothing of it was changed")
        }
        Stuck::Trouble(Trouble::Locked(gave_up)) => {
            failure::cut_off(deployer, file, &gave_up.failure, done)
        }
        Stuck::Trouble(Trouble::Other(error)) => error,
    }
}
