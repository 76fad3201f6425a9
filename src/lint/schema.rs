//! The schema that the files make, statement by statement: what exists, and what is so new that
//! nobody uses it yet.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast;

use super::file::File;
use crate::syntax::facts::{Column, Constraint, Fact, Kind, Space, named, without_public};

#[derive(Default)]
pub(super) struct Schema {
    tables: BTreeMap<String, Table>,
    indexes: BTreeMap<String, String>,
    /// What files made, and whether pending ones did. What is made once more (OR REPLACE, IF NOT
    /// EXISTS) stays what it was.
    made: BTreeMap<(Space, String), bool>,
    /// Functions and whether they are volatile.
    functions: BTreeMap<String, bool>,
}

#[derive(Default)]
pub(super) struct Table {
    /// Type by column.
    columns: BTreeMap<String, String>,
    not_null: BTreeSet<String>,
    /// Columns with a collation of their own.
    collated: BTreeSet<String>,
    constraints: Vec<Known>,
}

/// A constraint, and the file that added it.
struct Known {
    constraint: Constraint,
    path: String,
}

impl Schema {
    /// Whether pending files made a relation or a type: no data, no traffic.
    pub fn is_new(&self, name: &str) -> bool {
        self.is_new_in(Space::Relations, name)
    }

    pub fn is_new_in(&self, space: Space, name: &str) -> bool {
        let made = self.made.get(&(space, name.to_owned()));
        made.copied().unwrap_or_default()
    }

    /// Whether a table has a column `user_id`, as far as the files tell.
    pub fn is_per_user(&self, table: &str) -> bool {
        self.column_type(table, "user_id").is_some()
    }

    /// Whether the files say what columns the table has.
    pub fn knows_columns(&self, table: &str) -> bool {
        self.tables
            .get(table)
            .is_some_and(|t| !t.columns.is_empty())
    }

    /// Whether a tree names a table that has a column `user_id`.
    pub fn names_per_user(&self, tree: &SyntaxNode) -> bool {
        let relations = named::<ast::RelationNameRef>(tree).into_iter();
        let items = named::<ast::RelationFromItem>(tree);
        relations
            .chain(items)
            .any(|table| self.is_per_user(without_public(&table)))
    }

    pub fn column_type(&self, table: &str, column: &str) -> Option<&str> {
        Some(self.tables.get(table)?.columns.get(column)?)
    }

    /// Whether a column has a collation that is not the type's own.
    pub fn is_collated(&self, table: &str, column: &str) -> bool {
        let table = self.tables.get(table);
        table.is_some_and(|table| table.collated.contains(column))
    }

    /// The table of an index.
    pub fn index_table(&self, index: &str) -> Option<&str> {
        self.indexes.get(index).map(String::as_str)
    }

    /// Whether a function was made without IMMUTABLE or STABLE.
    pub fn is_volatile(&self, function: &str) -> bool {
        self.functions.get(function).copied().unwrap_or_default()
    }

    /// The columns of the primary key.
    pub fn primary_key(&self, table: &str) -> Option<&[String]> {
        let known = self.tables.get(table)?.constraints.iter();
        let mut keys = known.filter(|k| matches!(k.constraint.kind, Kind::PrimaryKey));
        keys.next().map(|key| &key.constraint.columns[..])
    }

    /// Whether a validated constraint proves that a column has no NULL.
    pub fn proves_not_null(&self, table: &str, column: &str) -> bool {
        let Some(table) = self.tables.get(table) else {
            return false;
        };
        let proves = |known: &Known| match &known.constraint.kind {
            Kind::Check(names) => names.iter().any(|name| name == column),
            Kind::NotNull | Kind::PrimaryKey => {
                known.constraint.columns.iter().any(|c| c == column)
            }
            _ => false,
        };
        table.not_null.contains(column)
            || table
                .constraints
                .iter()
                .any(|k| k.constraint.valid && proves(k))
    }

    /// Whether this file added a constraint.
    pub fn added_by(&self, file: &File<'_>, table: &str, constraint: &str) -> bool {
        let known = self
            .tables
            .get(table)
            .into_iter()
            .flat_map(|t| &t.constraints);
        known
            .filter(|k| k.constraint.name.as_deref() == Some(constraint))
            .any(|k| k.path == file.source.path)
    }

    /// Adds what a statement of a file does.
    pub fn apply(&mut self, facts: &[Fact], file: &File<'_>) {
        for fact in facts {
            self.apply_one(fact, file);
        }
    }

