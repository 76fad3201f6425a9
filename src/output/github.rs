//! Workflow commands of GitHub Actions: one annotation per finding, at its line where it has one.
//!
//! The form and its escapes are those of `@actions/core`:
//! `::error file=…,line=…,title=…::message`. Reports with nothing to annotate write nothing.

use std::io::{self, Write};

use crate::error::{plain, plain_inset};
use crate::report::{
    Audit, CheckResult, CheckStatus, Deployment, Evidence, FileFailure, Lint, Nature, Plan,
    Problem, Rehearsal, Report, Risk, SchemaDifference, Severity, Status, StatusState,
};

/// Writes a report as annotations.
///
/// # Errors
/// Whatever the writer says.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    match report {
        Report::Lint(lint) => self::lint(lint, out),
        Report::Status(status) => self::status(status, out),
        Report::Deployment(deployment) => self::deployment(deployment, out),
        Report::Plan(plan) => self::plan(plan, out),
        Report::Rehearsal(rehearsal) => self::rehearsal(rehearsal, out),
        Report::Drift(drift) => differences(&drift.differences, out),
        Report::Adoption(adoption) => differences(&adoption.differences, out),
        Report::Audit(audit) => self::audit(audit, out),
        Report::Tour(steps) => steps.iter().try_for_each(|step| write(&step.report, out)),
        Report::LintRules(_)
        | Report::LintRule(_)
        | Report::Catalogue(_)
        | Report::Explanation(_)
        | Report::Sample(_)
        | Report::Nothing => Ok(()),
    }
}

fn command(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    }
}

fn lint(lint: &Lint, out: &mut dyn Write) -> io::Result<()> {
    for finding in &lint.findings {
        let file = &lint.files[finding.file].path;
        let (start, end) = (finding.start, finding.end);
        write!(
            out,
            "::{} file={},line={},endLine={},",
            command(finding.severity),
            property(file),
            start.line,
            end.line
        )?;
        // GitHub refuses columns of a range of lines.
        if start.line == end.line {
            write!(out, "col={},endColumn={},", start.column, end.column)?;
        }
        let message = format!("{}\nhelp: {}", finding.message, finding.remedy);
        writeln!(out, "title={}::{}", property(finding.rule), data(&message))?;
    }
    Ok(())
}

fn annotate(out: &mut dyn Write, severity: Severity, title: &str, message: &str) -> io::Result<()> {
    let (title, message) = (property(title), data(message));
    writeln!(out, "::{} title={title}::{message}", command(severity))
}

fn problem(out: &mut dyn Write, severity: Severity, problem: &Problem) -> io::Result<()> {
    let message = format!("{}\nhint: {}", problem.message, problem.hint);
    annotate(out, severity, problem.code, &message)
}

fn problems(
    out: &mut dyn Write,
    state: StatusState,
    (problems, unfinished): (&[Problem], &[Problem]),
) -> io::Result<()> {
    for told in problems {
        problem(out, Severity::Error, told)?;
    }
    // A file that somebody is at work on is nothing to repair.
    let severity = match state {
        StatusState::Current | StatusState::Pending => Severity::Info,
        _ => Severity::Error,
    };
    for told in unfinished {
        problem(out, severity, told)?;
    }
    Ok(())
}

fn status(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    problems(out, status.state, (&status.problems, &status.unfinished))?;
    if status.state == StatusState::Pending {
        annotate(out, Severity::Info, "pending", "migrations are pending")?;
    }
    Ok(())
}

fn deployment(deployment: &Deployment, out: &mut dyn Write) -> io::Result<()> {
    for migration in &deployment.applied {
        let message = format!("V{}__{}", migration.version, migration.name);
        annotate(out, Severity::Info, "applied", &message)?;
    }
    failure(deployment.failure.as_ref(), out)
}

fn failure(failure: Option<&FileFailure>, out: &mut dyn Write) -> io::Result<()> {
    let Some(failure) = failure else {
        return Ok(());
    };
    place(out, Severity::Error, &failure.path, failure.line)?;
    writeln!(out, "title=failed::{}", data(&failure.message))
}

