//! The content of sealed rows as keyed sums, one for each block of ids, and what a difference says.
//!
//! A row becomes one number: the hash of its record, hashed once more, because the hash of a record
//! is a sum over its columns, in which two rows could swap values unseen. The columns are those of
//! schema 1.0.0, by name, so that upgrades change nothing. The sums of the equations over the same
//! rows are collected in the same pass.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use postgres::{Row, Transaction};

use super::{BLOCK_BITS, Block, Number};
use crate::db::session::quote_identifier;
use crate::error::{Error, Result};
use crate::invariants::contract::Contract;
use crate::invariants::equations::{ENTRIES, Equation, LOG, OFFSET, Sums};
use crate::invariants::evidence::Violations;
use crate::invariants::pieces::{Pace, Pieces};
use crate::invariants::plan::Plan;
use crate::invariants::range::{Extent, Range};
use crate::invariants::scan::Scan;
use crate::report::Evidence;

/// By table. The server's hash of a numeric forgets its sign, hence the offset: `+`. That of jsonb
/// forgets the signs of numbers, and where objects and arrays end, hence its text: `=`.
const COLUMNS: &[(&str, &[&str])] = &[
    (
        ENTRIES,
        &[
            "id",
            "user_id",
            "transaction_type",
            "+amount",
            "+balance_after",
            "reference_id",
            "description",
            "=metadata",
            "created_at",
        ],
    ),
    (
        LOG,
        &[
            "id",
            "user_id",
            "request_id",
            "model",
            "provider",
            "power_level",
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "+credits_used",
            "latency_ms",
            "success",
            "error_message",
            "byok_used",
            "=metadata",
            "created_at",
        ],
    ),
];

/// A pass over rows that are sealed, or to be sealed.
#[derive(Debug)]
pub(in crate::invariants) struct Pass {
    scan: Scan,
    key: i64,
    /// Rows above this id were not sealed before.
    before: i64,
    /// The highest id to be sealed.
    upto: i64,
}

/// What a pass, or a part of it, has yielded.
#[derive(Clone, Debug, Default)]
pub(in crate::invariants) struct Contents {
    /// Of rows that were sealed before.
    pub(super) old: BTreeMap<i64, Block>,
    /// Of rows that were not.
    pub(super) new: BTreeMap<i64, Block>,
    /// Sums of the equations over all of them.
    pub(super) sums: Sums,
}

impl Pass {
    /// Over the rows of a table up to an id. `before` is what was sealed before; with `only_new`,
    /// rows up to there are left out.
    pub(super) fn new(
        table: &str,
        plan: &Plan<'_>,
        key: i64,
        (before, upto): (Option<i64>, i64),
        only_new: bool,
    ) -> Option<Self> {
        let mut scan = Scan::new(table, plan.relations.get(table)?);
        let before = before.unwrap_or(i64::MIN);
        if only_new {
            scan.extent = Extent::above(before, upto);
        }
        for equation in Equation::ALL {
            if equation.applies(plan.version, &plan.relations) {
                equation.add_sums(key, &mut scan, &|id| plan.is_proven(id));
            }
        }
        Some(Self {
            scan,
            key,
            before,
            upto,
        })
    }

    /// Which rows it reads.
    pub fn extent(&self) -> Extent {
        self.scan.extent
    }

    /// The table that it reads.
    pub(super) fn table(&self) -> &str {
        &self.scan.table
    }

    /// Reads a range: rows, and what they yield.
    ///
    /// # Errors
    /// What the server says.
    pub fn read(
        &self,
        snapshot: &mut Transaction<'_>,
        range: Range,
        pace: Pace<'_>,
    ) -> Result<(u64, Contents)> {
        let mut pieces = Pieces::of(snapshot, pace, self.scan.extent, range);
        let mut contents = Contents::default();
        let mut rows = 0;
        while let Some(piece) = pieces.next()? {
            let (place, bounds) = self.scan.extent.place(&self.scan.table, piece);
            let before = rows;
            for row in pieces.query(self.statement(place.as_deref()), &bounds)? {
                rows += self.take(&row, &mut contents)?;
            }
            pieces.had(rows - before);
        }
        pieces.end()?;
        Ok((rows, contents))
    }

    /// Adds a row of the statement; how many rows it stands for.
    fn take(&self, row: &Row, contents: &mut Contents) -> Result<u64> {
        let number: i64 = row.try_get("block")?;
        let block = Block {
            rows: u64::try_from(row.try_get::<_, i64>("number")?).unwrap_or_default(),
            first: row.try_get("first")?,
            content: Number(read_sum(&self.scan.table, row.try_get("content")?)?),
        };
        let blocks = if row.try_get("is_new")? {
            &mut contents.new
        } else {
            &mut contents.old
        };
        blocks.entry(number).or_default().add(&block);
        for (at, name) in self.scan.sum_names().enumerate() {
            let sum = read_sum(&self.scan.table, row.try_get(format!("sum_{at}").as_str())?)?;
            add(&mut contents.sums, name, sum);
        }
        Ok(block.rows)
    }

