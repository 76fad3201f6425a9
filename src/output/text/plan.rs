//! `plan` and `rehearse` as text: file by file, statement by statement.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::error::plain;
use crate::report::{
    FileFailure, ObservedLock, Plan, PlannedFile, PlannedLock, PlannedStatement, Rehearsal,
    RehearsedFile, RehearsedStatement, Risk, StatusState,
};

const BOLD: Style = Style::new().bold();

/// Of a statement's text so much is shown, in one line.
const EXCERPT: usize = 84;

pub(super) fn write(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    let count = match plan.files.len() {
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    };
    let version = plan.schema_version.as_deref().unwrap_or("none");
    match plan.state {
        StatusState::Current => {
            return writeln!(out, "{BOLD}nothing to do{BOLD:#}, schema version {version}");
        }
        StatusState::Pending => {
            let risk = plan.risk();
            let style = style(risk);
            writeln!(
                out,
                "{BOLD}{count} pending{BOLD:#}, schema version {version}, \
                 risk {style}{}{style:#}",
                risk.word()
            )?;
        }
        StatusState::HalfDone => {
            let red = style(Risk::Danger);
            writeln!(
                out,
                "{red}half done{red:#}: a file without a transaction was cut off; \
                 {} names what is left",
                plain(&plan.commands.of("status"))
            )?;
        }
        StatusState::Refused | StatusState::Unmanaged => {
            let red = style(Risk::Danger);
            writeln!(
                out,
                "{red}migrate would refuse{red:#}, schema version {version}"
            )?;
        }
    }
    for problem in &plan.problems {
        super::migrations::problem(problem, out)?;
    }
    for remark in &plan.remarks {
        super::migrations::remark(remark, out)?;
    }
    for file in &plan.files {
        planned_file(file, out)?;
    }
    if plan.state == StatusState::Pending {
        let [rehearse, migrate] = ["rehearse", "migrate"].map(|name| plan.commands.of(name));
        writeln!(
            out,
            "\nnext: {}, then {}",
            plain(&rehearse),
            plain(&migrate)
        )?;
    }
    Ok(())
}

fn style(risk: Risk) -> Style {
    let colour = match risk {
        Risk::None => AnsiColor::Green,
        Risk::Notice => AnsiColor::Yellow,
        Risk::Danger => AnsiColor::Red,
    };
    Style::new().bold().fg_color(Some(colour.into()))
}

fn transaction(word: &str) -> &str {
    match word {
        "none" => "without a transaction",
        "batched" => "in batches",
        _ => "in one transaction",
    }
}

fn planned_file(file: &PlannedFile, out: &mut dyn Write) -> io::Result<()> {
    let PlannedFile { version, name, .. } = file;
    writeln!(
        out,
        "\n{BOLD}V{version}__{name}{BOLD:#}, {}",
        transaction(file.transaction)
    )?;
    // Statements that touch nothing that others use are told by their number.
    let mut quiet = 0;
    for statement in &file.statements {
        if statement.risk == Risk::None && statement.locks.is_empty() {
            quiet += 1;
        } else {
            planned_statement(statement, out)?;
        }
    }
    match quiet {
        0 => Ok(()),
        1 => writeln!(out, "  1 statement that locks nothing that others use"),
        n => writeln!(out, "  {n} statements that lock nothing that others use"),
    }
}

fn planned_statement(statement: &PlannedStatement, out: &mut dyn Write) -> io::Result<()> {
    let style = style(statement.risk);
    let word = statement.risk.word();
    writeln!(
        out,
        "  line {:<4} {style}{word:<6}{style:#}  {}",
        statement.line,
        excerpt(&statement.sql)
    )?;
    for lock in &statement.locks {
        planned_lock(lock, out)?;
    }
    for reason in &statement.reasons {
        super::paragraph("      - ", &plain(reason), out)?;
    }
    Ok(())
}

fn planned_lock(lock: &PlannedLock, out: &mut dyn Write) -> io::Result<()> {
    let mut facts = vec![blocks(lock.blocks_reads, lock.blocks_writes).to_owned()];
    if lock.depends {
        facts.push("only if the rows ask for it".to_owned());
    }
    if lock.rewrites {
        facts.push("rewritten".to_owned());
    } else if lock.scans == Some(true) {
        facts.push("read in full".to_owned());
    }
    facts.push(format!("{} rows", lock.rows));
    facts.push(size(lock.bytes));
    let name = plain(&lock.relation);
    writeln!(out, "      {name}  {}: {}", lock.mode, facts.join(", "))
}

