//! Text for people: the verdict first, then what, where, how much, why, and what to do.

mod audit;
mod catalogue;
mod lint;
mod migrations;
mod sample;

use std::io::{self, Write};

use crate::report::Report;

/// Writes a report as text.
///
/// # Errors
/// Whatever the writer says.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    match report {
        Report::Status(status) => migrations::status(status, out),
        Report::Deployment(deployment) => migrations::deployment(deployment, out),
        Report::Audit(audit) => audit::write(audit, out),
        Report::Catalogue(checks) => catalogue::list(checks, out),
        Report::Explanation(explanation) => catalogue::explain(explanation, out),
        Report::Lint(lint) => lint::findings(lint, out),
        Report::LintRules(rules) => lint::rules(rules, out),
        Report::LintRule(rule) => lint::rule(rule, out),
        Report::Sample(sample) => sample::write(sample, out),
        Report::Nothing => Ok(()),
    }
}
