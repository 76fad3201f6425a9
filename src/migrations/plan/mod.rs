//! What `migrate` would do, and what it would mean for a database in use. Reads only, with
//! SELECT on the history, `schema_version` and `pg_catalog`, in one read-only transaction; then it
//! asks what `migrate` asks before its first statement, which may need SELECT on tables as well.

mod fingerprint;
mod refusals;
mod risk;
mod saved;

pub use saved::SavedPlan;

pub(super) use saved::check;

use super::apply::check_to;
use super::lock;
use super::locks::{self, Effects, Scan, TableLock, World};
use super::precheck::Precheck;
use super::session::{history_row_sql, history_table_sql};
use super::set::{File, Set};
use super::standing::{Standing, inspect_within};
use super::waits;
use crate::db::{Target, session};
use crate::error::Result;
use crate::header::Mode;
use crate::report::{
    Plan, PlannedFile, PlannedHistory, PlannedLock, PlannedStatement, Risk, StatusState,
};
use crate::syntax::Script;
use crate::syntax::batch::Batch;
use crate::syntax::step::Step;

/// A table lock of somebody else makes a question about sizes wait; this long is enough to tell.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '5s'";

/// Describes what `migrate` would do, up to a version where one is given, or why it would refuse.
///
/// # Errors
/// What the server says, such as a missing privilege.
pub fn plan(target: &Target, set: &Set, to: Option<i32>, precheck: &Precheck) -> Result<Plan> {
    let mut client = target.connect()?;
    let mut transaction = session::read_only(&mut client)?;
    transaction.batch_execute(LOCK_TIMEOUT)?;
    let mut standing = inspect_within(&mut transaction, set)?;
    let mut world = World::load(&mut transaction)?;
    if standing.status.problems.is_empty() {
        check_to(to, set, &standing.history)?;
    }
    let work = work(set, &standing, to);
    let fingerprint = fingerprint::take(&mut transaction, &standing.history, &work)?;
    transaction.commit()?;
    let mut remarks = Vec::new();
    // `migrate` stops at the first kind of reason, too.
    if standing.status.problems.is_empty() {
        let history = &standing.history;
        let found = refusals::ask(target, &mut client, (set, &work), history, precheck)?;
        if !found.problems.is_empty() {
            standing.status.state = StatusState::Refused;
        }
        standing.status.problems = found.problems;
        remarks = found.remarks;
    }
    let table = &standing.history.table;
    let files = work.iter().map(|file| describe(&mut world, file, table));
    Ok(Plan {
        files: files.collect(),
        to,
        state: standing.status.state,
        schema_version: standing.status.schema_version,
        problems: standing.status.problems,
        remarks,
        unfinished: standing.status.unfinished,
        history: PlannedHistory {
            creation: history_table_sql(table),
            table: standing.history.table,
            rows: standing
                .history
                .rows
                .iter()
                .map(|r| (r.version, r.checksum))
                .collect(),
            lock_key: lock::KEY,
        },
        fingerprint,
        commands: set.commands.clone(),
    })
}

/// The files that are pending, up to a version.
pub(super) fn work<'a>(set: &'a Set, standing: &Standing, to: Option<i32>) -> Vec<&'a File> {
    set.files
        .iter()
        .filter(|file| standing.pending.contains(&file.version()))
        .filter(|file| to.is_none_or(|to| file.version() <= to))
        .collect()
}

/// Each statement with its 1-based line.
pub(super) fn statements(file: &File) -> Vec<(&str, usize)> {
    let text = file.sql();
    let script = Script::parse(text);
    let ranges = script.statements().into_iter();
    let located = ranges.map(|range| {
        let line = script.line(&range);
        (text[range].trim_end(), line)
    });
    located.collect()
}