fn blocks(reads: bool, writes: bool) -> &'static str {
    match (reads, writes) {
        (true, _) => "blocks reads and writes",
        (false, true) => "blocks writes",
        (false, false) => "blocks neither reads nor writes",
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    let unit = UNITS.iter().find(|(_, unit)| bytes >= *unit);
    #[allow(clippy::cast_precision_loss)]
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(word, unit)| format!("{:.1} {word}", bytes as f64 / *unit as f64),
    )
}

/// The beginning of a statement in one line.
fn excerpt(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let line = plain(words.join(" ").trim_end_matches(';'));
    if line.chars().count() <= EXCERPT {
        return line;
    }
    let cut: String = line.chars().take(EXCERPT).collect();
    format!("{cut}…")
}

pub(super) fn rehearsal(rehearsal: &Rehearsal, out: &mut dyn Write) -> io::Result<()> {
    let (risk, verdict) = match (&rehearsal.failure, rehearsal.agrees()) {
        (Some(_), _) => (Risk::Danger, "failed"),
        (None, true) => (Risk::None, "rehearsed, as planned"),
        (None, false) => (Risk::Notice, "rehearsed, not as planned"),
    };
    let style = style(risk);
    let rows = match rehearsal.rows {
        0 => "without rows".to_owned(),
        n => format!("with up to {n} rows per table"),
    };
    writeln!(
        out,
        "{style}{verdict}{style:#} on {}, {rows}",
        rehearsal.server
    )?;
    for remark in &rehearsal.remarks {
        super::paragraph("  - ", &plain(remark), out)?;
    }
    for file in &rehearsal.files {
        rehearsed_file(file, out)?;
    }
    match &rehearsal.failure {
        Some(failure) => self::failure(failure, out),
        None => Ok(()),
    }
}

pub(super) fn failure(failure: &FileFailure, out: &mut dyn Write) -> io::Result<()> {
    let style = style(Risk::Danger);
    let (path, line, message) = (&failure.path, failure.line, plain(&failure.message));
    writeln!(out, "\n{style}failed:{style:#} {path}:{line}: {message}")
}

fn rehearsed_file(file: &RehearsedFile, out: &mut dyn Write) -> io::Result<()> {
    let RehearsedFile {
        version,
        name,
        elapsed_ms,
        ..
    } = file;
    let how = transaction(file.transaction);
    writeln!(
        out,
        "\n{BOLD}V{version}__{name}{BOLD:#}, {how}, {elapsed_ms:.1} ms"
    )?;
    for statement in &file.statements {
        rehearsed_statement(statement, out)?;
    }
    Ok(())
}

fn rehearsed_statement(statement: &RehearsedStatement, out: &mut dyn Write) -> io::Result<()> {
    let RehearsedStatement {
        line,
        elapsed_ms,
        sql,
        ..
    } = statement;
    let runs = match statement.runs {
        1 => String::new(),
        n => format!("  ({n} runs)"),
    };
    writeln!(
        out,
        "  line {line:<4} {elapsed_ms:>8.1} ms  {}{runs}",
        excerpt(sql)
    )?;
    for lock in &statement.locks {
        observed_lock(lock, out)?;
    }
    let yellow = style(Risk::Notice);
    for difference in &statement.differences {
        let head = format!("      {yellow}differs:{yellow:#} ");
        writeln!(out, "{head}{}", plain(difference))?;
    }
    for unread in &statement.unread {
        writeln!(out, "      the plan could not tell: {}", plain(unread))?;
    }
    Ok(())
}

fn observed_lock(lock: &ObservedLock, out: &mut dyn Write) -> io::Result<()> {
    let mut facts = vec![blocks(lock.blocks_reads, lock.blocks_writes)];
    if lock.rewritten {
        facts.push("rewritten");
    } else if lock.scanned {
        facts.push("read in full");
    }
    writeln!(
        out,
        "      {}  {}: {}",
        plain(&lock.relation),
        lock.mode,
        facts.join(", ")
    )
}
