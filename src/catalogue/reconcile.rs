//! SQL that makes an object as it should be. Statements that a live database does not notice are
//! preferred, so some of them (CONCURRENTLY) run outside of transactions only.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Difference, Nature};
use super::object::{Catalogue, Kind, Object};
use super::{alter, create, sequence};
use crate::db::session::{quote_identifier, quote_literal};

/// What statements are written against.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What should be there.
    pub expected: &'a Catalogue,
    /// What is there.
    pub actual: &'a Catalogue,
    /// Who should own everything.
    pub owner: &'a str,
}

/// The statements that take a difference away, each to be sent by itself, in this order.
pub fn statements(difference: &Difference, context: &Context<'_>) -> Vec<String> {
    match (difference.nature, &difference.expected, &difference.actual) {
        (Nature::Missing, Some(expected), _) => create::whole(expected, context),
        (Nature::Extra, _, Some(actual)) if actual.kind == Kind::Sequence => {
            sequence::surplus(actual, context)
        }
        (Nature::Extra, _, Some(actual)) => vec![drop(actual, context)],
        (Nature::Different, Some(expected), Some(actual)) => {
            alter::statements(expected, actual, &difference.changes, context)
        }
        _ => Vec::new(),
    }
}

/// Takes an object away.
pub(super) fn drop(object: &Object, context: &Context<'_>) -> String {
    let name = &object.name;
    let table = object.table.as_deref().unwrap_or_default();
    let loses = "-- this discards its data\n";
    match object.kind {
        Kind::Column => format!("{loses}ALTER TABLE {table} DROP COLUMN {name};"),
        // A column that goes takes these along.
        Kind::Constraint => format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name};"),
        Kind::Index if is_partitioned(table, context) => format!("DROP INDEX IF EXISTS {name};"),
        Kind::Index => format!("DROP INDEX CONCURRENTLY IF EXISTS {name};"),
        Kind::Table => format!("{loses}DROP {};", address(object)),
        _ => format!("DROP {};", address(object)),
    }
}

/// Whether a table is partitioned, or should be: what the server does about the indexes of such a
/// table never takes turns with writers.
pub(super) fn is_partitioned(table: &str, context: &Context<'_>) -> bool {
    let key = (Kind::Table, String::new(), table.to_owned());
    let is = |catalogue: &Catalogue| {
        let table = catalogue.get(&key);
        table.is_some_and(|table| table.text("form") == "partitioned")
    };
    is(context.expected) || is(context.actual)
}

/// Kind and name, as in COMMENT ON and most of ALTER and DROP.
pub(super) fn address(object: &Object) -> String {
    let kind = match (object.kind, object.text("form")) {
        (Kind::Table, "foreign") => "FOREIGN TABLE",
        (Kind::View, "materialized") => "MATERIALIZED VIEW",
        (Kind::Function, "procedure") => "PROCEDURE",
        (Kind::Function, "aggregate") => "AGGREGATE",
        (Kind::Type, "domain") => "DOMAIN",
        (kind, _) => &kind.word().to_uppercase(),
    };
    let name = &object.name;
    match (object.kind, &object.table) {
        (Kind::Index, _) | (_, None) => format!("{kind} {name}"),
        (Kind::Column, Some(table)) => format!("{kind} {table}.{name}"),
        (_, Some(table)) => format!("{kind} {name} ON {table}"),
    }
}

/// Owner, comment and grants of an object that was just made.
pub(super) fn trimmings(object: &Object, context: &Context<'_>) -> Vec<String> {
    let mut sql = Vec::new();
    if is_owned(object) {
        sql.push(own(object, context.owner));
    }
    if object.comment.is_some() {
        sql.push(comment(object, object.comment.as_deref()));
    }
    sql.extend(grants(object, &granted_by_default(object), context.owner));
    sql
}

