//! CREATE: what it makes, and what it locks of what is there.

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode, Stmt};

use super::level::Level::{
    AccessExclusive, AccessShare, Share, ShareRowExclusive, ShareUpdateExclusive,
};
use super::query;
use super::statement::Reader;
use super::world::{Domain, Id, Index, Relation};
use super::{alter_table, constraints};
use crate::syntax::facts::{self, Fact, all_names, named, words};

pub(super) fn read(reader: &mut Reader<'_>, statement: &Stmt) {
    match statement {
        Stmt::CreateTable(create) => table(reader, statement, create),
        Stmt::CreateTableAs(create) => {
            if let Some(query) = create.query() {
                query::run(reader, query.syntax());
            }
            new(reader, create.table_name(), 'r');
        }
        Stmt::SelectInto(select) => {
            query::run(reader, select.syntax());
            new(
                reader,
                select.into_clause().and_then(|into| into.table_name()),
                'r',
            );
        }
        Stmt::CreateIndex(create) => index(reader, statement, create),
        Stmt::CreateView(create) => view(reader, create),
        Stmt::CreateMaterializedView(create) => materialized(reader, create),
        Stmt::CreateSequence(create) => {
            for option in create.sequence_options() {
                super::objects::owned_by(reader, &option);
            }
            new(reader, create.sequence(), 'S');
        }
        Stmt::CreateTrigger(create) => trigger(reader, create),
        Stmt::CreateRule(create) => {
            if let Some(id) = create.rule_on().and_then(|on| reader.known(&on, false)) {
                reader.effects.lock(id, AccessExclusive);
                if let Some(actions) = create.rule_do() {
                    query::analyse(reader, actions.syntax());
                }
                reader.world.relations[id].has_triggers = true;
            }
        }
        Stmt::CreatePolicy(create) => {
            if let Some(id) = create.on_table().and_then(|on| reader.known(&on, false)) {
                reader.effects.lock(id, AccessExclusive);
                query::analyse(reader, create.syntax());
            }
        }
        Stmt::CreateStatistics(create) => statistics(reader, create),
        Stmt::CreatePublication(create) => {
            for name in named::<ast::TableNameRef>(create.syntax()) {
                if let Some(id) = reader.world.find(&name) {
                    reader.effects.lock(id, ShareUpdateExclusive);
                }
            }
        }
        Stmt::CreateFunction(create) => function(reader, statement, create),
        Stmt::CreateProcedure(create) => {
            body(reader, create.sql_body().map(|body| body.syntax().clone()));
        }
        Stmt::CreateDomain(create) => domain(reader, create),
        _ => {}
    }
}

fn name_of(node: &SyntaxNode) -> Option<String> {
    all_names(node).into_iter().next()
}

/// What has the name already that something new is to get.
fn taken(reader: &Reader<'_>, name: &impl AstNode) -> Option<Id> {
    let name = reader.world.qualify(&name_of(name.syntax())?);
    reader.world.at(&name)
}

/// Makes a relation in the world; nothing when one of that name is there already.
fn new(reader: &mut Reader<'_>, name: Option<impl AstNode>, kind: char) -> Option<Id> {
    let name = reader.world.qualify(&name_of(name?.syntax())?);
    if reader.world.at(&name).is_some() {
        return None;
    }
    Some(reader.world.add(Relation {
        name,
        kind,
        method: "heap".to_owned(),
        ..Relation::default()
    }))
}

fn named_relations(reader: &Reader<'_>, node: &SyntaxNode) -> Vec<Id> {
    let names = named::<ast::RelationNameRef>(node);
    names
        .iter()
        .filter_map(|name| reader.world.find(name))
        .collect()
}

