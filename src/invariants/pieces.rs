//! Reading a range of a table: at once, or, while others write, by small pieces with rests between.

use std::collections::HashMap;

use postgres::types::ToSql;
use postgres::{Row, Statement, Transaction};

use super::neighbours::Neighbours;
use super::range::{Extent, Range};
use crate::error::Result;

/// To plan a statement for every piece would take longer than to read it. The planner would: it
/// takes a general plan, which must not count on how small a piece is, for the dearer one.
const PLAN_ONCE: &str = "SET LOCAL plan_cache_mode = force_generic_plan";
const PLAN_AS_EVER: &str = "SET LOCAL plan_cache_mode = auto";

/// The pieces of one range.
pub(super) struct Pieces<'a, 'b> {
    snapshot: &'a mut Transaction<'b>,
    neighbours: &'a Neighbours,
    extent: Extent,
    rest: Option<Range>,
    /// Statements for small pieces, by their text; empty as long as there was none.
    prepared: HashMap<String, Statement>,
    is_small: bool,
}

impl<'a, 'b> Pieces<'a, 'b> {
    /// All of them.
    pub fn of(
        snapshot: &'a mut Transaction<'b>,
        neighbours: &'a Neighbours,
        extent: Extent,
        range: Range,
    ) -> Self {
        Self {
            snapshot,
            neighbours,
            extent,
            rest: Some(range),
            prepared: HashMap::new(),
            is_small: false,
        }
    }

    /// The next one, after a rest if need be.
    pub fn next(&mut self) -> Option<Range> {
        let range = self.rest?;
        if self.is_small {
            Neighbours::rest();
        }
        self.is_small = self.neighbours.are_writing();
        let (piece, rest) = match self.is_small {
            true => self.extent.cut(range),
            false => (range, None),
        };
        self.rest = rest;
        Some(piece)
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
