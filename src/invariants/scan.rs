//! The fused scan: all row checks of a table, the suspects of other checks and the sums of the
//! equations, in one pass over it.
//!
//! A pass is cut into page ranges, which any number of connections can read in any order: every
//! number that a range yields is added up, and nothing else is kept. In a sound ledger no row check
//! fires, so a range first asks whether any does, with all expressions in one predicate; only where
//! the answer is yes is the range read again, with a count for each check. Of suspects one is
//! enough: a check that has one will be evaluated, so later ranges do not look for more.

use std::str::FromStr;

use postgres::{Row, Transaction};

use super::contract::{Contract, Kind};
use super::evidence::amount;
use super::pieces::{Pace, Pieces};
use super::range::{Extent, Range};
use super::relations::Relation;
use super::row::Count;
use crate::db::session::quote_identifier;
use crate::error::{Error, Result};

/// The pass over one table.
#[derive(Debug)]
pub(super) struct Scan {
    /// Name of the table, in schema `public`.
    pub table: String,
    /// Which rows.
    pub extent: Extent,
    /// The checks that look at each row: place in the plan, and what the file says.
    checks: Vec<(usize, Contract)>,
    sums: Vec<Sum>,
}

/// A whole number about the rows of a pass.
#[derive(Debug)]
struct Sum {
    name: &'static str,
    /// An aggregate.
    aggregate: String,
    /// Where it counts rows of which a sound ledger has none: what they are known by.
    unsound: Option<String>,
}

/// What ranges have yielded.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// All rows, violated or not.
    pub rows: u64,
    /// One for each sum.
    pub sums: Vec<i128>,
    /// One for each check.
    pub counts: Vec<Count>,
}

impl Scan {
    /// An empty pass over a table.
    pub fn new(table: &str, relation: &Relation) -> Self {
        Self {
            table: table.to_owned(),
            extent: Extent::all(relation),
            checks: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Adds a check that looks at each row, by its place in the plan.
    pub fn add_check(&mut self, place: usize, contract: &Contract) {
        self.checks.push((place, contract.clone()));
    }

    /// Adds a sum of whole numbers, such as `sum(hash)` or `count(*) FILTER (…)`.
    pub fn add_sum(&mut self, name: &'static str, aggregate: String) {
        self.sums.push(Sum {
            name,
            aggregate,
            unsound: None,
        });
    }

    /// Adds a count of rows of which a sound ledger has none: they are looked for together with
    /// those that violate a check, and counted only where there is one.
    pub fn add_unsound(&mut self, name: &'static str, rows: String) {
        self.sums.push(Sum {
            name,
            aggregate: format!("count(*) FILTER (WHERE {rows})"),
            unsound: Some(rows),
        });
    }

    /// Whether it looks for what the check at a place of the plan says.
    pub fn judges(&self, place: usize) -> bool {
        self.places().any(|known| known == place)
    }

    /// Places of the checks in the plan.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.checks.iter().map(|(place, _)| *place)
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.sums.is_empty()
    }

    /// Reads a range, knowing what others have yielded so far.
    ///
    /// # Errors
    /// What the server says.
    pub fn read(
        &self,
        snapshot: &mut Transaction<'_>,
        range: Range,
        so_far: &Tally,
        pace: Pace<'_>,
    ) -> Result<Tally> {
        let mut pieces = Pieces::of(snapshot, pace, self.extent, range);
        let (mut tally, mut known) = (Tally::default(), so_far.clone());
        while let Some(piece) = pieces.next()? {
            let found = self.read_piece(&mut pieces, piece, &known)?;
            pieces.had(found.rows);
            known.add(found.clone());
            tally.add(found);
        }
        pieces.end()?;
        Ok(tally)
    }

    /// Where a row check has fired, it is likely to do so again, and each check is counted at once.
    fn read_piece(&self, pieces: &mut Pieces, piece: Range, known: &Tally) -> Result<Tally> {
        let wanted = self.wanted(known);
        let fired = |at: &usize| {
            self.checks[*at].1.kind == Kind::Row
                && known.counts.get(*at).is_some_and(Count::is_loud)
        };
        let (place, bounds) = self.extent.place(&self.table, piece);
        let place = place.as_deref();
        if !wanted.iter().any(fired) {
            let row = pieces.query_one(self.quick(place, &wanted), &bounds)?;
            let suspects: i64 = row.try_get("suspects")?;
            if suspects == 0 {
                return self.tally(&row, &[]);
            }
        }
        let row = pieces.query_one(self.apart(place, &wanted), &bounds)?;
        self.tally(&row, &wanted)
    }

    /// What a range has to look for: all but those checks of which a suspect is known.
    fn wanted(&self, so_far: &Tally) -> Vec<usize> {
        let is_wanted = |at: &usize| {
            let known = so_far.counts.get(*at).is_some_and(Count::is_loud);
            self.checks[*at].1.kind == Kind::Row || !known
        };
        (0..self.checks.len()).filter(is_wanted).collect()
    }

    /// The sum of a name, after all ranges.
    pub fn sum(&self, tally: &Tally, name: &str) -> Option<i128> {
        let at = self.sums.iter().position(|sum| sum.name == name)?;
        tally.sums.get(at).copied()
    }

    /// What a check looks for in a row.
    fn expression(&self, at: usize) -> &str {
        self.checks[at].1.expression().unwrap_or("false")
    }

    /// One predicate for all checks, and for what is not sound besides.
    fn quick(&self, place: Option<&str>, wanted: &[usize]) -> String {
        let judged = wanted.iter().map(|at| self.expression(*at));
        let unsound = self.sums.iter().filter_map(|sum| sum.unsound.as_deref());
        let expressions = judged.chain(unsound).map(|sql| format!("(\n{sql}\n)"));
        let any = expressions.collect::<Vec<_>>().join(" OR ");
        let suspects = if any.is_empty() {
            "0::bigint AS suspects".to_owned()
        } else {
            // NULL is as suspect as TRUE: it decides nothing.
            format!("count(*) FILTER (WHERE ({any}) IS NOT FALSE) AS suspects")
        };
        let mut columns = vec!["count(*) AS all_rows".to_owned(), suspects];
        let sums = self.sum_columns().zip(&self.sums).enumerate();
        columns.extend(sums.map(|(at, (column, sum))| match sum.unsound {
            None => column,
            Some(_) => format!("'0' AS sum_{at}"),
        }));
        self.select(&columns, "", place)
    }

    /// A count for each check.
    fn apart(&self, place: Option<&str>, wanted: &[usize]) -> String {
        let mut columns = vec!["count(*) AS all_rows".to_owned()];
        columns.extend(self.sum_columns());
        let mut judged = Vec::new();
        let mut differences = Vec::new();
        for &at in wanted {
            let difference = self.checks[at].1.difference.as_deref().unwrap_or("NULL");
            judged.push(format!("(\n{}\n) AS violated_{at}", self.expression(at)));
            differences.push(format!(
                "CASE WHEN judged.violated_{at} THEN (\n{difference}\n)::numeric END AS d_{at}"
            ));
            let d = format!("money.d_{at}");
            columns.push(format!(
                "count(*) FILTER (WHERE judged.violated_{at}) AS violations_{at}, \
                 count(*) FILTER (WHERE judged.violated_{at} IS NULL) AS undecided_{at}, \
                 coalesce(sum(abs({d})) FILTER (WHERE {d} > '-Infinity' AND {d} < 'Infinity'), 0)\
                 ::text AS at_risk_{at}"
            ));
        }
        let laterals = format!(
            "CROSS JOIN LATERAL (SELECT {}) AS judged CROSS JOIN LATERAL (SELECT {}) AS money",
            judged.join(", "),
            differences.join(", ")
        );
        self.select(&columns, &laterals, place)
    }

    /// The names of the sums, in the order of [`Self::sum_columns`].
    pub fn sum_names(&self) -> impl Iterator<Item = &'static str> {
        self.sums.iter().map(|sum| sum.name)
    }