fn table(reader: &mut Reader<'_>, statement: &Stmt, create: &ast::CreateTable) {
    let facts = facts::of(statement);
    let Some(Fact::CreateTable {
        columns,
        constraints,
        ..
    }) = facts.into_iter().next()
    else {
        return;
    };
    let existing = create.table_name().and_then(|name| taken(reader, &name));
    if existing.is_some() && create.if_not_exists().is_some() {
        return;
    }
    let parents = parents(reader, create);
    let mut copied = Vec::new();
    for argument in create.table_arg_list().iter().flat_map(|list| list.args()) {
        if let ast::TableArg::LikeClause(like) = argument
            && let Some(source) = reader.known(&like, false)
        {
            reader.effects.lock(source, AccessShare);
            copied.extend(reader.world.relations[source].columns.clone());
        }
    }
    let kind = if create.partition_by().is_some() {
        'p'
    } else {
        'r'
    };
    let Some(id) = new(reader, create.table_name(), kind) else {
        return;
    };
    let relation = &mut reader.world.relations[id];
    relation.unlogged = matches!(create.persistence(), Some(ast::Persistence::Unlogged(_)));
    relation.is_default = matches!(
        create.partition_type(),
        Some(ast::PartitionType::PartitionDefault(_))
    );
    relation.columns = columns.iter().map(alter_table::column).collect();
    relation.columns.extend(copied);
    relation.parents.clone_from(&parents);
    for parent in parents {
        let columns = reader.world.relations[parent].columns.clone();
        reader.world.relations[parent].children.push(id);
        reader.world.relations[id].columns.extend(columns);
    }
    for constraint in &constraints {
        constraints::add(reader, id, constraint, ("", false));
    }
}

/// What it is a partition or a child of, with the locks that this takes.
fn parents(reader: &mut Reader<'_>, create: &ast::CreateTable) -> Vec<Id> {
    let mut parents = Vec::new();
    let partition_of = create.partition_of().and_then(|of| of.table_name_ref());
    if let Some(parent) = partition_of.and_then(|name| reader.known(&name, false)) {
        parents.push(parent);
        reader.effects.lock(parent, AccessExclusive);
        // Rows that belong into the new partition must not sit in the one for the rest.
        for sibling in reader.world.relations[parent].children.clone() {
            if reader.world.relations[sibling].is_default {
                reader.effects.scan(reader.world, sibling, AccessExclusive);
            }
        }
        // Foreign keys of the parent become those of the partition.
        let targets: Vec<Id> = reader.world.relations[parent]
            .constraints
            .iter()
            .filter_map(|c| c.target)
            .collect();
        reader.effects.lock_all(&targets, ShareRowExclusive);
    }
    for name in create
        .inherits()
        .iter()
        .flat_map(|list| list.table_name_refs())
    {
        if let Some(parent) = reader.known(&name, false) {
            parents.push(parent);
            reader.effects.lock(parent, ShareUpdateExclusive);
        }
    }
    parents
}

fn index(reader: &mut Reader<'_>, statement: &Stmt, create: &ast::CreateIndex) {
    let Some(name) = create.table_relation_name() else {
        return;
    };
    let Some(table) = reader.known(&name, false) else {
        return;
    };
    let facts = facts::of(statement);
    let Some(Fact::CreateIndex(fact)) = facts.into_iter().next() else {
        return;
    };
    let concurrently = create.concurrently_token().is_some();
    let level = if concurrently {
        ShareUpdateExclusive
    } else {
        Share
    };
    let only = name.only_token().is_some();
    // Inheritance children are tables of their own; only partitions share an index.
    let tables = if only {
        vec![table]
    } else {
        reader.world.partitions(table)
    };
    let schema = reader.world.relations[table]
        .name
        .rsplit_once('.')
        .map(|(s, _)| s.to_owned());
    let own_name = fact.name.as_ref().map(|name| match &schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.clone(),
    });
    let exists = own_name
        .as_ref()
        .is_some_and(|name| reader.world.at(name).is_some());
    if exists && fact.if_not_exists {
        reader.effects.lock(table, level);
        return;
    }
    for id in tables {
        reader.effects.scan(reader.world, id, level);
        let name = if id == table { own_name.clone() } else { None };
        let index = reader.world.add(Relation {
            name: name.unwrap_or_else(|| format!("?.{id}.{}", reader.world.relations.len())),
            kind: 'i',
            table: Some(id),
            ..Relation::default()
        });
        reader.world.relations[id].indexes.push(Index {
            id: index,
            columns: fact.columns.clone(),
            mentions: fact.mentions.clone(),
            exact: fact.exact,
        });
    }
}

