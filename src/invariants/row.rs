//! Evaluates row checks: a boolean SQL expression per row, true for a violation.

use std::collections::BTreeMap;

use postgres::Transaction;
use rust_decimal::Decimal;

use super::contract::Contract;
use super::evidence::{Violations, evidence, totals};
use super::relations::Relation;
use crate::db::session::quote_identifier;
use crate::error::{Error, Result};

/// Counts violations, and rows about which the expression says nothing.
const COUNT: &str = include_str!("row_count.sql");
/// Fetches the first rows of a truth value, by key.
const EVIDENCE: &str = include_str!("row_evidence.sql");

/// What a count of one table has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub violations: u64,
    /// Rows about which the expression is NULL.
    pub undecided: u64,
    /// Credits.
    pub at_risk: Decimal,
}

impl Count {
    /// Whether some row is violated, or undecided.
    pub fn is_loud(&self) -> bool {
        self.violations > 0 || self.undecided > 0
    }

    /// Adds what another part of the table holds.
    pub fn add(&mut self, other: Self) {
        self.violations += other.violations;
        self.undecided += other.undecided;
        self.at_risk = self.at_risk.saturating_add(other.at_risk);
    }
}

/// Evaluates the check by itself, table by table.
pub(super) fn run(
    snapshot: &mut Transaction<'_>,
    contract: &Contract,
    relations: &BTreeMap<String, Relation>,
    limit: u32,
) -> Result<Violations> {
    let unknown = Relation::default();
    let mut counts = Vec::new();
    for table in &contract.tables {
        let relation = relations.get(table).unwrap_or(&unknown);
        let row = snapshot.query_one(&fill(COUNT, contract, table, relation), &[])?;
        let found = totals(&row, "violations", "at_risk");
        counts.push(Count {
            violations: found.count,
            undecided: u64::try_from(row.get::<_, i64>("undecided")).unwrap_or_default(),
            at_risk: found.at_risk,
        });
        // A table that decided nothing spares the others the reading.
        if counts.last().is_some_and(|count| count.undecided > 0) {
            break;
        }
    }
    judge(snapshot, contract, relations, limit, &counts)
}

/// Fetches evidence for what was counted in the tables of a check, in their order.
pub(super) fn judge(
    snapshot: &mut Transaction<'_>,
    contract: &Contract,
    relations: &BTreeMap<String, Relation>,
    limit: u32,
    counts: &[Count],
) -> Result<Violations> {
    let unknown = Relation::default();
    let mut all = Violations::default();
    for (table, count) in contract.tables.iter().zip(counts) {
        let relation = relations.get(table).unwrap_or(&unknown);
        let select = fill(EVIDENCE, contract, table, relation);
        if count.undecided > 0 {
            let first = snapshot.query(&select.replace("$truth", "UNKNOWN"), &[&1i64])?;
            let first = first.first().map(|row| evidence(row).subject);
            return Err(null_verdict(table, *count, first));
        }
        let room = limit.saturating_sub(u32::try_from(all.evidence.len()).unwrap_or(limit));
        if count.violations > 0 && room > 0 {
            let rows = snapshot.query(&select.replace("$truth", "TRUE"), &[&i64::from(room)])?;
            all.evidence.extend(rows.iter().map(evidence));
        }
        all.count += count.violations;
        all.at_risk = all.at_risk.saturating_add(count.at_risk);
    }
    Ok(all)
}

/// An expression that is NULL has decided nothing about its row, and to take that for "holds"
/// would be a guess.
fn null_verdict(table: &str, count: Count, first: Option<String>) -> Error {
    let (undecided, violations) = (count.undecided, count.violations);
    let first = first.map_or_else(String::new, |subject| format!(", first {subject}"));
    Error::undecided(format!(
        "the expression is NULL for {undecided} rows of \"public.{table}\"{first}; \
         it is true for {violations}"
    ))
    .hint("make the check safe against NULL: IS DISTINCT FROM, IS TRUE, IS NOT FALSE")
}

/// A statement for psql: the rows of each table that violate the check.
pub(super) fn statement(contract: &Contract) -> String {
    let column = |name: &str, expression: &Option<String>| match expression {
        Some(expression) => format!("{expression} AS {name},\n       "),
        None => String::new(),
    };
    let columns = [
        column("expected", &contract.expected),
        column("actual", &contract.actual),
        column("difference", &contract.difference),
    ];
    let columns = columns.concat();
    let violated = &contract.sql;
    let select = |table: &String| {
        format!("SELECT {columns}*\n  FROM public.{table}\n WHERE (\n{violated}\n);")
    };
    let selects: Vec<String> = contract.tables.iter().map(select).collect();
    selects.join("\n\n")
}

/// Puts the parts of a check into one of the statements.
fn fill(statement: &str, contract: &Contract, table: &str, relation: &Relation) -> String {
    let or_null = |expression: &Option<String>| expression.clone().unwrap_or("NULL".to_owned());
    // The check's own words come last: nothing in them is taken for a place to fill.
    let parts = [
        ("$key", key(relation)),
        ("$subject", subject(table, relation)),
        ("$table", format!("public.{}", quote_identifier(table))),
        ("$expected", or_null(&contract.expected)),
        ("$actual", or_null(&contract.actual)),
        ("$difference", or_null(&contract.difference)),
        ("$violated", contract.sql.clone()),
    ];
    let mut filled = statement.to_owned();
    for (place, part) in parts {
        filled = filled.replace(place, &part);
    }
    filled
}

/// The order of evidence: the primary key, else the place in the table.
fn key(relation: &Relation) -> String {
    let columns: Vec<String> = relation
        .key_columns
        .iter()
        .map(|c| quote_identifier(c))
        .collect();
    if columns.is_empty() {
        "tableoid, ctid".to_owned()
    } else {
        columns.join(", ")
    }
}

/// The words that name a row: its key, and the user it belongs to.
fn subject(table: &str, relation: &Relation) -> String {
    let mut columns = relation.key_columns.clone();
    if columns.is_empty() {
        columns.push("ctid".to_owned());
    }
    if relation.has_user && !columns.iter().any(|c| c == "user_id") {
        columns.push("user_id".to_owned());
    }
    let literal = |text: String| format!("'{}'", text.replace('\'', "''"));
    let words = columns.iter().map(|column| {
        let name = literal(format!(" {column}="));
        let value = quote_identifier(column);
        format!("{name} || coalesce({value}::text, 'NULL')")
    });
    let words: Vec<String> = words.collect();
    format!("{} || {}", literal(table.to_owned()), words.join(" || "))
}
