//! ALTER TABLE: the level of each action, how far it reaches, what it rewrites and reads.

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AlterTableAction as Action, AstNode, Stmt};

use super::level::Level::{
    self, AccessExclusive, AccessShare, ShareRowExclusive, ShareUpdateExclusive,
};
use super::statement::Reader;
use super::world::{Column, Id};
use super::{alter_column, constraints, partitions};
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
        reader
            .effects
            .unread("which tables are in the tablespace is not looked up");
        return;
    };
    let Some(id) = reader.known(&name, alter.if_exists().is_some()) else {
        return;
    };
    let only = name.only_token().is_some();
    let actions: Vec<(Action, Fact)> = alter.actions().zip(facts::of(statement)).collect();
    // One statement takes one level, the strongest that an action asks for, and takes it on the
    // children as well as soon as one action goes there.
    let strongest = actions
        .iter()
        .map(|(action, fact)| level(action, Some(fact)))
        .max();
    let Some(strongest) = strongest else { return };
    reader.effects.lock(id, strongest);
    let is_partitioned = reader.world.relations[id].kind == 'p';
    for (action, fact) in &actions {
        let reaches = !only && recurses(action, is_partitioned);
        let mut tables = if reaches {
            reader.world.family(id)
        } else {
            vec![id]
        };
        // Children that do not get a constraint are locked all the same since 18, and before for
        // the NOT NULL of a primary key.
        if let (Fact::AddConstraint { constraint, .. }, ..18) = (fact, reader.world.major)
            && !matches!(constraint.kind, Kind::PrimaryKey)
        {
            tables = constraints::reached(reader.world, id, &tables, constraint);
        }
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
    let harmless =
        |name: String| HARMLESS_OPTIONS.contains(&name.as_str()) || name.starts_with("autovacuum_");
    if names.all(harmless) {
        ShareUpdateExclusive
    } else {
        AccessExclusive
    }
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
            let using = named::<ast::IndexRef>(action.syntax())
                .pop()
                .unwrap_or_default();
            let own = constraints::reached(reader.world, id, tables, constraint);
            for table in own {
                constraints::add(reader, table, constraint, (bare(&using), true));
            }
        }
        Fact::Validate { constraint, .. } => constraints::validate(reader, tables, constraint),
        Fact::DropConstraint { constraint, .. } => {
            constraints::drop(reader, tables, constraint, action)
        }
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
            let name = set
                .tablespace_ref()
                .map(|t| words(t.syntax()))
                .unwrap_or_default();
            // The empty name is the default of the database.
            let name = if name == "pg_default" {
                String::new()
            } else {
                name
            };
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
        Action::AlterConstraint(alter) => {
            for table in tables {
                constraints::alter(reader, *table, alter);
            }
        }
        Action::RenameConstraint(rename) => {
            for table in tables {
                constraints::rename(reader, *table, rename);
            }
        }
        Action::SetSchema(set) => set_schema(reader, id, set),
        Action::AttachPartition(attach) => partitions::attach(reader, id, attach),
        Action::DetachPartition(detach) => partitions::detach(reader, id, detach),
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
                partitions::part(reader, parent, id);
            }
        }
        Action::MergePartitions(_) | Action::SplitPartition(_) => {
            reader
                .effects
                .unread("merging and splitting partitions is newer than this table");
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
pub(super) fn bare(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, bare)| bare)
}

pub(super) fn column(column: &facts::Column) -> Column {
    Column {
        name: column.name.clone(),
        ty: column.ty.clone(),
        not_null: column.not_null,
        collation: bare(&column.collation).to_owned(),
        stored: false,
    }
}
