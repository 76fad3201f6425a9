//! The relations that checks read: their names from the SQL, their nature from the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use postgres::Transaction;

use super::contract::Contract;
use crate::db::session::{self, quote_literal};
use crate::error::{Error, Result};
use crate::syntax::words::blanked;

const READ_RELATIONS: &str = include_str!("relations.sql");

/// A relation in schema `public`.
#[derive(Clone, Debug, Default)]
pub(super) struct Relation {
    /// What its name meant when the audit was planned.
    pub oid: u32,
    /// `pg_class.relkind`.
    pub kind: String,
    /// Whether a foreign table is among its partitions or children.
    pub has_foreign_part: bool,
    /// Whether this role may read its columns, but not the table.
    pub by_columns_only: bool,
    /// Columns of the primary key, in its order; empty where there is none.
    pub key_columns: Vec<String>,
    /// Whether it has a column `user_id`.
    pub has_user: bool,
    /// Pages to go through in ranges; `None` where it has no pages that could be named.
    pub pages: Option<u64>,
    /// Its columns, each `name type`.
    pub columns: Vec<String>,
}

/// A table, and columns of it, each `name type`.
pub(super) type Shape = (&'static str, &'static [&'static str]);

/// Whether the tables are there, beyond doubt, with these columns, exactly so.
pub(super) fn have(relations: &BTreeMap<String, Relation>, shapes: &[Shape]) -> bool {
    shapes.iter().all(|(table, columns)| {
        relations.get(*table).is_some_and(|relation| {
            let has = |column: &&str| relation.columns.iter().any(|known| known == *column);
            relation.doubt().is_none() && columns.iter().all(has)
        })
    })
}

impl Relation {
    /// Why what is read of it need not be the rows of a table: a view or a foreign table may show
    /// fewer or other rows than are stored, a materialized view old ones, and no constraint holds
    /// for rows that are elsewhere. A table that was not locked may be rewritten, or emptied, after
    /// the snapshot was taken, which then shows no rows.
    pub fn doubt(&self) -> Option<&'static str> {
        match self.kind.as_str() {
            "v" => Some("is a view, not a table: it need not show every row"),
            "m" => Some("is a materialized view, not a table: it need not show every row"),
            "f" => Some("is a foreign table, not a table: it need not show every row"),
            _ if self.has_foreign_part => {
                Some("has a foreign table as a part: it need not show every row")
            }
            _ if self.by_columns_only => {
                Some("may be read by columns only, so it could not be locked: it may be rewritten")
            }
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
        oid: row.get("oid"),
        kind: row.get("kind"),
        has_foreign_part: row.get("has_foreign_part"),
        by_columns_only: row.get("by_columns_only"),
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
    let expressions = [
        &contract.expected,
        &contract.actual,
        &contract.difference,
        &contract.suspects,
        &contract.question,
    ];
    let texts = expressions.into_iter().flatten().chain([&contract.sql]);
    let mut names: BTreeSet<String> = contract.tables.iter().cloned().collect();
    for text in texts {
        let mentions = mentions(&blanked(text), "public.");
        names.extend(mentions.into_iter().map(|(_, name)| name));
    }
    names
}

/// Names of the relations of the server's own catalogue that a check reads.
pub(super) fn of_the_server(contract: &Contract) -> BTreeSet<String> {
    let mentions = mentions(&blanked(&contract.sql), "pg_catalog.");
    mentions.into_iter().map(|(_, name)| name).collect()
}

/// SQL text in which the given relations are named without their schema.
pub(super) fn without_schema(sql: &str, schema: &str, relations: &BTreeSet<String>) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut end = 0;
    for (prefix, name) in mentions(&blanked(sql), &format!("{schema}.")) {
        if relations.contains(&name) {
            text.push_str(&sql[end..prefix.start]);
            end = prefix.end;
        }
    }
    text + &sql[end..]
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
                   JOIN public.\"Odd Name\" USING (id) WHERE nopublic.x = other.public.y\n\
                   AND note ~ E'it\\'s' AND EXISTS (SELECT FROM public.late WHERE k = $$'$$)";
        let mentions = mentions(&blanked(sql), "public.");
        let names: Vec<&str> = mentions.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["credit_transactions", "Odd Name", "late"]);
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