/// Statements that somebody would feel.
fn plan(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    problems(out, plan.state, (&plan.problems, &plan.unfinished))?;
    for remark in &plan.remarks {
        problem(out, Severity::Info, remark)?;
    }
    for file in &plan.files {
        for statement in &file.statements {
            let severity = match statement.risk {
                Risk::None => continue,
                Risk::Notice => Severity::Info,
                Risk::Danger => Severity::Error,
            };
            place(out, severity, &file.path, statement.line)?;
            let message = format!("{}\n{}", statement.sql, statement.reasons.join("\n"));
            writeln!(out, "title={}::{}", statement.risk.word(), data(&message))?;
        }
    }
    Ok(())
}

fn differences(differences: &[SchemaDifference], out: &mut dyn Write) -> io::Result<()> {
    for difference in differences {
        let nature = match difference.nature {
            Nature::Missing => "missing",
            Nature::Extra => "extra",
            Nature::Different => "different",
        };
        let mut lines = vec![format!("{} {}", difference.kind, difference.object)];
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        for change in &difference.changes {
            let (expected, actual) = (value(&change.expected), value(&change.actual));
            let property = &change.property;
            lines.push(format!("{property}: expected {expected}, found {actual}"));
        }
        lines.extend(difference.sql.iter().cloned());
        let severity = if difference.counts {
            Severity::Error
        } else {
            Severity::Info
        };
        annotate(out, severity, nature, &lines.join("\n"))?;
    }
    Ok(())
}

fn rehearsal(rehearsal: &Rehearsal, out: &mut dyn Write) -> io::Result<()> {
    failure(rehearsal.failure.as_ref(), out)?;
    for file in &rehearsal.files {
        for statement in &file.statements {
            for difference in &statement.differences {
                place(out, Severity::Warning, &file.path, statement.line)?;
                writeln!(out, "title=not as planned::{}", data(difference))?;
            }
        }
    }
    Ok(())
}

/// The beginning of an annotation of one line.
fn place(out: &mut dyn Write, severity: Severity, path: &str, line: usize) -> io::Result<()> {
    let (command, file) = (command(severity), property(path));
    write!(out, "::{command} file={file},line={line},")
}

fn audit(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    for result in &audit.checks {
        let check = &result.check;
        match &result.status {
            CheckStatus::Violated => {
                annotate(out, check.severity, &check.id, &violation(result))?;
            }
            CheckStatus::Error(reason) => {
                let message = format!("could not be evaluated: {reason}");
                annotate(out, Severity::Error, &check.id, &message)?;
            }
            CheckStatus::Holds | CheckStatus::Guarded(_) | CheckStatus::Skipped(_) => {}
        }
    }
    Ok(())
}

fn violation(result: &CheckResult) -> String {
    let mut lines = vec![format!(
        "{}: violated {} times",
        result.check.title, result.violations
    )];
    lines.extend(result.evidence.iter().map(evidence));
    lines.push(format!("remedy: {}", result.check.remedy));
    lines.join("\n")
}

fn evidence(evidence: &Evidence) -> String {
    let mut line = evidence.subject.clone();
    let difference = evidence.difference.map(|it| it.normalize().to_string());
    for (word, value) in [
        ("expected", &evidence.expected),
        ("actual", &evidence.actual),
        ("difference", &difference),
        ("cause", &evidence.cause),
        ("detail", &evidence.detail),
    ] {
        if let Some(value) = value {
            line = format!("{line}, {word} {value}");
        }
    }
    // One line each, whatever stands in the row.
    plain(&line)
}

/// Escapes a message of several lines. A log is read on terminals, too.
fn data(text: &str) -> String {
    plain_inset(text).replace('%', "%25").replace('\n', "%0A")
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(&plain(text)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_would_end_a_property_or_a_message() {
        assert_eq!(data("100 %\r\na:b,c\u{1b}X"), r"100 %25%0Aa:b,c\u{1b}X");
        assert_eq!(property("a:b,c%\n"), r"a%3Ab%2Cc%25\n");
    }
}
