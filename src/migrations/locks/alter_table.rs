//! ALTER TABLE: the level of each action, how far it reaches, what it rewrites and reads.

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AlterTableAction as Action, AstNode, Stmt};

use super::alter_column;
use super::level::Level::{
    self, AccessExclusive, AccessShare, RowShare, ShareRowExclusive, ShareUpdateExclusive,
};
use super::statement::Reader;
use super::world::{Column, Constraint, Id, Index, Relation};
use crate::syntax::facts::{self, Fact, Kind, named, words};

/// Storage parameters for which a lock that lets readers and writers go on is enough.
const HARMLESS_OPTIONS: &[&str] = &[
    "fillfactor",
    "toast_tuple_target",
    "parallel_workers",
    "vacuum_truncate",
    "vacuum_index_cleanup",
    "log_autovacuum_min_duration",
    "log_autoanalyze_min_duration",
    "vacuum_max_eager_freeze_failure_rate",
    "deduplicate_items",
    // Of columns.
    "n_distinct",
    "n_distinct_inherited",
];

pub(super) fn table(reader: &mut Reader<'_>, statement: &Stmt, alter: &ast::AlterTable) {
    let Some(name) = alter.table_relation_name() else {
        reader.effects.unread("which tables are in the tablespace is not looked up");
        return;
    };
    let Some(id) = reader.known(&name, alter.if_exists().is_some()) else {
        return;
    };
    let only = name.only_token().is_some();
    let actions: Vec<(Action, Fact)> = alter.actions().zip(facts::of(statement)).collect();
    // One statement takes one level, the strongest that an action asks for, and takes it on the
    // children as well as soon as one action goes there.
    let strongest = actions.iter().map(|(action, fact)| level(action, Some(fact))).max();
    let Some(strongest) = strongest else { return };
    reader.effects.lock(id, strongest);
    let is_partitioned = reader.world.relations[id].kind == 'p';
    for (action, fact) in &actions {
        let reaches = !only && recurses(action, is_partitioned);
        let tables = if reaches { reader.world.family(id) } else { vec![id] };
        reader.effects.lock_all(&tables, strongest);
        apply(reader, id, &tables, strongest, action, fact);
    }
}

/// What the server's `AlterTableGetLockLevel` says.
pub(super) fn level(action: &Action, fact: Option<&Fact>) -> Level {
    match action {
        Action::ValidateConstraint(_)
        | Action::ClusterOn(_)
        | Action::SetWithoutCluster(_)
        | Action::AttachPartition(_) => ShareUpdateExclusive,
        Action::DetachPartition(detach) => match detach.detach_partition_option() {
            Some(_) => ShareUpdateExclusive,
            None => AccessExclusive,
        },
        Action::SetOptions(_) | Action::ResetOptions(_) | Action::OptionItemList(_) => {
            options_level(action.syntax())
        }
        Action::EnableTrigger(_)
        | Action::EnableAlwaysTrigger(_)
        | Action::EnableReplicaTrigger(_)
        | Action::DisableTrigger(_) => ShareRowExclusive,
        Action::AddConstraint(_) => match fact {
            Some(Fact::AddConstraint { constraint, .. })
                if matches!(constraint.kind, Kind::ForeignKey(_)) =>
            {
                ShareRowExclusive
            }
            _ => AccessExclusive,
        },
        Action::AlterColumn(alter) => match alter.option() {
            Some(
                ast::AlterColumnOption::SetStatistics(_)
                | ast::AlterColumnOption::SetOptions(_)
                | ast::AlterColumnOption::SetOptionsList(_)
                | ast::AlterColumnOption::ResetOptions(_),
            ) => ShareUpdateExclusive,
            _ => AccessExclusive,
        },
        _ => AccessExclusive,
    }
}

/// SET and RESET of storage parameters: the strongest level that one of them needs.
pub(super) fn options_level(node: &SyntaxNode) -> Level {
    let names = node.descendants().filter_map(ast::AttributeName::cast);
    let mut names = names.map(|name| words(name.syntax()));
    let harmless = |name: String| {
        HARMLESS_OPTIONS.contains(&name.as_str()) || name.starts_with("autovacuum_")
    };
    if names.all(harmless) { ShareUpdateExclusive } else { AccessExclusive }
}

/// Whether an action on a parent is one on its children.
fn recurses(action: &Action, is_partitioned: bool) -> bool {
    match action {
        Action::AddColumn(_)
        | Action::DropColumn(_)
        | Action::AlterColumn(_)
        | Action::AddConstraint(_)
        | Action::DropConstraint(_)
        | Action::ValidateConstraint(_)
        | Action::AlterConstraint(_)
        | Action::RenameColumn(_)
        | Action::RenameConstraint(_) => true,
        Action::EnableTrigger(_)
        | Action::EnableAlwaysTrigger(_)
        | Action::EnableReplicaTrigger(_)
        | Action::DisableTrigger(_) => is_partitioned,
        _ => false,
    }
}

