//! The actions of ALTER TABLE that are about a column.

use squawk_syntax::ast::{self, AlterTableAction as Action, AstNode, NameLike};

use super::change_type::{self, Change, Wanted};
use super::level::Level::{self, AccessExclusive};
use super::query::is_volatile;
use super::statement::{Reader, cascades};
use super::world::{Constraint, Id};
use super::{alter_table, constraints};
use crate::syntax::facts::{self, Fact, words};

pub(super) fn apply(
    reader: &mut Reader<'_>,
    tables: &[Id],
    level: Level,
    action: &Action,
    fact: &Fact,
) {
    match (action, fact) {
        (
            Action::AddColumn(add),
            Fact::AddColumn {
                column,
                constraints,
                ..
            },
        ) => {
            let has_value = self::add(reader, tables, level, add, column);
            for constraint in constraints {
                for table in constraints::reached(reader.world, tables[0], tables, constraint) {
                    constraints::add(reader, table, constraint, ("", has_value));
                }
            }
        }
        (Action::DropColumn(drop), Fact::DropColumn { column, .. }) => {
            if cascades(drop.drop_behavior()) {
                reader.effects.unread_cascade();
            }
            self::drop(reader, tables, column);
        }
        (_, Fact::RenameColumn { from, to, .. }) => {
            for table in tables {
                rename(reader, *table, from, to);
            }
        }
        (_, Fact::SetNotNull { column, .. }) => not_null(reader, tables, column),
        (_, Fact::DropNotNull { column, .. }) => {
            for table in tables {
                let relation = &mut reader.world.relations[*table];
                let says = |c: &Constraint| c.kind == 'n' && c.columns.contains(column);
                relation.constraints.retain(|c| !says(c));
                if let Some(column) = relation.column_mut(column) {
                    column.not_null = false;
                }
            }
        }
        (
            Action::AlterColumn(alter),
            Fact::SetType {
                column,
                ty,
                collation,
                ..
            },
        ) => {
            let using = match alter.option() {
                Some(ast::AlterColumnOption::SetType(set)) => set.using_expr(),
                _ => None,
            };
            let wanted = Wanted {
                ty,
                collation: collation.as_deref().unwrap_or_default(),
                using: using.and_then(|using| using.expr()),
            };
            for table in tables {
                set_type(reader, *table, level, column, &wanted);
            }
        }
        _ => {}
    }
}

/// Whether the rows that are there get a value.
fn add(
    reader: &mut Reader<'_>,
    tables: &[Id],
    level: Level,
    add: &ast::AddColumn,
    column: &facts::Column,
) -> bool {
    let exists = |id: &Id| reader.world.relations[*id].column(&column.name).is_some();
    if add.if_not_exists().is_some() && tables.first().is_some_and(exists) {
        return false;
    }
    let mut volatile = column.identity;
    let mut stored = false;
    let mut has_value = column.identity;
    let mut has_default = false;
    for constraint in add.constraints() {
        match &constraint {
            ast::Constraint::DefaultConstraint(default) => {
                let expression = default.expr();
                has_default = true;
                has_value |= expression
                    .as_ref()
                    .is_some_and(|e| words(e.syntax()) != "null");
                volatile |= expression.is_some_and(|e| is_volatile(reader.world, e.syntax()));
            }
            ast::Constraint::GeneratedConstraint(generated) => {
                let text = words(generated.syntax());
                stored = text.ends_with("stored");
                // A virtual column has no value on disk, so NOT NULL must be checked by reading.
                has_value |= stored || text.contains("as identity");
            }
            _ => {}
        }
    }
    if !has_default && let Some(is_volatile) = reader.world.volatile_default(&column.ty) {
        has_value = true;
        volatile |= is_volatile;
    }
    let rewrites = volatile || stored || reader.world.is_constrained_domain(&column.ty);
    for table in tables {
        if rewrites {
            reader.effects.rewrite(reader.world, *table, level);
        } else if column.not_null && !has_value {
            reader.effects.scan(reader.world, *table, level);
        }
        let mut added = alter_table::column(column);
        added.stored = stored;
        reader.world.relations[*table].columns.push(added);
    }
    has_value
}

fn drop(reader: &mut Reader<'_>, tables: &[Id], column: &str) {
    for table in tables {
        // A foreign key of the column goes, and with it its triggers on the other table.
        let uses = |columns: &[String]| columns.iter().any(|c| c == column);
        let relation = &reader.world.relations[*table];
        let gone = relation.constraints.iter().filter(|c| uses(&c.columns));
        let targets: Vec<Id> = gone.filter_map(|c| c.target).collect();
        reader.effects.lock_all(&targets, AccessExclusive);
        let users = reader.world.referrers(*table);
        let users: Vec<Id> = users
            .iter()
            .filter(|(_, c)| uses(&c.target_columns))
            .map(|(r, _)| *r)
            .collect();
        reader.effects.lock_all(&users, AccessExclusive);
        for user in users {
            let constraints = &mut reader.world.relations[user].constraints;
            constraints.retain(|c| c.target != Some(*table) || !uses(&c.target_columns));
        }
        let relation = &mut reader.world.relations[*table];
        relation.constraints.retain(|c| !uses(&c.columns));
        relation.indexes.retain(|i| !uses(&i.mentions));
        if relation.rows > 0 && relation.column(column).is_some() {
            let name = relation.name.clone();
            reader
                .effects
                .remarks
                .push(format!("the values of \"{name}.{column}\" are lost"));
        }
        reader.world.relations[*table]
            .columns
            .retain(|c| c.name != column);
    }
}