    /// The sums as columns `sum_0`, `sum_1` and so on, text each.
    pub fn sum_columns(&self) -> impl Iterator<Item = String> {
        let sums = self.sums.iter().enumerate();
        sums.map(|(at, sum)| format!("coalesce({}, 0)::text AS sum_{at}", sum.aggregate))
    }

    fn select(&self, columns: &[String], laterals: &str, place: Option<&str>) -> String {
        let table = quote_identifier(&self.table);
        let columns = columns.join(",\n");
        let from = format!("SELECT {columns}\n FROM public.{table} {laterals}");
        match place {
            None => from,
            Some(place) => format!("{from}\nWHERE {place}"),
        }
    }

    fn tally(&self, row: &Row, apart: &[usize]) -> Result<Tally> {
        let mut tally = Tally {
            rows: count_of(row, "all_rows")?,
            sums: Vec::new(),
            counts: vec![Count::default(); self.checks.len()],
        };
        for at in 0..self.sums.len() {
            let text: &str = row.try_get(format!("sum_{at}").as_str())?;
            let sum = i128::from_str(text).map_err(|_| {
                let table = &self.table;
                Error::undecided(format!("a sum over \"public.{table}\" is {text}"))
            })?;
            tally.sums.push(sum);
        }
        for at in apart {
            let count = &mut tally.counts[*at];
            count.violations = count_of(row, &format!("violations_{at}"))?;
            count.undecided = count_of(row, &format!("undecided_{at}"))?;
            let at_risk = row.try_get(format!("at_risk_{at}").as_str())?;
            count.at_risk = amount(at_risk).unwrap_or_default();
        }
        Ok(tally)
    }
}

impl Tally {
    /// Adds what another range has yielded.
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        if self.sums.is_empty() {
            self.sums = other.sums;
        } else {
            for (sum, more) in self.sums.iter_mut().zip(other.sums) {
                *sum = sum.wrapping_add(more);
            }
        }
        if self.counts.is_empty() {
            self.counts = other.counts;
        } else {
            for (count, more) in self.counts.iter_mut().zip(other.counts) {
                count.add(more);
            }
        }
    }
}

fn count_of(row: &Row, column: &str) -> Result<u64> {
    let count: i64 = row.try_get(column)?;
    Ok(u64::try_from(count).unwrap_or_default())
}
