//! Rows for the scratch database: all of the history, and on demand a sample of each table that
//! keeps to the foreign keys, also to those that the pending files are going to add.

use std::collections::HashSet;

use postgres::{Client, GenericClient};

use crate::db::session::quote_identifier;
use crate::error::{Error, Result};
use crate::migrations::locks::{Constraint, Id, Relation, World};
use crate::syntax::facts::{self, Fact, Kind};

/// A table of the live database.
pub(super) struct Table {
    /// Quoted, with schema.
    pub name: String,
    /// As the world calls it.
    pub plain: String,
    /// Quoted; generated ones left out.
    pub columns: Vec<String>,
    pub rows: u64,
}

/// Rows of `table` refer to rows of `target`.
pub(super) struct Edge {
    table: usize,
    columns: Vec<String>,
    /// Quoted, with schema.
    target: String,
    /// The tables that hold its rows: itself, or its partitions.
    targets: Vec<usize>,
    target_columns: Vec<String>,
}

/// Below this many times the wanted rows, the first rows are as good as a sample.
const WORTH_SAMPLING: u64 = 10;

/// Block sampling misses by some factor; so much more is asked for, and the rest cut off.
const MARGIN: f64 = 3.0;

/// The ordinary tables, partitions included, that this role may read.
pub(super) fn tables(live: &mut impl GenericClient, world: &World) -> Result<Vec<Table>> {
    let rows = live.query(
        "SELECT format('%I.%I', n.nspname, c.relname),
                CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname,
                (SELECT coalesce(array_agg(quote_ident(a.attname) ORDER BY a.attnum), '{}')
                   FROM pg_catalog.pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND a.attgenerated = '')
           FROM pg_catalog.pg_class AS c
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
          WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
          ORDER BY c.oid",
        &[],
    )?;
    let table = |row: &postgres::Row| {
        let plain: String = row.get(1);
        let known = world.at(&plain).map(|id| world.relations[id].rows);
        Table {
            name: row.get(0),
            plain,
            columns: row.get(2),
            rows: known.unwrap_or_default(),
        }
    };
    Ok(rows.iter().map(table).collect())
}

/// The foreign keys between these tables, and those that pending statements add.
pub(super) fn edges(world: &World, tables: &[Table], pending: &[&str]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (id, relation) in world.relations.iter().enumerate() {
        let keys = relation.constraints.iter();
        for key in keys.filter(|key| !relation.gone && !is_copy(world, relation, key)) {
            let to = key.target.map(|target| (target, &key.target_columns[..]));
            edges.extend(to.and_then(|to| edge(world, tables, (id, &key.columns), to)));
        }
    }
    for sql in pending {
        for statement in squawk_syntax::SourceFile::parse(sql).tree().stmts() {
            for fact in facts::of(&statement) {
                if let Fact::AddConstraint { table, constraint } = fact
                    && let Kind::ForeignKey(reference) = constraint.kind
                    && let Some(table) = world.find(&table)
                    && let Some(target) = world.find(&reference.table)
                {
                    let to = if reference.columns.is_empty() {
                        primary_key(&world.relations[target])
                    } else {
                        reference.columns
                    };
                    let owners = world.partitions(table).into_iter();
                    edges.extend(owners.filter_map(|owner| {
                        edge(world, tables, (owner, &constraint.columns), (target, &to))
                    }));
                }
            }
        }
    }
    edges
}

/// Whether a foreign key is what the server made of another one, whose target has partitions: one
/// for each of them. A row refers to one partition only.
fn is_copy(world: &World, relation: &Relation, key: &Constraint) -> bool {
    let parents = key.target.map(|target| &world.relations[target].parents);
    let whole = |other: &Constraint| {
        let is_parent = |parents: &Vec<Id>| parents.iter().any(|p| other.target == Some(*p));
        parents.is_some_and(is_parent) && other.columns == key.columns
    };
    relation.constraints.iter().any(whole)
}

/// Of columns of a relation to columns of another one, where there are rows to copy on both sides.
fn edge(
    world: &World,
    tables: &[Table],
    (from, columns): (Id, &[String]),
    (to, target_columns): (Id, &[String]),
) -> Option<Edge> {
    let place = |id: &Id| {
        let name = &world.relations[*id].name;
        tables.iter().position(|table| table.plain == *name)
    };
    let quoted = |columns: &[String]| columns.iter().map(|c| quote_identifier(c)).collect();
    let targets: Vec<usize> = world.partitions(to).iter().filter_map(place).collect();
    if columns.len() != target_columns.len() || columns.is_empty() || targets.is_empty() {
        return None;
    }
    let name = &world.relations[to].name;
    let (schema, bare) = name.split_once('.').unwrap_or(("public", name));
    Some(Edge {
        table: place(&from)?,
        columns: quoted(columns),
        target: format!("{}.{}", quote_identifier(schema), quote_identifier(bare)),
        targets,
        target_columns: quoted(target_columns),
    })
}

fn primary_key(table: &Relation) -> Vec<String> {
    let key = table.constraints.iter().find(|c| c.kind == 'p');
    key.map(|key| key.columns.clone()).unwrap_or_default()
}

