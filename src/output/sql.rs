//! A plan as a script for `psql -v ON_ERROR_STOP=1 -f`, that leaves what `migrate` leaves.

use std::io::{self, Write};

use crate::error::plain;
use crate::report::{Plan, PlannedFile, PlannedHistory, PlannedStatement, Report, StatusState};

/// How long DDL may wait for a lock, as in `migrate`: everybody behind it waits as well.
pub(crate) const LOCK_TIMEOUT: &str = "2s";

/// Files are UTF-8. Left to itself, psql takes the encoding of the database or of the environment,
/// and RESET ALL goes back to that.
const ENCODING: &str = "\\encoding UTF8";

/// Tenths of a second: the session of a deployer that has ended takes a moment to let go. Not more,
/// because an index that the holder builds concurrently waits for this statement.
const LOCK_ATTEMPTS: u32 = 30;

/// Writes a plan as a script; other reports cannot be said in SQL.
///
/// # Errors
/// Whatever the writer says; a report that is no plan.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    match report {
        Report::Plan(plan) => script(plan, out),
        _ => Err(io::Error::other("the format \"sql\" is for plan only")),
    }
}

fn script(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "-- What creditdb migrate would do, written by creditdb plan --format sql."
    )?;
    writeln!(
        out,
        "-- Run it with psql -v ON_ERROR_STOP=1 -f FILE, in one session from start to end."
    )?;
    writeln!(
        out,
        "\\set ON_ERROR_STOP on\n\\set AUTOCOMMIT on\n{ENCODING}\n"
    )?;
    if !plan.problems.is_empty() {
        let problems: Vec<&str> = plan.problems.iter().map(|p| p.message.as_str()).collect();
        let message = format!("creditdb migrate would refuse: {}", problems.join("; "));
        return raise(&message, out);
    }
    if plan.state == StatusState::HalfDone {
        let migrate = plan.commands.of("migrate");
        return raise(&format!("a file was cut off: {migrate} completes it"), out);
    }
    for remark in &plan.remarks {
        let lines = format!("remark: {}\nhint: {}", remark.message, remark.hint);
        // To psql, a carriage return ends a comment, too.
        let mut lines = lines.lines().map(plain);
        lines.try_for_each(|line| writeln!(out, "-- {line}"))?;
    }
    if plan.files.is_empty() {
        return writeln!(out, "-- Nothing is pending.");
    }
    begin(plan, out)?;
    for file in &plan.files {
        self::file(file, out)?;
    }
    writeln!(
        out,
        "\nSELECT pg_catalog.pg_advisory_unlock({});",
        plan.history.lock_key
    )
}

fn raise(message: &str, out: &mut dyn Write) -> io::Result<()> {
    let body = format!(
        "BEGIN RAISE EXCEPTION USING MESSAGE = {}; END",
        literal(message)
    );
    writeln!(out, "DO {};", dollar_quoted(&body))
}

/// The lock of deployers, the check that the history is still the planned one, its table.
fn begin(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    let PlannedHistory {
        table,
        creation,
        rows,
        lock_key,
    } = &plan.history;
    let busy = literal("another deployer holds the migration lock");
    let lock = format!(
        "BEGIN
    FOR attempt IN 1 .. {LOCK_ATTEMPTS} LOOP
        IF pg_catalog.pg_try_advisory_lock({lock_key}) THEN
            RETURN;
        END IF;
        PERFORM pg_catalog.pg_sleep(0.1);
    END LOOP;
    RAISE EXCEPTION USING MESSAGE = {busy};
END"
    );
    writeln!(
        out,
        "-- One deployer at a time; the lock ends with the session."
    )?;
    writeln!(out, "DO {};\n", dollar_quoted(&lock))?;
    let rows: Vec<String> = rows
        .iter()
        .map(|(v, checksum)| format!("{v} {checksum}"))
        .collect();
    let (name, expected) = (literal(table), literal(&rows.join(",")));
    let query = literal(&format!(
        "SELECT string_agg(version || ' ' || checksum, ',' ORDER BY version) FROM {table}"
    ));
    let changed = literal("the history is not the one that this script was made for");
    let hint = literal(&format!(
        "{} --format sql writes a new one",
        plan.commands.of("plan")
    ));
    let guard = format!(
        "DECLARE
    found text;
BEGIN
    IF pg_catalog.to_regclass({name}) IS NOT NULL THEN
        EXECUTE {query} INTO found;
    END IF;
    IF coalesce(found, '') <> {expected} THEN
        RAISE EXCEPTION USING MESSAGE = {changed}, HINT = {hint};
    END IF;
END"
    );
    writeln!(out, "DO {};\n", dollar_quoted(&guard))?;
    writeln!(out, "{}", terminated(creation))
}

