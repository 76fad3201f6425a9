//! `--migrations DIR`: the refinery migrations of any team.

use postgres::NoTls;

use super::{exists, history, migrate};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;

#[test]
fn a_history_that_refinery_wrote_is_taken_as_it_is() {
    let database = Database::empty();
    let folder = Folder::with(&[
        ("V1__a.sql", "CREATE TABLE a (i int);\n"),
        ("more/V3__holes_are_fine.sql", "CREATE TABLE c (i int);\r\n"),
    ]);
    let migrations = refinery::load_sql_migrations(folder.path()).unwrap();
    let mut client = postgres::Client::connect(&database.url, NoTls).unwrap();
    refinery::Runner::new(&migrations).run(&mut client).unwrap();

    let status = creditdb(["status", "--check", "--migrations", folder.arg()]);
    assert!(
        status
            .on(&database.url)
            .succeeds()
            .stdout
            .starts_with("current")
    );
    folder.write("V4__d.sql", "CREATE TABLE d (i int);");
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1, 3, 4]);
    // And back: refinery accepts what we wrote.
    let migrations = refinery::load_sql_migrations(folder.path()).unwrap();
    let report = refinery::Runner::new(&migrations).run(&mut client).unwrap();
    assert!(report.applied_migrations().is_empty());
}

/// refinery runs such a file, and nobody can correct it afterwards: that would be an edit.
#[test]
fn an_applied_file_may_hold_what_a_pending_one_may_not() {
    let database = Database::empty();
    let own = "-- transaction: mine\nBEGIN;\nCREATE TABLE a (i int);\nCOMMIT;";
    let folder = Folder::with(&[("V1__own.sql", own)]);
    let migrations = refinery::load_sql_migrations(folder.path()).unwrap();
    let mut client = postgres::Client::connect(&database.url, NoTls).unwrap();
    refinery::Runner::new(&migrations).run(&mut client).unwrap();
    folder.write("V2__b.sql", "CREATE TABLE b (i int);");
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1, 2]);
    folder.write("V3__own.sql", own);
    migrate(&folder, &database).exits(4);
}

#[test]
fn settings_of_one_migration_do_not_reach_the_next() {
    let database = Database::empty();
    // The head of a dump: refinery's own default loses its history table after it.
    let dump = "CREATE SCHEMA apart; SELECT pg_catalog.set_config('search_path', '', false);
                SET lock_timeout = '7s'; CREATE TABLE apart.a (i int);";
    let next = "CREATE TABLE b AS SELECT current_setting('lock_timeout') AS lock_timeout;";
    let folder = Folder::with(&[("V1__dump.sql", dump), ("V2__b.sql", next)]);
    migrate(&folder, &database).succeeds();
    assert!(exists(&database, "public.b"), "the search path leaked");
    let timeout = database
        .connect()
        .query_one("SELECT lock_timeout FROM b", &[])
        .unwrap();
    assert_eq!(timeout.get::<_, String>(0), "2s", "a setting leaked");
    assert_eq!(history(&database), [1, 2]);
}

#[test]
fn an_unversioned_file_may_come_late() {
    let database = Database::empty();
    let folder = Folder::with(&[("V5__a.sql", "SELECT 1;")]);
    migrate(&folder, &database).succeeds();
    folder.write("U2__late.sql", "CREATE TABLE late (i int);");
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [2, 5]);
    assert!(exists(&database, "late"));
}

#[test]
fn to_stops_at_a_version_and_never_pretends() {
    let database = Database::empty();
    let files = ["V1__a.sql", "V2__b.sql", "V7__c.sql"].map(|name| (name, "SELECT 1;"));
    let folder = Folder::with(&files);
    let run = migrate(&folder, &database).args(["--to", "2"]).succeeds();
    assert!(
        run.stdout.contains("at version 2, 1 still pending"),
        "{}",
        run.stdout
    );
    assert_eq!(history(&database), [1, 2]);
    let run = migrate(&folder, &database).args(["--to", "5"]).exits(2);
    assert!(
        run.stderr.contains("known versions: 1, 2, 7"),
        "{}",
        run.stderr
    );
    let run = migrate(&folder, &database).args(["--to", "1"]).exits(4);
    assert!(run.stderr.contains("forward only"), "{}", run.stderr);
    assert_eq!(history(&database), [1, 2]);
}

