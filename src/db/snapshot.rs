//! The one moment that an audit sees: a REPEATABLE READ, READ ONLY transaction, and further
//! transactions on other connections that import its snapshot.

use jiff::Timestamp;
use postgres::{Client, IsolationLevel, Transaction};

use super::session::quote_literal;
use crate::error::Result;

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
/// work is the caller's to say; and room for sorts, so that an audit is not written to disk twice.
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
     SET LOCAL idle_in_transaction_session_timeout = '1min';";

/// A night job that waits behind somebody's forgotten ALTER TABLE must say so instead.
const LOCK_TIMEOUT: &str = "1min";

/// A connection that imports a snapshot can do without: where somebody waits for a stronger lock in
/// between, it would wait behind them, and they for the snapshot.
const IMPORT_LOCK_TIMEOUT: &str = "1s";

impl<'a> Snapshot<'a> {
    /// Takes the snapshot and pins what could make a statement see something else.
    ///
    /// `tables` (in schema `public`; those that do not exist are ignored) are locked first against
    /// TRUNCATE and rewriting ALTER TABLE, because after either an older snapshot sees an empty
    /// table, and nothing would tell.
    ///
    /// # Errors
    /// What the server says.
    pub fn take(client: &'a mut Client, tables: &[String]) -> Result<Self> {
        let readable = client.query(READABLE, &[&tables])?;
        let readable: Vec<String> = readable.iter().map(|row| row.get(0)).collect();
        let mut transaction = begin(client)?;
        // SET and LOCK take no snapshot, so the moment is that of the query below.
        lock(&mut transaction, &readable, LOCK_TIMEOUT)?;
        transaction.batch_execute(PINNED)?;
        // The checks read the moment from a setting: now() would differ between connections that
        // share one snapshot.
        let row = transaction.query_one(
            "SELECT at, pg_current_snapshot()::text, set_config('creditdb.now', at::text, true)
             FROM clock_timestamp() AS at",
            &[],
        )?;
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
        lock(&mut transaction, &self.tables, IMPORT_LOCK_TIMEOUT)?;
        transaction.batch_execute(PINNED)?;
        let moment = format!("SET LOCAL creditdb.now = {}", quote_literal(&self.moment));
        transaction.batch_execute(&moment)?;
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

fn lock(transaction: &mut Transaction<'_>, tables: &[String], timeout: &str) -> Result<()> {
    if !tables.is_empty() {
        let tables = tables.join(", ");
        let timeout = quote_literal(timeout);
        transaction.batch_execute(&format!(
            "SET LOCAL lock_timeout = {timeout}; LOCK TABLE {tables} IN ACCESS SHARE MODE"
        ))?;
    }
    Ok(())
}
