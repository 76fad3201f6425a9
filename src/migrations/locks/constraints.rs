//! Constraints that are added, validated and dropped.

use squawk_syntax::ast::{self, AlterTableAction as Action, AstNode};

use super::alter_column;
use super::alter_table::bare;
use super::level::Level::{
    AccessExclusive, AccessShare, RowShare, ShareRowExclusive, ShareUpdateExclusive,
};
use super::statement::Reader;
use super::world::{Constraint, Id, Index, Relation, World};
use crate::syntax::facts::{self, Kind, named, words};

/// A constraint of a table that is there or is being made; `using` is the index that it takes over,
/// where it does; the columns of a foreign key that have no values yet need no check.
pub(super) fn add(
    reader: &mut Reader<'_>,
    id: Id,
    constraint: &facts::Constraint,
    (using, has_values): (&str, bool),
) {
    let relation = &reader.world.relations[id];
    let taken = |name: &str| relation.constraint(name).is_some();
    let name = match constraint.name_in(&relation.name, taken) {
        // Without a name of its own it has that of its index.
        None => using.to_owned(),
        Some(name) => name,
    };
    let mut added = Constraint {
        name,
        kind: 'c',
        valid: constraint.valid,
        enforced: constraint.enforced,
        columns: constraint.columns.clone(),
        target: None,
        target_columns: Vec::new(),
        proves: Vec::new(),
    };
    match &constraint.kind {
        Kind::ForeignKey(reference) => {
            added.kind = 'f';
            added.target = reader.world.find(&reference.table);
            added.target_columns.clone_from(&reference.columns);
            foreign_key(reader, id, &added, has_values);
        }
        Kind::Check(columns) => {
            added.proves.clone_from(columns);
            if constraint.valid {
                reader.effects.scan(reader.world, id, AccessExclusive);
            }
        }
        Kind::NotNull => {
            added.kind = 'n';
            if constraint.valid {
                for column in &constraint.columns {
                    alter_column::not_null(reader, &[id], column);
                }
            }
        }
        Kind::PrimaryKey | Kind::Unique | Kind::Exclude => {
            added.kind = if matches!(constraint.kind, Kind::PrimaryKey) {
                'p'
            } else {
                'u'
            };
            added.columns = key(reader, id, constraint, using);
        }
    }
    reader.world.relations[id].constraints.push(added);
}

fn foreign_key(reader: &mut Reader<'_>, id: Id, constraint: &Constraint, has_rows: bool) {
    reader.effects.lock(id, ShareRowExclusive);
    let Some(target) = constraint.target else {
        reader
            .effects
            .unread("the table that the foreign key refers to is not there yet");
        return;
    };
    for table in reader.world.family(target) {
        let is_partition = table == target || reader.world.relations[target].kind == 'p';
        if is_partition {
            reader.effects.lock(table, ShareRowExclusive);
        }
    }
    if constraint.valid && has_rows {
        reader.effects.scan(reader.world, id, ShareRowExclusive);
        for table in reader.world.family(target) {
            reader.effects.may_scan(reader.world, table, AccessShare);
        }
    }
}

/// A key builds an index, unless it takes over one; a primary key wants NOT NULL besides. The
/// columns are those of the index where the statement does not repeat them.
fn key(
    reader: &mut Reader<'_>,
    id: Id,
    constraint: &facts::Constraint,
    using: &str,
) -> Vec<String> {
    // Children that inherit get no index, but NOT NULL.
    let family = reader.world.family(id);
    if constraint.using_index {
        let relation = &reader.world.relations[id];
        let taken = relation
            .indexes
            .iter()
            .find(|i| bare(&reader.world.relations[i.id].name) == using);
        let columns = taken.map(|index| index.columns.clone()).unwrap_or_default();
        if matches!(constraint.kind, Kind::PrimaryKey) {
            for column in &columns {
                alter_column::not_null(reader, &family, column);
            }
        }
        return columns;
    }
    reader.effects.scan(reader.world, id, AccessExclusive);
    if matches!(constraint.kind, Kind::PrimaryKey) {
        for column in &constraint.columns {
            alter_column::not_null(reader, &family, column);
        }
    }
    let name = constraint.name.clone().unwrap_or_default();
    let index = reader.world.add(Relation {
        name: format!("?.{id}.{name}"),
        kind: 'i',
        table: Some(id),
        ..Relation::default()
    });
    reader.world.relations[id].indexes.push(Index {
        id: index,
        columns: constraint.columns.clone(),
        mentions: constraint.columns.clone(),
        exact: true,
    });
    constraint.columns.clone()
}