#[test]
fn unusable_directories_and_files_are_named() {
    let database = Database::empty();
    let fails = |folder: &str, code: i32, words: &str| {
        let run = creditdb(["migrate", "--migrations", folder])
            .on(&database.url)
            .exits(code);
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    };
    fails(
        "/nonexistent/migrations",
        2,
        "cannot read the directory \"/nonexistent/migrations\"",
    );
    let empty = Folder::with::<&str>(&[]);
    fails(empty.arg(), 2, "no migrations in");
    let latin = Folder::with(&[("V1__a.sql", b"SELECT '\xe9';")]);
    fails(latin.arg(), 2, "V1__a.sql\" is not UTF-8 text");
    let dangling = Folder::with::<&str>(&[]);
    std::os::unix::fs::symlink("/nonexistent", dangling.path().join("V1__a.sql")).unwrap();
    fails(dangling.arg(), 3, "V1__a.sql\": No such file");
}

/// Other teams have a table of that name, too; what it has of other columns is no version of ours.
#[test]
fn a_schema_version_table_of_other_columns_says_nothing() {
    let folder = Folder::with(&[("V1__a.sql", "CREATE TABLE a (i int);")]);
    for (columns, version) in [
        ("number int, applied_at timestamptz DEFAULT now()", None),
        ("version text DEFAULT '9.9.9', at timestamptz", None),
        (
            "version text DEFAULT '9.9.9', applied_at timestamptz DEFAULT now()",
            Some("9.9.9"),
        ),
    ] {
        let database = Database::empty();
        database.execute(&format!(
            "CREATE TABLE schema_version (id int, {columns}); INSERT INTO schema_version VALUES (1)"
        ));
        for command in ["migrate", "status"] {
            let run = creditdb([command, "--migrations", folder.arg(), "--format", "json"]);
            let report = run.on(&database.url).succeeds().json();
            assert_eq!(report["schema_version"].as_str(), version, "{columns}");
        }
    }
}

/// A set that makes such a table is replayed like any other.
#[test]
fn sets_with_a_schema_version_table_of_their_own_are_compared_and_adopted() {
    for columns in [
        "version int, description text, applied_at timestamptz",
        "version text",
        "version text, description text, applied_at timestamptz",
    ] {
        let file = format!(
            "CREATE TABLE schema_version ({columns}); INSERT INTO schema_version VALUES ('7');"
        );
        let folder = Folder::with(&[("V1__a.sql", file)]);
        let database = Database::empty();
        migrate(&folder, &database).succeeds();
        let creditdb = |command: &[&str]| {
            let run = creditdb(command).args(["--migrations", folder.arg()]);
            run.on(&database.url).succeeds()
        };
        creditdb(&["drift"]);
        database.execute("DROP TABLE refinery_schema_history; DELETE FROM schema_version");
        creditdb(&["adopt", "--version", "1"]);
        assert_eq!(history(&database), [1], "{columns}");
    }
}

/// A row that was written again lies elsewhere in the table.
#[test]
fn the_order_of_the_history_is_that_of_its_versions() {
    let database = Database::empty();
    let folder = Folder::with(&[
        ("V1__a.sql", "CREATE TABLE a (i int);"),
        ("V2__b.sql", "CREATE TABLE b (i int);"),
    ]);
    migrate(&folder, &database).succeeds();
    database
        .execute("UPDATE refinery_schema_history SET applied_on = applied_on WHERE version = 1");
    let run = migrate(&folder, &database).succeeds();
    assert_eq!(run.stdout, "nothing to do, at version 2\n");
}
