//! `drift` and `adopt` as text: each difference with what was expected, what was found, and the SQL
//! that takes it away.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::error::{plain, plain_line};
use crate::report::{Adoption, AdoptionState, Drift, Nature, SchemaChange, SchemaDifference};

const HARMLESS: &str = "harmless: ";

pub(super) fn drift(drift: &Drift, out: &mut dyn Write) -> io::Result<()> {
    let counts = drift.count();
    let (colour, word) = match counts {
        0 => (AnsiColor::Green, "CLEAN"),
        _ => (AnsiColor::Red, "DRIFT"),
    };
    let style = bold(colour);
    let notes = drift.differences.len() - counts;
    write!(
        out,
        "{style}{word}{style:#}  {}",
        many(counts, "difference")
    )?;
    if notes > 0 {
        write!(out, " and {}", many(notes, "note"))?;
    }
    write!(out, " at version {}", drift.version)?;
    if let Some(version) = &drift.schema_version {
        write!(out, ", schema version {}", plain(version))?;
    }
    writeln!(out)?;
    let (database, owner) = (plain(&drift.database), plain(&drift.owner));
    writeln!(out, "database \"{database}\", owner \"{owner}\"")?;
    for difference in &drift.differences {
        let weight = if difference.counts { "" } else { "note: " };
        self::difference(difference, weight, out)?;
    }
    Ok(())
}

pub(super) fn adoption(adoption: &Adoption, out: &mut dyn Write) -> io::Result<()> {
    let version = adoption.version;
    let (colour, word) = match adoption.state {
        AdoptionState::Adopted => (AnsiColor::Green, "ADOPTED"),
        AdoptionState::Managed => (AnsiColor::Green, "NOTHING TO DO"),
        AdoptionState::Refused => (AnsiColor::Red, "REFUSED"),
    };
    let style = bold(colour);
    let blocking = adoption.differences.iter().filter(|d| d.counts).count();
    let harmless = adoption.differences.len() - blocking;
    match adoption.state {
        AdoptionState::Adopted => {
            let harmless = many(harmless, "harmless difference");
            writeln!(
                out,
                "{style}{word}{style:#}  at version {version}, {harmless}"
            )?;
        }
        AdoptionState::Managed => writeln!(
            out,
            "{style}{word}{style:#}  the history is there already, at version {version}"
        )?,
        AdoptionState::Refused => writeln!(
            out,
            "{style}{word}{style:#}  {} from version {version}, {harmless} harmless; \
             nothing was changed",
            many(blocking, "blocking difference")
        )?,
    }
    write!(out, "database \"{}\"", plain(&adoption.database))?;
    if let Some(version) = &adoption.schema_version {
        write!(out, ", schema version {}", plain(version))?;
    }
    writeln!(out)?;
    if adoption.candidates.len() > 1 {
        writeln!(out)?;
    }
    for candidate in adoption
        .candidates
        .iter()
        .filter(|_| adoption.candidates.len() > 1)
    {
        writeln!(
            out,
            "  version {:<4} {:>3} blocking, {:>3} harmless",
            candidate.version, candidate.blocking, candidate.harmless
        )?;
    }
    for counts in [true, false] {
        let weight = if counts { "blocking: " } else { HARMLESS };
        for difference in adoption.differences.iter().filter(|d| d.counts == counts) {
            self::difference(difference, weight, out)?;
        }
    }
    next(adoption, out)
}

fn next(adoption: &Adoption, out: &mut dyn Write) -> io::Result<()> {
    match adoption.state {
        AdoptionState::Refused => writeln!(
            out,
            "\nnext: run the SQL of the blocking differences, then {} --version {}",
            plain(&adoption.commands.of("adopt")),
            adoption.version
        ),
        _ if adoption.pending > 0 => writeln!(
            out,
            "\nnext: {} ({} pending)",
            plain(&adoption.commands.of("migrate")),
            many(adoption.pending, "migration")
        ),
        AdoptionState::Adopted => writeln!(out, "\nnext: creditdb verify"),
        AdoptionState::Managed => Ok(()),
    }
}

fn difference(difference: &SchemaDifference, weight: &str, out: &mut dyn Write) -> io::Result<()> {
    let (colour, word) = match difference.nature {
        Nature::Missing => (AnsiColor::Red, "missing"),
        Nature::Extra => (AnsiColor::Yellow, "extra"),
        Nature::Different => (AnsiColor::Yellow, "different"),
    };
    let style = bold(colour);
    let (kind, object) = (difference.kind, plain(&difference.object));
    writeln!(out, "\n{weight}{style}{word}{style:#} {kind} {object}")?;
    if let Some(because) = &difference.because {
        writeln!(out, "  why: {because}")?;
    }
    for change in &difference.changes {
        self::change(change, out)?;
    }
    // Nobody needs to drop what is in nobody's way; the JSON has the SQL of that, too.
    let sql = if weight == HARMLESS {
        &[]
    } else {
        &difference.sql[..]
    };
    let mut head = "  sql: ";
    for statement in sql {
        for line in statement.lines() {
            writeln!(out, "{head}{}", plain_line(line))?;
            head = "       ";
        }
    }
    Ok(())
}

/// Of long texts the first line that differs.
fn change(change: &SchemaChange, out: &mut dyn Write) -> io::Result<()> {
    let property = plain(&change.property);
    let (expected, actual) = (change.expected.as_deref(), change.actual.as_deref());
    if let (Some(expected), Some(actual)) = (expected, actual)
        && (expected.contains('\n') || actual.contains('\n'))
    {
        let (mut wanted, mut found) = (expected.lines(), actual.lines());
        for line in 1.. {
            let pair = (wanted.next(), found.next());
            if pair.0 != pair.1 || pair == (None, None) {
                let (wanted, found) = (quoted(pair.0), quoted(pair.1));
                return writeln!(
                    out,
                    "  {property}, line {line}: expected {wanted}, found {found}"
                );
            }
        }
    }
    let value = |value: Option<&str>| value.map_or_else(|| "none".to_owned(), plain);
    let (expected, actual) = (value(expected), value(actual));
    writeln!(out, "  {property}: expected {expected}, found {actual}")
}

fn quoted(line: Option<&str>) -> String {
    line.map_or_else(
        || "the end".to_owned(),
        |line| format!("\"{}\"", plain(line.trim())),
    )
}

fn bold(colour: AnsiColor) -> Style {
    Style::new().bold().fg_color(Some(colour.into()))
}

fn many(number: usize, word: &str) -> String {
    match number {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    }
}
