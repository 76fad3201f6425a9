//! Up to which id a table can be sealed now.

use std::time::Instant;

use postgres::Transaction;

use super::content::newest;
use super::{Number, Sealed};
use crate::db::session::quote_identifier;
use crate::error::Result;
use crate::invariants::equations::GRACE;
use crate::invariants::hands;

/// What can be sealed of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seal {
    /// The highest id.
    pub upto: i64,
    /// The content of the newest row up to there.
    pub newest: Number,
}

impl Seal {
    /// What is sealed already.
    pub fn of(sealed: &Sealed) -> Self {
        Self {
            upto: sealed.id,
            newest: sealed.newest,
        }
    }

    /// Above an id that is sealed and up to one that is complete: as far as no row is so young that
    /// some check does not judge it yet. `is_new` when all rows above are few.
    ///
    /// # Errors
    /// A lock that somebody holds, the end of the audit's time. That is no reason to lose the audit:
    /// it fails in a savepoint.
    pub fn find(
        hand: &mut Transaction<'_>,
        table: &str,
        (sealed, complete): (i64, i64),
        is_new: bool,
        (key, until): (i64, Option<Instant>),
    ) -> Result<Self> {
        let mut savepoint = hands::savepoint(hand, until)?;
        let name = quote_identifier(table);
        let ids = format!("id > {sealed} AND id <= {complete}");
        // For a bare min() the planner walks the index up to the first young row. That is right for
        // new rows, and takes long for a whole table.
        let young = match is_new {
            true => {
                format!("SELECT min(id) FROM public.{name} WHERE {ids} AND created_at >= {GRACE}")
            }
            false => format!(
                "SELECT min(id) FILTER (WHERE created_at >= {GRACE}) FROM public.{name} \
                  WHERE {ids}"
            ),
        };
        let young: Option<i64> = savepoint.query_one(&young, &[])?.get(0);
        let upto = young.map_or(complete, |young| young - 1);
        let newest = newest(&mut savepoint, (table, upto), key)?;
        // The limit is taken back with it.
        savepoint.rollback()?;
        Ok(Self { upto, newest })
    }
}
