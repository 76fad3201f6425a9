//! The catalogue of checks as JSON.

use serde::Serialize;

use crate::report;

#[derive(Serialize)]
pub(super) struct Catalogue<'a> {
    checks: Vec<Check<'a>>,
}

#[derive(Serialize)]
struct Check<'a> {
    id: &'a str,
    area: &'a str,
    severity: &'static str,
    kind: &'static str,
    since: &'a str,
    title: &'a str,
    remedy: &'a str,
}

#[derive(Serialize)]
pub(super) struct Explanation<'a> {
    #[serde(flatten)]
    check: Check<'a>,
    until: Option<&'a str>,
    scope: &'static str,
    guarded_by: &'a [String],
    unguarded_because: Option<&'a str>,
    why: &'a str,
    sql: &'a str,
}

impl<'a> From<&'a [report::CheckSummary]> for Catalogue<'a> {
    fn from(checks: &'a [report::CheckSummary]) -> Self {
        Self {
            checks: checks.iter().map(Check::from).collect(),
        }
    }
}

impl<'a> From<&'a report::CheckSummary> for Check<'a> {
    fn from(check: &'a report::CheckSummary) -> Self {
        Self {
            id: &check.id,
            area: &check.area,
            severity: check.severity.word(),
            kind: check.kind,
            since: &check.since,
            title: &check.title,
            remedy: &check.remedy,
        }
    }
}

impl<'a> From<&'a report::Explanation> for Explanation<'a> {
    fn from(explanation: &'a report::Explanation) -> Self {
        Self {
            check: Check::from(&explanation.check),
            until: explanation.until.as_deref(),
            scope: explanation.scope,
            guarded_by: &explanation.guarded_by,
            unguarded_because: explanation.unguarded_because.as_deref(),
            why: &explanation.why,
            sql: &explanation.sql,
        }
    }
}