/// Whether it has an owner of its own.
fn is_owned(object: &Object) -> bool {
    let whole = matches!(
        object.kind,
        Kind::Type | Kind::Sequence | Kind::Table | Kind::Function | Kind::View | Kind::Schema
    );
    whole && object.name != "public"
}

pub(super) fn own(object: &Object, owner: &str) -> String {
    format!(
        "ALTER {} OWNER TO {};",
        address(object),
        quote_identifier(owner)
    )
}

pub(super) fn comment(object: &Object, text: Option<&str>) -> String {
    let text = text.map_or_else(|| "NULL".to_owned(), quote_literal);
    format!("COMMENT ON {} IS {text};", address(object))
}

/// Privileges by grantee.
type Grants = BTreeMap<String, BTreeSet<String>>;

/// What everybody may do with a new object.
fn granted_by_default(object: &Object) -> Grants {
    let privilege = match object.kind {
        Kind::Function => "EXECUTE",
        Kind::Type => "USAGE",
        _ => return Grants::new(),
    };
    Grants::from([("PUBLIC".to_owned(), BTreeSet::from([privilege.to_owned()]))])
}

/// From the grants that are there to those of the object.
pub(super) fn grants(object: &Object, held: &Grants, owner: &str) -> Vec<String> {
    let none = BTreeSet::new();
    let grantees: BTreeSet<&String> = object.grants.keys().chain(held.keys()).collect();
    let mut sql = Vec::new();
    for grantee in grantees {
        let wanted = object.grants.get(grantee).unwrap_or(&none);
        let held = held.get(grantee).unwrap_or(&none);
        // First what is taken away: a grant option goes by taking the privilege.
        for privilege in held.difference(wanted) {
            sql.push(match privilege.strip_prefix("without ") {
                Some(lacking) => give(object, lacking, &quote_identifier(owner)),
                None => take(object, privilege, grantee),
            });
        }
        for privilege in wanted.difference(held) {
            sql.push(match privilege.strip_prefix("without ") {
                Some(lacking) => take(object, lacking, &quote_identifier(owner)),
                None => give(object, privilege, grantee),
            });
        }
    }
    sql
}

fn give(object: &Object, privilege: &str, grantee: &str) -> String {
    let (privilege, option) = bare_privilege(privilege);
    format!("GRANT {} TO {grantee}{option};", on(object, privilege))
}

fn take(object: &Object, privilege: &str, grantee: &str) -> String {
    let (privilege, _) = bare_privilege(privilege);
    format!("REVOKE {} FROM {grantee};", on(object, privilege))
}

fn bare_privilege(privilege: &str) -> (&str, &str) {
    privilege
        .find(" WITH GRANT OPTION")
        .map_or((privilege, ""), |at| privilege.split_at(at))
}

fn on(object: &Object, privilege: &str) -> String {
    match (object.kind, &object.table) {
        (Kind::Column, Some(table)) => format!("{privilege} ({}) ON TABLE {table}", object.name),
        (Kind::Table | Kind::View, _) => format!("{privilege} ON TABLE {}", object.name),
        (Kind::Function, _) => format!("{privilege} ON ROUTINE {}", object.name),
        (Kind::Type, _) => format!("{privilege} ON TYPE {}", object.name),
        _ => format!("{privilege} ON {}", address(object)),
    }
}

/// The last part of a qualified name.
pub(super) fn unqualified(name: &str) -> &str {
    let mut quoted = false;
    let mut start = 0;
    for (at, c) in name.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => start = at + 1,
            _ => {}
        }
    }
    &name[start..]
}

#[cfg(test)]
mod tests {
    use super::unqualified;

    #[test]
    fn dots_inside_of_quotes_separate_nothing() {
        assert_eq!(unqualified("public.a"), "a");
        assert_eq!(unqualified("\"x.y\".\"a.\"\"b\""), "\"a.\"\"b\"");
        assert_eq!(unqualified("a"), "a");
    }
}