/// Copies up to `limit` rows of each table, those that are referred to first. Tables that are
/// copied in full anyway are left out.
pub(super) fn copy(
    live: &mut impl GenericClient,
    scratch: &mut Client,
    tables: &[Table],
    edges: &[Edge],
    limit: u64,
    full: &[String],
) -> Result<()> {
    let mut done: HashSet<usize> = HashSet::new();
    let wanted = |at: &usize| !full.contains(&tables[*at].plain);
    let mut waiting: Vec<usize> = (0..tables.len()).filter(wanted).collect();
    while !waiting.is_empty() {
        // In a circle nobody is first; the pruning afterwards takes care of it.
        let ready = waiting.iter().position(|at| {
            let mut own = edges.iter().filter(|edge| edge.table == *at);
            let is_done = |target: &usize| target == at || !waiting.contains(target);
            own.all(|edge| edge.targets.iter().all(is_done))
        });
        let at = waiting.remove(ready.unwrap_or(0));
        let own = edges
            .iter()
            .filter(|e| e.table == at && e.targets.iter().all(|target| done.contains(target)));
        let mut conditions = Vec::new();
        for edge in own {
            conditions.push(condition(scratch, edge)?);
        }
        let query = query(&tables[at], &conditions, limit);
        stream(live, scratch, &tables[at], &query)?;
        done.insert(at);
    }
    prune(scratch, tables, edges)
}

/// All rows of a table.
pub(super) fn copy_all(
    live: &mut impl GenericClient,
    scratch: &mut Client,
    table: &Table,
) -> Result<()> {
    let columns = table.columns.join(", ");
    stream(
        live,
        scratch,
        table,
        &format!("SELECT {columns} FROM ONLY {}", table.name),
    )
}

fn query(table: &Table, conditions: &[String], limit: u64) -> String {
    let columns = table.columns.join(", ");
    let name = &table.name;
    if !conditions.is_empty() {
        let all = conditions.join(" AND ");
        return format!("SELECT {columns} FROM ONLY {name} WHERE {all} LIMIT {limit}");
    }
    if table.rows < limit.saturating_mul(WORTH_SAMPLING) {
        return format!("SELECT {columns} FROM ONLY {name} LIMIT {limit}");
    }
    #[allow(clippy::cast_precision_loss)]
    let percent = (100.0 * MARGIN * limit as f64 / table.rows as f64).min(100.0);
    format!(
        "SELECT {columns} FROM ONLY {name}
         TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1) LIMIT {limit}"
    )
}

/// Only rows whose other end was sampled, or that have none.
fn condition(scratch: &mut Client, edge: &Edge) -> Result<String> {
    let target = &edge.target;
    // Literals with their type, so that an index on the column can be used. A type modifier that is
    // given and none: else "character" and "bit" would mean those of length 1.
    let parts = edge.target_columns.iter();
    let parts: Vec<String> = parts
        .map(|c| format!("quote_literal({c}) || '::' || format_type(pg_typeof({c}), -1)"))
        .collect();
    let keys: Option<String> = scratch
        .query_one(
            &format!(
                "SELECT string_agg('(' || {} || ')', ', ') FROM {target}",
                parts.join(" || ', ' || ")
            ),
            &[],
        )?
        .get(0);
    let columns = edge.columns.join(", ");
    let nulls: Vec<String> = edge
        .columns
        .iter()
        .map(|c| format!("{c} IS NULL"))
        .collect();
    let nulls = nulls.join(" OR ");
    Ok(match keys {
        Some(keys) => format!("({nulls} OR ({columns}) IN ({keys}))"),
        None => format!("({nulls})"),
    })
}

fn stream(
    live: &mut impl GenericClient,
    scratch: &mut Client,
    table: &Table,
    query: &str,
) -> Result<()> {
    let during = |error: Error| error.during(format!("copying rows of {}", table.name));
    if table.columns.is_empty() {
        return Ok(());
    }
    let columns = table.columns.join(", ");
    let out = format!("COPY ({query}) TO STDOUT");
    let mut reader = live.copy_out(&out).map_err(|e| during(e.into()))?;
    let into = format!("COPY {} ({columns}) FROM STDIN", table.name);
    let mut writer = scratch.copy_in(&into).map_err(|e| during(e.into()))?;
    std::io::copy(&mut reader, &mut writer)
        .map_err(|error| during(Error::undecided(error.to_string())))?;
    writer.finish().map_err(|e| during(e.into()))?;
    Ok(())
}

/// Takes away rows that refer to nothing, and then those that referred to them.
fn prune(scratch: &mut Client, tables: &[Table], edges: &[Edge]) -> Result<()> {
    loop {
        let mut gone = 0;
        for edge in edges {
            let (table, target) = (&tables[edge.table].name, &edge.target);
            let pairs = edge.columns.iter().zip(&edge.target_columns);
            let same: Vec<String> = pairs.map(|(a, b)| format!("t.{a} = r.{b}")).collect();
            let set: Vec<String> = edge
                .columns
                .iter()
                .map(|c| format!("t.{c} IS NOT NULL"))
                .collect();
            gone += scratch.execute(
                &format!(
                    "DELETE FROM {table} AS t
                      WHERE {} AND NOT EXISTS (SELECT FROM {target} AS r WHERE {})",
                    set.join(" AND "),
                    same.join(" AND ")
                ),
                &[],
            )?;
        }
        if gone == 0 {
            return Ok(());
        }
    }
}

/// Statements after which sequences go on where the live ones are, and materialized views are
/// filled, those that others read first.
pub(super) fn last_steps(live: &mut impl GenericClient) -> Result<String> {
    let rows = live.query(
        "SELECT format('SELECT pg_catalog.setval(%L, %s);',
                       format('%I.%I', schemaname, sequencename), last_value)
           FROM pg_catalog.pg_sequences WHERE last_value IS NOT NULL
         UNION ALL
         SELECT format('REFRESH MATERIALIZED VIEW %s;', name)
           FROM (SELECT format('%I.%I', schemaname, matviewname) AS name
                   FROM pg_catalog.pg_matviews WHERE ispopulated
                  ORDER BY format('%I.%I', schemaname, matviewname)::regclass::oid) AS views",
        &[],
    )?;
    let steps: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(steps.join("\n"))
}
