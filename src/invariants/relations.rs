//! The relations that checks read: their names from the SQL, their nature from the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Transaction;

use super::contract::Contract;
use crate::db::session::{self, quote_literal};
use crate::error::{Error, Result};

const READ_RELATIONS: &str = include_str!("relations.sql");

/// A relation in schema `public`.
#[derive(Clone, Debug, Default)]
pub(super) struct Relation {
    /// What its name meant when the audit was planned.
    pub oid: u32,
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
}

/// The relations of the given names that exist.
pub(super) fn read(
    snapshot: &mut Transaction<'_>,
    names: &[String],
) -> Result<BTreeMap<String, Relation>> {
    let rows = snapshot.query(READ_RELATIONS, &[&names])?;
    let relation = |row: &postgres::Row| Relation {
        oid: row.get("oid"),
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

/// A query for the names that do not mean any more what they meant when the audit was planned. The
/// locks of the snapshot keep a table's name where it is, but nothing locks the name of a schema:
/// another one can become `public` between two statements, with tables of the same names.
pub(super) fn moved(names: &[String], relations: &BTreeMap<String, Relation>) -> String {
    let oid = |name: &String| {
        let relation = relations.get(name);
        relation.map_or_else(|| "NULL".to_owned(), |relation| relation.oid.to_string())
    };
    let oids: Vec<String> = names.iter().map(oid).collect();
    let names: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
    format!(
        "SELECT r.name FROM unnest(ARRAY[{}]::text[], ARRAY[{}]::oid[]) AS r (name, oid)
          WHERE to_regclass(format('public.%I', r.name)) IS DISTINCT FROM r.oid",
        names.join(", "),
        oids.join(", ")
    )
}

/// Fails when [`moved`] finds a name: what was read under it is not known.
pub(super) fn confirm(snapshot: &mut Transaction<'_>, moved: &str) -> Result<()> {
    match session::single(&session::rows(snapshot, moved)?) {
        None => Ok(()),
        Some(name) => Err(Error::undecided(format!(
            "\"public.{name}\" is not what it was when the audit began"
        ))
        .detail("its schema was renamed, or it was put in its place, while the audit ran")
        .hint("creditdb verify again")),
    }
}

/// Names of the relations in schema `public` that a check reads.
pub(super) fn named_by(contract: &Contract) -> BTreeSet<String> {
    let expressions = [&contract.expected, &contract.actual, &contract.difference];
    let texts = expressions.into_iter().flatten().chain([&contract.sql]);
    let mut names: BTreeSet<String> = contract.tables.iter().cloned().collect();
    for text in texts {
        names.extend(qualified_names(&without_literals(text)));
    }
    names
}

/// SQL text whose comments and string literals are blank.
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
            code.push(' ');
            rest = &rest[skip..];
        }
    }
    code
}

/// The `name` of each `public.name` that is neither a function nor a type.
fn qualified_names(code: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (at, prefix) in code.match_indices("public.") {
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
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_relations_of_a_query() {
        let sql = "-- public.comment\nSELECT public.f(x), 'public.literal', y::public.kind\n\
                   FROM public.credit_transactions AS ct /* public.block */\n\
                   JOIN public.\"Odd Name\" USING (id) WHERE nopublic.x = other.public.y";
        assert_eq!(
            qualified_names(&without_literals(sql)),
            ["credit_transactions", "Odd Name"]
        );
    }
}
