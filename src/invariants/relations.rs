//! The relations that checks read: their names from the SQL, their nature from the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use postgres::Transaction;

use super::contract::Contract;
use crate::error::Result;

const READ_RELATIONS: &str = include_str!("relations.sql");

/// A relation in schema `public`.
#[derive(Clone, Debug, Default)]
pub(super) struct Relation {
    /// `pg_class.relkind`.
    pub kind: String,
    /// Columns of the primary key, in its order; empty where there is none.
    pub key_columns: Vec<String>,
    /// Whether it has a column `user_id`.
    pub has_user: bool,
    /// Pages to go through in ranges; `None` where it has no pages that could be named.
    pub pages: Option<u64>,
    /// Its columns, each `name type`.
    pub columns: Vec<String>,
}

impl Relation {
    /// What it is, when its rows cannot be taken for the rows of a table: a view or a foreign
    /// table may show fewer or other rows than are stored, a materialized view old ones.
    pub fn disguise(&self) -> Option<&'static str> {
        match self.kind.as_str() {
            "v" => Some("a view"),
            "m" => Some("a materialized view"),
            "f" => Some("a foreign table"),
            _ => None,
        }
    }

    /// Whether it holds rows that somebody could have written into it.
    pub fn is_table(&self) -> bool {
        ["r", "p"].contains(&self.kind.as_str())
    }
}

/// The relations of the given names that exist.
pub(super) fn read(
    snapshot: &mut Transaction<'_>,
    names: &[String],
) -> Result<BTreeMap<String, Relation>> {
    let rows = snapshot.query(READ_RELATIONS, &[&names])?;
    let relation = |row: &postgres::Row| Relation {
        kind: row.get("kind"),
        key_columns: row.get("key_columns"),
        has_user: row.get("has_user"),
        pages: row
            .get::<_, Option<i64>>("pages")
            .and_then(|pages| u64::try_from(pages).ok()),
        columns: row.get("columns"),
    };
    Ok(rows
        .iter()
        .map(|row| (row.get("name"), relation(row)))
        .collect())
}

/// Names of the relations in schema `public` that a check reads.
pub(super) fn named_by(contract: &Contract) -> BTreeSet<String> {
    let expressions = [
        &contract.expected,
        &contract.actual,
        &contract.difference,
        &contract.suspects,
    ];
    let texts = expressions.into_iter().flatten().chain([&contract.sql]);
    let mut names: BTreeSet<String> = contract.tables.iter().cloned().collect();
    for text in texts {
        let mentions = mentions(&without_literals(text), "public.");
        names.extend(mentions.into_iter().map(|(_, name)| name));
    }
    names
}

/// Names of the relations of the server's own catalogue that a check reads.
pub(super) fn of_the_server(contract: &Contract) -> BTreeSet<String> {
    let mentions = mentions(&without_literals(&contract.sql), "pg_catalog.");
    mentions.into_iter().map(|(_, name)| name).collect()
}

/// SQL text in which the given relations are named without their schema.
pub(super) fn without_schema(sql: &str, schema: &str, relations: &BTreeSet<String>) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut end = 0;
    for (prefix, name) in mentions(&without_literals(sql), &format!("{schema}.")) {
        if relations.contains(&name) {
            text.push_str(&sql[end..prefix.start]);
            end = prefix.end;
        }
    }
    text + &sql[end..]
}

/// SQL text whose comments and string literals are blank; what is left keeps its place.
fn without_literals(sql: &str) -> String {
    let mut code = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let end = |from: usize, mark: &str| {
            rest[from..]
                .find(mark)
                .map_or(rest.len(), |at| from + at + mark.len())
        };
        let skip = match first {
            '-' if rest.starts_with("--") => end(2, "\n"),
            '/' if rest.starts_with("/*") => end(2, "*/"),
            '\'' => end(1, "'"),
            _ => 0,
        };
        if skip == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.push_str(&" ".repeat(skip));
            rest = &rest[skip..];
        }
    }
    code
}

/// Each `name` behind a prefix such as `public.` that is neither a function nor a type, and the
/// place of the prefix.
fn mentions(code: &str, prefix: &str) -> Vec<(Range<usize>, String)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut mentions = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].trim_end();
        if code[..at].ends_with(|c| is_word(c) || c == '.') || before.ends_with("::") {
            continue;
        }
        let after = &code[at + prefix.len()..];
        let (name, rest) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_at(after.find(|c| !is_word(c)).unwrap_or(after.len())),
        };
        if !name.is_empty() && !rest.trim_start().starts_with('(') {
            mentions.push((at..at + prefix.len(), name.to_owned()));
        }
    }
    mentions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_relations_of_a_query() {
        let sql = "-- public.comment\nSELECT public.f(x), 'é public.literal', y::public.kind\n\
                   FROM public.credit_transactions AS ct /* public.block */\n\
                   JOIN public.\"Odd Name\" USING (id) WHERE nopublic.x = other.public.y";
        let mentions = mentions(&without_literals(sql), "public.");
        let names: Vec<&str> = mentions.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["credit_transactions", "Odd Name"]);
        let known = [
            "credit_transactions",
            "comment",
            "literal",
            "kind",
            "f",
            "y",
        ];
        let known: BTreeSet<String> = known.iter().map(ToString::to_string).collect();
        let expected = sql.replace("public.credit_transactions", "credit_transactions");
        assert_eq!(without_schema(sql, "public", &known), expected);
    }
}
