//! What an SQL error in a migration shows.

use std::fs;

use serde_json::Value;

use super::{exists, history, migrate};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb};
use crate::support::role::Role;
use crate::support::server::Database;
use crate::support::snapshots;

fn shows(name: &str, folder: &Folder, run: &Run) {
    snapshots(|| insta::assert_snapshot!(name, folder.scrub(&run.stderr)));
}

#[test]
fn file_line_column_caret_sqlstate_and_hint() {
    let database = Database::empty();
    let text = "-- wide characters before the place: é ü\nCREATE TABLE b (i int);\n\n\
                SELECT 'é', nam\n  FROM a;\nSELECT 2;\n";
    let folder = Folder::with(&[
        ("V1__a.sql", "CREATE TABLE a (name text);"),
        ("V2__b.sql", text),
    ]);
    let run = migrate(&folder, &database).exits(5);
    shows("migrate_error_with_position", &folder, &run);
    assert_eq!(history(&database), [1]);
    assert!(
        !exists(&database, "b"),
        "the statements before the error were kept"
    );
}

#[test]
fn an_error_without_a_position_shows_its_statement() {
    let database = Database::empty();
    let text = "CREATE TABLE b (i int PRIMARY KEY);\nINSERT INTO b\nVALUES (1), (1);\n";
    let folder = Folder::with(&[("V1__b.sql", text)]);
    let run = migrate(&folder, &database).exits(5);
    shows("migrate_error_without_position", &folder, &run);
}

#[test]
fn an_error_inside_a_function_shows_its_context() {
    let database = Database::empty();
    let text = "DO $$\nBEGIN\n  RAISE EXCEPTION 'no' USING HINT = 'try yes', ERRCODE = 'P0042';\nEND $$;\n";
    let folder = Folder::with(&[("V1__b.sql", text)]);
    let run = migrate(&folder, &database).exits(5);
    shows("migrate_error_with_context", &folder, &run);
}

#[test]
fn a_statement_that_no_transaction_takes_is_told_what_its_file_needs() {
    let database = Database::empty();
    let text = "CREATE TABLE a (i int);\nCREATE INDEX CONCURRENTLY a_i ON a (i);\n";
    let folder = Folder::with(&[("V1__a.sql", text)]);
    let run = migrate(&folder, &database).exits(5);
    let hint = format!(
        "hint: put \"-- transaction: none\" into the first line of \"{}/V1__a.sql\"",
        folder.arg()
    );
    assert!(run.stderr.contains(&hint), "{}", run.stderr);
    folder.write("V1__a.sql", format!("-- transaction: none\n{text}"));
    migrate(&folder, &database).succeeds();

    // The same SQLSTATE, and nothing that another header would help.
    folder.write(
        "V2__b.sql",
        "SELECT 1; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
    );
    let run = migrate(&folder, &database).exits(5);
    assert!(run.stderr.contains("25001"), "{}", run.stderr);
    assert!(!run.stderr.contains("hint:"), "{}", run.stderr);
}

#[test]
fn a_row_that_the_server_quotes_shows_no_key() {
    let database = Database::empty();
    let text = "CREATE TABLE keys (id int NOT NULL, key text);\n\
                INSERT INTO keys (key) VALUES (concat('sk-', repeat('0123456789', 3)));\n";
    let folder = Folder::with(&[("V1__keys.sql", text)]);
    let run = migrate(&folder, &database).exits(5);
    assert!(
        run.stderr.contains("Failing row contains (null, sk-***)"),
        "{}",
        run.stderr
    );
}

