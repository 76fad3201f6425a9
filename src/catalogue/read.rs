//! Reads the catalogue of a database: SELECT on the system's tables is enough, which all have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use postgres::types::ToSql;
use postgres::{Row, Transaction};

use super::RECORDS;
use super::object::{Catalogue, Kind, Object};
use crate::error::{Error, Result};

const SCOPE: &str = include_str!("sql/relations_in_scope.sql");
const COMMENTS: &str = include_str!("sql/comments.sql");
const GRANTS: &str = include_str!("sql/grants.sql");

/// Statements about relations; their parameter is the scope.
const BY_RELATION: [&str; 6] = [
    include_str!("sql/sequences.sql"),
    include_str!("sql/tables.sql"),
    include_str!("sql/columns.sql"),
    include_str!("sql/constraints.sql"),
    include_str!("sql/indexes.sql"),
    include_str!("sql/triggers.sql"),
];

/// Statements about other objects; their parameter names the schemas.
const BY_SCHEMA: [&str; 3] = [
    include_str!("sql/schemas.sql"),
    include_str!("sql/types.sql"),
    include_str!("sql/functions.sql"),
];

/// `pg_class.oid` and the like: class, oid and number within.
type Address = (String, u32, i32);

/// Reads the objects of the given schemas; of all but the system's without any.
///
/// It sets the search path until the end of the transaction, so that names are printed in full.
///
/// # Errors
/// What the server says.
pub fn read(transaction: &mut Transaction<'_>, schemas: Option<&[String]>) -> Result<Catalogue> {
    transaction.batch_execute(
        "SET LOCAL search_path = pg_catalog; SET LOCAL quote_all_identifiers = off",
    )?;
    let own: Vec<&str> = RECORDS.to_vec();
    let rows = transaction.query(SCOPE, &[&schemas, &own])?;
    let scope: Vec<u32> = rows.iter().map(|row| row.get(0)).collect();

    let mut objects: HashMap<Address, Object> = HashMap::new();
    for statement in BY_SCHEMA {
        collect(transaction, statement, &schemas, &mut objects)?;
    }
    for statement in BY_RELATION {
        collect(transaction, statement, &scope, &mut objects)?;
    }
    for row in transaction.query(COMMENTS, &[])? {
        if let Some(object) = objects.get_mut(&address(&row)) {
            object.comment = Some(row.get("description"));
        }
    }
    for row in transaction.query(GRANTS, &[&scope])? {
        if let Some(object) = objects.get_mut(&address(&row)) {
            let privileges: &mut BTreeSet<String> =
                object.grants.entry(row.get("grantee")).or_default();
            privileges.insert(row.get("privilege"));
        }
    }
    let mut catalogue = Catalogue::default();
    objects
        .into_values()
        .for_each(|object| catalogue.insert(object));
    Ok(catalogue)
}

fn collect(
    transaction: &mut Transaction<'_>,
    statement: &str,
    parameter: &(dyn ToSql + Sync),
    objects: &mut HashMap<Address, Object>,
) -> Result<()> {
    for row in transaction.query(statement, &[parameter])? {
        objects.insert(address(&row), object(&row)?);
    }
    Ok(())
}

fn address(row: &Row) -> Address {
    (row.get("class"), row.get("oid"), row.get("sub"))
}

fn object(row: &Row) -> Result<Object> {
    let word: String = row.get("kind");
    let text: String = row.get("properties");
    let unreadable = || {
        Error::undecided(format!("cannot read an object of kind \"{word}\"")).detail(text.clone())
    };
    let kind = Kind::from_word(&word).ok_or_else(unreadable)?;
    let mut properties: BTreeMap<String, String> =
        serde_json::from_str(&text).map_err(|_| unreadable())?;
    for property in ["body", "sql body", "definition"] {
        if let Some(body) = properties.get_mut(property) {
            *body = tidy(body);
        }
    }
    properties.retain(|_, value| !value.is_empty());
    Ok(Object {
        kind,
        table: row.get("table"),
        name: row.get("name"),
        position: (kind == Kind::Column).then(|| row.get("sub")),
        owner: row.get("owner"),
        properties,
        grants: BTreeMap::new(),
        comment: None,
    })
}

/// Line ends of one kind, nothing at the ends of lines, no empty lines around the text: what an
/// editor or a dump may change without changing what a function does.
fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn only_white_space_that_means_nothing_is_taken_away() {
        assert_eq!(tidy("\r\n  BEGIN  \r\n\r\n  END\t\r\n"), "  BEGIN\n\n  END");
        assert_eq!(tidy("SELECT 'a  b'"), "SELECT 'a  b'");
    }
}