fn apply(
    reader: &mut Reader<'_>,
    id: Id,
    tables: &[Id],
    level: Level,
    action: &Action,
    fact: &Fact,
) {
    match fact {
        Fact::AddConstraint { constraint, .. } => {
            let using = named::<ast::IndexRef>(action.syntax()).pop().unwrap_or_default();
            for table in tables {
                add_constraint(reader, *table, constraint, (bare(&using), true));
            }
        }
        Fact::Validate { constraint, .. } => validate(reader, tables, constraint),
        Fact::DropConstraint { constraint, .. } => drop_constraint(reader, tables, constraint, action),
        Fact::RenameTable { to, .. } => super::objects::rename_within(reader, id, Some(to)),
        Fact::AddColumn { .. }
        | Fact::DropColumn { .. }
        | Fact::RenameColumn { .. }
        | Fact::SetNotNull { .. }
        | Fact::DropNotNull { .. }
        | Fact::SetType { .. }
        | Fact::AddIdentity { .. } => alter_column::apply(reader, tables, level, action, fact),
        _ => other(reader, id, tables, level, action),
    }
}

fn other(reader: &mut Reader<'_>, id: Id, tables: &[Id], level: Level, action: &Action) {
    let relation = &reader.world.relations[id];
    match action {
        Action::AlterColumn(_) => alter_column::option(reader, tables, level, action),
        Action::SetLogged(_) | Action::SetUnlogged(_) => {
            let unlogged = matches!(action, Action::SetUnlogged(_));
            if relation.unlogged != unlogged {
                reader.effects.rewrite(reader.world, id, level);
                reader.world.relations[id].unlogged = unlogged;
            }
        }
        Action::SetTablespace(set) => {
            let name = set.tablespace_ref().map(|t| words(t.syntax())).unwrap_or_default();
            // The empty name is the default of the database.
            let name = if name == "pg_default" { String::new() } else { name };
            if relation.tablespace != name {
                reader.effects.rewrite(reader.world, id, level);
                reader.world.relations[id].tablespace = name;
            }
        }
        Action::SetAccessMethod(set) => {
            let name = set.access_method_ref().map(|m| words(m.syntax()));
            let name = name.unwrap_or_else(|| "heap".to_owned());
            if relation.method != name {
                reader.effects.rewrite(reader.world, id, level);
                reader.world.relations[id].method = name;
            }
        }
        Action::SetSchema(set) => set_schema(reader, id, set),
        Action::AttachPartition(attach) => attach_partition(reader, id, attach),
        Action::DetachPartition(detach) => detach_partition(reader, id, detach),
        Action::InheritTable(inherit) => {
            if let Some(parent) = reader.known(inherit, false) {
                reader.effects.lock(parent, ShareUpdateExclusive);
                reader.world.relations[parent].children.push(id);
                reader.world.relations[id].parents.push(parent);
            }
        }
        Action::NoInheritTable(inherit) => {
            if let Some(parent) = reader.known(inherit, false) {
                reader.effects.lock(parent, AccessShare);
                part(reader, parent, id);
            }
        }
        Action::MergePartitions(_) | Action::SplitPartition(_) => {
            reader.effects.unread("merging and splitting partitions is newer than this table");
        }
        _ => {}
    }
}

pub(super) fn set_schema(reader: &mut Reader<'_>, id: Id, set: &ast::SetSchema) {
    if let Some(schema) = set.schema_ref() {
        let schema = ast::normalize_name_node(schema.syntax());
        let old = &reader.world.relations[id].name;
        let name = match schema.as_str() {
            "public" => bare(old).to_owned(),
            _ => format!("{schema}.{}", bare(old)),
        };
        reader.world.rename(id, name);
    }
}

/// A name without its schema.
fn bare(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, bare)| bare)
}

pub(super) fn column(column: &facts::Column) -> Column {
    Column {
        name: column.name.clone(),
        ty: column.ty.clone(),
        not_null: column.not_null,
        stored: false,
    }
}

/// A constraint of a table that is there or is being made; `using` is the index that it takes over,
/// where it does; the columns of a foreign key that have no values yet need no check.
pub(super) fn add_constraint(
    reader: &mut Reader<'_>,
    id: Id,
    constraint: &facts::Constraint,
    (using, has_values): (&str, bool),
) {
    let mut added = Constraint {
        name: constraint.name.clone().unwrap_or_default(),
        kind: 'c',
        valid: constraint.valid,
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
        Kind::Check(column) => {
            added.proves.extend(column.clone());
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
            added.kind = if matches!(constraint.kind, Kind::PrimaryKey) { 'p' } else { 'u' };
            key(reader, id, constraint, using);
        }
    }
    reader.world.relations[id].constraints.push(added);
}