/// Describes a file that is to be recorded in a table, and carries the world over it.
pub(super) fn describe(world: &mut World, file: &File, table: &str) -> PlannedFile {
    let mode = file.mode;
    let path = world.path();
    // In one transaction nobody else sees what the file makes.
    let seen = match mode {
        Mode::One => Some(world.relations.len()),
        Mode::None | Mode::Batched => None,
    };
    let mut held: Vec<TableLock> = Vec::new();
    let mut described = Vec::new();
    for (sql, line) in statements(file) {
        let limit = seen.unwrap_or(world.relations.len());
        let names: Vec<String> = world.relations.iter().map(|r| r.name.clone()).collect();
        let effects = locks::read(world, sql);
        let mut statement = statement(world, &names, sql, line, limit, &effects);
        if mode == Mode::One {
            meanwhile(world, &held, &effects, &mut statement);
            let others = effects.locks.into_iter();
            for lock in others.filter(|lock| lock.relation < limit) {
                keep(&mut held, lock);
            }
        }
        described.push(statement);
    }
    // Settings end with their migration.
    world.set_path(path);
    PlannedFile {
        version: file.version(),
        name: file.migration.name().to_owned(),
        path: file.path.clone(),
        checksum: file.migration.checksum(),
        transaction: mode.word(),
        statements: described,
        record: history_row_sql(table, &file.migration),
    }
}

fn statement(
    world: &World,
    names: &[String],
    sql: &str,
    line: usize,
    limit: usize,
    effects: &Effects,
) -> PlannedStatement {
    let mut risk = Risk::None;
    let mut reasons = Vec::new();
    let mut locks = Vec::new();
    for lock in effects.locks.iter().filter(|lock| lock.relation < limit) {
        let relation = &world.relations[lock.relation];
        let (own, reason) = risk::of(relation, lock);
        risk = risk.max(own);
        reasons.extend(reason);
        locks.push(PlannedLock {
            relation: names[lock.relation].clone(),
            mode: lock.level.words(),
            depends: lock.depends,
            blocks_reads: lock.level.blocks_reads(),
            blocks_writes: lock.level.blocks_writes(),
            rows: relation.rows,
            bytes: relation.bytes,
            rewrites: lock.rewrites,
            scans: match lock.scan {
                Scan::No => Some(false),
                Scan::Yes => Some(true),
                Scan::Open => None,
            },
        });
    }
    let others = effects.locks.iter().filter(|lock| lock.relation < limit);
    let known = others.map(|lock| (&world.relations[lock.relation], lock));
    // Worth a word only where none of them alone is as bad.
    let together = risk::together(known).filter(|(sum, _)| *sum > risk);
    if let Some((sum, reason)) = together.filter(|_| is_one_transaction(sql)) {
        risk = sum;
        reasons.push(reason);
    }
    for loss in &effects.remarks {
        risk = Risk::Danger;
        reasons.push(loss.clone());
    }
    for unread in &effects.unread {
        risk = risk.max(Risk::Notice);
        reasons.push(format!("{unread}; creditdb rehearse shows what it locks"));
    }
    if waits::may_change(sql) {
        reasons.push("migrate puts back a lock_timeout above --lock-timeout".to_owned());
    }
    PlannedStatement {
        sql: sql.to_owned(),
        line,
        locks,
        risk,
        reasons,
        unread: effects.unread.clone(),
        counts_by_value: counts_by_value(sql),
    }
}

/// Whether a statement keeps all its locks to its end: VACUUM, for one, goes from table to table.
fn is_one_transaction(sql: &str) -> bool {
    let steps = Script::parse(sql).steps().unwrap_or_default();
    steps.iter().all(|(_, step)| matches!(step, Step::Atomic))
}

/// How the engine counts what a batch has changed.
fn counts_by_value(sql: &str) -> bool {
    let batches = Script::parse(sql).batches().unwrap_or_default();
    matches!(batches.first(), Some((_, Batch::Value)))
}

/// What earlier statements locked stays locked while this one works.
fn meanwhile(
    world: &World,
    held: &[TableLock],
    effects: &Effects,
    statement: &mut PlannedStatement,
) {
    let work = effects
        .locks
        .iter()
        .map(|lock| risk::work(&world.relations[lock.relation], lock))
        .sum();
    let is_read = effects.unread.is_empty();
    for lock in held {
        // What is locked as strongly once more is told already.
        let again = |own: &TableLock| own.relation == lock.relation && own.level >= lock.level;
        if effects.locks.iter().any(again) {
            continue;
        }
        let relation = &world.relations[lock.relation];
        if let Some((risk, reason)) = risk::held(relation, lock, work, is_read) {
            statement.risk = statement.risk.max(risk);
            statement.reasons.push(reason);
        }
    }
}

/// Of the locks on one relation the strongest counts.
fn keep(held: &mut Vec<TableLock>, lock: TableLock) {
    match held.iter_mut().find(|h| h.relation == lock.relation) {
        Some(known) if known.level < lock.level => *known = lock,
        Some(_) => {}
        None => held.push(lock),
    }
}
