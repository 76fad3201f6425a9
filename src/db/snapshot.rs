//! The one moment that an audit sees: a REPEATABLE READ, READ ONLY transaction, and further
//! transactions on other connections that import its snapshot.

use std::time::Duration;

use jiff::Timestamp;
use postgres::{Client, IsolationLevel, Row, Transaction};

use super::backend::Backend;
use super::session::{UNLIMITED, quote_literal};
use crate::error::{Error, Result};

/// A transaction whose every statement sees the same moment and changes nothing.
pub struct Snapshot<'a> {
    /// For statements; never to be committed with a change, because it is read-only.
    pub transaction: Transaction<'a>,
    /// When it was taken, by the server's clock.
    pub taken_at: Timestamp,
    /// `pg_current_snapshot()`: which transactions it sees.
    pub id: String,
    /// What other connections need to see the same.
    moment: String,
}

/// A snapshot that other connections can import while the transaction that took it is open.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Of `pg_export_snapshot()`.
    name: String,
    /// The moment, as the server wrote it.
    moment: String,
    /// Tables to lock, quoted.
    tables: Vec<String>,
}

/// The given tables of schema `public` that exist and that this role may read, quoted.
const READABLE: &str = "SELECT format('%I.%I', n.nspname, c.relname)
     FROM pg_catalog.pg_class AS c
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname = ANY ($1)
      AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
    ORDER BY 1";

/// What could make a statement see something else: the search path, and row security, which makes
/// the server raise an error where a policy would silently hide rows. The rest is the planner's
/// freedom to compile (a waste on short queries) or to start further processes, because how many
/// work is the caller's to say; room for sorts, so that an audit is not written to disk twice; and
/// limits that a role has for other work: how long an audit may take is the caller's to say, too,
/// but for a lock on what is not locked beforehand, a sequence for example, nobody waits for ever.
/// A session that is silent for a minute belongs to a program that was stopped: its snapshot must
/// not hold up vacuum for ever.
const PINNED: &str = "SET LOCAL search_path = pg_catalog, pg_temp;
     SET LOCAL row_security = off;
     SET LOCAL jit = off;
     SET LOCAL max_parallel_workers_per_gather = 0;
     SET LOCAL work_mem = '64MB';
     SET LOCAL TimeZone = 'UTC';
     SET LOCAL DateStyle = 'ISO, YMD';
     SET LOCAL extra_float_digits = 1;
     SET LOCAL standard_conforming_strings = on;
     SET LOCAL transform_null_equals = off;
     SET LOCAL quote_all_identifiers = off;
     SET LOCAL lock_timeout = '1min';
     SET LOCAL statement_timeout = 0;
     SET LOCAL idle_in_transaction_session_timeout = '1min';";

/// A night job that waits behind somebody's forgotten ALTER TABLE must say so instead.
pub const LOCK_PATIENCE: Duration = Duration::from_mins(1);

