//! The one moment that an audit sees: a REPEATABLE READ, READ ONLY transaction.

use jiff::Timestamp;
use postgres::{Client, IsolationLevel, Transaction};

use crate::error::Result;

/// A transaction whose every statement sees the same moment and changes nothing.
pub struct Snapshot<'a> {
    /// For statements; never to be committed with a change, because it is read-only.
    pub transaction: Transaction<'a>,
    /// When it was taken, by the server's clock.
    pub taken_at: Timestamp,
    /// `pg_current_snapshot()`: which transactions it sees.
    pub id: String,
}

/// The given tables of schema `public` that exist and that this role may read, quoted.
const READABLE: &str = "SELECT format('%I.%I', n.nspname, c.relname)
     FROM pg_catalog.pg_class AS c
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname = ANY ($1)
      AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
    ORDER BY 1";

impl<'a> Snapshot<'a> {
    /// Takes the snapshot and pins what could make a statement see something else: the search
    /// path, row security, and the planner's freedom to compile (a waste on short queries).
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
        let mut transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()?;
        if !readable.is_empty() {
            let tables = readable.join(", ");
            // A night job that waits behind somebody's forgotten ALTER TABLE must say so instead.
            let lock = format!(
                "SET LOCAL lock_timeout = '1min'; LOCK TABLE {tables} IN ACCESS SHARE MODE"
            );
            transaction.batch_execute(&lock)?;
        }
        // SET and LOCK take no snapshot, so the moment is that of the query below. `row_security = off`
        // makes the server raise an error where a policy would silently hide rows.
        transaction.batch_execute(
            "SET LOCAL search_path = pg_catalog, pg_temp;
             SET LOCAL row_security = off;
             SET LOCAL jit = off;
             SET LOCAL TimeZone = 'UTC';
             SET LOCAL DateStyle = 'ISO, YMD';
             SET LOCAL extra_float_digits = 1;",
        )?;
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
            transaction,
        })
    }
}