    fn statement(&self, place: Option<&str>) -> String {
        let mut columns = vec![
            format!("id >> {BLOCK_BITS} AS block"),
            format!("id > {} AS is_new", self.before),
            "count(*) AS number".to_owned(),
            "min(id) AS first".to_owned(),
            format!("sum({})::text AS content", hash(&self.scan.table, self.key)),
        ];
        columns.extend(self.scan.sum_columns());
        let (table, upto) = (quote_identifier(&self.scan.table), self.upto);
        let place = place.map_or_else(String::new, |place| format!(" AND {place}"));
        format!(
            "SELECT {} FROM public.{table} WHERE id <= {upto}{place} GROUP BY 1, 2",
            columns.join(",\n")
        )
    }
}

impl Contents {
    /// Adds what another part has yielded.
    pub fn add(&mut self, other: Self) {
        for (to, from) in [(&mut self.old, other.old), (&mut self.new, other.new)] {
            for (number, block) in from {
                to.entry(number).or_default().add(&block);
            }
        }
        for (name, sum) in other.sums {
            add(&mut self.sums, &name, sum);
        }
    }
}

fn add(sums: &mut Sums, name: &str, more: i128) {
    let sum = sums.entry(name.to_owned()).or_default();
    *sum = sum.wrapping_add(more);
}

/// The number that a row of a table becomes.
fn hash(table: &str, key: i64) -> String {
    let columns = COLUMNS.iter().find(|(known, _)| *known == table);
    let columns = columns.map_or(&["id"][..], |(_, columns)| columns);
    let columns = columns.iter().map(|column| match column.split_at(1) {
        ("+", amount) => format!("{amount} + {OFFSET}"),
        ("=", json) => format!("{json}::text"),
        _ => (*column).to_owned(),
    });
    let row = columns.collect::<Vec<_>>().join(", ");
    format!("hashint8extended(hash_record_extended(ROW({row}), {key}), {key})")
}

/// The content of the newest sealed row. When a backup was restored, in whatever way, and the
/// sequence has come as far again, another row has its id, or none.
pub(super) fn newest(
    snapshot: &mut Transaction<'_>,
    (table, sealed): (&str, i64),
    key: i64,
) -> Result<Number> {
    let (hash, name) = (hash(table, key), quote_identifier(table));
    let row = snapshot.query_one(
        &format!(
            "SELECT coalesce(sum({hash}), 0)::text
               FROM (SELECT * FROM public.{name} WHERE id <= $1 ORDER BY id DESC LIMIT 1) AS t"
        ),
        &[&sealed],
    )?;
    Ok(Number(read_sum(table, row.get(0))?))
}

/// A sum over a table, which the server gives as text.
fn read_sum(table: &str, text: &str) -> Result<i128> {
    i128::from_str(text)
        .map_err(|_| Error::undecided(format!("a sum over \"public.{table}\" is {text}")))
}

/// The sums as statements that a person can run, on two copies of a database for example.
pub(in crate::invariants) fn statement(contract: &Contract) -> String {
    let select = |table: &String| {
        let sums = contract.sql.replace("$table", table);
        sums.replace("$hash", &hash(table, 1)) + ";"
    };
    let all: Vec<String> = contract.tables.iter().map(select).collect();
    all.join("\n\n")
}

/// Compares the blocks of a table that were sealed up to an id with what there is now. Log rows may
/// go from the oldest on, because nobody keeps them for ever: `cut` is the first id that is left.
/// They go by their times, which are not quite in the order of the ids, so where the block in which
/// the cut is has lost rows, the next one may have.
pub(super) fn compare(
    table: &str,
    (sealed, upto): (&BTreeMap<i64, Block>, i64),
    now: &BTreeMap<i64, Block>,
    limit: u32,
) -> Violations {
    let nothing = Block::default();
    let cut = match table {
        LOG => now.values().map(|block| block.first).min(),
        _ => None,
    };
    let cut = cut.unwrap_or(if table == LOG { i64::MAX } else { i64::MIN });
    let both = |number: &i64| {
        let then = sealed.get(number).unwrap_or(&nothing);
        (then, now.get(number).unwrap_or(&nothing))
    };
    let edge = cut >> BLOCK_BITS;
    let is_ragged = |(then, found): (&Block, &Block)| found.rows < then.rows;
    let next = is_ragged(both(&edge)).then_some(edge + 1);
    let mut violations = Violations::default();
    let numbers: BTreeSet<&i64> = sealed.keys().chain(now.keys()).collect();
    for number in numbers {
        let (then, found) = both(number);
        let may_forget = then.rows > 0 && then.first < cut || Some(*number) == next;
        let forgotten = may_forget && is_ragged((then, found));
        if forgotten || (then.rows, then.content) == (found.rows, found.content) {
            continue;
        }
        violations.add(None);
        if violations.evidence.len() < limit as usize {
            // Of the rows there were or are: ids may be below 1.
            let there = [then, found].into_iter().filter(|block| block.rows > 0);
            let first = there.map(|block| block.first).min().unwrap_or_default();
            let last = number << BLOCK_BITS | ((1 << BLOCK_BITS) - 1);
            violations.evidence.push(Evidence {
                subject: format!("{table} ids {first} to {}", last.min(upto)),
                expected: Some(format!("{} rows as they were sealed", then.rows)),
                actual: Some(match found.rows == then.rows {
                    true => "another content".to_owned(),
                    false => format!("{} rows", found.rows),
                }),
                difference: None,
                cause: Some(cause(then, found).to_owned()),
                detail: None,
            });
        }
    }
    violations
}

