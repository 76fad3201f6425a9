//! The connection as refinery drives it: what it sends for one migration becomes one transaction,
//! statement by statement, so that a failure has a place in the file.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use postgres::Client;
use refinery::{Migrate, Migration};
use refinery_core::traits::sync::{Query, Transaction};

use super::waits;
use crate::db::session::quote_literal;
use crate::error::ServerError;
use crate::syntax::Script;

/// A client with our way of running the texts that refinery hands over.
pub(super) struct Session<'a> {
    pub client: &'a mut Client,
    /// What refinery is told about the history: it was read under the lock of the deployer, and
    /// nobody else writes it. Asking again for each file reads it as often as it has rows.
    pub applied: &'a [Migration],
    /// Settings that the transaction begins with.
    pub settings: String,
    /// The longest that a statement may wait for a lock, whatever the text sets.
    pub lock_timeout: Duration,
    /// Whether the first text is the migration's own, or only the history row is to be written.
    pub runs_text: bool,
    /// A statement of ours that commits together with the history row.
    pub also: String,
}

/// Why a migration did not come to its end.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub error: Box<ServerError>,
    /// The statement, as a byte range of the migration's text; none when BEGIN, the history row
    /// or COMMIT failed.
    pub statement: Option<Range<usize>>,
    /// Whether COMMIT was sent: without an answer the outcome is unknown.
    pub at_commit: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    pub fn new(error: &postgres::Error, statement: Option<Range<usize>>, at_commit: bool) -> Self {
        Self {
            error: Box::new(ServerError::read(error)),
            statement,
            at_commit,
        }
    }

    /// Whether nobody knows what became of a COMMIT.
    pub fn is_unanswered(&self) -> bool {
        self.at_commit && self.error.connection_lost
    }

    /// Whether the same thing may well succeed a moment later: a lock that was not to be had in
    /// time, a deadlock that chose us, a conflict with a concurrent change.
    pub fn is_about_locks(&self) -> bool {
        let state = self.error.sqlstate.as_deref();
        matches!(state, Some("55P03" | "40P01" | "40001"))
    }

    /// Whether somebody, such as the limit of a statement's time or our own watcher, cancelled it.
    pub fn is_cancelled(&self) -> bool {
        self.error.sqlstate.as_deref() == Some("57014")
    }
}

impl Transaction for Session<'_> {
    type Error = Failure;

    /// refinery calls this once for each migration (grouped mode with a target): first comes the
    /// migration's text, then the INSERT of its history row. One transaction holds both, and our
    /// own record, so the history says "applied" exactly when the text is committed, whatever is
    /// killed when.
    fn execute<'q, T: Iterator<Item = &'q str>>(&mut self, texts: T) -> Result<usize, Failure> {
        let texts: Vec<&str> = texts.collect();
        let result = self.transaction(&texts);
        if result.is_err() {
            // After a failed COMMIT there is nothing left to roll back, which is only a warning.
            let _ = self.client.batch_execute("ROLLBACK");
        }
        result.map(|()| texts.len())
    }
}

impl Session<'_> {
    /// As few round trips as possible: a remote server is some ten milliseconds away.
    fn transaction(&mut self, texts: &[&str]) -> Result<(), Failure> {
        let begin = format!("{}; START TRANSACTION", self.settings);
        self.client
            .batch_execute(&begin)
            .map_err(|e| Failure::new(&e, None, false))?;
        let (texts, row) = match texts {
            [texts @ .., row] if self.runs_text => (texts, std::slice::from_ref(row)),
            rows => (&[][..], rows),
        };
        for text in texts {
            for range in Script::parse(text).statements() {
                let statement = &text[range.clone()];
                self.client
                    .batch_execute(statement)
                    .map_err(|error| Failure::new(&error, Some(range), false))?;
                if waits::may_change(statement) {
                    self.client
                        .batch_execute(&waits::put_back(self.lock_timeout))
                        .map_err(|e| Failure::new(&e, None, false))?;
                }
            }
        }
        // A role that the text has set need not be allowed to write here, and ends with the text.
        let end = format!("RESET ROLE; {}; {}; COMMIT", row.join("; "), self.also);
        self.client
            .batch_execute(&end)
            .map_err(|e| Failure::new(&e, None, true))
    }
}

impl Query<Vec<Migration>> for Session<'_> {
    fn query(&mut self, _query: &str) -> Result<Vec<Migration>, Failure> {
        Ok(self.applied.to_vec())
    }
}

impl Migrate for Session<'_> {
    /// The table was made before the first migration, with refinery's own statement.
    fn assert_migrations_table(&mut self, _table: &str) -> Result<usize, refinery::Error> {
        Ok(0)
    }
}

/// refinery's statement that makes the history table where there is none.
pub(super) fn history_table_sql(table: &str) -> String {
    Session::assert_migrations_table_query(table)
}

/// The statement that records a migration where refinery does not run it: its row, with the time of
/// the server.
pub(super) fn history_row_sql(table: &str, migration: &Migration) -> String {
    let (version, name) = (migration.version(), quote_literal(migration.name()));
    let checksum = migration.checksum();
    format!(
        "INSERT INTO {table} (version, name, applied_on, checksum) VALUES ({version}, {name},
    pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC',
                       'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '{checksum}');"
    )
}
