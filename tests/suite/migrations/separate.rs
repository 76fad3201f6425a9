//! Files without a transaction: concurrent builds that are killed, found again, refused, cleaned
//! up.

use std::time::{Duration, Instant};

use postgres::Client;

use super::{history, migrate};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb, signal};
use crate::support::server::Database;
use crate::support::wait_until;

pub(super) const BUILD: &str = "-- transaction: none\nCREATE INDEX CONCURRENTLY t_by_i ON t (i);\n";

pub(super) fn with_table() -> Database {
    let database = Database::empty();
    database.execute(
        "CREATE TABLE t (i int, j int); INSERT INTO t SELECT n, n FROM generate_series(1, 1000) n",
    );
    database
}

/// A folder whose only file does this without a transaction.
pub(super) fn file(sql: &str) -> Folder {
    Folder::with(&[("V1__x.sql", &format!("-- transaction: none\n{sql}\n"))])
}

/// Whether an index is there, and valid.
pub(super) fn validity(client: &mut Client, index: &str) -> Option<bool> {
    let query = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)";
    let row = client.query_opt(query, &[&index]).unwrap();
    row.map(|row| row.get(0))
}

pub(super) fn is_running(client: &mut Client, words: &str) -> bool {
    let query = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active'
                  AND datname = current_database() AND query LIKE $1 AND pid <> pg_backend_pid())";
    client
        .query_one(query, &[&format!("{words}%")])
        .unwrap()
        .get(0)
}

/// A transaction that has written to `t`, so that every concurrent build waits for its end.
pub(super) fn writer(database: &Database) -> Client {
    let mut client = database.connect();
    client
        .batch_execute("BEGIN; INSERT INTO t VALUES (0, 0)")
        .unwrap();
    client
}

#[test]
fn each_statement_runs_by_itself_and_the_file_is_recorded_once() {
    let database = with_table();
    let folder = file(
        "SET maintenance_work_mem = '11MB';
         CREATE INDEX CONCURRENTLY t_by_i ON t (i);
         /* ; /* ; */ */ CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN RETURN 1; END $x$;
         CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;
         CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_by_j ON public.t (j) WHERE i > 0;
         CREATE TYPE e AS ENUM ('a');
         ALTER TYPE e ADD VALUE 'b';
         CREATE TABLE memory AS SELECT current_setting('maintenance_work_mem') AS m;
         REINDEX INDEX CONCURRENTLY t_by_j;
         DROP INDEX CONCURRENTLY t_by_i;
         VACUUM t;",
    );
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1]);
    let mut client = database.connect();
    assert_eq!(validity(&mut client, "t_by_i"), None);
    assert_eq!(validity(&mut client, "t_by_j"), Some(true));
    let facts = client
        .query_one(
            "SELECT f() + g(), 'b'::e::text, (SELECT m FROM memory)",
            &[],
        )
        .unwrap();
    assert_eq!(facts.get::<_, i32>(0), 3);
    assert_eq!(
        facts.get::<_, String>(2),
        "11MB",
        "a SET lasts to the end of its file"
    );
    let steps = "SELECT count(*) FROM creditdb_migration_log WHERE event = 'finished'";
    assert_eq!(client.query_one(steps, &[]).unwrap().get::<_, i64>(0), 10);
    let run = migrate(&folder, &database).succeeds();
    assert!(run.stdout.contains("nothing to do"), "{}", run.stdout);
}

