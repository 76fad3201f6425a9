//! The audit as JSON.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::report::{self, CheckStatus, Verdict};

#[derive(Serialize)]
pub(super) struct Audit<'a> {
    verdict: &'static str,
    database: Database<'a>,
    snapshot: Snapshot<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State<'a>>,
    checks: Vec<Check<'a>>,
    elapsed_ms: u64,
}

#[derive(Serialize)]
struct Database<'a> {
    name: &'a str,
    server_version: &'a str,
    schema_version: &'a str,
    standby: bool,
}

#[derive(Serialize)]
struct Snapshot<'a> {
    taken_at: String,
    id: &'a str,
}

#[derive(Serialize)]
struct State<'a> {
    file: &'a str,
    mode: &'static str,
    /// Why everything was read.
    reason: Option<&'a str>,
    since: Option<String>,
    full_at: Option<String>,
    sealed: BTreeMap<&'a str, i64>,
    /// Tables of which open transactions kept the newest ids from being sealed.
    held_up: &'a [String],
    /// Why the file stayed as it was.
    kept: Option<&'a str>,
}

#[derive(Serialize)]
struct Check<'a> {
    id: &'a str,
    area: &'a str,
    severity: &'static str,
    status: &'static str,
    /// Why it was not evaluated; for a guarded check, what guards it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What is not true, and what to do; of a violated check.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
    violations: u64,
    /// Rows that are too young to be judged.
    #[serde(skip_serializing_if = "is_zero")]
    pending: u64,
    at_risk: String,
    evidence: Vec<Evidence<'a>>,
}

#[derive(Serialize)]
struct Evidence<'a> {
    subject: &'a str,
    expected: Option<&'a str>,
    actual: Option<&'a str>,
    difference: Option<String>,
    cause: Option<&'a str>,
    detail: Option<&'a str>,
}

impl<'a> From<&'a report::Audit> for Audit<'a> {
    fn from(audit: &'a report::Audit) -> Self {
        Self {
            verdict: match audit.verdict {
                Verdict::Clean => "clean",
                Verdict::Findings => "findings",
                Verdict::Incomplete => "incomplete",
            },
            database: Database {
                name: &audit.database.name,
                server_version: &audit.database.server_version,
                schema_version: &audit.database.schema_version,
                standby: audit.database.standby,
            },
            snapshot: Snapshot {
                taken_at: audit.taken_at.to_string(),
                id: &audit.snapshot_id,
            },
            state: audit.state.as_ref().map(State::from),
            checks: audit.checks.iter().map(Check::from).collect(),
            elapsed_ms: audit.elapsed_ms,
        }
    }
}

impl<'a> From<&'a report::AuditState> for State<'a> {
    fn from(state: &'a report::AuditState) -> Self {
        let sealed = state.sealed.iter();
        Self {
            file: &state.file,
            mode: state.mode,
            reason: state.reason.as_deref(),
            since: state.since.map(|moment| moment.to_string()),
            full_at: state.full_at.map(|moment| moment.to_string()),
            sealed: sealed.map(|(table, id)| (table.as_str(), *id)).collect(),
            held_up: &state.held_up,
            kept: state.kept.as_deref(),
        }
    }
}

impl<'a> From<&'a report::CheckResult> for Check<'a> {
    fn from(result: &'a report::CheckResult) -> Self {
        let (status, reason) = match &result.status {
            CheckStatus::Holds => ("holds", None),
            CheckStatus::Violated => ("violated", None),
            CheckStatus::Guarded(names) => ("guarded", Some(names.join(", "))),
            CheckStatus::Skipped(reason) => ("skipped", Some(reason.clone())),
            CheckStatus::Error(reason) => ("error", Some(reason.clone())),
        };
        let violated = (result.status == CheckStatus::Violated).then_some(&result.check);
        Self {
            id: &result.check.id,
            area: &result.check.area,
            severity: result.check.severity.word(),
            status,
            reason,
            title: violated.map(|check| &check.title[..]),
            remedy: violated.map(|check| &check.remedy[..]),
            violations: result.violations,
            pending: result.pending,
            at_risk: credits(result.at_risk),
            evidence: result.evidence.iter().map(Evidence::from).collect(),
        }
    }
}

impl<'a> From<&'a report::Evidence> for Evidence<'a> {
    fn from(evidence: &'a report::Evidence) -> Self {
        Self {
            subject: &evidence.subject,
            expected: evidence.expected.as_deref(),
            actual: evidence.actual.as_deref(),
            difference: evidence.difference.map(credits),
            cause: evidence.cause.as_deref(),
            detail: evidence.detail.as_deref(),
        }
    }
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Eight decimals, always: text that compares equal when the amounts do.
fn credits(amount: Decimal) -> String {
    // Adding zero turns -0 into 0.
    format!("{:.8}", amount + Decimal::ZERO)
}
