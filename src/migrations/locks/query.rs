//! Statements that read and change rows: also inside of views, functions and COPY.

use std::collections::HashSet;

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

use super::effects::Scan;
use super::level::Level;
use super::statement::Reader;
use super::world::{Id, World};
use crate::syntax::facts::{all_names, rewritten};

/// A statement that is executed: the tables behind views are locked, too, and the foreign keys of
/// what is changed are checked.
pub(super) fn run(reader: &mut Reader<'_>, node: &SyntaxNode) {
    // What is explained is planned, which locks, but it is not run.
    let runs = ast::Explain::cast(node.clone()).is_none();
    for (table, level) in named(reader, node) {
        touch(reader, table, level, runs);
    }
    // What is only planned changes nothing, not even below.
    let targets = node.descendants().filter_map(|node| rewritten(&node));
    for target in targets.filter(|_| runs).collect::<Vec<_>>() {
        let names = all_names(&target);
        if let Some(id) = names.first().and_then(|name| reader.world.find(name)) {
            change_rows(reader, id);
        }
    }
    calls(reader, node);
}

/// A statement that is only analysed, as for a view: the relations that it names are locked, none
/// is read.
pub(super) fn analyse(reader: &mut Reader<'_>, node: &SyntaxNode) -> Vec<Id> {
    let named = named(reader, node);
    for (table, level) in &named {
        reader.effects.lock(*table, *level);
    }
    named.into_iter().map(|(table, _)| table).collect()
}

/// The relations that a statement names, each with its strongest level.
fn named(reader: &Reader<'_>, node: &SyntaxNode) -> Vec<(Id, Level)> {
    let with = |n: SyntaxNode| Some(ast::WithTable::cast(n)?.name()?.syntax().text().to_string());
    let own: HashSet<String> = node.descendants().filter_map(with).collect();
    let mut found: Vec<(Id, Level)> = Vec::new();
    let mut add = |node: &SyntaxNode, level: Level| {
        let names = all_names(node);
        let Some(name) = names.first().filter(|name| !own.contains(*name)) else {
            return;
        };
        if let Some(id) = reader.world.find(name) {
            match found.iter_mut().find(|(known, _)| *known == id) {
                Some((_, known)) => *known = level.max(*known),
                None => found.push((id, level)),
            }
        }
    };
    for node in node.descendants() {
        let target = changed(&node);
        if let Some(target) = target {
            add(&target, Level::RowExclusive);
        } else if let Some(from) = ast::RelationFromItem::cast(node.clone()) {
            if let Some(name) = from.relation_name_ref() {
                add(name.syntax(), of_from(from.syntax()));
            }
        } else if let Some(table) = ast::Table::cast(node.clone()) {
            if let Some(name) = table.relation_name() {
                add(name.syntax(), Level::AccessShare);
            }
        } else if let Some(copy) = ast::Copy::cast(node)
            && let Some(table) = copy.copy_table().and_then(|t| t.table_name_ref())
        {
            let from = matches!(copy.copy_direction(), Some(ast::CopyDirection::CopyFrom(_)));
            let level = if from {
                Level::RowExclusive
            } else {
                Level::AccessShare
            };
            add(table.syntax(), level);
        }
    }
    found
}

/// The table that a statement changes.
fn changed(node: &SyntaxNode) -> Option<SyntaxNode> {
    if let Some(insert) = ast::Insert::cast(node.clone()) {
        return Some(insert.relation_name_ref()?.syntax().clone());
    }
    if let Some(merge) = ast::Merge::cast(node.clone()) {
        return Some(merge.table_relation_name()?.syntax().clone());
    }
    rewritten(node)
}

/// SELECT … FOR UPDATE and its relatives lock the tables of their own FROM clause a little more.
fn of_from(item: &SyntaxNode) -> Level {
    let select = item.ancestors().find_map(ast::Select::cast);
    let locking = select.and_then(|select| {
        let mut nodes = select.syntax().children();
        nodes.find_map(ast::LockingClause::cast)
    });
    let Some(locking) = locking else {
        return Level::AccessShare;
    };
    let Some(of) = locking.locking_of() else {
        return Level::RowShare;
    };
    let words = |node: &SyntaxNode| -> Vec<String> {
        let text = node.text().to_string();
        let word = |c: char| !c.is_alphanumeric() && c != '_';
        text.split(word).map(str::to_lowercase).collect()
    };
    let meant = words(of.syntax());
    let is_meant = words(item)
        .iter()
        .any(|w| !w.is_empty() && meant.contains(w));
    if is_meant {
        Level::RowShare
    } else {
        Level::AccessShare
    }
}