fn view(reader: &mut Reader<'_>, create: &ast::CreateView) {
    let Some(query) = create.query() else { return };
    let reads = query::analyse(reader, query.syntax());
    let existing = create.view().and_then(|name| taken(reader, &name));
    match existing {
        Some(view) => {
            reader.effects.lock(view, AccessExclusive);
            reader.world.relations[view].reads = reads;
        }
        None => {
            if let Some(id) = new(reader, create.view(), 'v') {
                reader.world.relations[id].reads = reads;
            }
        }
    }
}

fn materialized(reader: &mut Reader<'_>, create: &ast::CreateMaterializedView) {
    let query = create.query();
    let reads = match &query {
        Some(query)
            if create
                .data_option()
                .is_some_and(|o| words(o.syntax()).contains("no")) =>
        {
            query::analyse(reader, query.syntax())
        }
        Some(query) => {
            query::run(reader, query.syntax());
            named_relations(reader, query.syntax())
        }
        None => Vec::new(),
    };
    if let Some(id) = new(reader, create.view(), 'm') {
        reader.world.relations[id].reads = reads;
    }
}

fn statistics(reader: &mut Reader<'_>, create: &ast::CreateStatistics) {
    if let Some(id) = create
        .from_table()
        .and_then(|from| reader.known(&from, false))
    {
        reader.effects.lock(id, ShareUpdateExclusive);
        if let Some(name) = create.statistics().and_then(|s| name_of(s.syntax())) {
            let name = reader.world.qualify(&name);
            reader.world.statistics.insert(name, id);
        }
    }
}

fn trigger(reader: &mut Reader<'_>, create: &ast::CreateTrigger) {
    let Some(id) = create.on_relation().and_then(|on| reader.known(&on, false)) else {
        return;
    };
    let row = matches!(
        create.trigger_level(),
        Some(ast::TriggerLevel::ForEachRow(_))
    );
    let is_partitioned = reader.world.relations[id].kind == 'p';
    let tables = if row && is_partitioned {
        reader.world.family(id)
    } else {
        vec![id]
    };
    for table in tables {
        reader.effects.lock(table, ShareRowExclusive);
        reader.world.relations[table].has_triggers = true;
    }
    if let Some(from) = create
        .from_table()
        .and_then(|from| reader.known(&from, false))
    {
        reader.effects.lock(from, AccessShare);
    }
}

fn function(reader: &mut Reader<'_>, statement: &Stmt, create: &ast::CreateFunction) {
    for fact in facts::of(statement) {
        if let Fact::CreateFunction(function) = fact {
            let name = function
                .name
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned();
            if function.volatile {
                reader.world.volatile.insert(name.clone());
            }
            reader.world.functions.insert(name);
        }
    }
    body(reader, create.sql_body().map(|body| body.syntax().clone()));
    if let Some(body) = create.body() {
        query::analyse(reader, body.syntax());
    }
}

/// The server analyses a body in SQL when it is created, which locks what it names.
fn body(reader: &mut Reader<'_>, body: Option<SyntaxNode>) {
    if let Some(body) = body {
        query::analyse(reader, &body);
    }
}

fn domain(reader: &mut Reader<'_>, create: &ast::CreateDomain) {
    let Some(name) = name_of(create.syntax()) else {
        return;
    };
    let base = create.ty().map(|ty| words(ty.syntax())).unwrap_or_default();
    let mut domain = Domain {
        constrained: false,
        volatile_default: reader.world.volatile_default(&base),
        base,
    };
    for qualifier in create.domain_qualifiers() {
        match qualifier {
            ast::DomainQualifier::Constraint(ast::Constraint::DefaultConstraint(default)) => {
                let expression = default.expr();
                domain.volatile_default =
                    expression.map(|e| query::is_volatile(reader.world, e.syntax()));
            }
            ast::DomainQualifier::Constraint(
                ast::Constraint::CheckConstraint(_) | ast::Constraint::NotNullConstraint(_),
            ) => domain.constrained = true,
            _ => {}
        }
    }
    let name = reader.world.qualify(&name);
    reader.world.domains.insert(name, domain);
}
