//! The connection as refinery drives it: what it sends for one migration becomes one transaction,
//! statement by statement, so that a failure has a place in the file.

use std::fmt;
use std::ops::Range;

use postgres::Client;
use refinery::{Migrate, Migration};
use refinery_core::traits::sync::{Query, Transaction};

use crate::error::ServerError;
use crate::syntax::Script;

/// A client with our way of running the texts that refinery hands over.
pub(super) struct Session<'a>(pub &'a mut Client);

/// Why a migration did not come to its end.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: ServerError,
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
    fn new(error: &postgres::Error, statement: Option<Range<usize>>, at_commit: bool) -> Self {
        Self {
            error: ServerError::read(error),
            statement,
            at_commit,
        }
    }
}

impl Transaction for Session<'_> {
    type Error = Failure;

    /// refinery calls this once for each migration (grouped mode with a target): first comes the
    /// migration's text, then the INSERT of its history row. One transaction holds both, so the
    /// history says "applied" exactly when the text is committed, whatever is killed when. An
    /// early return drops the transaction, which rolls it back.
    fn execute<'q, T: Iterator<Item = &'q str>>(&mut self, texts: T) -> Result<usize, Failure> {
        let mut transaction = self
            .0
            .transaction()
            .map_err(|e| Failure::new(&e, None, false))?;
        let mut count = 0;
        for (index, text) in texts.enumerate() {
            for range in Script::parse(text).statements() {
                transaction
                    .batch_execute(&text[range.clone()])
                    .map_err(|error| Failure::new(&error, (index == 0).then_some(range), false))?;
            }
            count += 1;
        }
        transaction
            .commit()
            .map_err(|e| Failure::new(&e, None, true))?;
        Ok(count)
    }
}

impl Query<Vec<Migration>> for Session<'_> {
    fn query(&mut self, query: &str) -> Result<Vec<Migration>, Failure> {
        // refinery's own reader; the table was validated before, so it cannot panic.
        Query::query(self.0, query).map_err(|e| Failure::new(&e, None, false))
    }
}

impl Migrate for Session<'_> {}
