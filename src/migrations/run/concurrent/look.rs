//! What the catalogue shows of a statement that may have been run before, in part or in whole.

use postgres::{Client, GenericClient};

use crate::error::{Error, Result};
use crate::syntax::step::{Build, Scope, Step};

/// What there is to do.
pub(in super::super::super) enum Look {
    /// Nothing: what it makes is there, or what it removes is gone.
    Done,
    /// The statement, after these invalid indexes are dropped (qualified and quoted names).
    Run(Vec<String>),
    /// Another statement that completes it.
    Instead(String),
}

/// Looks before a statement runs. `resumed` tells that an earlier run started it.
///
/// # Errors
/// Refused, when something else stands where its result should be.
pub(in super::super::super) fn look(
    client: &mut Client,
    step: &Step,
    resumed: bool,
) -> Result<Look> {
    match step {
        Step::Build(build) => look_at_build(client, build),
        Step::Drop(index) => Ok(match exists(client, index)? {
            // Never started and not there: the server says whether that is an error.
            false if resumed => Look::Done,
            _ => Look::Run(Vec::new()),
        }),
        Step::Rebuild(scope) if resumed => {
            let remains = remains(client, scope)?.into_iter();
            let transient = remains.filter(|found| found.is_transient);
            Ok(Look::Run(transient.map(|found| found.name).collect()))
        }
        Step::Detach { parent, partition } => Ok(match pending(client, parent, partition)? {
            Some(true) => Look::Instead(format!(
                "ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE"
            )),
            None if resumed => Look::Done,
            _ => Look::Run(Vec::new()),
        }),
        _ => Ok(Look::Run(Vec::new())),
    }
}

/// What of a statement is there without being whole, in words; none when it is done, or when
/// nothing of it is there.
///
/// # Errors
/// What the server says.
pub(in super::super::super) fn unfinished(
    client: &mut impl GenericClient,
    step: &Step,
) -> Result<Option<String>> {
    let invalid = |names: Vec<String>| {
        (!names.is_empty()).then(|| match names.len() {
            1 => format!("index {} is invalid", names[0]),
            _ => format!("indexes {} are invalid", names.join(", ")),
        })
    };
    Ok(match step {
        Step::Build(build) => {
            let found = find(client, &build.index, &build.table)?;
            let broken = found.filter(|found| found.valid == Some(false));
            invalid(broken.map(|found| found.name).into_iter().collect())
        }
        Step::Drop(index) => {
            let query = "SELECT NOT i.indisvalid FROM pg_catalog.pg_index AS i
                          WHERE i.indexrelid = pg_catalog.to_regclass($1)";
            let row = client.query_opt(query, &[index])?;
            let broken = row.is_some_and(|row| row.get(0));
            invalid(broken.then(|| index.clone()).into_iter().collect())
        }
        Step::Rebuild(scope) => {
            let remains = remains(client, scope)?.into_iter();
            let own = remains.filter(Remains::is_of_the_rebuild);
            invalid(own.map(|found| found.name).collect())
        }
        Step::Detach { parent, partition } => match pending(client, parent, partition)? {
            Some(true) => Some(format!(
                "partition {partition} is half detached from {parent}"
            )),
            _ => None,
        },
        _ => None,
    })
}

/// A relation where an index should be.
struct Found {
    /// Qualified and quoted.
    name: String,
    /// None when it is not an index at all.
    valid: Option<bool>,
    /// Whether it is on the table that is meant.
    same_table: bool,
    definition: String,
    /// Who builds it at the moment.
    builder: Option<i32>,
}

fn find(client: &mut impl GenericClient, index: &str, table: &str) -> Result<Option<Found>> {
    let row = client.query_opt(include_str!("index.sql"), &[&index, &table])?;
    Ok(row.map(|row| Found {
        name: row.get(0),
        valid: row.get(1),
        same_table: row.get::<_, Option<bool>>(2).unwrap_or_default(),
        definition: row.get::<_, Option<String>>(3).unwrap_or_default(),
        builder: row.get(4),
    }))
}

