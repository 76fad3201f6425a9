//! Reads the breaks of the chains and names what most likely caused each.

use std::collections::{BTreeMap, HashMap};

use postgres::fallible_iterator::FallibleIterator;
use postgres::{Row, Transaction};
use rust_decimal::Decimal;

use crate::error::{Error, Result};
use crate::invariants::chain::{Break, Neighbour, Previous, number};
use crate::invariants::contract::Contract;
use crate::invariants::evidence::{Violations, amount};
use crate::report::Evidence;

/// Logged requests that would explain a difference, had they an entry.
const MISSING_ENTRIES: &str = include_str!("chain_continuity_missing.sql");

/// Streams the breaks, so that a ledger with millions of them needs no memory for them.
pub(in crate::invariants) fn run(
    snapshot: &mut Transaction<'_>,
    contract: &Contract,
    limit: u32,
) -> Result<Violations> {
    let mut reader = Reader {
        limit: limit as usize,
        ..Reader::default()
    };
    let mut rows = snapshot.query_raw(&contract.sql, Vec::<String>::new())?;
    while let Some(row) = rows.next()? {
        reader.add(read(&row));
    }
    drop(rows);
    let missing = missing_entries(snapshot, &reader.kept)?;
    let mut violations = reader.violations;
    violations.evidence = reader
        .kept
        .iter()
        .map(|found| {
            let alone = reader.breaks.get(&found.user) == Some(&1);
            evidence(
                found,
                alone,
                missing.get(&(found.user.clone(), found.id.clone())),
            )
        })
        .collect();
    Ok(violations)
}

/// Counts breaks and keeps the first ones.
#[derive(Default)]
struct Reader {
    limit: usize,
    violations: Violations,
    kept: Vec<Break>,
    /// Number of breaks of each user of whom one is kept.
    breaks: HashMap<String, u64>,
    /// The entry (user, id) that breaks only because the one before it is wrong.
    echo: Option<(String, String)>,
}

impl Reader {
    fn add(&mut self, found: Break) {
        let echo = self.echo.take();
        if echo.is_some_and(|(user, id)| user == found.user && id == found.id) {
            return;
        }
        if let Some(next) = found.next.as_ref().filter(|_| found.is_undone_by_next()) {
            self.echo = Some((found.user.clone(), next.id.clone()));
        }
        self.violations.add(found.difference);
        if let Some(breaks) = self.breaks.get_mut(&found.user) {
            *breaks += 1;
        } else if self.kept.len() < self.limit {
            self.breaks.insert(found.user.clone(), 1);
        }
        if self.kept.len() < self.limit {
            self.kept.push(found);
        }
    }
}

fn read(row: &Row) -> Break {
    let amount_of = |column: &str| amount(row.get(column));
    let neighbour = |id: &str, start: &str| {
        Some(Neighbour {
            id: row.get::<_, Option<String>>(id)?,
            start: amount_of(start),
        })
    };
    let second = neighbour("second_id", "second_start");
    let third = neighbour("third_id", "third_start");
    Break {
        user: row.get("user_id"),
        id: row.get("id"),
        created_at: row.get::<_, Option<_>>("created_at").unwrap_or_default(),
        amount: amount_of("amount"),
        balance_after: amount_of("balance_after"),
        expected: amount_of("expected"),
        difference: amount_of("difference"),
        start: amount_of("start"),
        previous: previous(row),
        earlier: second.into_iter().chain(third).collect(),
        next: neighbour("next_id", "next_start"),
        gap: row
            .get::<_, Option<i64>>("first_missing")
            .zip(row.get("last_missing")),
        stored_balance: amount_of("stored_balance"),
    }
}

fn previous(row: &Row) -> Option<Previous> {
    Some(Previous {
        id: row.get::<_, Option<String>>("previous_id")?,
        balance: amount(row.get("previous_balance")),
        amount: amount(row.get("previous_amount")),
        start: amount(row.get("previous_start")),
        created_at: row
            .get::<_, Option<_>>("previous_created_at")
            .unwrap_or_default(),
        same_type: row.get("same_type"),
        same_reference: row.get("same_reference"),
        seconds_apart: row
            .get::<_, Option<_>>("seconds_apart")
            .unwrap_or(f64::INFINITY),
    })
}

/// What a report shows of a break.
fn evidence(found: &Break, alone: bool, missing: Option<&String>) -> Evidence {
    let (cause, detail) = found.cause(alone, missing);
    Evidence {
        subject: format!("credit_transactions id={} user_id={}", found.id, found.user),
        expected: Some(number(found.expected)),
        actual: Some(number(found.balance_after)),
        difference: found.difference,
        cause: Some(cause.to_owned()),
        detail: Some(detail),
    }
}

/// For breaks that a logged request without an entry would explain: user and entry to request.
///
/// Gaps in the ids are no evidence of a deleted entry, because refused and rolled back debits leave
/// gaps too; a request that was charged exactly the difference is, and so is a gap in the numbers,
/// which no refused debit uses up.
fn missing_entries(
    snapshot: &mut Transaction<'_>,
    breaks: &[Break],
) -> Result<BTreeMap<(String, String), String>> {
    let charged: Vec<&Break> = breaks
        .iter()
        .filter(|b| b.difference.is_some_and(|d| d < Decimal::ZERO))
        .collect();
    if charged.is_empty() {
        return Ok(BTreeMap::new());
    }
    let column = |value: &dyn Fn(&Break) -> String| -> Vec<String> {
        charged.iter().map(|b| value(b)).collect()
    };
    let ids = column(&|b| b.id.clone());
    let users = column(&|b| b.user.clone());
    let costs = column(&|b| number(b.difference.map(|d| d.abs())));
    let after = column(&|b| {
        let previous = b.previous.as_ref();
        previous.map_or_else(|| "-infinity".to_owned(), |p| p.created_at.clone())
    });
    let before = column(&|b| b.created_at.clone());
    let mut savepoint = snapshot.transaction()?;
    match savepoint.query(MISSING_ENTRIES, &[&ids, &users, &costs, &after, &before]) {
        Ok(rows) => Ok(rows
            .iter()
            .map(|r| ((r.get(0), r.get(1)), r.get(2)))
            .collect()),
        // A log that this role may not read costs a cause, not the finding.
        Err(error) => match Error::from(error) {
            error if error.connection_lost() => Err(error),
            _ => Ok(BTreeMap::new()),
        },
    }
}