fn rename(reader: &mut Reader<'_>, table: Id, from: &str, to: &str) {
    let relation = &mut reader.world.relations[table];
    let change = |name: &mut String| {
        if name == from {
            to.clone_into(name);
        }
    };
    relation
        .columns
        .iter_mut()
        .for_each(|column| change(&mut column.name));
    for constraint in &mut relation.constraints {
        constraint.columns.iter_mut().for_each(change);
        constraint.proves.iter_mut().for_each(change);
    }
    for index in &mut relation.indexes {
        index.columns.iter_mut().for_each(change);
        index.mentions.iter_mut().for_each(change);
    }
}

/// NOT NULL reads the table, unless it is known already or a valid check proves it.
pub(super) fn not_null(reader: &mut Reader<'_>, tables: &[Id], column: &str) {
    for table in tables {
        let relation = &reader.world.relations[*table];
        let known = relation.column(column).is_some_and(|c| c.not_null)
            // Since 18 a constraint may say NOT NULL and not be valid yet.
            && !relation.constraints.iter().any(|c| {
                c.kind == 'n' && !c.valid && c.columns.iter().any(|name| name == column)
            });
        let proven = relation
            .constraints
            .iter()
            .any(|c| c.valid && c.proves.iter().any(|name| name == column));
        if !known && !proven {
            reader.effects.scan(reader.world, *table, AccessExclusive);
        }
        let relation = &mut reader.world.relations[*table];
        if let Some(column) = relation.column_mut(column) {
            column.not_null = true;
        }
        for constraint in &mut relation.constraints {
            if constraint.kind == 'n' && constraint.columns.iter().any(|name| name == column) {
                constraint.valid = true;
            }
        }
    }
}

fn set_type(reader: &mut Reader<'_>, table: Id, level: Level, column: &str, wanted: &Wanted<'_>) {
    let Some(old) = reader.world.relations[table].column(column).cloned() else {
        return;
    };
    let change = change_type::of(reader.world, &old, wanted);
    let relation = &reader.world.relations[table];
    let mentions = |columns: &[String]| columns.iter().any(|c| c == column);
    let has_index = relation.indexes.iter().any(|i| mentions(&i.mentions));
    let inexact = relation
        .indexes
        .iter()
        .any(|i| mentions(&i.mentions) && !i.exact);
    let checks = relation
        .constraints
        .iter()
        .any(|c| c.kind == 'c' && c.valid && mentions(&c.columns));
    let targets: Vec<Id> = relation
        .constraints
        .iter()
        .filter(|c| mentions(&c.columns))
        .filter_map(|c| c.target)
        .collect();
    let referrers = reader.world.referrers(table);
    let referrers: Vec<Id> = referrers
        .iter()
        .filter(|(_, c)| mentions(&c.target_columns))
        .map(|(r, _)| *r)
        .collect();
    // Foreign keys are made anew, on both sides.
    reader.effects.lock_all(&targets, AccessExclusive);
    for referrer in referrers {
        reader
            .effects
            .may_scan(reader.world, referrer, AccessExclusive);
    }
    match change {
        Change::Rewrite => reader.effects.rewrite(reader.world, table, level),
        // The index is kept when operators and collation stay what they were, and when it has
        // neither expressions nor a predicate, which the server does not compare.
        Change::Relabel if has_index => reader.effects.scan(reader.world, table, level),
        _ if checks || inexact => reader.effects.scan(reader.world, table, level),
        Change::Relabel | Change::Nothing => {}
    }
    if let Some(column) = reader.world.relations[table].column_mut(column) {
        wanted.ty.clone_into(&mut column.ty);
        column.collation = wanted.collation().to_owned();
    }
}

/// What the facts do not tell.
pub(super) fn option(reader: &mut Reader<'_>, tables: &[Id], level: Level, action: &Action) {
    let Action::AlterColumn(alter) = action else {
        return;
    };
    let name = alter.column_name_ref().map(|name| name.text());
    match alter.option() {
        Some(ast::AlterColumnOption::SetExpression(_)) => {
            for table in tables {
                let column = reader.world.relations[*table].column(name.as_deref().unwrap_or(""));
                if column.is_some_and(|column| column.stored) {
                    reader.effects.rewrite(reader.world, *table, level);
                }
            }
        }
        Some(ast::AlterColumnOption::DropExpression(_)) => {
            for table in tables {
                let relation = &mut reader.world.relations[*table];
                if let Some(column) = relation.column_mut(name.as_deref().unwrap_or("")) {
                    column.stored = false;
                }
            }
        }
        _ => {}
    }
}
