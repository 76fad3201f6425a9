//! DROP of everything that is a table or hangs on one.

use squawk_syntax::ast::{self, AstNode, Stmt};

use super::level::Level::{AccessExclusive, ShareUpdateExclusive};
use super::statement::{Reader, cascades};
use super::world::{Column, Id, World};
use crate::syntax::facts::{all_names, named};

pub(super) fn read(reader: &mut Reader<'_>, statement: &Stmt) {
    match statement {
        Stmt::DropTable(drop) => {
            let cascade = cascades(drop.drop_behavior());
            relations(reader, drop, drop.if_exists().is_some(), cascade);
        }
        Stmt::DropView(drop) => {
            let cascade = cascades(drop.drop_behavior());
            relations(reader, drop, drop.if_exists().is_some(), cascade);
        }
        Stmt::DropMaterializedView(drop) => {
            let cascade = cascades(drop.drop_behavior());
            relations(reader, drop, drop.if_exists().is_some(), cascade);
        }
        Stmt::DropSequence(drop) => {
            // Of whose columns it gives the default.
            if cascades(drop.drop_behavior()) {
                reader.effects.unread_cascade();
            }
            relations(reader, drop, drop.if_exists().is_some(), false);
        }
        Stmt::DropIndex(drop) => index(reader, drop),
        Stmt::DropTrigger(drop) => on_table(reader, drop.on_relation(), drop.if_exists().is_some()),
        Stmt::DropRule(drop) => on_table(reader, drop.on_relation(), drop.if_exists().is_some()),
        Stmt::DropPolicy(drop) => on_table(reader, drop.on_table(), drop.if_exists().is_some()),
        Stmt::DropStatistics(drop) => statistics(reader, drop),
        Stmt::DropSchema(drop) => schema(reader, drop),
        Stmt::DropType(drop) => {
            let types = named::<ast::TypeNameRef>(drop.syntax());
            of_type(reader, &types, cascades(drop.drop_behavior()));
        }
        Stmt::DropDomain(drop) => {
            let types = named::<ast::DomainRef>(drop.syntax());
            of_type(reader, &types, cascades(drop.drop_behavior()));
        }
        _ => {}
    }
}

fn on_table(reader: &mut Reader<'_>, table: Option<impl AstNode>, optional: bool) {
    if let Some(id) = table.and_then(|table| reader.known(&table, optional)) {
        let family = reader.world.family(id);
        match reader.world.relations[id].kind {
            // Triggers of a partitioned table have copies in its partitions; rules and policies
            // do not, so the partitions are locked only where there are copies.
            'p' => {
                for child in family {
                    reader.effects.may_lock(child, AccessExclusive);
                }
                reader.effects.lock(id, AccessExclusive);
            }
            _ => reader.effects.lock(id, AccessExclusive),
        }
    }
}

fn relations(reader: &mut Reader<'_>, drop: &impl AstNode, optional: bool, cascade: bool) {
    let mut dropped = Vec::new();
    for name in all_names(drop.syntax()) {
        match reader.world.find(&name) {
            Some(id) => dropped.push(id),
            None if optional => {}
            None => reader
                .effects
                .unread(format!("there is no relation \"{name}\" yet")),
        }
    }
    remove(reader, dropped, cascade);
}