/// A relation in an executed statement, with what follows from it.
pub(super) fn touch(reader: &mut Reader<'_>, id: Id, level: Level, runs: bool) {
    let relation = &reader.world.relations[id];
    let (kind, reads, children) = (
        relation.kind,
        relation.reads.clone(),
        relation.children.clone(),
    );
    reader.effects.lock(id, level);
    match kind {
        'v' => {
            for read in reads {
                touch(reader, read, level, runs);
            }
        }
        // The planner leaves out partitions, and INSERT opens those that get rows.
        'p' => {
            for child in children {
                reader.effects.may_lock(child, level);
                open_scan(reader, child);
            }
        }
        _ => {
            if runs {
                open_scan(reader, id);
            }
            for child in children {
                reader.effects.lock(child, level);
                open_scan(reader, child);
            }
        }
    }
    if level == Level::RowExclusive && runs {
        checks(reader, id);
    }
}

/// Rows of a relation change, those that a view shows and those of partitions and children, too.
fn change_rows(reader: &mut Reader<'_>, id: Id) {
    let relation = &reader.world.relations[id];
    let below = match relation.kind {
        'v' => relation.reads.clone(),
        _ => relation.children.clone(),
    };
    reader.effects.change_rows(id);
    for id in below {
        change_rows(reader, id);
    }
}

fn open_scan(reader: &mut Reader<'_>, id: Id) {
    if let Some(lock) = reader.effects.locks.iter_mut().find(|l| l.relation == id)
        && lock.scan == Scan::No
        && reader.world.relations[id].has_storage()
    {
        lock.scan = Scan::Open;
    }
}

/// Foreign keys and triggers of a table whose rows change.
fn checks(reader: &mut Reader<'_>, id: Id) {
    let relation = &reader.world.relations[id];
    let targets: Vec<Id> = relation
        .constraints
        .iter()
        .filter_map(|c| c.target)
        .collect();
    if relation.has_triggers {
        let name = &relation.name;
        let message = format!("the triggers of \"{name}\" may touch other tables");
        reader.effects.unread(message);
    }
    for target in targets {
        reader.effects.may_lock(target, Level::RowShare);
        open_scan(reader, target);
    }
    let referrers: Vec<Id> = reader.world.referrers(id).iter().map(|(r, _)| *r).collect();
    for referrer in referrers {
        // With ON DELETE CASCADE or SET NULL rows change there, too.
        reader.effects.may_lock(referrer, Level::RowExclusive);
        open_scan(reader, referrer);
    }
}

/// Functions that are not the server's own run statements of their own.
fn calls(reader: &mut Reader<'_>, node: &SyntaxNode) {
    sequences(reader, node);
    for name in called(node) {
        if reader.world.functions.contains(&name) {
            let message = format!("what the function \"{name}\" does is not read");
            if !reader.effects.unread.contains(&message) {
                reader.effects.unread(message);
            }
        }
    }
}

/// `nextval('name')` and `setval('name', …)` lock the sequence, when a row asks for it.
fn sequences(reader: &mut Reader<'_>, node: &SyntaxNode) {
    for call in node.descendants().filter_map(ast::CallExpr::cast) {
        let names = called(call.syntax());
        if !matches!(
            names.first().map(String::as_str),
            Some("nextval" | "setval")
        ) {
            continue;
        }
        let text = call.syntax().text().to_string();
        let name = text.split('\'').nth(1).unwrap_or_default().replace('"', "");
        if let Some(id) = reader.world.find(&name) {
            reader.effects.may_lock(id, Level::RowExclusive);
        }
    }
}

/// Names of the functions that an expression or statement calls, without schemas.
pub(super) fn called(node: &SyntaxNode) -> Vec<String> {
    let calls = node.descendants().filter_map(ast::CallExpr::cast);
    calls
        .filter_map(|call| {
            let callee = call.expr()?;
            let names = callee.syntax().descendants();
            let last = names
                .filter(|node| ast::NameRef::can_cast(node.kind()))
                .last()?;
            Some(ast::normalize_name_node(&last))
        })
        .collect()
}

/// Whether an expression calls a function that may return something else for each row.
pub(super) fn is_volatile(world: &World, node: &SyntaxNode) -> bool {
    called(node)
        .iter()
        .any(|name| world.volatile.contains(name))
}