fn cause(then: &Block, found: &Block) -> &'static str {
    match found.rows.cmp(&then.rows) {
        std::cmp::Ordering::Less => "deleted-row",
        std::cmp::Ordering::Equal => "edited-row",
        std::cmp::Ordering::Greater => "inserted-row",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(rows: &[(i64, u64, i64, i128)]) -> BTreeMap<i64, Block> {
        let block = |&(number, rows, first, sum): &(i64, u64, i64, i128)| {
            let content = Number(sum);
            (
                number,
                Block {
                    rows,
                    first,
                    content,
                },
            )
        };
        rows.iter().map(block).collect()
    }

    /// The causes of all differences.
    fn causes(table: &str, now: &[(i64, u64, i64, i128)]) -> Vec<String> {
        let sealed = blocks(&[(0, 10, 1, 7), (1, 20, 16_384, 8), (2, 5, 32_768, 9)]);
        let found = compare(table, (&sealed, 32_777), &blocks(now), 10);
        assert_eq!(found.count, found.evidence.len() as u64);
        let cause = |evidence: Evidence| evidence.cause.unwrap();
        found.evidence.into_iter().map(cause).collect()
    }

    #[test]
    fn every_difference_is_named() {
        let same = [(0, 10, 1, 7), (1, 20, 16_384, 8), (2, 5, 32_768, 9)];
        assert!(causes(ENTRIES, &same).is_empty());
        let [a, b, c] = same;
        assert_eq!(causes(ENTRIES, &[a, (1, 20, 16_384, 3), c]), ["edited-row"]);
        assert_eq!(
            causes(ENTRIES, &[a, (1, 21, 16_384, 3), c]),
            ["inserted-row"]
        );
        assert_eq!(causes(ENTRIES, &[b, c]), ["deleted-row"]);
        assert_eq!(
            causes(ENTRIES, &[a, b, c, (3, 1, 49_152, 1)]),
            ["inserted-row"]
        );
        assert_eq!(causes(LOG, &[a, b]), ["deleted-row"]);
    }

    #[test]
    fn rows_are_named_by_ids_that_they_have_or_had() {
        let sealed = blocks(&[(0, 10, 1, 7)]);
        let subject = |now: &[(i64, u64, i64, i128)]| {
            let found = compare(ENTRIES, (&sealed, 12), &blocks(now), 10);
            let subjects = found.evidence.into_iter().map(|evidence| evidence.subject);
            subjects.collect::<Vec<_>>()
        };
        assert_eq!(
            subject(&[(0, 9, 2, 5)]),
            ["credit_transactions ids 1 to 12"]
        );
        assert_eq!(
            subject(&[(0, 11, 0, 8)]),
            ["credit_transactions ids 0 to 12"]
        );
        let below = subject(&[(-1, 1, -3, 1), (0, 10, 1, 7)]);
        assert_eq!(below, ["credit_transactions ids -3 to -1"]);
    }

    #[test]
    fn a_log_may_forget_from_the_oldest_row_on() {
        let [b, c] = [(1, 20, 16_384, 8), (2, 5, 32_768, 9)];
        assert!(causes(LOG, &[b, c]).is_empty());
        assert!(causes(LOG, &[(1, 12, 16_393, 3), c]).is_empty());
        assert!(causes(LOG, &[]).is_empty());
        // By their times, some of the next block were older than what is left of this one.
        assert!(causes(LOG, &[(1, 12, 16_393, 3), (2, 4, 32_769, 3)]).is_empty());
        // Nothing was cut off in front of the last block, so it has to be as it was.
        assert_eq!(causes(LOG, &[b, (2, 4, 32_769, 3)]), ["deleted-row"]);
        assert_eq!(
            causes(LOG, &[(1, 12, 16_393, 3), (2, 5, 32_768, 1)]),
            ["edited-row"]
        );
    }
}
