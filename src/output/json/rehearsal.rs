//! `rehearse` as JSON.

use serde::Serialize;

use crate::report;

#[derive(Serialize)]
pub(super) struct Rehearsal<'a> {
    server: &'a str,
    rows_per_table: u64,
    /// Whether everything ran, and as the plan says.
    agrees: bool,
    remarks: &'a [String],
    files: Vec<File<'a>>,
    failure: Option<Failure<'a>>,
}

#[derive(Serialize)]
pub(super) struct Failure<'a> {
    path: &'a str,
    line: usize,
    message: &'a str,
    sqlstate: Option<&'a str>,
}

#[derive(Serialize)]
struct File<'a> {
    version: i32,
    name: &'a str,
    transaction: &'static str,
    elapsed_ms: f64,
    statements: Vec<Statement<'a>>,
}

#[derive(Serialize)]
struct Statement<'a> {
    sql: &'a str,
    line: usize,
    elapsed_ms: f64,
    runs: u64,
    locks: Vec<Lock<'a>>,
    differences: &'a [String],
    unread: &'a [String],
}

#[derive(Serialize)]
struct Lock<'a> {
    relation: &'a str,
    mode: &'static str,
    blocks_reads: bool,
    blocks_writes: bool,
    rewritten: bool,
    scanned: bool,
}

impl<'a> From<&'a report::Rehearsal> for Rehearsal<'a> {
    fn from(rehearsal: &'a report::Rehearsal) -> Self {
        Self {
            server: &rehearsal.server,
            rows_per_table: rehearsal.rows,
            agrees: rehearsal.agrees(),
            remarks: &rehearsal.remarks,
            files: rehearsal.files.iter().map(File::from).collect(),
            failure: rehearsal.failure.as_ref().map(Failure::from),
        }
    }
}

impl<'a> From<&'a report::FileFailure> for Failure<'a> {
    fn from(failure: &'a report::FileFailure) -> Self {
        Self {
            path: &failure.path,
            line: failure.line,
            message: &failure.message,
            sqlstate: failure.sqlstate.as_deref(),
        }
    }
}

impl<'a> From<&'a report::RehearsedFile> for File<'a> {
    fn from(file: &'a report::RehearsedFile) -> Self {
        Self {
            version: file.version,
            name: &file.name,
            transaction: file.transaction,
            elapsed_ms: file.elapsed_ms,
            statements: file.statements.iter().map(Statement::from).collect(),
        }
    }
}

impl<'a> From<&'a report::RehearsedStatement> for Statement<'a> {
    fn from(statement: &'a report::RehearsedStatement) -> Self {
        let lock = |lock: &'a report::ObservedLock| Lock {
            relation: &lock.relation,
            mode: lock.mode,
            blocks_reads: lock.blocks_reads,
            blocks_writes: lock.blocks_writes,
            rewritten: lock.rewritten,
            scanned: lock.scanned,
        };
        Self {
            sql: &statement.sql,
            line: statement.line,
            elapsed_ms: statement.elapsed_ms,
            runs: statement.runs,
            locks: statement.locks.iter().map(lock).collect(),
            differences: &statement.differences,
            unread: &statement.unread,
        }
    }
}
