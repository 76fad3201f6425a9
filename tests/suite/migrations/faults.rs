//! Deployers that are killed or cut off: a migration is applied and recorded, or neither.

use std::time::{Duration, Instant};

use creditdb::db::throwaway::{Options, Throwaway};
use postgres::{Client, NoTls};

use super::{exists, history, migrate};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb};
use crate::support::proxy::LosesAnswerToCommit;
use crate::support::server::Database;

const FIRST: (&str, &str) = ("V1__a.sql", "CREATE TABLE a (i int);");
const SLOW: (&str, &str) = ("V2__b.sql", "CREATE TABLE b (i int); SELECT pg_sleep(30);");

/// Waits until the slow statement of [`SLOW`] runs; returns its server process.
fn wait_for_slow_statement(client: &mut Client) -> i32 {
    let query = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)%'
                    AND state = 'active' AND datname = current_database()";
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        if let Some(row) = client.query_opt(query, &[]).unwrap() {
            return row.get(0);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the slow statement never ran");
}

#[test]
fn the_history_row_and_the_sql_share_one_transaction() {
    let database = Database::empty();
    // The SQL of V2 is fine; only its history row is refused.
    database.execute(
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY CHECK (version <> 2),
            name varchar(255), applied_on varchar(255), checksum varchar(255))",
    );
    let folder = Folder::with(&[FIRST, ("V2__b.sql", "CREATE TABLE b (i int);")]);
    let run = migrate(&folder, &database).exits(5);
    assert!(
        run.stderr.contains("refinery_schema_history_version_check"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("at version 1"), "{}", run.stderr);
    assert!(exists(&database, "a") && !exists(&database, "b"));
    assert_eq!(history(&database), [1]);
}

#[test]
fn a_deployer_killed_in_a_migration_leaves_the_version_before() {
    let database = Database::empty();
    let folder = Folder::with(&[FIRST, SLOW]);
    let mut child = migrate(&folder, &database).spawn();
    let mut client = database.connect();
    let pid = wait_for_slow_statement(&mut client);
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    // The statement would end by itself after its 30 s; ending it keeps the test short.
    client
        .execute("SELECT pg_terminate_backend($1)", &[&pid])
        .unwrap();
    assert_eq!(history(&database), [1]);
    assert!(!exists(&database, "b"));
    // Nothing is stuck: the next deployer completes.
    folder.write(SLOW.0, "CREATE TABLE b (i int);");
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1, 2]);
}

#[test]
fn a_connection_that_the_server_ends_is_reported_with_the_version_that_holds() {
    let database = Database::empty();
    let folder = Folder::with(&[FIRST, SLOW]);
    let child = migrate(&folder, &database).spawn();
    let mut client = database.connect();
    let pid = wait_for_slow_statement(&mut client);
    client
        .execute("SELECT pg_terminate_backend($1)", &[&pid])
        .unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, 5, "{}", run.stderr);
    // The server's last words (57P01) arrive or are lost with the connection.
    let words = ["57P01", "connection closed"];
    let told = words.iter().any(|word| run.stderr.contains(word));
    assert!(told, "{}", run.stderr);
    assert!(
        run.stderr
            .contains("rolled back; the database is at version 1"),
        "{}",
        run.stderr
    );
    assert!(!exists(&database, "b"));
}

#[test]
fn after_a_lost_answer_to_commit_the_history_is_asked() {
    let server = Throwaway::start(&Options::default()).unwrap();
    let folder = Folder::with(&[
        FIRST,
        ("V2__b.sql", "CREATE TABLE b (i int);"),
        ("V3__c.sql", "SELECT 1;"),
    ]);
    // COMMITs of one run: reading the standing without the lock and with it, then each migration.
    let url = server.url("postgres");
    let mut client = Client::connect(&url, NoTls).unwrap();
    let migrate = |url: &str| creditdb(["migrate", "--migrations", folder.arg()]).on(url);
    let commits = 2 + 2;
    let proxy = LosesAnswerToCommit::start(server.folder(), commits);
    let run = migrate(&proxy.url("postgres")).exits(3);
    assert!(run.stderr.contains("was committed"), "{}", run.stderr);
    assert!(run.stderr.contains("V2__b.sql"), "{}", run.stderr);
    assert!(run.stderr.contains("at version 2"), "{}", run.stderr);
    let newest = "SELECT max(version) FROM refinery_schema_history";
    assert_eq!(client.query_one(newest, &[]).unwrap().get::<_, i32>(0), 2);
    migrate(&url).succeeds();
    assert_eq!(client.query_one(newest, &[]).unwrap().get::<_, i32>(0), 3);
}

#[test]
fn a_migration_that_fails_at_commit_is_rolled_back() {
    let database = Database::empty();
    let deferred = "CREATE TABLE b (i int UNIQUE DEFERRABLE INITIALLY DEFERRED);
                    INSERT INTO b VALUES (1), (1);";
    let folder = Folder::with(&[FIRST, ("V2__b.sql", deferred)]);
    let run = migrate(&folder, &database).exits(5);
    assert!(run.stderr.contains("23505"), "{}", run.stderr);
    assert!(!exists(&database, "b"));
    assert_eq!(history(&database), [1]);
}
