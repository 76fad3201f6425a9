//! Refusals before the first statement: exit 4, nothing changed, all of them told at once.

use super::{exists, history, migrate};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;

/// Three applied migrations, numbered with holes.
fn applied() -> (Folder, Database) {
    let database = Database::empty();
    let folder = Folder::with(&[
        ("V1__a.sql", "CREATE TABLE a (i int);"),
        ("V3__c.sql", "CREATE TABLE c (i int);"),
        ("V5__e.sql", "CREATE TABLE e (i int);"),
    ]);
    migrate(&folder, &database).succeeds();
    (folder, database)
}

/// Requires the refusal, its words, and that neither history nor tables changed.
fn refused(folder: &Folder, database: &Database, words: &[&str]) {
    folder.write("V9__next.sql", "CREATE TABLE next (i int);");
    let before = history(database);
    let run = migrate(folder, database).exits(4);
    for word in words {
        assert!(
            run.stderr.contains(word),
            "no \"{word}\" in:\n{}",
            run.stderr
        );
    }
    assert_eq!(
        run.stderr.matches("\n  hint: ").count(),
        words.len(),
        "{}",
        run.stderr
    );
    assert_eq!(history(database), before);
    assert!(!exists(database, "next"));
}

#[test]
fn an_edited_file() {
    let (folder, database) = applied();
    folder.write("V3__c.sql", "CREATE TABLE c (i bigint);");
    refused(
        &folder,
        &database,
        &["V3__c.sql\" was edited after it was applied"],
    );
}

#[test]
fn a_renamed_file() {
    let (folder, database) = applied();
    folder.remove("V3__c.sql");
    folder.write("V3__d.sql", "CREATE TABLE c (i int);");
    refused(
        &folder,
        &database,
        &["V3__d.sql\" has another name than it was applied under on "],
    );
    folder.write("V3__d.sql", "CREATE TABLE d (i int);");
    refused(
        &folder,
        &database,
        &["V3__d.sql\" is not what was applied on "],
    );
}

#[test]
fn a_database_without_the_schema_of_the_history() {
    let database = Database::empty();
    database.execute("DROP SCHEMA public");
    let run = creditdb(["migrate", "--to", "1"])
        .on(&database.url)
        .exits(4);
    for words in [
        "error: refused to migrate: there is no schema public",
        "hint: CREATE SCHEMA public",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    database.execute("CREATE SCHEMA public");
    creditdb(["migrate", "--to", "1"])
        .on(&database.url)
        .succeeds();
}

#[test]
fn a_missing_file() {
    let (folder, database) = applied();
    folder.remove("V3__c.sql");
    refused(&folder, &database, &["V3__c, applied on"]);
}

#[test]
fn two_files_of_one_version_applied_or_not() {
    let (folder, database) = applied();
    folder.write("V5__other.sql", "SELECT 1;");
    folder.write("V7__x.sql", "SELECT 1;");
    folder.write("V7__y.sql", "SELECT 1;");
    let (five, seven) = ("both have version 5", "both have version 7");
    refused(&folder, &database, &[five, seven]);
}

#[test]
fn names_that_do_not_parse() {
    let (folder, database) = applied();
    let names = [
        "v7__a.sql",
        "V7_b.sql",
        "V7__a-b.sql",
        "V7.1__c.sql",
        "V99999999999__d.sql",
        "V7__e.SQL",
    ];
    for name in names {
        folder.write(name, "SELECT 1;");
    }
    folder.write("V8__in_rust.rs", "fn migration() {}");
    folder.write("notes.txt", "not a migration");
    refused(
        &folder,
        &database,
        &[&names[..], &["V8__in_rust.rs\" is a migration in Rust"]].concat(),
    );
}

#[test]
fn a_file_below_the_newest_applied_one() {
    let (folder, database) = applied();
    folder.write("V4__d.sql", "CREATE TABLE d (i int);");
    refused(
        &folder,
        &database,
        &["V4__d.sql\" is not applied, but the newer version 5 is"],
    );
}

#[test]
fn a_database_newer_than_the_program() {
    let database = Database::migrated();
    database.execute(
        "INSERT INTO refinery_schema_history VALUES (99, 'from_the_future', '2099-01-01T00:00:00Z', '7')",
    );
    let run = creditdb(["migrate"]).on(&database.url).exits(4);
    assert!(
        run.stderr.contains("newer than this build of creditdb"),
        "{}",
        run.stderr
    );
    let status = creditdb(["status", "--format", "json"])
        .on(&database.url)
        .exits(4)
        .json();
    assert_eq!(status["state"], "refused");
    assert_eq!(
        status["migrations"].as_array().unwrap().last().unwrap()["state"],
        "newer"
    );
}

#[test]
fn the_free_number_is_above_everything_that_is_applied() {
    let (folder, database) = applied();
    database.execute(
        "INSERT INTO refinery_schema_history VALUES (99, 'theirs', '2026-01-01T00:00:00Z', '7')",
    );
    folder.write("V4__d.sql", "SELECT 1;");
    refused(
        &folder,
        &database,
        &[
            "V99__theirs is applied",
            "V4__d.sql\" is not applied",
            "hint: give it a number above 99",
        ],
    );
}

/// A file of the program cannot get another number.
#[test]
fn a_hole_among_the_migrations_of_the_program() {
    let database = Database::migrated();
    let refused = |hint: &str| {
        let run = creditdb(["migrate"]).on(&database.url).exits(4);
        let problem = "- \"V3__create_functions.sql\" is not applied, but the newer version ";
        assert!(run.stderr.contains(problem), "{}", run.stderr);
        assert!(run.stderr.contains(hint), "{hint}: {}", run.stderr);
        assert!(!run.stderr.contains("give it a number"), "{}", run.stderr);
    };
    database.execute("DELETE FROM refinery_schema_history WHERE version = 3");
    refused(
        "hint: creditdb drift shows whether what it makes is there; if so, its row in \
         public.refinery_schema_history was lost: restore it from a backup\n",
    );
    creditdb(["drift"]).on(&database.url).succeeds();
    database.execute(
        "INSERT INTO refinery_schema_history VALUES (99, 'newer', '2099-01-01T00:00:00Z', '7')",
    );
    refused("version 99 is\n  hint: run the version of the program that made this database");
}

#[test]
fn a_file_with_its_own_transaction_or_another_mode() {
    let (folder, database) = applied();
    folder.write("V7__x.sql", "BEGIN;\nSELECT 1;\nCOMMIT;");
    folder.write("V8__y.sql", "-- transaction: two\nSELECT 1;");
    let own = "V7__x.sql\" controls its transaction itself: \"BEGIN\" in line 1";
    refused(
        &folder,
        &database,
        &[own, "V8__y.sql\" asks for \"transaction: two\""],
    );
}

/// A savepoint ends nothing.
#[test]
fn a_file_may_go_back_to_its_savepoint() {
    let (folder, database) = applied();
    let text = "CREATE TABLE kept (i int);\nSAVEPOINT s;\nCREATE TABLE lost (i int);\n\
                ROLLBACK TO SAVEPOINT s;\nRELEASE SAVEPOINT s;";
    folder.write("V7__x.sql", text);
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1, 3, 5, 7]);
    assert!(exists(&database, "kept") && !exists(&database, "lost"));
}

