//! The audit as text.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{paragraph, severity_style};
use crate::error::{plain, plain_line, shell_word};
use crate::report::{Audit, AuditState, CheckResult, CheckStatus, Evidence, Verdict};

/// Evidence per check; the formats for programs have all of it.
const EVIDENCE_SHOWN: usize = 5;

/// So many checks that need no attention are named in text.
const FEW: usize = 5;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

pub(super) fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    verdict(audit, out)?;
    if let Some(state) = &audit.state {
        course(state, out)?;
    }
    let mut violated: Vec<&CheckResult> = audit.checks.iter().filter(|c| is_violated(c)).collect();
    violated.sort_by_key(|c| c.check.severity);
    let with = match &audit.folder {
        Some(folder) => format!(" --checks {}", shell_word(folder)),
        None => String::new(),
    };
    for result in violated {
        finding(result, &with, out)?;
    }
    for result in &audit.checks {
        if let CheckStatus::Error(reason) = &result.status {
            failure(result, reason, out)?;
        }
    }
    writeln!(out)?;
    rest(audit, out)
}

fn is_violated(result: &CheckResult) -> bool {
    result.status == CheckStatus::Violated
}

/// One line that says it all, and one that says about what.
fn verdict(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let (colour, word) = match audit.verdict {
        Verdict::Clean => (AnsiColor::Green, "CLEAN"),
        Verdict::Findings => (AnsiColor::Red, "FINDINGS"),
        Verdict::Incomplete => (AnsiColor::Yellow, "INCOMPLETE"),
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let count =
        |wanted: fn(&CheckResult) -> bool| audit.checks.iter().filter(|c| wanted(c)).count();
    let total = checks(audit.checks.len());
    let violated = count(is_violated);
    let failed = count(|c| matches!(c.status, CheckStatus::Error(_)));
    let mut words = Vec::new();
    let skipped = count(|c| matches!(c.status, CheckStatus::Skipped(_)));
    if skipped == audit.checks.len() {
        words.push("no check applies to this schema version".to_owned());
    } else if failed > 0 {
        words.push(format!("{failed} of {total} could not be evaluated"));
    }
    if violated > 0 {
        let of = if failed > 0 {
            String::new()
        } else {
            format!(" of {total}")
        };
        words.push(format!("{violated}{of} violated"));
    } else if failed == 0 && skipped < audit.checks.len() {
        words.push(format!("{total}, none violated"));
    }
    let at_risk = audit
        .checks
        .iter()
        .fold(Decimal::ZERO, |sum, c| sum.saturating_add(c.at_risk));
    if !at_risk.is_zero() {
        // Several checks may see the same credits.
        words.push(format!("up to {} credits at risk", credits(at_risk)));
    }
    writeln!(out, "{style}{word}{style:#}  {}", words.join(", "))?;
    let database = &audit.database;
    let standby = if database.standby { ", a standby" } else { "" };
    writeln!(
        out,
        "{DIM}database \"{}\", schema {}, PostgreSQL {}{standby}, as of {}{DIM:#}",
        plain(&database.name),
        plain(&database.schema_version),
        database.server_version,
        audit.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    )
}

/// Whether everything was read, or what is new, and up to where rows are sealed.
fn course(state: &AuditState, out: &mut dyn Write) -> io::Result<()> {
    let at = |moment: Option<Timestamp>| match moment {
        Some(moment) => moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        None => "never".to_owned(),
    };
    match (&state.reason, state.since) {
        (Some(reason), _) => paragraph("full audit: ", &plain(reason), out)?,
        (None, since) => {
            let (since, full) = (at(since), at(state.full_at));
            writeln!(
                out,
                "incremental audit: since {since}; everything was read {full}"
            )?;
        }
    }
    let sealed: Vec<String> = state
        .sealed
        .iter()
        .map(|(table, id)| format!("{} up to id {id}", plain(table)))
        .collect();
    if !sealed.is_empty() {
        writeln!(out, "sealed: {}", sealed.join(", "))?;
    }
    if !state.held_up.is_empty() {
        let tables = plain(&state.held_up.join(", "));
        writeln!(
            out,
            "open transactions keep the newest ids of {tables} from being sealed"
        )?;
    }
    match &state.kept {
        Some(why) => paragraph("the state stays as it was: ", &plain(why), out),
        None => Ok(()),
    }
}

/// What is wrong, how much money, where, why, and what to do. `with` is the option that a command
/// needs to know the check.
fn finding(result: &CheckResult, with: &str, out: &mut dyn Write) -> io::Result<()> {
    let check = &result.check;
    let style = severity_style(check.severity);
    write!(
        out,
        "\n{style}{}{style:#}  {BOLD}{}{BOLD:#}",
        check.severity, check.id
    )?;
    writeln!(out, "  not true: {}", check.title)?;
    let noun = if result.violations == 1 {
        "violation"
    } else {
        "violations"
    };
    write!(out, "  {} {noun}", result.violations)?;
    if !result.at_risk.is_zero() {
        write!(out, ", {} credits at risk", credits(result.at_risk))?;
    }
    writeln!(out)?;
    let shown = &result.evidence[..result.evidence.len().min(EVIDENCE_SHOWN)];
    for evidence in shown {
        self::evidence(evidence, out)?;
    }
    let more = result.violations.saturating_sub(shown.len() as u64);
    if more > 0 {
        let (id, all) = (&check.id, result.violations);
        writeln!(
            out,
            "    … and {more} more: creditdb verify {id}{with} --evidence {all} --format json"
        )?;
    }
    paragraph("  remedy: ", &check.remedy, out)
}

fn evidence(evidence: &Evidence, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "    {}", plain_line(&evidence.subject))?;
    if let Some(cause) = &evidence.cause {
        write!(out, "  {BOLD}{}{BOLD:#}", plain(cause))?;
    }
    writeln!(out)?;
    let mut numbers = Vec::new();
    if let Some(expected) = &evidence.expected {
        numbers.push(format!("expected {}", plain(expected)));
    }
    if let Some(actual) = &evidence.actual {
        numbers.push(format!("found {}", plain(actual)));
    }
    if let Some(difference) = evidence.difference {
        let plus = if difference > Decimal::ZERO { "+" } else { "" };
        numbers.push(format!("difference {plus}{} credits", credits(difference)));
    }
    if !numbers.is_empty() {
        writeln!(out, "      {}", numbers.join(", "))?;
    }
    if let Some(detail) = &evidence.detail {
        paragraph("      ", &plain(detail), out)?;
    }
    Ok(())
}