#[test]
fn a_deployer_killed_in_a_build_is_completed_by_the_next() {
    let database = with_table();
    let folder = Folder::with(&[("V1__x.sql", BUILD)]);
    let mut client = database.connect();
    let mut writer = writer(&database);
    let mut child = migrate(&folder, &database).spawn();
    wait_until("the build waits", || {
        is_running(&mut client, "CREATE INDEX CONCURRENTLY")
            && validity(&mut client, "t_by_i") == Some(false)
    });
    let status = creditdb(["status", "--migrations", folder.arg(), "--format", "json"]);
    let status = status.on(&database.url).run().json();
    assert_eq!(status["problems"][0]["code"], "in_progress", "{status}");

    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let killed = Instant::now();
    wait_until("the server ends the statement", || {
        !is_running(&mut client, "CREATE INDEX CONCURRENTLY")
    });
    let took = killed.elapsed();
    assert!(
        took < Duration::from_secs(8),
        "the statement went on for {took:?}"
    );

    let status = creditdb(["status", "--migrations", folder.arg(), "--format", "json"])
        .on(&database.url)
        .exits(6)
        .json();
    assert_eq!(status["state"], "half_done", "{status}");
    assert_eq!(status["problems"][0]["code"], "half_done");
    let message = status["problems"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("index public.t_by_i is invalid"),
        "{message}"
    );
    assert!(history(&database).is_empty());

    writer.batch_execute("COMMIT").unwrap();
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1]);
    assert_eq!(validity(&mut client, "t_by_i"), Some(true));
    let strays = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(client.query_one(strays, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn an_index_that_is_there_is_judged_by_its_definition() {
    // Made by hand before: the same in other words.
    let database = with_table();
    database.execute("CREATE INDEX t_by_i ON ONLY public.t USING btree ((i))");
    let folder = Folder::with(&[("V1__x.sql", BUILD)]);
    let mut client = database.connect();
    let oid = "SELECT 't_by_i'::regclass::oid";
    let before: u32 = client.query_one(oid, &[]).unwrap().get(0);
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1]);
    assert_eq!(client.query_one(oid, &[]).unwrap().get::<_, u32>(0), before);

    for other in [
        "CREATE INDEX t_by_i ON t (j)",
        "CREATE UNIQUE INDEX t_by_i ON t (i)",
        "CREATE INDEX t_by_i ON t (i) WHERE i > 0",
        "CREATE INDEX t_by_i ON t (i DESC)",
        "CREATE TABLE u (i int); CREATE INDEX t_by_i ON u (i)",
        "CREATE TABLE t_by_i (i int)",
    ] {
        let database = with_table();
        database.execute(other);
        let run = migrate(&folder, &database).exits(4);
        assert!(
            run.stderr.contains("not what the migration builds"),
            "{other}: {}",
            run.stderr
        );
        assert!(history(&database).is_empty());
    }
}

#[test]
fn an_invalid_index_is_dropped_and_built_again() {
    let database = with_table();
    database.execute(
        "CREATE INDEX t_by_i ON t (j);
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_by_i'::regclass",
    );
    let folder = Folder::with(&[("V1__x.sql", BUILD)]);
    let run = migrate(&folder, &database).succeeds();
    assert!(
        run.stderr
            .contains("dropping what an earlier run left: public.t_by_i"),
        "{}",
        run.stderr
    );
    let mut client = database.connect();
    assert_eq!(validity(&mut client, "t_by_i"), Some(true));
    let query = "SELECT pg_get_indexdef('t_by_i'::regclass)";
    let definition: String = client.query_one(query, &[]).unwrap().get(0);
    assert!(definition.ends_with("(i)"), "{definition}");
}

#[test]
fn a_build_that_fails_leaves_nothing() {
    let database = with_table();
    database.execute("INSERT INTO t VALUES (1, 1)");
    let folder = file("CREATE UNIQUE INDEX CONCURRENTLY t_by_i ON t (i);");
    let run = migrate(&folder, &database).exits(5);
    assert!(run.stderr.contains("23505"), "{}", run.stderr);
    assert!(run.stderr.contains("V1__x.sql:2:1"), "{}", run.stderr);
    assert_eq!(validity(&mut database.connect(), "t_by_i"), None);
    let status = creditdb(["status", "--migrations", folder.arg()]).on(&database.url);
    assert!(status.succeeds().stdout.contains("pending"));

    // After a statement that is done, the file is cut off.
    let folder = file(
        "CREATE INDEX CONCURRENTLY t_by_j ON t (j);
         CREATE UNIQUE INDEX CONCURRENTLY t_by_i ON t (i);",
    );
    let run = migrate(&folder, &database).exits(6);
    assert!(
        run.stderr.contains("1 of 2 statements are done"),
        "{}",
        run.stderr
    );
    database.execute("DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t)");
    let edited = file(
        "CREATE INDEX CONCURRENTLY t_by_j ON t (j, i);
         CREATE UNIQUE INDEX CONCURRENTLY t_by_i ON t (i);",
    );
    let run = migrate(&edited, &database).exits(4);
    assert!(
        run.stderr.contains("was finished with another text"),
        "{}",
        run.stderr
    );
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1]);
}

#[test]
fn the_time_of_a_build_is_limited_and_a_signal_ends_it() {
    let database = with_table();
    let folder = Folder::with(&[("V1__x.sql", BUILD)]);
    let mut writer = writer(&database);
    let run = migrate(&folder, &database)
        .args(["--build-limit", "1s"])
        .exits(6);
    assert!(
        run.stderr.contains("index public.t_by_i is invalid"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("57014"), "{}", run.stderr);
    let again = format!("creditdb migrate --migrations {}", folder.arg());
    let hint = format!("; {again} --build-limit '2s' completes it\n");
    assert!(run.stderr.ends_with(&hint), "{}", run.stderr);

    let mut client = database.connect();
    let child = migrate(&folder, &database).spawn();
    // The run first drops what is left, and that waits for the writer, too.
    wait_until("the run waits for the writer", || {
        is_running(&mut client, "DROP INDEX CONCURRENTLY")
    });
    signal(&child, "INT");
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, 6, "{}", run.stderr);
    writer.batch_execute("COMMIT").unwrap();
    migrate(&folder, &database).succeeds();
    assert_eq!(validity(&mut client, "t_by_i"), Some(true));
}

