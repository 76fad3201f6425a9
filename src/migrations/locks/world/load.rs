//! Reading a [`World`] from a live catalogue, with SELECT on `pg_catalog` only.

use std::collections::{HashMap, HashSet};

use postgres::GenericClient;
use serde::Deserialize;
use squawk_syntax::SourceFile;
use squawk_syntax::ast::AstNode;

use super::{Column, Constraint, Domain, Id, Index, Relation, World, key};
use crate::error::{Error, Result};
use crate::migrations::locks::query;
use crate::syntax::facts;

/// Bytes of a page; no build that anybody runs has another size.
const PAGE: u64 = 8192;

/// Rows per page that are assumed of a table that was never analysed. The planner would compute it
/// from the widths of the columns; for a size class the middle of what tables have is enough.
const ROWS_PER_PAGE: u64 = 60;

#[derive(Deserialize)]
struct Document {
    major: u32,
    path: Vec<String>,
    relations: Vec<Row>,
    columns: Vec<ColumnRow>,
    constraints: Vec<ConstraintRow>,
    indexes: Vec<IndexRow>,
    children: Vec<(i64, i64)>,
    reads: Vec<(i64, i64)>,
    domains: Vec<DomainRow>,
    triggers: Vec<i64>,
    sequence_owners: Vec<(i64, i64)>,
    statistics: Vec<(String, String, i64)>,
    volatile: HashSet<String>,
    functions: HashSet<String>,
}

#[derive(Deserialize)]
struct Row {
    oid: i64,
    schema: String,
    name: String,
    kind: char,
    tuples: f64,
    pages: u64,
    bytes: u64,
    unlogged: bool,
    tablespace: String,
    method: String,
    is_default: bool,
}

#[derive(Deserialize)]
struct ColumnRow {
    relation: i64,
    name: String,
    #[serde(rename = "type")]
    ty: String,
    not_null: bool,
    collation: String,
    stored: bool,
}

#[derive(Deserialize)]
struct ConstraintRow {
    relation: i64,
    name: String,
    kind: char,
    valid: bool,
    enforced: bool,
    columns: Option<Vec<String>>,
    target: Option<i64>,
    target_columns: Option<Vec<String>>,
    expression: Option<String>,
}

#[derive(Deserialize)]
struct IndexRow {
    index: i64,
    relation: i64,
    columns: Option<Vec<String>>,
    mentions: Option<Vec<String>>,
    exact: bool,
}

#[derive(Deserialize)]
struct DomainRow {
    schema: String,
    name: String,
    base: String,
    constrained: bool,
    default: Option<String>,
}

impl World {
    /// Reads the catalogue.
    ///
    /// # Errors
    /// What the server says.
    pub fn load(client: &mut impl GenericClient) -> Result<Self> {
        let text: String = client
            .query_one(include_str!("../world.sql"), &[])
            .map_err(|e| Error::from(e).during("reading the catalogue"))?
            .get(0);
        let document = serde_json::from_str(&text)
            .map_err(|error| Error::undecided(format!("the catalogue reads strangely: {error}")))?;
        Ok(Self::assemble(document))
    }

    fn assemble(document: Document) -> Self {
        let mut world = Self {
            major: document.major,
            relations: Vec::new(),
            domains: HashMap::new(),
            volatile: document.volatile,
            functions: document.functions,
            statistics: HashMap::new(),
            by_name: HashMap::new(),
            path: document.path,
        };
        let mut ids: HashMap<i64, Id> = HashMap::new();
        for row in document.relations {
            ids.insert(row.oid, world.add(relation(&row)));
        }
        for row in document.columns {
            if let Some(id) = ids.get(&row.relation) {
                world.relations[*id].columns.push(Column {
                    name: row.name,
                    ty: row.ty,
                    not_null: row.not_null,
                    collation: row.collation,
                    stored: row.stored,
                });
            }
        }
        for row in document.constraints {
            if let Some(id) = ids.get(&row.relation).copied() {
                let target = row.target.and_then(|oid| ids.get(&oid).copied());
                world.relations[id]
                    .constraints
                    .push(constraint(row, target));
            }
        }
        for row in document.indexes {
            if let (Some(index), Some(id)) = (ids.get(&row.index), ids.get(&row.relation)) {
                world.relations[*index].table = Some(*id);
                world.relations[*id].indexes.push(Index {
                    id: *index,
                    columns: row.columns.unwrap_or_default(),
                    mentions: row.mentions.unwrap_or_default(),
                    exact: row.exact,
                });
            }
        }
        world.link(
            &ids,
            &document.children,
            &document.reads,
            &document.sequence_owners,
        );
        for id in document.triggers.iter().filter_map(|oid| ids.get(oid)) {
            world.relations[*id].has_triggers = true;
        }
        for (schema, name, table) in document.statistics {
            if let Some(table) = ids.get(&table) {
                world.statistics.insert(key(&schema, &name), *table);
            }
        }
        for row in document.domains {
            let domain = Domain {
                base: row.base,
                constrained: row.constrained,
                volatile_default: row.default.map(|text| world.is_volatile(&text)),
            };
            world.domains.insert(key(&row.schema, &row.name), domain);
        }
        world
    }
}

impl World {
    fn is_volatile(&self, expression: &str) -> bool {
        let parse = SourceFile::parse(&format!("SELECT {expression}"));
        query::is_volatile(self, parse.tree().syntax())
    }

    /// Relations that belong to each other: by oid, each pair in the order that the query says.
    fn link(
        &mut self,
        ids: &HashMap<i64, Id>,
        children: &[(i64, i64)],
        reads: &[(i64, i64)],
        sequence_owners: &[(i64, i64)],
    ) {
        let known = |pairs: &[(i64, i64)]| -> Vec<(Id, Id)> {
            let known = |(a, b): &(i64, i64)| Some((*ids.get(a)?, *ids.get(b)?));
            pairs.iter().filter_map(known).collect()
        };
        for (parent, child) in known(children) {
            self.relations[parent].children.push(child);
            self.relations[child].parents.push(parent);
        }
        for (view, read) in known(reads) {
            self.relations[view].reads.push(read);
        }
        for (sequence, table) in known(sequence_owners) {
            self.relations[sequence].table = Some(table);
        }
    }
}

fn relation(row: &Row) -> Relation {
    let pages = row.bytes.div_ceil(PAGE);
    let never_analyzed = row.tuples < 0.0;
    // As the planner does: the density that was last seen, times the size of now.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let rows = match row.pages {
        _ if never_analyzed => pages * ROWS_PER_PAGE,
        0 => row.tuples as u64,
        known => (row.tuples / known as f64 * pages as f64).round() as u64,
    };
    Relation {
        name: key(&row.schema, &row.name),
        kind: row.kind,
        rows,
        bytes: row.bytes,
        never_analyzed: never_analyzed && pages > 0,
        unlogged: row.unlogged,
        tablespace: row.tablespace.clone(),
        method: row.method.clone(),
        is_default: row.is_default,
        ..Relation::default()
    }
}

fn constraint(row: ConstraintRow, target: Option<Id>) -> Constraint {
    let proves = row.expression.as_deref().map(facts::proven_not_null);
    Constraint {
        name: row.name,
        kind: row.kind,
        valid: row.valid,
        enforced: row.enforced,
        columns: row.columns.unwrap_or_default(),
        target,
        target_columns: row.target_columns.unwrap_or_default(),
        proves: proves.unwrap_or_default(),
    }
}