/// Who reads no stderr learns it, too: what was applied, and what was not, and why.
#[test]
fn a_failure_is_in_the_report_of_every_format() {
    let folder = Folder::with(&[
        ("m/V1__a.sql", "CREATE TABLE a (i int);"),
        ("m/V2__b.sql", "CREATE TABLE b (i int);\nSELECT 1 / 0;"),
        ("m/V3__c.sql", "CREATE TABLE c (i int);"),
    ]);
    let run = |format: &str| {
        creditdb(["migrate", "--migrations", "m", "--output", "json=it.json"])
            .args(["--format", format])
            .within(folder.path())
            .on(&Database::empty().url)
            .exits(5)
    };
    let github = run("github");
    let words =
        "::error file=m/V2__b.sql,line=2,title=failed::\"m/V2__b.sql\" failed: division by zero";
    assert_eq!(
        github.stdout,
        format!("::notice title=applied::V1__a\n{words}\n")
    );
    assert!(
        github.stderr.contains("error: \"m/V2__b.sql\" failed"),
        "{}",
        github.stderr
    );
    let text = fs::read_to_string(folder.path().join("it.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["applied"][0]["version"], 1);
    assert_eq!(
        (&json["at_version"], &json["pending"]),
        (&1.into(), &2.into())
    );
    let failure = &json["failure"];
    assert_eq!(
        (&failure["path"], &failure["line"]),
        (&"m/V2__b.sql".into(), &2.into())
    );
    assert_eq!(failure["sqlstate"], "22012");
    let text = run("text").stdout;
    let words = "1 migration applied, at version 1, 2 still pending\n\nfailed: m/V2__b.sql:2: ";
    assert!(text.contains(words), "{text}");
}

/// Whatever stands in a row: it is no line of ours, and does nothing to a terminal.
#[test]
fn a_row_that_the_server_quotes_is_a_quotation() {
    let evil = r"E'a\n::error title=forged::b\r\x1b]0;owned\x07'";
    let sql = format!(
        "CREATE TABLE t AS SELECT {evil} AS x FROM generate_series(1, 2);
         DO $$ BEGIN RAISE WARNING '%', {evil} USING HINT = {evil}; END $$;
         CREATE UNIQUE INDEX t_x ON t (x);"
    );
    let folder = Folder::with(&[("V1__t.sql", sql)]);
    let stderr = migrate(&folder, &Database::empty()).exits(5).stderr;
    let shown = r"::error title=forged::b\r\u{1b}]0;owned\u{7}";
    for words in [
        format!("warning: a\\n{shown}"),
        format!("hint: a\n  | {shown}"),
        format!("detail: Key (x)=(a\n  | {shown}) is duplicated."),
    ] {
        assert!(stderr.contains(&words), "no {words:?} in:\n{stderr}");
    }
    assert!(!stderr.contains(['\u{1b}', '\r', '\u{7}']), "{stderr:?}");
    assert!(!stderr.contains("\n::"), "{stderr}");
}

/// A limit that the role or the database has for its everyday work.
#[test]
fn a_statement_that_took_too_long_is_told_by_which_limit() {
    let database = Database::empty();
    let role = Role::new(&database, "SUPERUSER");
    let folder = Folder::with(&[("V1__a.sql", "SELECT pg_sleep(1);")]);
    let as_role = || migrate(&folder, &database).on(&role.url());
    let (name, user) = (database.name(), &role.name);
    let of = |name: &str| format!("creditdb {name} --migrations {}", folder.arg());
    let again = format!("PGOPTIONS='-c statement_timeout=0' {}", of("migrate"));
    let hint = format!("hint: {again}\n");
    for (whose, place) in [
        (
            format!("DATABASE {name}"),
            format!("for database \"{name}\""),
        ),
        (format!("ROLE {user}"), format!("for role \"{user}\"")),
        (
            format!("ROLE {user} IN DATABASE {name}"),
            format!("for role \"{user}\" in database \"{name}\""),
        ),
    ] {
        database.execute(&format!("ALTER {whose} SET statement_timeout = '300ms'"));
        let run = as_role().exits(5);
        let words = format!("statement_timeout is 300ms, set {place}\n");
        assert!(run.stderr.contains(&words), "{}", run.stderr);
        assert!(run.stderr.ends_with(&hint), "{}", run.stderr);
    }
    let limited = as_role().env("PGOPTIONS", "-c statement_timeout=200ms");
    let run = limited.exits(5);
    let words = "statement_timeout is 200ms, set by the options of the connection\n";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    // What the hint says is what helps.
    let unlimited = || as_role().env("PGOPTIONS", "-c statement_timeout=0");
    unlimited().succeeds();

    // Part of a file without a transaction is done.
    let text = "-- transaction: none\nCREATE TABLE b (i int);\nSELECT pg_sleep(1);";
    folder.write("V2__b.sql", text);
    let run = as_role().exits(6);
    let left = of("status") + " shows what is left";
    let hint = format!("hint: {left}; {again} completes it\n");
    assert!(run.stderr.ends_with(&hint), "{}", run.stderr);
    unlimited().succeeds();
    let own = "SET LOCAL statement_timeout = '100ms'; SELECT pg_sleep(1);";
    folder.write("V3__c.sql", own);
    let run = unlimited().exits(5);
    let words = "V3__c.sql\" sets statement_timeout itself\n";
    assert!(run.stderr.contains(words), "{}", run.stderr);
}
