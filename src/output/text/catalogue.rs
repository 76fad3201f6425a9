//! The catalogue of checks as text.

use std::io::{self, Write};

use anstyle::Style;

use super::{paragraph, severity_style};
use crate::report::{CheckSummary, Explanation};

const BOLD: Style = Style::new().bold();

/// A table, grouped by area.
pub(super) fn list(checks: &[CheckSummary], out: &mut dyn Write) -> io::Result<()> {
    let width = checks.iter().map(|c| c.id.len()).max().unwrap_or_default();
    let mut area = "";
    for check in checks {
        if check.area != area {
            let blank = if area.is_empty() { "" } else { "\n" };
            writeln!(out, "{blank}{BOLD}{}{BOLD:#}", check.area)?;
            area = &check.area;
        }
        let style = severity_style(check.severity);
        writeln!(
            out,
            "  {:<width$}  {style}{:<7}{style:#}  {:<6}  {}  {}",
            check.id, check.severity, check.kind, check.since, check.title
        )?;
    }
    let noun = if checks.len() == 1 { "check" } else { "checks" };
    writeln!(
        out,
        "\n{} {noun}; creditdb explain ID tells more",
        checks.len()
    )
}

/// All about one check, and the SQL to paste into psql.
pub(super) fn explain(explanation: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    let check = &explanation.check;
    let style = severity_style(check.severity);
    writeln!(out, "{BOLD}{}{BOLD:#}  {}", check.id, check.title)?;
    writeln!(out)?;
    writeln!(out, "severity    {style}{}{style:#}", check.severity)?;
    writeln!(out, "area        {}", check.area)?;
    writeln!(out, "kind        {}", check.kind)?;
    writeln!(out, "scope       {}", scope(explanation.scope))?;
    writeln!(out, "applies     {}", versions(explanation))?;
    let guards = match &explanation.unguarded_because {
        Some(reason) => format!("nothing: {reason}"),
        None => explanation.guarded_by.join(", "),
    };
    paragraph("guarded by  ", &guards, out)?;
    paragraph("why         ", &explanation.why, out)?;
    paragraph("remedy      ", &check.remedy, out)?;
    let rows = match check.kind {
        "native" => "SQL; the program reads its rows and names the causes:",
        _ => "SQL; each row is a violation:",
    };
    writeln!(out, "\n{BOLD}{rows}{BOLD:#}\n\n{}", explanation.sql)
}

fn scope(scope: &str) -> &str {
    match scope {
        "user" => "user: the rows of one user decide",
        "global" => "global: rows of all users, or rows without a user",
        "totals" => "totals: sums over all users",
        other => other,
    }
}

fn versions(explanation: &Explanation) -> String {
    let since = &explanation.check.since;
    match &explanation.until {
        Some(until) => format!("from schema {since} to before {until}"),
        None => format!("from schema {since} on"),
    }
}