/// Those of some tables, the first of which a constraint is added to, that get it as well: keys and
/// foreign keys are shared by partitions only.
pub(super) fn reached(
    world: &World,
    id: Id,
    tables: &[Id],
    constraint: &facts::Constraint,
) -> Vec<Id> {
    let is_shared = match &constraint.kind {
        Kind::Check(_) | Kind::NotNull => constraint.inherits,
        _ => world.relations[id].kind == 'p',
    };
    if is_shared { tables.to_vec() } else { vec![id] }
}

/// Says so where the table has no such constraint, as far as is known.
fn known(reader: &mut Reader<'_>, table: Option<&Id>, name: &str) {
    let relation = table.map(|table| &reader.world.relations[*table]);
    if let Some(relation) = relation.filter(|relation| relation.constraint(name).is_none()) {
        let message = format!("\"{}\" has no constraint \"{name}\" yet", relation.name);
        reader.effects.unread(message);
    }
}

pub(super) fn rename(reader: &mut Reader<'_>, id: Id, rename: &ast::RenameConstraint) {
    let from = named::<ast::ConstraintNameRef>(rename.syntax()).pop();
    let to = rename.constraint_name();
    let to = to.map(|name| ast::normalize_name_node(name.syntax()));
    if let (Some(from), Some(to)) = (from, to) {
        let known = reader.world.relations[id].constraints.iter_mut();
        for constraint in known.filter(|c| c.name == from) {
            constraint.name.clone_from(&to);
        }
    }
}

pub(super) fn validate(reader: &mut Reader<'_>, tables: &[Id], name: &str) {
    known(reader, tables.first(), name);
    for table in tables {
        let Some(constraint) = reader.world.relations[*table].constraint(name).cloned() else {
            continue;
        };
        if !constraint.valid {
            reader
                .effects
                .scan(reader.world, *table, ShareUpdateExclusive);
            if let Some(target) = constraint.target {
                reader.effects.lock(target, RowShare);
                reader.effects.may_scan(reader.world, target, AccessShare);
            }
        }
        let known = reader.world.relations[*table].constraints.iter_mut();
        for constraint in known.filter(|c| c.name == name) {
            constraint.valid = true;
        }
    }
}

/// ENFORCED (PostgreSQL 18) checks the rows of a foreign key and gives its triggers to both tables,
/// NOT ENFORCED takes them away.
pub(super) fn alter(reader: &mut Reader<'_>, id: Id, alter: &ast::AlterConstraint) {
    let name = named::<ast::ConstraintNameRef>(alter.syntax()).pop();
    let name = name.unwrap_or_default();
    let Some(Constraint {
        enforced: is_enforced,
        target: Some(target),
        ..
    }) = reader.world.relations[id].constraint(&name).cloned()
    else {
        return;
    };
    for option in alter.constraint_options() {
        let enforced = match option {
            ast::ConstraintOption::Enforced(_) => true,
            ast::ConstraintOption::NotEnforced(_) => false,
            _ => continue,
        };
        if enforced == is_enforced {
            continue;
        }
        if enforced {
            reader.effects.lock(target, ShareRowExclusive);
            reader.effects.scan(reader.world, id, AccessExclusive);
            reader.effects.may_scan(reader.world, target, AccessShare);
        } else {
            reader.effects.lock(target, AccessExclusive);
        }
        let known = reader.world.relations[id].constraints.iter_mut();
        for constraint in known.filter(|c| c.name == name) {
            constraint.valid = enforced;
            constraint.enforced = enforced;
        }
    }
}

pub(super) fn drop(reader: &mut Reader<'_>, tables: &[Id], name: &str, action: &Action) {
    let text = words(action.syntax());
    let cascade = text.ends_with("cascade");
    if !text.starts_with("drop constraint if exists") {
        known(reader, tables.first(), name);
    }
    for table in tables {
        let Some(constraint) = reader.world.relations[*table].constraint(name).cloned() else {
            continue;
        };
        if let Some(target) = constraint.target {
            reader.effects.lock(target, AccessExclusive);
        }
        if cascade && matches!(constraint.kind, 'p' | 'u') {
            let mut columns = constraint.columns.clone();
            columns.sort();
            let uses = |c: &Constraint| {
                let mut theirs = c.target_columns.clone();
                theirs.sort();
                theirs == columns || theirs.is_empty()
            };
            let users = reader.world.referrers(*table);
            let users: Vec<Id> = users
                .iter()
                .filter(|(_, c)| uses(c))
                .map(|(r, _)| *r)
                .collect();
            reader.effects.lock_all(&users, AccessExclusive);
            for user in users {
                let constraints = &mut reader.world.relations[user].constraints;
                constraints.retain(|c| c.target != Some(*table));
            }
        }
        let relation = &mut reader.world.relations[*table];
        relation.constraints.retain(|c| c.name != name);
        // Since 18 this is how a column says NOT NULL.
        for column in constraint.columns.iter().filter(|_| constraint.kind == 'n') {
            if let Some(column) = relation.column_mut(column) {
                column.not_null = false;
            }
        }
    }
}
