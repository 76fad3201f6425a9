//! `lint` as JSON.

use serde::Serialize;

use crate::report;

#[derive(Serialize)]
pub(super) struct Lint<'a> {
    files: Vec<&'a str>,
    findings: Vec<Finding<'a>>,
    allowed: Vec<Allowed<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    rule: &'a str,
    severity: &'static str,
    file: &'a str,
    /// From 1, columns in characters; the end is the first character after the finding.
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    /// In bytes.
    start: usize,
    end: usize,
    message: &'a str,
    remedy: &'a str,
}

#[derive(Serialize)]
struct Allowed<'a> {
    #[serde(flatten)]
    finding: Finding<'a>,
    reason: &'a str,
}

impl<'a> From<&'a report::Lint> for Lint<'a> {
    fn from(lint: &'a report::Lint) -> Self {
        let findings = lint.findings.iter().map(|f| Finding::new(f, lint));
        let allowed = lint.allowed.iter().map(|allowed| Allowed {
            finding: Finding::new(&allowed.finding, lint),
            reason: &allowed.reason,
        });
        Self {
            files: lint.files.iter().map(|file| &file.path[..]).collect(),
            findings: findings.collect(),
            allowed: allowed.collect(),
        }
    }
}

impl<'a> Finding<'a> {
    fn new(finding: &'a report::LintFinding, lint: &'a report::Lint) -> Self {
        Self {
            rule: finding.rule,
            severity: finding.severity.word(),
            file: &lint.files[finding.file].path,
            line: finding.start.line,
            column: finding.start.column,
            end_line: finding.end.line,
            end_column: finding.end.column,
            start: finding.span.start,
            end: finding.span.end,
            message: &finding.message,
            remedy: finding.remedy,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Rules<'a> {
    rules: Vec<Rule<'a>>,
}

#[derive(Serialize)]
pub(super) struct Rule<'a> {
    id: &'a str,
    area: &'a str,
    severity: &'static str,
    title: &'a str,
    why: &'a str,
    remedy: &'a str,
}

impl<'a> From<&'a [report::LintRule]> for Rules<'a> {
    fn from(rules: &'a [report::LintRule]) -> Self {
        Self {
            rules: rules.iter().map(Rule::from).collect(),
        }
    }
}

impl<'a> From<&'a report::LintRule> for Rule<'a> {
    fn from(rule: &'a report::LintRule) -> Self {
        Self {
            id: rule.id,
            area: rule.area,
            severity: rule.severity.word(),
            title: rule.title,
            why: rule.why,
            remedy: rule.remedy,
        }
    }
}
