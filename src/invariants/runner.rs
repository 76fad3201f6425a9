//! Runs an audit: takes the snapshot, plans, evaluates each check, and sums up.

use std::time::Instant;

use postgres::{Client, Transaction};
use rust_decimal::Decimal;

use super::catalogue::Check;
use super::contract::{Kind, SchemaVersion, Severity};
use super::evidence::Violations;
use super::plan::{self, Decision, Plan};
use super::{query, row};
use crate::db::session;
use crate::db::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::report::{Audit, AuditedDatabase, CheckResult, CheckStatus, Progress, Verdict};

/// Without indexes a scan reads the rows that are stored, not those that an index finds.
const READ_THE_HEAP: &str = "SET LOCAL enable_indexscan = off;
    SET LOCAL enable_indexonlyscan = off;
    SET LOCAL enable_bitmapscan = off;";

/// How to run an audit.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many violations of each check to keep as evidence; all are counted.
    pub evidence: u32,
    /// Believe no constraint and no index.
    pub distrust: bool,
}

/// Evaluates the checks of a selection in one snapshot.
///
/// A check that cannot be evaluated becomes a result of its own and makes the verdict incomplete;
/// the others are evaluated all the same.
///
/// # Errors
/// When there is nothing to audit (no schema version), or no snapshot to be had.
pub fn audit(
    client: &mut Client,
    selection: &[&Check],
    options: &Options,
    progress: &dyn Progress,
) -> Result<Audit> {
    let started = Instant::now();
    let mut snapshot = Snapshot::take(client, &plan::tables(selection))?;
    let (database, version) = describe(&mut snapshot.transaction)?;
    let transaction = &mut snapshot.transaction;
    let plan = plan::plan(transaction, selection, version, options.distrust)?;
    if options.distrust {
        transaction.batch_execute(READ_THE_HEAP)?;
    }
    let checks = run(transaction, plan, options.evidence, progress);
    Ok(Audit {
        verdict: verdict(&checks),
        database,
        taken_at: snapshot.taken_at,
        snapshot_id: snapshot.id,
        checks,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// What is being audited. A database without a schema version is not ours, or not migrated yet.
fn describe(snapshot: &mut Transaction<'_>) -> Result<(AuditedDatabase, SchemaVersion)> {
    let row = snapshot.query_one(
        "SELECT current_database()::text, current_setting('server_version'), pg_is_in_recovery()",
        &[],
    )?;
    let name: String = row.get(0);
    let Some(schema_version) = session::schema_version(snapshot)? else {
        return Err(
            Error::undecided(format!("database \"{name}\" has no schema version"))
                .detail("table \"public.schema_version\" does not exist or is empty")
                .hint("creditdb status, then creditdb migrate"),
        );
    };
    let version = SchemaVersion::parse(&schema_version).ok_or_else(|| {
        let message = format!("schema version \"{schema_version}\" of database \"{name}\" is not");
        Error::undecided(format!("{message} a version such as 1.0.0"))
            .detail("it is the newest row of \"public.schema_version\"")
            .hint("creditdb status")
    })?;
    let database = AuditedDatabase {
        name,
        server_version: row.get(1),
        schema_version,
        standby: row.get(2),
    };
    Ok((database, version))
}

/// Evaluates what the plan says, check by check.
fn run(
    snapshot: &mut Transaction<'_>,
    plan: Plan<'_>,
    limit: u32,
    progress: &dyn Progress,
) -> Vec<CheckResult> {
    progress.begin("checks", plan.steps.len() as u64);
    let mut lost: Option<String> = None;
    let mut results = Vec::with_capacity(plan.steps.len());
    for (check, decision) in &plan.steps {
        let result = match decision {
            Decision::Guarded(names) => unread(check, CheckStatus::Guarded(names.clone())),
            Decision::Skip(reason) => unread(check, CheckStatus::Skipped(reason.clone())),
            Decision::Fail(reason) => unread(check, CheckStatus::Error(reason.clone())),
            Decision::Evaluate => match &lost {
                Some(error) => {
                    let reason = format!("not evaluated: the connection was lost: {error}");
                    unread(check, CheckStatus::Error(reason))
                }
                None => match evaluate(snapshot, check, &plan, limit) {
                    Ok(violations) => judged(check, violations),
                    Err(error) => {
                        lost = error.connection_lost().then(|| error.to_string());
                        unread(check, CheckStatus::Error(words(&error)))
                    }
                },
            },
        };
        results.push(result);
        progress.advance(1);
    }
    progress.end();
    results
}

/// Evaluates one check in a savepoint, so that its failure leaves the snapshot usable.
fn evaluate(
    snapshot: &mut Transaction<'_>,
    check: &Check,
    plan: &Plan<'_>,
    limit: u32,
) -> Result<Violations> {
    let mut savepoint = snapshot.transaction()?;
    let contract = &check.contract;
    let violations = match (contract.kind, check.native) {
        (Kind::Row, _) => row::run(&mut savepoint, contract, &plan.relations, limit),
        (Kind::Query, _) => query::run(&mut savepoint, contract, limit),
        (Kind::Native, Some(native)) => native(&mut savepoint, contract, limit),
        (Kind::Native, None) => Err(Error::undecided("a native check without its function")),
    }?;
    savepoint.commit()?;
    Ok(violations)
}

fn unread(check: &Check, status: CheckStatus) -> CheckResult {
    CheckResult {
        check: check.summary(),
        status,
        violations: 0,
        at_risk: Decimal::ZERO,
        evidence: Vec::new(),
    }
}

fn judged(check: &Check, violations: Violations) -> CheckResult {
    CheckResult {
        check: check.summary(),
        status: match violations.count {
            0 => CheckStatus::Holds,
            _ => CheckStatus::Violated,
        },
        violations: violations.count,
        at_risk: violations.at_risk,
        evidence: violations.evidence,
    }
}

/// An error in one line: what, details, SQLSTATE, next step.
fn words(error: &Error) -> String {
    let mut words = error.primary().to_owned();
    if let Some(state) = error.sqlstate() {
        words.push_str(&format!(" (SQLSTATE {state})"));
    }
    for part in error
        .details()
        .iter()
        .map(String::as_str)
        .chain(error.next_step())
    {
        words.push_str("; ");
        words.push_str(part);
    }
    words
}

/// An unread check outweighs all findings: they may not be all. Where no check applies at all,
/// nothing was audited.
fn verdict(checks: &[CheckResult]) -> Verdict {
    let failed = |c: &CheckResult| matches!(c.status, CheckStatus::Error(_));
    let found = |c: &CheckResult| {
        c.status == CheckStatus::Violated && c.check.severity != Severity::Info.word()
    };
    let skipped = |c: &CheckResult| matches!(c.status, CheckStatus::Skipped(_));
    if checks.iter().any(failed) || checks.iter().all(skipped) {
        Verdict::Incomplete
    } else if checks.iter().any(found) {
        Verdict::Findings
    } else {
        Verdict::Clean
    }
}