fn look_at_build(client: &mut Client, build: &Build) -> Result<Look> {
    let Some(found) = find(client, &build.index, &build.table)? else {
        return Ok(Look::Run(Vec::new()));
    };
    if let Some(pid) = found.builder {
        return Err(
            Error::refused(format!("{} is being built by pid {pid}", found.name))
                .detail("it was left alone: what it will be is not known yet")
                .hint("run it again when that build has ended"),
        );
    }
    match found.valid {
        Some(false) if found.same_table => Ok(Look::Run(vec![found.name])),
        Some(true) if found.same_table && same_definition(client, build, &found)? => Ok(Look::Done),
        _ => {
            let mut error = Error::refused(format!(
                "{} exists already, and it is not what the migration builds",
                found.name
            ));
            if !found.definition.is_empty() {
                error = error.detail(format!("it is: {}", found.definition));
            }
            Err(error
                .detail("it was left alone")
                .hint("give the new index another name, or drop or rename the one that is there"))
        }
    }
}

/// Lets the server build the index that is asked for on an empty table of the same shape, in a
/// transaction that is rolled back, and compares how it prints both.
fn same_definition(client: &mut Client, build: &Build, found: &Found) -> Result<bool> {
    const TWIN: &str = "pg_temp.creditdb_twin";
    let mut transaction = client.transaction()?;
    transaction.batch_execute(&format!(
        "CREATE TEMPORARY TABLE creditdb_twin (LIKE {});
         {}{TWIN}{}",
        build.table, build.before_table, build.after_table
    ))?;
    let query = "SELECT pg_catalog.pg_get_indexdef(indexrelid) FROM pg_catalog.pg_index
                  WHERE indrelid = pg_catalog.to_regclass($1)";
    let twin: String = transaction.query_one(query, &[&TWIN])?.get(0);
    transaction.rollback()?;
    Ok(without_names(&twin) == without_names(&found.definition))
}

/// Whether it is unique, and all that follows the names of index and table.
fn without_names(definition: &str) -> (bool, Option<&str>) {
    let rest = definition.split_once(" USING ").map(|(_, rest)| rest);
    (definition.starts_with("CREATE UNIQUE"), rest)
}

fn exists(client: &mut impl GenericClient, relation: &str) -> Result<bool> {
    let query = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
    Ok(client.query_one(query, &[&relation])?.get(0))
}

/// Whether a detachment was begun and not finished; none when it is no partition (any more).
fn pending(client: &mut impl GenericClient, parent: &str, partition: &str) -> Result<Option<bool>> {
    let query = "SELECT inhdetachpending FROM pg_catalog.pg_inherits
                  WHERE inhparent = pg_catalog.to_regclass($1)
                    AND inhrelid = pg_catalog.to_regclass($2)";
    let row = client.query_opt(query, &[&parent, &partition])?;
    Ok(row.map(|row| row.get(0)))
}

/// Invalid indexes in the scope of a REINDEX that it passes over, as it does with all of a table
/// that were invalid before.
///
/// # Errors
/// What the server says.
pub(super) fn others(client: &mut Client, step: &Step) -> Result<Vec<String>> {
    let Step::Rebuild(scope) = step else {
        return Ok(Vec::new());
    };
    let remains = remains(client, scope)?.into_iter();
    let others = remains.filter(|found| !found.is_of_the_rebuild());
    Ok(others.map(|found| found.name).collect())
}

/// An invalid index in the scope of a REINDEX.
struct Remains {
    /// Qualified and quoted.
    name: String,
    is_transient: bool,
    /// Whether it is the one that is to be rebuilt.
    is_named: bool,
}

impl Remains {
    /// Whether the REINDEX has not come to its end as long as it is there.
    fn is_of_the_rebuild(&self) -> bool {
        self.is_transient || self.is_named
    }
}

fn remains(client: &mut impl GenericClient, scope: &Scope) -> Result<Vec<Remains>> {
    let (mut index, mut table, mut schema) = (None, None, None);
    match scope {
        Scope::Index(name) => index = Some(name),
        Scope::Table(name) => table = Some(name),
        Scope::Schema(name) => schema = Some(name),
        Scope::Database => {}
    }
    let rows = client.query(include_str!("remains.sql"), &[&index, &table, &schema])?;
    let remains = |row: &postgres::Row| Remains {
        name: row.get(0),
        is_transient: row.get(1),
        is_named: row.get(2),
    };
    Ok(rows.iter().map(remains).collect())
}
