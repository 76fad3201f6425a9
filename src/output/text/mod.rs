//! Text for people: the verdict first, then what, where, how much, why, and what to do.

mod audit;
mod catalogue;
mod drift;
mod lint;
mod migrations;
mod plan;
mod sample;
mod tour;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::error::plain_line;
use crate::report::{Report, Severity};

/// Writes a report as text.
///
/// # Errors
/// Whatever the writer says.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    match report {
        Report::Status(status) => migrations::status(status, out),
        Report::Deployment(deployment) => migrations::deployment(deployment, out),
        Report::Plan(plan) => plan::write(plan, out),
        Report::Rehearsal(rehearsal) => plan::rehearsal(rehearsal, out),
        Report::Drift(drift) => drift::drift(drift, out),
        Report::Adoption(adoption) => drift::adoption(adoption, out),
        Report::Audit(audit) => audit::write(audit, out),
        Report::Catalogue(checks) => catalogue::list(checks, out),
        Report::Explanation(explanation) => catalogue::explain(explanation, out),
        Report::Lint(lint) => lint::findings(lint, out),
        Report::LintRules(rules) => lint::rules(rules, out),
        Report::LintRule(rule) => lint::rule(rule, out),
        Report::Sample(sample) => sample::write(sample, out),
        Report::Tour(steps) => tour::write(steps, out),
        Report::Nothing => Ok(()),
    }
}

/// Width of running text; not the terminal's, so that the same report is the same text.
const WIDTH: usize = 100;

/// The colour of a severity.
fn severity_style(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Cyan,
    };
    Style::new().bold().fg_color(Some(colour.into()))
}

/// Words after a head, wrapped, with the lines below the first word aligned to it. What stands in a
/// row may begin any of them.
fn paragraph(head: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let indent = head.chars().count();
    let mut line = head.to_owned();
    let mut used = indent;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        let is_first = used == indent;
        if !is_first && used + 1 + width > WIDTH {
            writeln!(out, "{}", plain_line(&line))?;
            line = " ".repeat(indent);
            used = indent;
        } else if !is_first {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += width;
    }
    writeln!(out, "{}", plain_line(&line))
}