/// A connection that imports a snapshot can do without: where somebody waits for a stronger lock in
/// between, it would wait behind them, and they for the snapshot.
const IMPORT_LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Who holds, or waits for, the one lock that readers wait behind, on which of the tables.
const IN_THE_WAY: &str = "SELECT c.relname::text AS relation, l.granted, coalesce(l.pid, 0) AS pid,
        a.usename::text AS usename, a.application_name, a.state,
        (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint AS age_ms
   FROM pg_catalog.pg_locks AS l
   JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
   LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
  WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND l.relation = ANY ($1::text[]::regclass[])
  ORDER BY l.granted DESC, a.xact_start, l.pid LIMIT 1";

/// SQLSTATEs of a statement that waited for a lock, or in all, for too long.
const WAITED_TOO_LONG: [Option<&str>; 2] = [Some("55P03"), Some("57014")];

/// Whether a statement was ended by a limit, for locks or in all.
pub fn waited_too_long(error: &Error) -> bool {
    WAITED_TOO_LONG.contains(&error.sqlstate())
}

impl<'a> Snapshot<'a> {
    /// Takes the snapshot and pins what could make a statement see something else.
    ///
    /// `tables` (in schema `public`; those that do not exist are ignored) are locked first against
    /// TRUNCATE and rewriting ALTER TABLE, because after either an older snapshot sees an empty
    /// table, and nothing would tell. For these locks it waits no longer than `patience`.
    ///
    /// # Errors
    /// What the server says; who is in the way of a lock.
    pub fn take(client: &'a mut Client, tables: &[String], patience: Duration) -> Result<Self> {
        let readable = client.query(READABLE, &[&tables])?;
        let readable: Vec<String> = readable.iter().map(|row| row.get(0)).collect();
        let mut transaction = begin(client)?;
        // SET and LOCK take no snapshot, so the moment is that of the query below.
        lock(&mut transaction, &readable, patience)?;
        transaction.batch_execute(PINNED)?;
        // The checks read the moment from a setting: now() would differ between connections that
        // share one snapshot.
        let row = transaction.query_one(
            "SELECT at, pg_current_snapshot()::text, set_config('creditdb.now', at::text, true)
             FROM clock_timestamp() AS at",
            &[],
        )?;
        transaction.batch_execute(UNLIMITED)?;
        Ok(Self {
            taken_at: row.get(0),
            id: row.get(1),
            moment: row.get(2),
            transaction,
        })
    }

    /// Lets other connections see the same. `tables` as in [`Snapshot::take`].
    ///
    /// # Errors
    /// What the server says.
    pub fn export(&mut self, tables: &[String]) -> Result<Exported> {
        let name = self
            .transaction
            .query_one("SELECT pg_export_snapshot()", &[])?;
        let readable = self.transaction.query(READABLE, &[&tables])?;
        Ok(Exported {
            name: name.get(0),
            moment: self.moment.clone(),
            tables: readable.iter().map(|row| row.get(0)).collect(),
        })
    }
}

impl Exported {
    /// A transaction on another connection to the same database that sees the same moment.
    ///
    /// # Errors
    /// What the server says; among it, that the snapshot is gone with its transaction.
    pub fn import<'a>(&self, client: &'a mut Client) -> Result<Transaction<'a>> {
        let mut transaction = begin(client)?;
        let import = format!("SET TRANSACTION SNAPSHOT {}", quote_literal(&self.name));
        transaction.batch_execute(&import)?;
        lock(&mut transaction, &self.tables, IMPORT_LOCK_PATIENCE)?;
        let moment = quote_literal(&self.moment);
        transaction.batch_execute(&format!(
            "{PINNED}{UNLIMITED}; SET LOCAL creditdb.now = {moment}"
        ))?;
        Ok(transaction)
    }
}

fn begin(client: &mut Client) -> Result<Transaction<'_>> {
    Ok(client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()?)
}

fn lock(transaction: &mut Transaction<'_>, tables: &[String], patience: Duration) -> Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    // A limit for each lock, and one for all of them.
    let limit = patience.as_millis().clamp(1, i32::MAX as u128);
    let locked = transaction.batch_execute(&format!(
        "SAVEPOINT unlocked;
         SET LOCAL lock_timeout = {limit}; SET LOCAL statement_timeout = {limit};
         LOCK TABLE {} IN ACCESS SHARE MODE; RELEASE unlocked",
        tables.join(", ")
    ));
    let error = match locked.map_err(Error::from) {
        Err(error) if waited_too_long(&error) => error,
        locked => return locked,
    };
    transaction.batch_execute("ROLLBACK TO unlocked")?;
    let limit = Duration::from_millis(u64::try_from(limit).unwrap_or_default());
    let limit = humantime::format_duration(limit);
    let error = Error::undecided(format!("no lock for reading within {limit}"))
        .detail(format!("the server: {}", error.primary()));
    Err(match transaction.query_opt(IN_THE_WAY, &[&tables])? {
        Some(row) => in_the_way(&row, error),
        None => error.hint("try again: whoever was in the way has gone"),
    })
}

/// Names the session behind which others wait.
fn in_the_way(row: &Row, error: Error) -> Error {
    let table: String = row.get("relation");
    let what = match row.get("granted") {
        true => "is locked",
        false => "is about to be locked",
    };
    let backend = Backend::read(row);
    let hint = match backend.pid {
        0 => "SELECT * FROM pg_prepared_xacts; COMMIT PREPARED or ROLLBACK PREPARED ends one"
            .to_owned(),
        pid => {
            format!("SELECT * FROM pg_stat_activity WHERE pid = {pid}; try again when it has ended")
        }
    };
    error
        .detail(format!(
            "\"public.{table}\" {what} against reading by {backend}"
        ))
        .hint(hint)
}