    fn apply_one(&mut self, fact: &Fact, file: &File<'_>) {
        match fact {
            Fact::CreateTable {
                table,
                columns,
                constraints,
                partition_of,
            } => {
                self.create(table, partition_of.as_deref(), file);
                for column in columns {
                    self.add_column(table, column);
                }
                for constraint in constraints {
                    self.add_constraint(table, constraint, file);
                }
            }
            Fact::Create(space, name) => self.make(*space, name, file),
            Fact::CreateSchema(name) => self.make(Space::Schemas, name, file),
            Fact::CreateFunction(function) => {
                self.make(Space::Routines, &function.name, file);
                self.functions
                    .insert(function.name.clone(), function.volatile);
            }
            Fact::CreateIndex(index) => {
                let Some(name) = &index.name else { return };
                self.make(Space::Relations, name, file);
                self.indexes.insert(name.clone(), index.table.clone());
            }
            Fact::AddColumn {
                table,
                column,
                constraints,
            } => {
                self.add_column(table, column);
                for constraint in constraints {
                    self.add_constraint(table, constraint, file);
                }
            }
            Fact::AddConstraint { table, constraint } => {
                self.add_constraint(table, constraint, file);
            }
            Fact::RenameTable { from, to } => {
                // The new name has no schema: it stays in that of the old one.
                let to = match from.rsplit_once('.') {
                    Some((schema, _)) => format!("{schema}.{to}"),
                    None => to.clone(),
                };
                if let Some(table) = self.tables.remove(from) {
                    self.tables.insert(to.clone(), table);
                }
                if let Some(is_new) = self.made.remove(&(Space::Relations, from.clone())) {
                    self.made.insert((Space::Relations, to), is_new);
                }
            }
            Fact::Drop(space, names) => names.iter().for_each(|name| self.forget(*space, name)),
            Fact::AlterTable(_) | Fact::AddIdentity { .. } => {}
            change => {
                if let Some(table) = change.altered_table() {
                    self.tables
                        .entry(table.to_owned())
                        .or_default()
                        .alter(change);
                }
            }
        }
    }

    fn make(&mut self, space: Space, name: &str, file: &File<'_>) {
        let made = self.made.entry((space, name.to_owned()));
        made.or_insert(!file.source.existing);
    }

    /// A table that exists already (IF NOT EXISTS) keeps what is known about it.
    fn create(&mut self, table: &str, parent: Option<&str>, file: &File<'_>) {
        if self.tables.contains_key(table) {
            return;
        }
        self.make(Space::Relations, table, file);
        let mut new = Table::default();
        if let Some(parent) = parent.and_then(|parent| self.tables.get(parent)) {
            new.columns.clone_from(&parent.columns);
            new.not_null.clone_from(&parent.not_null);
        }
        self.tables.insert(table.to_owned(), new);
    }

    fn add_column(&mut self, table: &str, column: &Column) {
        let table = self.tables.entry(table.to_owned()).or_default();
        table.columns.insert(column.name.clone(), column.ty.clone());
        table.collate(&column.name, &column.collation);
        if column.not_null {
            table.not_null.insert(column.name.clone());
        }
    }

    fn add_constraint(&mut self, table: &str, constraint: &Constraint, file: &File<'_>) {
        let mut constraint = constraint.clone();
        // A reference to a place in a file means nothing to other files.
        constraint.at = Range::default();
        let (name, table) = (table, self.tables.entry(table.to_owned()).or_default());
        let known = &table.constraints;
        let taken = |name: &str| {
            known
                .iter()
                .any(|k| k.constraint.name.as_deref() == Some(name))
        };
        constraint.name = constraint.name_in(name, taken);
        table.constraints.push(Known {
            constraint,
            path: file.source.path.clone(),
        });
    }

    fn forget(&mut self, space: Space, name: &str) {
        match space {
            Space::Relations => {
                self.tables.remove(name);
                self.indexes.remove(name);
            }
            Space::Routines => {
                self.functions.remove(name);
            }
            Space::Schemas => {}
        }
        self.made.remove(&(space, name.to_owned()));
    }
}

impl Table {
    fn collate(&mut self, column: &str, collation: &str) {
        if collation.is_empty() {
            self.collated.remove(column);
        } else {
            self.collated.insert(column.to_owned());
        }
    }

    fn alter(&mut self, change: &Fact) {
        match change {
            Fact::Validate { constraint, .. } => {
                let named = |k: &&mut Known| k.constraint.name.as_ref() == Some(constraint);
                for known in self.constraints.iter_mut().filter(named) {
                    known.constraint.valid = true;
                }
            }
            Fact::DropConstraint { constraint, .. } => {
                self.constraints
                    .retain(|k| k.constraint.name.as_ref() != Some(constraint));
            }
            Fact::SetNotNull { column, .. } => {
                self.not_null.insert(column.clone());
            }
            Fact::DropNotNull { column, .. } => {
                self.not_null.remove(column);
            }
            Fact::SetType {
                column,
                ty,
                collation,
                ..
            } => {
                self.columns.insert(column.clone(), ty.clone());
                self.collate(column, collation.as_deref().unwrap_or_default());
            }
            Fact::DropColumn { column, .. } => {
                self.columns.remove(column);
                self.not_null.remove(column);
                self.constraints
                    .retain(|k| !k.constraint.columns.contains(column));
            }
            Fact::RenameColumn { from, to, .. } => {
                if let Some(ty) = self.columns.remove(from) {
                    self.columns.insert(to.clone(), ty);
                }
                for set in [&mut self.not_null, &mut self.collated] {
                    if set.remove(from) {
                        set.insert(to.clone());
                    }
                }
                for known in &mut self.constraints {
                    known.constraint.rename_column(from, to);
                }
            }
            _ => {}
        }
    }
}
