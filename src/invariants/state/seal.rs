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
    /// A lock that somebody holds, the end of the audit's time. That is no reason to lose the
    /// audit: it fails in a savepoint.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::catalogue::Catalogue;
    use crate::invariants::contract::Contract;

    /// Intervals of checks that ask for the moment of the audit, but are no time to wait for a row.
    const OTHERS: [(&str, &str); 8] = [
        // Clocks may be ahead, and rows may differ in order.
        ("entry-order-disagrees", "1 second"),
        ("entry-order-disagrees", "5 minutes"),
        ("id-time-inversion", "1 day"),
        ("id-time-inversion", "5 minutes"),
        ("cycle-start-future", "5 minutes"),
        ("timestamp-future", "5 minutes"),
        // How long an empty log is taken to keep its rows.
        ("charge-without-usage", "30 days"),
        // Of prepared transactions, which nobody seals.
        ("wraparound-age", "1 hour"),
    ];

    fn intervals(sql: &str) -> impl Iterator<Item = &str> {
        let after = sql.split("interval").skip(1);
        after.map(|rest| rest.split('\'').nth(1).unwrap_or(rest))
    }

    fn texts(contract: &Contract) -> impl Iterator<Item = &str> {
        let texts = [
            &contract.expected,
            &contract.actual,
            &contract.difference,
            &contract.suspects,
            &contract.question,
            &contract.incremental,
        ];
        let texts = texts.into_iter().flatten().map(String::as_str);
        texts.chain([contract.sql.as_str()])
    }

    /// A row that is sealed before some check has judged it would not be judged by the next audit.
    #[test]
    fn no_check_waits_for_rows_longer_than_they_stay_unsealed() {
        let grace: Vec<&str> = intervals(GRACE).collect();
        assert_eq!(grace.len(), 1);
        let mut others = Vec::new();
        for check in Catalogue::load(None).unwrap().checks() {
            let id = check.contract.id.clone();
            let texts: Vec<&str> = texts(&check.contract).collect();
            if texts.iter().any(|text| text.contains("creditdb.now")) {
                let found = texts.iter().flat_map(|text| intervals(text));
                let found = found.filter(|interval| !grace.contains(interval));
                others.extend(found.map(|interval| (id.clone(), interval.to_owned())));
            }
        }
        others.sort();
        others.dedup();
        let mut expected = OTHERS.map(|(id, interval)| (id.to_owned(), interval.to_owned()));
        expected.sort();
        assert_eq!(others, expected);
    }
}
