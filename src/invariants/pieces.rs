//! Reading a range of a table: at once, or, while others write, by small pieces with rests between.

use std::collections::HashMap;
use std::time::Instant;

use postgres::types::ToSql;
use postgres::{Row, Statement, Transaction};

use super::neighbours::Neighbours;
use super::range::{Extent, Range};
use crate::error::{Error, Result};

/// To plan a statement for every piece would take longer than to read it. The planner would: it
/// takes a general plan, which must not count on how small a piece is, for the dearer one.
const PLAN_ONCE: &str = "SET LOCAL plan_cache_mode = force_generic_plan";
const PLAN_AS_EVER: &str = "SET LOCAL plan_cache_mode = auto";

/// How ranges are to be read.
#[derive(Clone, Copy)]
pub(super) struct Pace<'a> {
    /// For whom to make room.
    pub neighbours: &'a Neighbours,
    /// When to stop: the server's limit is for a statement, and pieces are many.
    pub until: Option<Instant>,
}

/// The pieces of one range.
pub(super) struct Pieces<'a, 'b> {
    snapshot: &'a mut Transaction<'b>,
    pace: Pace<'a>,
    extent: Extent,
    rest: Option<Range>,
    /// How many times as long as a small one the next small piece is.
    times: u64,
    /// Statements for small pieces, by their text; empty as long as there was none.
    prepared: HashMap<String, Statement>,
    is_small: bool,
}

impl<'a, 'b> Pieces<'a, 'b> {
    /// All of them.
    pub fn of(
        snapshot: &'a mut Transaction<'b>,
        pace: Pace<'a>,
        extent: Extent,
        range: Range,
    ) -> Self {
        Self {
            snapshot,
            pace,
            extent,
            rest: Some(range),
            times: 1,
            prepared: HashMap::new(),
            is_small: false,
        }
    }

    /// The next one, after a rest if need be.
    ///
    /// # Errors
    /// Undecided when it is too late for it.
    pub fn next(&mut self) -> Result<Option<Range>> {
        let Some(range) = self.rest else {
            return Ok(None);
        };
        if self.is_small {
            Neighbours::rest();
            if self.pace.until.is_some_and(|until| Instant::now() >= until) {
                return Err(Error::undecided("cut off by the deadline"));
            }
        }
        self.is_small = self.pace.neighbours.are_writing();
        let (piece, rest) = match self.is_small {
            true => self.extent.cut(range, self.times),
            false => (range, None),
        };
        self.rest = rest;
        Ok(Some(piece))
    }

    /// How many rows the present one had. After an empty one the next is twice as long: ids may
    /// have been skipped, by the million when somebody moved the sequence, and pages emptied.
    pub fn had(&mut self, rows: u64) {
        self.times = match rows {
            0 => self.times.saturating_mul(2),
            _ => 1,
        };
    }

    /// Asks about the present one.
    ///
    /// # Errors
    /// What the server says.
    pub fn query(&mut self, statement: String, bounds: &[String]) -> Result<Vec<Row>> {
        let statement = self.prepare(statement)?;
        Ok(self.snapshot.query(&statement, &parameters(bounds))?)
    }

    /// The same, for a single row.
    ///
    /// # Errors
    /// What the server says.
    pub fn query_one(&mut self, statement: String, bounds: &[String]) -> Result<Row> {
        let statement = self.prepare(statement)?;
        Ok(self.snapshot.query_one(&statement, &parameters(bounds))?)
    }

    fn prepare(&mut self, statement: String) -> Result<Statement> {
        if !self.is_small {
            return Ok(self.snapshot.prepare(&statement)?);
        }
        if let Some(prepared) = self.prepared.get(&statement) {
            return Ok(prepared.clone());
        }
        if self.prepared.is_empty() {
            self.snapshot.batch_execute(PLAN_ONCE)?;
        }
        let prepared = self.snapshot.prepare(&statement)?;
        self.prepared.insert(statement, prepared.clone());
        Ok(prepared)
    }

    /// Leaves the connection as it was. After an error the savepoint does.
    ///
    /// # Errors
    /// What the server says.
    pub fn end(self) -> Result<()> {
        if !self.prepared.is_empty() {
            self.snapshot.batch_execute(PLAN_AS_EVER)?;
        }
        Ok(())
    }
}

fn parameters(bounds: &[String]) -> Vec<&(dyn ToSql + Sync)> {
    bounds.iter().map(|bound| bound as _).collect()
}
