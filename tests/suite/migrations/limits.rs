//! Limits that a role or a database has for its everyday work: a deployment outlasts them, or says
//! which one it was.

use std::time::Duration;

use super::{history, migrate, schema_1_0_0};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::{Database, server};

fn limit(database: &Database, setting: &str) {
    database.execute(&format!("ALTER DATABASE {} SET {setting}", database.name()));
}

/// A deployer is silent between two attempts, and while it replays on a server of its own.
#[test]
fn a_server_that_ends_silent_sessions_ends_no_deployment() {
    let database = Database::empty();
    let folder = Folder::with(&[
        ("V1__a.sql", "CREATE TABLE t (i int);"),
        ("V2__b.sql", "ALTER TABLE t ADD COLUMN j int;"),
    ]);
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    limit(&database, "idle_session_timeout = '700ms'");
    let mut reader = database.connect();
    reader.batch_execute("BEGIN; SELECT FROM t").unwrap();
    let reading = std::thread::spawn(move || {
        // The fourth pause is longer than the limit in any case.
        std::thread::sleep(Duration::from_secs(3));
        reader.batch_execute("COMMIT").unwrap();
    });
    let run = migrate(&folder, &database).args(["--lock-timeout", "100ms"]);
    run.succeeds();
    reading.join().unwrap();
    creditdb(["drift", "--migrations", folder.arg()])
        .on(&database.url)
        .succeeds();

    let database = schema_1_0_0();
    database.execute("DROP TABLE refinery_schema_history, creditdb_migration_log");
    limit(&database, "idle_session_timeout = '700ms'");
    creditdb(["adopt", "--version", "5"])
        .on(&database.url)
        .succeeds();
}

/// The limit of a whole transaction is no limit of a build or a batch, as that of a statement is
/// not.
#[test]
fn the_limit_of_transactions_ends_neither_builds_nor_batches_and_is_named() {
    if server().major() < 17 {
        return;
    }
    let database = Database::empty();
    database.execute(
        "CREATE TABLE t (i int); INSERT INTO t VALUES (1);
         CREATE FUNCTION slowly(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
         'BEGIN PERFORM pg_sleep(0.6); RETURN i; END'",
    );
    limit(&database, "transaction_timeout = '400ms'");
    let folder = Folder::with(&[
        (
            "V1__a.sql",
            "-- transaction: none\nCREATE INDEX CONCURRENTLY t_i ON t (slowly(i));",
        ),
        (
            "V2__b.sql",
            "-- transaction: batched\nUPDATE t SET i = slowly(2) FROM pg_sleep(0.6) WHERE i = 1;",
        ),
    ]);
    migrate(&folder, &database).succeeds();
    folder.write("V3__c.sql", "SELECT pg_sleep(1);");
    let run = migrate(&folder, &database).exits(5);
    let words = format!(
        "transaction_timeout is 400ms, set for database \"{}\"\n",
        database.name()
    );
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    let again = "PGOPTIONS='-c transaction_timeout=0' creditdb migrate --migrations";
    assert!(run.stderr.contains(again), "{}", run.stderr);
    let unlimited = migrate(&folder, &database).env("PGOPTIONS", "-c transaction_timeout=0");
    unlimited.succeeds();
    assert_eq!(history(&database), [1, 2, 3]);
}
