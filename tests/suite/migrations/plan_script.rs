//! The script of `plan --format sql`: psql runs it, and what it leaves is what `migrate` leaves.

use std::process::{Command, Output};

use creditdb::db::throwaway::find_binaries;

use super::{history, migrate};
use crate::support::folder::Folder;
use crate::support::program::{Program, creditdb};
use crate::support::server::Database;

/// What a catalogue looks like to a person, as far as migrations make it.
const CATALOGUE: &str = include_str!("../schema/catalogue.sql");

const FILES: [(&str, &str); 4] = [
    (
        "V1__table.sql",
        "CREATE TABLE t (id bigint PRIMARY KEY, a int);
         INSERT INTO t (id) SELECT g FROM generate_series(1, 12) AS g -- no semicolon",
    ),
    (
        "V2__function.sql",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $creditdb$ BEGIN RETURN 1; END $creditdb$;
         CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;
         SET LOCAL search_path = nowhere;",
    ),
    (
        "V3__index.sql",
        "-- transaction: none\nCREATE INDEX CONCURRENTLY t_a ON t (a);\nVACUUM t;",
    ),
    (
        "V4__fill.sql",
        "-- transaction: batched
         UPDATE t SET a = length($creditdb$it's$creditdb$)
          WHERE id IN (SELECT id FROM t WHERE a IS NULL ORDER BY id LIMIT 5);
         WITH gone AS (
             DELETE FROM t WHERE id IN (SELECT id FROM t WHERE id > 5 LIMIT 2) RETURNING id
         )
         SELECT count(*) FROM gone;",
    ),
];

fn script(program: Program, folder: &Folder) -> String {
    let run = program.args(["--format", "sql"]).succeeds();
    folder.write("script.sql_", &run.stdout);
    run.stdout
}

fn psql(folder: &Folder, database: &Database) -> Output {
    psql_with(folder, database, &[])
}

fn psql_with(folder: &Folder, database: &Database, variables: &[(&str, &str)]) -> Output {
    let path = folder.path().join("script.sql_");
    Command::new(find_binaries().unwrap().join("psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(path)
        .arg("-d")
        .arg(&database.url)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn runs(folder: &Folder, database: &Database) {
    let output = psql(folder, database);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

fn catalogue(database: &Database) -> Vec<String> {
    let mut client = database.connect();
    client
        .batch_execute("DROP TABLE IF EXISTS creditdb_migration_log; SET search_path = pg_catalog")
        .unwrap();
    let rows = client.query(CATALOGUE, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Version, name and checksum; the time is that of the run.
fn records(database: &Database) -> Vec<(i32, String, String)> {
    let query = "SELECT version, name, checksum, applied_on::timestamptz
                   FROM refinery_schema_history ORDER BY version";
    let rows = database.connect().query(query, &[]).unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

#[test]
fn the_embedded_migrations_by_psql_are_those_by_migrate() {
    let (by_hand, by_program) = (Database::empty(), Database::migrated());
    let folder = Folder::with::<&str>(&[]);
    script(creditdb(["plan"]).on(&by_hand.url), &folder);
    runs(&folder, &by_hand);
    creditdb(["status", "--check"]).on(&by_hand.url).succeeds();
    let made = catalogue(&by_hand);
    assert!(made.len() > 50, "{made:?}");
    assert_eq!(made, catalogue(&by_program));
    assert_eq!(records(&by_hand), records(&by_program));
    let again = script(creditdb(["plan"]).on(&by_hand.url), &folder);
    assert!(again.contains("-- Nothing is pending."), "{again}");
    runs(&folder, &by_hand);
}

#[test]
fn each_mode_is_what_migrate_makes_of_it() {
    let (by_hand, by_program) = (Database::empty(), Database::empty());
    let folder = Folder::with(&FILES);
    migrate(&folder, &by_program).succeeds();
    let plan = creditdb(["plan", "--migrations", folder.arg()]).on(&by_hand.url);
    script(plan, &folder);
    runs(&folder, &by_hand);
    assert_eq!(catalogue(&by_hand), catalogue(&by_program));
    assert_eq!(records(&by_hand), records(&by_program));
    let rows = "SELECT count(*), count(*) FILTER (WHERE a = 4) FROM t";
    let row = by_hand.connect().query_one(rows, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (5, 5));
}

/// Escape sequences in a text are the text.
#[test]
fn a_script_inserts_what_the_file_says() {
    const TEXT: &str = "ab\u{1b}Xcd \u{1b}P \u{9b} \u{7f} e";
    let database = Database::empty();
    let sql = format!("CREATE TABLE t (x text);\nINSERT INTO t VALUES ('{TEXT}');");
    let folder = Folder::with(&[("V1__t.sql", sql)]);
    let plan = creditdb(["plan", "--migrations", folder.arg()])
        .args(["--output", "sql=script.sql"])
        .within(folder.path())
        .on(&database.url);
    let printed = script(plan, &folder);
    let written = std::fs::read_to_string(folder.path().join("script.sql")).unwrap();
    assert_eq!(printed, written);
    runs(&folder, &database);
    let row = database.connect().query_one("SELECT x FROM t", &[]);
    assert_eq!(row.unwrap().get::<_, &str>(0), TEXT);
}

/// Wherever psql takes its encoding from: the environment, or a database that is not UTF-8.
#[test]
fn a_script_is_read_as_it_is_written() {
    let database = Database::empty();
    let folder = Folder::with(&[
        (
            "V1__t.sql",
            "CREATE TABLE t (s text); INSERT INTO t VALUES ('é');",
        ),
        ("V2__more.sql", "INSERT INTO t VALUES ('ü');"),
    ]);
    let plan = creditdb(["plan", "--migrations", folder.arg()]).on(&database.url);
    script(plan, &folder);
    let output = psql_with(&folder, &database, &[("PGCLIENTENCODING", "LATIN1")]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let query = "SELECT string_agg(s, '' ORDER BY s) FROM t";
    let found: String = database.connect().query_one(query, &[]).unwrap().get(0);
    assert_eq!(found, "éü");
}

#[test]
fn it_stops_when_the_history_is_another_one() {
    let database = Database::empty();
    let folder = Folder::with(&FILES);
    script(
        creditdb(["plan", "--migrations", folder.arg()]).on(&database.url),
        &folder,
    );
    migrate(&folder, &database).args(["--to", "2"]).succeeds();
    let output = psql(&folder, &database);
    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("the history is not the one"), "{stderr}");
    assert_eq!(history(&database), [1, 2]);
}

#[test]
fn it_stops_when_a_deployer_is_at_work() {
    let database = Database::empty();
    let folder = Folder::with(&FILES);
    let text = script(
        creditdb(["plan", "--migrations", folder.arg()]).on(&database.url),
        &folder,
    );
    let key = text.split("pg_try_advisory_lock(").nth(1).unwrap();
    let key = key.split(')').next().unwrap();
    let mut other = database.connect();
    other
        .batch_execute(&format!("SELECT pg_advisory_lock({key})"))
        .unwrap();
    // The program must find the same lock taken.
    migrate(&folder, &database).args(["--wait", "0s"]).exits(4);
    let output = psql(&folder, &database);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && stderr.contains("another deployer"),
        "{stderr}"
    );
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_failing_file_leaves_what_was_before_it() {
    let database = Database::empty();
    let folder = Folder::with(&[
        ("V1__a.sql", "CREATE TABLE a (i int);"),
        ("V2__b.sql", "CREATE TABLE b (i int); SELECT 1 / 0;"),
    ]);
    script(
        creditdb(["plan", "--migrations", folder.arg()]).on(&database.url),
        &folder,
    );
    assert_eq!(psql(&folder, &database).status.code(), Some(3));
    assert_eq!(history(&database), [1]);
    assert!(!super::exists(&database, "b"));
}

#[test]
fn a_refused_set_makes_a_script_that_refuses() {
    let database = Database::empty();
    let folder = Folder::with(&FILES);
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    folder.write("V1__table.sql", "CREATE TABLE t (id int);");
    let plan = creditdb(["plan", "--format", "sql", "--migrations", folder.arg()]);
    let run = plan.on(&database.url).exits(4);
    folder.write("script.sql_", &run.stdout);
    assert_eq!(psql(&folder, &database).status.code(), Some(3));
    assert_eq!(history(&database), [1]);
}