fn failure(result: &CheckResult, reason: &str, out: &mut dyn Write) -> io::Result<()> {
    let yellow = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    let check = &result.check;
    writeln!(
        out,
        "\n{yellow}not evaluated{yellow:#}  {BOLD}{}{BOLD:#}  {}",
        check.id, check.title
    )?;
    paragraph("  ", &plain(reason), out)
}

/// What needs no attention: names where there are few, numbers where there are many.
fn rest(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let mut holds = Vec::new();
    let mut guarded = Vec::new();
    let mut skipped = Vec::new();
    let mut pending = Vec::new();
    for result in &audit.checks {
        let id = &result.check.id;
        if result.pending > 0 {
            let rows = if result.pending == 1 { "row" } else { "rows" };
            pending.push(format!("{id} ({} {rows} too young)", result.pending));
        }
        match &result.status {
            CheckStatus::Holds => holds.push(id.clone()),
            CheckStatus::Guarded(names) => guarded.push(format!("{id} (by {})", names.join(", "))),
            CheckStatus::Skipped(reason) => skipped.push(format!("{id} ({reason})")),
            CheckStatus::Violated | CheckStatus::Error(_) => {}
        }
    }
    for (word, names) in [
        ("hold", holds),
        ("guarded", guarded),
        ("skipped", skipped),
        ("pending", pending),
    ] {
        let head = format!("{word:<7} {:>3}  ", names.len());
        match names.len() {
            0 => {}
            1..=FEW => paragraph(&head, &plain(&names.join(", ")), out)?,
            _ => writeln!(out, "{}", head.trim_end())?,
        }
    }
    writeln!(
        out,
        "{DIM}{} ms; --format json names every check{DIM:#}",
        audit.elapsed_ms
    )
}

fn checks(count: usize) -> String {
    match count {
        1 => "1 check".to_owned(),
        n => format!("{n} checks"),
    }
}

/// An amount without useless zeros.
fn credits(amount: Decimal) -> String {
    amount.normalize().to_string()
}