fn file(file: &PlannedFile, out: &mut dyn Write) -> io::Result<()> {
    let PlannedFile {
        version,
        name,
        transaction,
        record,
        ..
    } = file;
    writeln!(out, "\n-- V{version}__{name}, transaction: {transaction}")?;
    writeln!(out, "RESET ROLE;\nRESET ALL;\n{ENCODING}")?;
    match *transaction {
        "none" => {
            for statement in &file.statements {
                writeln!(out, "{}", terminated(&statement.sql))?;
            }
        }
        "batched" => {
            writeln!(out, "SET lock_timeout = '{LOCK_TIMEOUT}';")?;
            for statement in &file.statements {
                batches(statement, out)?;
            }
        }
        _ => {
            writeln!(out, "BEGIN;\nSET LOCAL lock_timeout = '{LOCK_TIMEOUT}';")?;
            for statement in &file.statements {
                writeln!(out, "{}", terminated(&statement.sql))?;
            }
            writeln!(out, "{}", terminated(record))?;
            return writeln!(out, "COMMIT;");
        }
    }
    writeln!(out, "{}", terminated(record))
}

/// A statement that is repeated until it changes no row, each time in a transaction of its own.
fn batches(statement: &PlannedStatement, out: &mut dyn Write) -> io::Result<()> {
    let sql = dollar_quoted(&statement.sql);
    let (into, count) = if statement.counts_by_value {
        let wrong = literal("the batch does not say how many rows it changed");
        let check = format!(
            "IF changed IS NULL THEN
            RAISE EXCEPTION USING MESSAGE = {wrong};
        END IF"
        );
        (" INTO STRICT changed", check)
    } else {
        let count = "GET DIAGNOSTICS changed = ROW_COUNT";
        ("", count.to_owned())
    };
    let body = format!(
        "DECLARE
    changed bigint;
BEGIN
    LOOP
        EXECUTE {sql}{into};
        {count};
        COMMIT;
        EXIT WHEN changed = 0;
    END LOOP;
END"
    );
    writeln!(out, "DO {};", dollar_quoted(&body))
}

/// A statement with the semicolon that psql waits for; on a line of its own, because the statement
/// may end with a comment.
fn terminated(sql: &str) -> String {
    let sql = sql.trim_end();
    if sql.ends_with(';') {
        sql.to_owned()
    } else {
        format!("{sql}\n;")
    }
}

fn literal(text: &str) -> String {
    let text = text.replace('\'', "''");
    // A backslash means itself only as long as standard_conforming_strings is on, as it is by
    // default; messages may have one, and keys of rows that they name.
    if text.contains('\\') {
        return format!("E'{}'", text.replace('\\', r"\\"));
    }
    format!("'{text}'")
}

/// Between dollar quotes that do not occur in the text.
fn dollar_quoted(text: &str) -> String {
    let tag = (0..).map(|n| match n {
        0 => "$creditdb$".to_owned(),
        n => format!("$creditdb{n}$"),
    });
    let tag = tag.into_iter().find(|tag| !text.contains(tag.as_str()));
    let tag = tag.unwrap_or_default();
    format!("{tag}\n{text}\n{tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_never_ends_inside_of_the_text() {
        let inner = dollar_quoted("SELECT 1");
        assert_eq!(inner, "$creditdb$\nSELECT 1\n$creditdb$");
        assert_eq!(
            dollar_quoted(&inner),
            format!("$creditdb1$\n{inner}\n$creditdb1$")
        );
    }

    #[test]
    fn a_backslash_is_one_whatever_the_session_says() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"\'"), r"E'\\'''");
    }

    #[test]
    fn a_statement_ends_even_after_a_comment() {
        assert_eq!(terminated("SELECT 1; "), "SELECT 1;");
        assert_eq!(terminated("SELECT 1 -- one"), "SELECT 1 -- one\n;");
    }
}