/// It would run as if nothing had been asked for: a batch once, and recorded as done.
#[test]
fn a_mode_that_stands_outside_of_the_header() {
    let (folder, database) = applied();
    let batch = "UPDATE t SET i = 1 WHERE i IS NULL;";
    for (before, line) in [
        ("\n-- transaction: batched", 2),
        ("-- A licence.\n-- transaction: batched", 2),
        (
            "/* A licence.\n   Of two lines. */\n-- transaction: batched",
            3,
        ),
        ("-- why: x\n--\n-- transaction: batched", 3),
        ("  -- transaction: batched", 1),
        ("--transaction: batched", 1),
        ("-- Transaction: Batched", 1),
        ("-- transaction : batched", 1),
    ] {
        let text = format!("{before}\n{batch}\n");
        folder.write("V7__batch.sql", &text);
        let words = format!("asks for \"transaction: batched\" in line {line}, outside");
        refused(&folder, &database, &[&words]);
    }
    // What is no wish, and what says what the header says.
    let words = "-- Transactions: none of them is long.\n-- transaction: one\nSELECT 1;";
    folder.write("V7__batch.sql", words);
    migrate(&folder, &database).succeeds();
}

#[test]
fn statements_that_cannot_be_run_as_the_header_asks() {
    let (folder, database) = applied();
    let none = "-- transaction: none\n";
    folder.write(
        "V7__x.sql",
        format!("{none}CREATE INDEX CONCURRENTLY ON a (i);"),
    );
    folder.write("V8__x.sql", format!("{none}SELECT 1;\nDROP DATABASE d;"));
    folder.write("V11__x.sql", format!("{none}SELEC 1; SELECT 2;"));
    folder.write(
        "V10__x.sql",
        "-- transaction: batched\nCREATE TABLE x (i int);",
    );
    folder.write(
        "V12__x.sql",
        "SELECT 1;\nSET LOCAL SESSION AUTHORIZATION a;",
    );
    let batches = "INSERT INTO a SELECT 1;\nUPDATE a SET i = 2;\nSET session_authorization = a;";
    let batches = format!("-- transaction: batched\n{batches}");
    folder.write("V13__x.sql", batches);
    let other_user = "what is done would be recorded as somebody else's";
    refused(
        &folder,
        &database,
        &[
            &format!("V12__x.sql\", line 2: {other_user}"),
            "V13__x.sql\", line 2: it would insert the same rows each time and never end",
            "V13__x.sql\", line 3: without WHERE it changes all rows each time",
            &format!("V13__x.sql\", line 4: {other_user}"),
            "V7__x.sql\", line 2: a concurrent index build needs a name",
            "V8__x.sql\", line 3: it reaches beyond this database",
            "V11__x.sql\" cannot be taken apart into its statements: line 2",
            "V10__x.sql\", line 2: it cannot be repeated",
        ],
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    let (folder, database) = applied();
    folder.write("V1__a.sql", "-- edited\nCREATE TABLE a (i int);");
    folder.remove("V3__c.sql");
    folder.write("V4__d.sql", "SELECT 1;");
    folder.write("v6__x.sql", "SELECT 1;");
    refused(
        &folder,
        &database,
        &["V1__a.sql", "V3__c", "V4__d.sql", "v6__x.sql"],
    );
}

#[test]
fn tables_without_a_history() {
    let database = Database::empty();
    database
        .execute("CREATE TABLE public.user_credits (user_id uuid); CREATE TABLE other (i int);");
    let run = creditdb(["migrate"]).on(&database.url).exits(4);
    assert!(
        run.stderr
            .contains("these tables exist: public.user_credits\n"),
        "{}",
        run.stderr
    );
    let status = creditdb(["status", "--format", "json"])
        .on(&database.url)
        .exits(4)
        .json();
    assert_eq!(status["state"], "unmanaged");
    assert!(!exists(&database, "refinery_schema_history"));
}

#[test]
fn a_history_that_refinery_did_not_write() {
    let (folder, database) = applied();
    database.execute("UPDATE refinery_schema_history SET checksum = 'x' WHERE version = 3");
    let run = migrate(&folder, &database).exits(4);
    assert!(run.stderr.contains("row 3 of"), "{}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}
