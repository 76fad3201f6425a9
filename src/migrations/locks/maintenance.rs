//! TRUNCATE, LOCK, ANALYZE, VACUUM, CLUSTER, REINDEX, REFRESH.

use squawk_syntax::ast::{self, AstNode, Stmt};

use super::effects::Scan;
use super::level::Level;
use super::query;
use super::statement::{Reader, cascades};
use super::world::Id;
use crate::syntax::facts::all_names;

/// Relations that VACUUM and ANALYZE work on when they name none.
const TABLES: [char; 3] = ['r', 'm', 'p'];

pub(super) fn read(reader: &mut Reader<'_>, statement: &Stmt) {
    match statement {
        Stmt::Truncate(truncate) => self::truncate(reader, truncate),
        Stmt::Lock(lock) => self::lock(reader, lock),
        Stmt::Analyze(analyze) => {
            for table in listed(reader, analyze.table_and_columns_list()) {
                self::analyze(reader, table);
            }
        }
        Stmt::Vacuum(vacuum) => self::vacuum(reader, vacuum),
        Stmt::Cluster(cluster) => self::cluster(reader, cluster),
        Stmt::Reindex(reindex) => self::reindex(reader, reindex),
        Stmt::Refresh(refresh) => self::refresh(reader, refresh),
        _ => {}
    }
}

fn truncate(reader: &mut Reader<'_>, truncate: &ast::Truncate) {
    let mut tables: Vec<Id> = Vec::new();
    let list = truncate.table_list();
    for name in list.iter().flat_map(|list| list.table_relation_names()) {
        if let Some(id) = reader.known(&name, false) {
            let only = name.only_token().is_some();
            tables.extend(if only {
                vec![id]
            } else {
                reader.world.family(id)
            });
        }
    }
    if cascades(truncate.drop_behavior()) {
        let mut next = 0;
        while next < tables.len() {
            let referrers = reader.world.referrers(tables[next]);
            let new: Vec<Id> = referrers.iter().map(|(r, _)| *r).collect();
            for referrer in new {
                for id in reader.world.family(referrer) {
                    if !tables.contains(&id) {
                        tables.push(id);
                    }
                }
            }
            next += 1;
        }
    }
    for table in tables {
        reader
            .effects
            .rewrite(reader.world, table, Level::AccessExclusive);
        reader.effects.lose_rows(table);
    }
}

fn lock(reader: &mut Reader<'_>, lock: &ast::Lock) {
    let level = lock
        .lock_mode_clause()
        .and_then(|clause| clause.lock_mode())
        .map_or(Level::AccessExclusive, |mode| Level::of_statement(&mode));
    let list = lock.relation_list();
    for name in list.iter().flat_map(|list| list.relation_names()) {
        let Some(id) = reader.known(&name, false) else {
            continue;
        };
        let only = name.only_token().is_some();
        let mut all = if only {
            vec![id]
        } else {
            reader.world.family(id)
        };
        // A view is locked with all that it reads, through other views as well.
        let mut next = 0;
        while next < all.len() {
            let relation = &reader.world.relations[all[next]];
            if relation.kind == 'v' {
                let reads = relation.reads.clone();
                all.extend(reads.into_iter().flat_map(|read| reader.world.family(read)));
            }
            next += 1;
        }
        reader.effects.lock_all(&all, level);
    }
}

/// The tables of a list, or all of them without one.
fn listed(reader: &mut Reader<'_>, list: Option<ast::TableAndColumnsList>) -> Vec<Id> {
    let Some(list) = list else {
        let all = reader.world.relations.iter().enumerate();
        return all
            .filter(|(_, r)| !r.gone && TABLES.contains(&r.kind))
            .map(|(id, _)| id)
            .collect();
    };
    let mut tables = Vec::new();
    for entry in list.table_and_columnss() {
        tables.extend(reader.known(&entry, false));
    }
    tables
}

fn analyze(reader: &mut Reader<'_>, table: Id) {
    // Partitions are analysed themselves, and since 18 all children; before, others were sampled.
    let is_partitioned = reader.world.relations[table].kind == 'p';
    let children = if is_partitioned || reader.world.major >= 18 {
        Level::ShareUpdateExclusive
    } else {
        Level::AccessShare
    };
    for id in reader.world.family(table) {
        reader.effects.lock(id, children);
    }
    reader.effects.lock(table, Level::ShareUpdateExclusive);
}

