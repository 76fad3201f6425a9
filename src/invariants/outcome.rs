//! How checks end, one by one and all together.

use rust_decimal::Decimal;

use super::catalogue::Check;
use super::evidence::Violations;
use crate::error::{Error, masked};
use crate::report::{CheckResult, CheckStatus, Evidence, Verdict};

/// A check whose rows were not judged, and why.
pub(super) fn unread(check: &Check, status: CheckStatus) -> CheckResult {
    CheckResult {
        check: check.summary(),
        status,
        violations: 0,
        pending: 0,
        at_risk: Decimal::ZERO,
        evidence: Vec::new(),
    }
}

/// A check that was evaluated.
pub(super) fn judged(check: &Check, violations: Violations) -> CheckResult {
    CheckResult {
        check: check.summary(),
        status: match violations.count {
            0 => CheckStatus::Holds,
            _ => CheckStatus::Violated,
        },
        violations: violations.count,
        pending: 0,
        at_risk: violations.at_risk,
        evidence: violations.evidence.into_iter().map(shown).collect(),
    }
}

/// What a report may show of a violation: references and texts of rows, but no key in them.
fn shown(evidence: Evidence) -> Evidence {
    let without_keys = |text: String| masked(&text);
    Evidence {
        subject: without_keys(evidence.subject),
        expected: evidence.expected.map(without_keys),
        actual: evidence.actual.map(without_keys),
        cause: evidence.cause.map(without_keys),
        detail: evidence.detail.map(without_keys),
        difference: evidence.difference,
    }
}

/// An error in one line: what, details, SQLSTATE, next step.
pub(super) fn words(error: &Error) -> String {
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
pub(super) fn verdict(checks: &[CheckResult]) -> Verdict {
    let failed = |c: &CheckResult| matches!(c.status, CheckStatus::Error(_));
    let found = |c: &CheckResult| c.status == CheckStatus::Violated && c.check.severity.fails();
    let skipped = |c: &CheckResult| matches!(c.status, CheckStatus::Skipped(_));
    if checks.iter().any(failed) || checks.iter().all(skipped) {
        Verdict::Incomplete
    } else if checks.iter().any(found) {
        Verdict::Findings
    } else {
        Verdict::Clean
    }
}
