//! `plan` as JSON, which is also the file that `migrate --plan` reads.

use std::collections::BTreeMap;

use serde::Serialize;

use super::migrations::{Problem, state};
use crate::report;

#[derive(Serialize)]
pub(super) struct Plan<'a> {
    state: &'static str,
    schema_version: Option<&'a str>,
    risk: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<i32>,
    files: Vec<File<'a>>,
    problems: Vec<Problem<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<Problem<'a>>,
    fingerprint: Fingerprint<'a>,
}

#[derive(Serialize)]
struct File<'a> {
    version: i32,
    name: &'a str,
    transaction: &'static str,
    statements: Vec<Statement<'a>>,
}

#[derive(Serialize)]
struct Statement<'a> {
    sql: &'a str,
    line: usize,
    locks: Vec<Lock<'a>>,
    risk: &'static str,
    reasons: &'a [String],
}

#[derive(Serialize)]
struct Lock<'a> {
    relation: &'a str,
    mode: &'static str,
    /// Whether the rows decide if it is taken at all.
    depends: bool,
    blocks_reads: bool,
    blocks_writes: bool,
    rows: u64,
    bytes: u64,
    rewrites: bool,
    /// Null where the planner decides.
    scans: Option<bool>,
}

#[derive(Serialize)]
struct Fingerprint<'a> {
    catalogue: &'a str,
    history: &'a str,
    files: &'a str,
    objects: BTreeMap<&'a str, &'a str>,
}

impl<'a> From<&'a report::Plan> for Plan<'a> {
    fn from(plan: &'a report::Plan) -> Self {
        let fingerprint = &plan.fingerprint;
        let objects = fingerprint.objects.iter();
        Self {
            state: state(plan.state),
            schema_version: plan.schema_version.as_deref(),
            risk: plan.risk().word(),
            to: plan.to,
            files: plan.files.iter().map(File::from).collect(),
            problems: (plan.problems.iter().chain(&plan.unfinished))
                .map(Problem::from)
                .collect(),
            remarks: plan.remarks.iter().map(Problem::from).collect(),
            fingerprint: Fingerprint {
                catalogue: &fingerprint.catalogue,
                history: &fingerprint.history,
                files: &fingerprint.files,
                objects: objects.map(|(o, hash)| (&o[..], &hash[..])).collect(),
            },
        }
    }
}

impl<'a> From<&'a report::PlannedFile> for File<'a> {
    fn from(file: &'a report::PlannedFile) -> Self {
        Self {
            version: file.version,
            name: &file.name,
            transaction: file.transaction,
            statements: file.statements.iter().map(Statement::from).collect(),
        }
    }
}

impl<'a> From<&'a report::PlannedStatement> for Statement<'a> {
    fn from(statement: &'a report::PlannedStatement) -> Self {
        Self {
            sql: &statement.sql,
            line: statement.line,
            locks: statement.locks.iter().map(Lock::from).collect(),
            risk: statement.risk.word(),
            reasons: &statement.reasons,
        }
    }
}

impl<'a> From<&'a report::PlannedLock> for Lock<'a> {
    fn from(lock: &'a report::PlannedLock) -> Self {
        Self {
            relation: &lock.relation,
            mode: lock.mode,
            depends: lock.depends,
            blocks_reads: lock.blocks_reads,
            blocks_writes: lock.blocks_writes,
            rows: lock.rows,
            bytes: lock.bytes,
            rewrites: lock.rewrites,
            scans: lock.scans,
        }
    }
}