/// Drops relations, their children, and what depends on them.
fn remove(reader: &mut Reader<'_>, mut dropped: Vec<Id>, cascade: bool) {
    let mut next = 0;
    while next < dropped.len() {
        let id = dropped[next];
        let relation = &reader.world.relations[id];
        let mut more = relation.children.clone();
        if cascade {
            more.extend(reader.world.readers(id));
        }
        for id in more {
            if !dropped.contains(&id) && !reader.world.relations[id].gone {
                dropped.push(id);
            }
        }
        next += 1;
    }
    for id in &dropped {
        let relation = &reader.world.relations[*id];
        reader.effects.lock(*id, AccessExclusive);
        if relation.has_storage() && relation.kind == 'r' {
            reader.effects.lose_rows(*id);
        }
        // A partition changes what its parent is made of, and what its sibling for the rest takes.
        if let (&[parent], true) = (&relation.parents[..], relation.kind != 'i') {
            let parent_relation = &reader.world.relations[parent];
            if parent_relation.kind == 'p' && !dropped.contains(&parent) {
                reader.effects.lock(parent, AccessExclusive);
                let siblings = parent_relation.children.clone();
                for sibling in siblings {
                    if reader.world.relations[sibling].is_default {
                        reader.effects.lock(sibling, AccessExclusive);
                    }
                }
            }
        }
        // The triggers of a foreign key sit on both of its tables.
        let targets: Vec<Id> = reader.world.relations[*id]
            .constraints
            .iter()
            .filter_map(|c| c.target)
            .collect();
        reader.effects.lock_all(&targets, AccessExclusive);
        let referrers: Vec<Id> = reader
            .world
            .referrers(*id)
            .iter()
            .map(|(r, _)| *r)
            .collect();
        reader.effects.lock_all(&referrers, AccessExclusive);
    }
    for id in dropped {
        reader.world.remove(id);
        for relation in &mut reader.world.relations {
            relation.constraints.retain(|c| c.target != Some(id));
        }
    }
}

fn index(reader: &mut Reader<'_>, drop: &ast::DropIndex) {
    let optional = drop.if_exists().is_some();
    for name in drop.index_refs() {
        let Some(index) = reader.known(&name, optional) else {
            continue;
        };
        let Some(table) = reader.world.relations[index].table else {
            continue;
        };
        if drop.concurrently_token().is_some() {
            reader.effects.lock(table, ShareUpdateExclusive);
            reader.effects.lock(index, AccessExclusive);
        } else {
            // That of a partitioned table takes those of the partitions along.
            for id in reader.world.partitions(table) {
                reader.effects.lock(id, AccessExclusive);
            }
            for id in reader.world.family(index) {
                reader.effects.lock(id, AccessExclusive);
            }
        }
        for id in reader.world.family(index) {
            reader.world.remove(id);
            for relation in &mut reader.world.relations {
                relation.indexes.retain(|i| i.id != id);
            }
        }
    }
}

fn statistics(reader: &mut Reader<'_>, drop: &ast::DropStatistics) {
    for name in all_names(drop.syntax()) {
        let name = reader.world.qualify(&name);
        if let Some(table) = reader.world.statistics.remove(&name) {
            reader.effects.lock(table, ShareUpdateExclusive);
        }
    }
}

fn schema(reader: &mut Reader<'_>, drop: &ast::DropSchema) {
    if !cascades(drop.drop_behavior()) {
        return;
    }
    for schema in drop.schema_refs() {
        let name = ast::normalize_name_node(schema.syntax());
        let inside = reader.world.of_schema(&name, &['r', 'p', 'm', 'v', 'f']);
        remove(reader, inside, true);
    }
}

/// Columns of a dropped type go with it.
fn of_type(reader: &mut Reader<'_>, types: &[String], cascade: bool) {
    if !cascade {
        return;
    }
    for ty in types {
        let ty = reader.world.type_name(ty);
        let is_of = |world: &World, column: &Column| world.type_name(&column.ty) == ty;
        let has = |id: &Id| {
            let relation = &reader.world.relations[*id];
            !relation.gone && relation.columns.iter().any(|c| is_of(reader.world, c))
        };
        let users: Vec<Id> = (0..reader.world.relations.len()).filter(has).collect();
        reader.effects.lock_all(&users, AccessExclusive);
        for id in users {
            let mut columns = std::mem::take(&mut reader.world.relations[id].columns);
            columns.retain(|column| !is_of(reader.world, column));
            reader.world.relations[id].columns = columns;
        }
    }
}