fn vacuum(reader: &mut Reader<'_>, vacuum: &ast::Vacuum) {
    let options = vacuum.vacuum_option_list();
    let option = |wanted: &str| {
        let on = |text: String| {
            let mut parts = text.split_whitespace();
            parts.next() == Some(wanted)
                && !matches!(parts.next(), Some("false" | "off" | "0" | "no" | "'off'"))
        };
        let mut all = options.iter().flat_map(|list| list.vacuum_options());
        all.any(|option| on(option.syntax().text().to_string().to_lowercase()))
    };
    let full = vacuum.full_token().is_some() || option("full");
    for table in listed(reader, vacuum.table_and_columns_list()) {
        // Inheritance children stay out of it; partitions are what a partitioned table is.
        let all = match reader.world.relations[table].kind {
            'p' => reader.world.family(table),
            _ => vec![table],
        };
        for id in all {
            if full && reader.world.relations[id].has_storage() {
                reader
                    .effects
                    .rewrite(reader.world, id, Level::AccessExclusive);
            } else if reader.world.relations[id].has_storage() {
                reader.effects.lock(id, Level::ShareUpdateExclusive);
                open(reader, id);
            } else {
                // A partitioned table has nothing to vacuum, only statistics.
                reader.effects.may_lock(id, Level::ShareUpdateExclusive);
            }
        }
    }
}

fn open(reader: &mut Reader<'_>, id: Id) {
    if let Some(lock) = reader.effects.locks.iter_mut().find(|l| l.relation == id) {
        lock.scan = Scan::Open;
    }
}

fn cluster(reader: &mut Reader<'_>, cluster: &ast::Cluster) {
    let named = cluster
        .table_name_ref()
        .map(|name| all_names(name.syntax()))
        .or_else(|| {
            let legacy = cluster.cluster_legacy()?;
            Some(all_names(legacy.on_path()?.syntax()))
        });
    let Some(names) = named else {
        reader
            .effects
            .unread("which tables were clustered before is not looked up");
        return;
    };
    match names.first().and_then(|name| reader.world.find(name)) {
        Some(id) => reader
            .effects
            .rewrite(reader.world, id, Level::AccessExclusive),
        None => reader.effects.unread("the table is not there yet"),
    }
}

fn reindex(reader: &mut Reader<'_>, reindex: &ast::Reindex) {
    let Some(target) = reindex.reindex_target() else {
        return;
    };
    let concurrently = reindex.is_concurrently();
    let on_table = if concurrently {
        Level::ShareUpdateExclusive
    } else {
        Level::Share
    };
    // The concurrent form takes the old index away in the end, when nobody uses it any more; else
    // nobody plans a query of the table meanwhile, not even one that does without the index.
    let index = |reader: &mut Reader<'_>, index: Id| {
        if concurrently {
            reader.effects.lock(index, Level::ShareUpdateExclusive);
        } else {
            reader.effects.rebuild(index, Level::AccessExclusive);
        }
    };
    let tables: Vec<Id> = match &target {
        ast::ReindexTarget::ReindexTargetIndex(named) => {
            let Some(id) = reader.known(named, false) else {
                return;
            };
            let Some(table) = reader.world.relations[id].table else {
                return;
            };
            reader.effects.scan(reader.world, table, on_table);
            index(reader, id);
            return;
        }
        ast::ReindexTarget::ReindexTargetTable(table) => {
            let table = reader.known(table, false);
            table
                .into_iter()
                .flat_map(|id| reader.world.family(id))
                .collect()
        }
        ast::ReindexTarget::ReindexTargetSchema(schema) => {
            let schema = schema
                .schema_ref()
                .map(|s| ast::normalize_name_node(s.syntax()));
            reader
                .world
                .of_schema(&schema.unwrap_or_default(), &['r', 'm'])
        }
        ast::ReindexTarget::ReindexTargetDatabase(_)
        | ast::ReindexTarget::ReindexTargetSystem(_) => listed(reader, None),
    };
    for table in tables {
        let indexes = reader.world.relations[table].indexes.clone();
        if indexes.is_empty() {
            reader.effects.lock(table, on_table);
        } else {
            reader.effects.scan(reader.world, table, on_table);
        }
        for built in indexes {
            index(reader, built.id);
        }
    }
}

fn refresh(reader: &mut Reader<'_>, refresh: &ast::Refresh) {
    let Some(view) = reader.known(refresh, false) else {
        return;
    };
    if refresh.concurrently_token().is_some() {
        reader
            .effects
            .may_scan(reader.world, view, Level::Exclusive);
    } else {
        reader
            .effects
            .rewrite(reader.world, view, Level::AccessExclusive);
    }
    if !matches!(refresh.data_option(), Some(ast::DataOption::WithNoData(_))) {
        for read in reader.world.relations[view].reads.clone() {
            query::touch(reader, read, Level::AccessShare, true);
        }
    }
}
