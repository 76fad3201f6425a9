//! Evaluates row checks: a boolean SQL expression per row, true for a violation.

use std::collections::BTreeMap;

use postgres::Transaction;

use super::contract::Contract;
use super::evidence::{Violations, evidence, totals};
use super::relations::Relation;
use crate::db::session::quote_identifier;
use crate::error::{Error, Result};

/// Counts violations, and rows about which the expression says nothing.
const COUNT: &str = include_str!("row_count.sql");
/// Fetches the first rows of a truth value, by key.
const EVIDENCE: &str = include_str!("row_evidence.sql");

pub(super) fn run(
    snapshot: &mut Transaction<'_>,
    contract: &Contract,
    relations: &BTreeMap<String, Relation>,
    limit: u32,
) -> Result<Violations> {
    let unknown = Relation::default();
    let mut all = Violations::default();
    for table in &contract.tables {
        let relation = relations.get(table).unwrap_or(&unknown);
        let row = snapshot.query_one(&fill(COUNT, contract, table, relation), &[])?;
        let found = totals(&row, "violations", "at_risk");
        let undecided: i64 = row.get("undecided");
        let select = fill(EVIDENCE, contract, table, relation);
        if undecided > 0 {
            let first = snapshot.query(&select.replace("$truth", "UNKNOWN"), &[&1i64])?;
            let first = first.first().map(|row| evidence(row).subject);
            return Err(null_verdict(table, undecided, found.count, first));
        }
        let room = limit.saturating_sub(u32::try_from(all.evidence.len()).unwrap_or(limit));
        if found.count > 0 && room > 0 {
            let rows = snapshot.query(&select.replace("$truth", "TRUE"), &[&i64::from(room)])?;
            all.evidence.extend(rows.iter().map(evidence));
        }
        all.count += found.count;
        all.at_risk = all.at_risk.saturating_add(found.at_risk);
    }
    Ok(all)
}

/// An expression that is NULL has decided nothing about its row, and to take that for "holds"
/// would be a guess.
fn null_verdict(table: &str, undecided: i64, violations: u64, first: Option<String>) -> Error {
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
