//! The sample ledger: consistent, seeded, made by SQL on the server. What it looks like is said in
//! the SQL files beside this one; here is the transaction around them.

use std::time::Instant;

use jiff::Timestamp;
use postgres::error::SqlState;
use postgres::{Client, Transaction};

use crate::db::session;
use crate::error::{Error, Result};
use crate::report::{Progress, Sample};

const PREPARE: &str = include_str!("prepare.sql");
const STEPS: [&str; 4] = [
    include_str!("users.sql"),
    include_str!("requests.sql"),
    include_str!("plans.sql"),
    include_str!("entries.sql"),
];
const WRITE_BALANCES: &str = include_str!("write_balances.sql");
const WRITE_LAST_ENTRY_SEQ: &str = include_str!("write_last_entry_seq.sql");
const WRITE_ENTRIES: &str = include_str!("write_entries.sql");
const WRITE_ENTRIES_1_0: &str = include_str!("write_entries_1_0.sql");
const WRITE_REQUESTS: &str = include_str!("write_requests.sql");
const FILLED: &str = include_str!("filled.sql");
const LOCK: &str = include_str!("lock.sql");
const SEQUENCES: &str = include_str!("sequences.sql");
const FINISH: &str = include_str!("finish.sql");

/// Microseconds from 1970 to 2000, where PostgreSQL's own count begins.
const EPOCH_US: i64 = 946_684_800_000_000;

/// The first moment at which a sample may end: its users signed up up to half a year before, and
/// a ledger that reaches back before 2020 looks like one with missing times.
const EARLIEST_END: &str = "2021-01-01T00:00:00Z";

/// Rows per statement of the long part: small enough for a bar that moves, large enough that a
/// statement costs nothing.
const SLICE: i64 = 20_000;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Number of users, at least one.
    pub users: u32,
    /// Number of rows of the usage log.
    pub requests: u32,
    /// The same seed makes the same sample, on every major version.
    pub seed: u32,
    /// When the ledger ends; nothing in it is later. `None` is now, by the server's clock.
    pub until: Option<Timestamp>,
}