#[test]
fn a_detachment_that_was_cut_off_is_finalized() {
    let database = Database::empty();
    database.execute(
        "CREATE TABLE p (i int) PARTITION BY RANGE (i);
         CREATE TABLE c PARTITION OF p FOR VALUES FROM (0) TO (10)",
    );
    let folder = file("ALTER TABLE p DETACH PARTITION c CONCURRENTLY;");
    let mut client = database.connect();
    let mut reader = database.connect();
    reader
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM p")
        .unwrap();
    let mut child = migrate(&folder, &database).spawn();
    let pending = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhdetachpending)";
    wait_until("the detachment waits", || {
        client.query_one(pending, &[]).unwrap().get(0)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the server ends the statement", || {
        !is_running(&mut client, "ALTER TABLE")
    });
    let status = creditdb(["status", "--migrations", folder.arg()]);
    let run = status.on(&database.url).exits(6);
    assert!(run.stdout.contains("half detached"), "{}", run.stdout);
    reader.batch_execute("COMMIT").unwrap();
    migrate(&folder, &database).succeeds();
    let left = "SELECT count(*) FROM pg_inherits";
    assert_eq!(client.query_one(left, &[]).unwrap().get::<_, i64>(0), 0);
    assert_eq!(history(&database), [1]);
}

/// A statement can end without anybody to record it: then the catalogue tells.
#[test]
fn what_ended_unrecorded_is_not_run_again() {
    let ended = [
        ("DROP INDEX CONCURRENTLY t_by_i;", "DROP INDEX t_by_i"),
        (
            "CREATE INDEX CONCURRENTLY t_by_i2 ON t (i);",
            "CREATE INDEX t_by_i2 ON t (i)",
        ),
        (
            "REINDEX TABLE CONCURRENTLY t;",
            "CREATE INDEX t_by_i_ccnew ON t (i);
            UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_by_i_ccnew'::regclass",
        ),
    ];
    for (statement, by_hand) in ended {
        let database = with_table();
        database.execute("CREATE INDEX t_by_i ON t (i)");
        let folder = file(&format!("CREATE TABLE u (i int); {statement}"));
        // Makes the log, and stops at the second statement.
        let never = file("CREATE TABLE u (i int); SELECT 1/0;");
        migrate(&never, &database).exits(6);
        database.execute(by_hand);
        database.execute(
            "INSERT INTO creditdb_migration_log (version, event, statement, digest, program)
             VALUES (1, 'started', 2, 'd', 'test')",
        );
        migrate(&folder, &database).succeeds();
        assert_eq!(history(&database), [1], "{statement}");
        assert_eq!(validity(&mut database.connect(), "t_by_i_ccnew"), None);
    }
}

#[test]
fn the_limits_that_a_file_sets_outlast_a_build() {
    let database = with_table();
    let name = database.name();
    database.execute(&format!(
        "ALTER DATABASE {name} SET statement_timeout = '400ms'"
    ));
    let folder = file(
        "SET statement_timeout = 0; SET lock_timeout = '700ms';
         CREATE INDEX CONCURRENTLY t_by_i ON t (i);
         SELECT pg_sleep(0.6);
         CREATE TABLE limits AS SELECT current_setting('lock_timeout') AS l;",
    );
    migrate(&folder, &database).succeeds();
    let row = database.connect().query_one("SELECT l FROM limits", &[]);
    assert_eq!(row.unwrap().get::<_, String>(0), "700ms");
}

#[test]
fn a_rebuild_is_complete_beside_an_index_that_was_invalid_before() {
    let database = with_table();
    database.execute(
        "CREATE INDEX t_by_i ON t (i); CREATE INDEX broken ON t (j);
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass",
    );
    let mut client = database.connect();
    for statement in [
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX INDEX CONCURRENTLY t_by_i",
    ] {
        database.execute("DROP TABLE IF EXISTS refinery_schema_history, creditdb_migration_log");
        let run = migrate(&file(statement), &database).succeeds();
        let told =
            "public.broken was invalid before and still is: DROP INDEX CONCURRENTLY public.broken";
        assert!(run.stderr.contains(told), "{}", run.stderr);
        assert_eq!(validity(&mut client, "broken"), Some(false));
    }
    // The one that is named is no stranger.
    database.execute("DROP TABLE refinery_schema_history, creditdb_migration_log");
    migrate(&file("REINDEX INDEX CONCURRENTLY broken"), &database).succeeds();
    assert_eq!(validity(&mut client, "broken"), Some(true));
}
