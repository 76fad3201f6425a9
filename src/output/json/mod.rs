//! JSON for programs: version 1. Each report has its own structs here, so that the domain can
//! change without changing what others parse. Amounts are strings: a float would lose credits.

mod audit;
mod catalogue;
mod drift;
mod lint;
mod migrations;
mod plan;
mod rehearsal;
mod sample;
mod tour;

use std::io::{self, Write};

use serde::Serialize;

use crate::report::Report;

/// Version of the documents; raised when a field changes its meaning or goes away.
const VERSION: u32 = 1;

/// Writes a report as one JSON document and a newline.
///
/// # Errors
/// Whatever the writer says.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    match report {
        Report::Status(status) => document(&migrations::Status::from(status), out),
        Report::Deployment(deployment) => document(&migrations::Deployment::from(deployment), out),
        Report::Plan(plan) => document(&plan::Plan::from(plan), out),
        Report::Rehearsal(rehearsal) => document(&rehearsal::Rehearsal::from(rehearsal), out),
        Report::Drift(drift) => document(&drift::Drift::from(drift), out),
        Report::Adoption(adoption) => document(&drift::Adoption::from(adoption), out),
        Report::Audit(audit) => document(&audit::Audit::from(audit), out),
        Report::Catalogue(checks) => document(&catalogue::Catalogue::from(checks.as_slice()), out),
        Report::Explanation(explanation) => {
            document(&catalogue::Explanation::from(explanation), out)
        }
        Report::Lint(lint) => document(&lint::Lint::from(lint), out),
        Report::LintRules(rules) => document(&lint::Rules::from(rules.as_slice()), out),
        Report::LintRule(rule) => document(&lint::Rule::from(rule), out),
        Report::Sample(sample) => document(&sample::Sample::from(sample), out),
        Report::Tour(steps) => document(&tour::Tour::from(steps.as_slice()), out),
        Report::Nothing => Ok(()),
    }
}

#[derive(Serialize)]
struct Document<'a, T> {
    version: u32,
    #[serde(flatten)]
    content: &'a T,
}

fn document<T: Serialize>(content: &T, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(
        &mut *out,
        &Document {
            version: VERSION,
            content,
        },
    )?;
    writeln!(out)
}