fn foreign_key(reader: &mut Reader<'_>, id: Id, constraint: &Constraint, has_rows: bool) {
    reader.effects.lock(id, ShareRowExclusive);
    let Some(target) = constraint.target else {
        reader.effects.unread("the table that the foreign key refers to is not there yet");
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

/// A key builds an index, unless it takes over one; a primary key wants NOT NULL besides.
fn key(reader: &mut Reader<'_>, id: Id, constraint: &facts::Constraint, using: &str) {
    if constraint.using_index {
        // The columns are those of the index, which the statement does not repeat.
        let relation = &reader.world.relations[id];
        let taken = relation.indexes.iter().find(|i| bare(&reader.world.relations[i.id].name) == using);
        let columns = taken.map(|index| index.columns.clone()).unwrap_or_default();
        if matches!(constraint.kind, Kind::PrimaryKey) {
            for column in columns {
                alter_column::not_null(reader, &[id], &column);
            }
        }
        return;
    }
    reader.effects.scan(reader.world, id, AccessExclusive);
    if matches!(constraint.kind, Kind::PrimaryKey) {
        for column in &constraint.columns {
            alter_column::not_null(reader, &[id], column);
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
        exact: true,
    });
}

fn validate(reader: &mut Reader<'_>, tables: &[Id], name: &str) {
    for table in tables {
        let Some(constraint) = reader.world.relations[*table].constraint(name).cloned() else {
            continue;
        };
        if !constraint.valid {
            reader.effects.scan(reader.world, *table, ShareUpdateExclusive);
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

fn drop_constraint(reader: &mut Reader<'_>, tables: &[Id], name: &str, action: &Action) {
    let cascade = words(action.syntax()).ends_with("cascade");
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
            let users: Vec<Id> = users.iter().filter(|(_, c)| uses(c)).map(|(r, _)| *r).collect();
            reader.effects.lock_all(&users, AccessExclusive);
            for user in users {
                let constraints = &mut reader.world.relations[user].constraints;
                constraints.retain(|c| c.target != Some(*table));
            }
        }
        reader.world.relations[*table].constraints.retain(|c| c.name != name);
    }
}

fn attach_partition(reader: &mut Reader<'_>, parent: Id, attach: &ast::AttachPartition) {
    let Some(child) = reader.known(attach, false) else {
        return;
    };
    let is_default = matches!(attach.partition_type(), Some(ast::PartitionType::PartitionDefault(_)));
    let siblings = reader.world.relations[parent].children.clone();
    let needs_check = !is_default || !siblings.is_empty();
    for table in reader.world.family(child) {
        if needs_check {
            // A check that proves the bound saves the scan; whether one does is for the server.
            reader.effects.may_scan(reader.world, table, AccessExclusive);
        } else {
            reader.effects.may_scan(reader.world, table, AccessExclusive);
        }
    }
    for sibling in siblings {
        if reader.world.relations[sibling].is_default {
            reader.effects.may_scan(reader.world, sibling, AccessExclusive);
        }
    }
    // Foreign keys of the parent become those of the partition, and are checked.
    let targets: Vec<Id> =
        reader.world.relations[parent].constraints.iter().filter_map(|c| c.target).collect();
    for target in targets {
        reader.effects.lock(target, ShareRowExclusive);
        reader.effects.may_scan(reader.world, target, AccessShare);
    }
    reader.world.relations[child].is_default = is_default;
    reader.world.relations[parent].children.push(child);
    reader.world.relations[child].parents.push(parent);
}

fn detach_partition(reader: &mut Reader<'_>, parent: Id, detach: &ast::DetachPartition) {
    let Some(child) = reader.known(detach, false) else {
        return;
    };
    reader.effects.lock(child, AccessExclusive);
    for sibling in reader.world.relations[parent].children.clone() {
        if reader.world.relations[sibling].is_default && sibling != child {
            reader.effects.lock(sibling, AccessExclusive);
        }
    }
    let targets: Vec<Id> =
        reader.world.relations[parent].constraints.iter().filter_map(|c| c.target).collect();
    for target in targets {
        reader.effects.lock(target, ShareRowExclusive);
    }
    part(reader, parent, child);
}

fn part(reader: &mut Reader<'_>, parent: Id, child: Id) {
    reader.world.relations[parent].children.retain(|id| *id != child);
    reader.world.relations[child].parents.retain(|id| *id != parent);
}