/// Fills a migrated database that holds no entries, balances, keys or requests.
///
/// # Errors
/// Refused when one of the tables holds rows, or when somebody is writing to one; undecided when
/// the schema is not there or the server says no. Nothing has been changed then.
pub fn fill(client: &mut Client, size: Size, progress: &dyn Progress) -> Result<Sample> {
    let started = Instant::now();
    // Asked before any lock is taken: on a database that is in use, the queue behind a table lock
    // would hold up the gateway.
    if session::schema_version(client)?.is_none() {
        return Err(
            Error::undecided("the database has no credit ledger to fill")
                .detail("there is no schema version in public.schema_version")
                .hint("creditdb migrate"),
        );
    }
    refuse_filled(client.query_one(FILLED, &[])?.get(0))?;
    let until = end(client, size.until)?;

    // One transaction: a ledger of which a part is missing is a damaged one, and whoever kills the
    // program half way must find the database as it was.
    let mut transaction = client.transaction()?;
    lock(&mut transaction)?;
    // Again, because two samples may have come this far together.
    refuse_filled(transaction.query_one(FILLED, &[])?.get(0))?;
    invent(&mut transaction, size, until, progress)?;
    let (requests, entries) = write(&mut transaction, progress)?;
    transaction.commit()?;
    // Without statistics the first audit would be planned for empty tables.
    client.batch_execute(FINISH).map_err(|error| {
        Error::from(error).during("the sample is written, but not yet analyzed")
    })?;

    Ok(Sample {
        users: size.users.into(),
        requests,
        entries,
        seed: size.seed,
        until,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

fn refuse_filled(tables: Vec<String>) -> Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    Err(Error::refused("the database holds a ledger already")
        .detail(format!("not empty: {}", tables.join(", ")))
        .hint("createdb a database of its own for the sample, then: creditdb migrate"))
}

/// The end of the period, in whole seconds.
fn end(client: &mut Client, until: Option<Timestamp>) -> Result<Timestamp> {
    let now: Timestamp = client
        .query_one("SELECT date_trunc('second', clock_timestamp())", &[])?
        .get(0);
    let Some(until) = until else { return Ok(now) };
    if until > now {
        return Err(
            Error::usage(format!("the sample would end in the future: {until}"))
                .detail(format!("the server's clock says {now}"))
                .hint("creditdb sample --until now"),
        );
    }
    if EARLIEST_END
        .parse::<Timestamp>()
        .is_ok_and(|earliest| until < earliest)
    {
        return Err(
            Error::usage(format!("the sample would end too early: {until}"))
                .detail(format!("the earliest end is {EARLIEST_END}"))
                .hint("creditdb sample --until now"),
        );
    }
    Ok(until)
}

/// Keeps everybody else from writing until the commit, so that nothing mixes with the sample.
fn lock(transaction: &mut Transaction<'_>) -> Result<()> {
    transaction.batch_execute(LOCK).map_err(|error| {
        if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
            Error::refused("somebody is writing to the ledger")
                .detail("the tables could not be locked within 2 s; nothing was changed")
                .hint("creditdb sample, when the other session has ended")
        } else {
            error.into()
        }
    })
}

/// Makes the whole ledger in temporary tables.
fn invent(
    transaction: &mut Transaction<'_>,
    size: Size,
    until: Timestamp,
    progress: &dyn Progress,
) -> Result<()> {
    transaction.batch_execute(PREPARE)?;
    let ends_us = until.as_microsecond() - EPOCH_US;
    transaction.execute(
        "INSERT INTO pg_temp.sample_size VALUES ($1, $2, $3, $4)",
        &[
            &i64::from(size.seed),
            &i64::from(size.users),
            &i64::from(size.requests),
            &ends_us,
        ],
    )?;
    progress.begin("inventing", STEPS.len() as u64);
    for step in STEPS {
        transaction.batch_execute(step)?;
        progress.advance(1);
    }
    progress.end();
    Ok(())
}

/// Whether the schema numbers the entries of each user.
fn are_numbered(transaction: &mut Transaction<'_>) -> Result<bool> {
    let column = "SELECT EXISTS (
                      SELECT FROM pg_catalog.pg_attribute AS a
                       WHERE a.attrelid = 'public.credit_transactions'::regclass
                         AND a.attname = 'entry_seq' AND NOT a.attisdropped)";
    Ok(transaction.query_one(column, &[])?.get(0))
}

/// Copies it into the real tables; the numbers of requests and entries.
fn write(transaction: &mut Transaction<'_>, progress: &dyn Progress) -> Result<(u64, u64)> {
    let count = transaction.query_one(
        "SELECT (SELECT count(*) FROM pg_temp.sample_requests),
                (SELECT count(*) FROM pg_temp.sample_entries)",
        &[],
    )?;
    let (requests, entries): (i64, i64) = (count.get(0), count.get(1));
    transaction.batch_execute(WRITE_BALANCES)?;
    let write_entries = if are_numbered(transaction)? {
        transaction.batch_execute(WRITE_LAST_ENTRY_SEQ)?;
        WRITE_ENTRIES
    } else {
        WRITE_ENTRIES_1_0
    };
    progress.begin("writing", requests.unsigned_abs() + entries.unsigned_abs());
    let mut written = [0, 0];
    for (sum, (statement, rows)) in written
        .iter_mut()
        .zip([(write_entries, entries), (WRITE_REQUESTS, requests)])
    {
        let statement = transaction.prepare(statement)?;
        let mut first = 1;
        while first <= rows {
            let slice = transaction.execute(&statement, &[&first, &(first + SLICE - 1)])?;
            progress.advance(slice);
            *sum += slice;
            first += SLICE;
        }
    }
    progress.end();
    transaction.batch_execute(SEQUENCES)?;
    let [entries, requests] = written;
    Ok((requests, entries))
}
