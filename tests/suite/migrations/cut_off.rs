//! What ends a file without a transaction early, and what is said of it then.

use std::thread;

use super::separate::{BUILD, file, is_running, validity, with_table, writer};
use super::{exists, history, migrate};
use crate::support::folder::Folder;
use crate::support::program::{Run, signal};
use crate::support::wait_until;

#[test]
fn a_signal_stops_it_between_two_statements() {
    let database = with_table();
    // A statement that is cancelled and takes it for its end.
    let folder = file(
        "DO $$ BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END $$;
         CREATE TABLE later (i int);",
    );
    let child = migrate(&folder, &database).spawn();
    let mut client = database.connect();
    wait_until("the first statement runs", || {
        is_running(&mut client, "DO $$ BEGIN PERFORM pg_sleep(60)")
    });
    signal(&child, "TERM");
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, 6, "{}", run.stderr);
    let words = "error: stopped in \"";
    assert!(run.stderr.starts_with(words), "{}", run.stderr);
    let done = "1 of 2 statements are done";
    assert!(run.stderr.contains(done), "{}", run.stderr);
    assert!(!exists(&database, "later") && history(&database).is_empty());
    migrate(&folder, &database).succeeds();
    assert!(exists(&database, "later"));
}

/// Nobody knows whether the statement was committed.
#[test]
fn a_lost_connection_is_not_told_as_a_roll_back() {
    for mode in ["none", "batched"] {
        let database = with_table();
        let sql = "UPDATE t SET j = 0
                    WHERE i IN (SELECT i FROM t WHERE j > 0 AND pg_sleep(60) IS NOT NULL LIMIT 9);";
        let folder = Folder::with(&[("V1__x.sql", format!("-- transaction: {mode}\n{sql}"))]);
        let child = migrate(&folder, &database).spawn();
        let mut client = database.connect();
        wait_until("the statement runs", || is_running(&mut client, "UPDATE t"));
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND query LIKE 'UPDATE t%'",
        );
        let run: Run = child.wait_with_output().unwrap().into();
        assert_eq!(run.code, 6, "{mode}: {}", run.stderr);
    }
}

#[test]
fn the_build_of_somebody_else_is_left_alone() {
    let database = with_table();
    let folder = Folder::with(&[("V1__x.sql", BUILD)]);
    let mut writer = writer(&database);
    let mut other = database.connect();
    let build =
        thread::spawn(move || other.batch_execute("CREATE INDEX CONCURRENTLY t_by_i ON t (i)"));
    let mut client = database.connect();
    wait_until("the other build waits for the writer", || {
        is_running(&mut client, "CREATE INDEX CONCURRENTLY")
            && validity(&mut client, "t_by_i") == Some(false)
    });
    // Whoever does not leave it alone waits for the writer, too.
    let run = migrate(&folder, &database)
        .args(["--build-limit", "5s"])
        .exits(4);
    let words = "error: public.t_by_i is being built by pid ";
    assert!(run.stderr.starts_with(words), "{}", run.stderr);
    writer.batch_execute("COMMIT").unwrap();
    build.join().unwrap().unwrap();
    migrate(&folder, &database).succeeds();
    assert_eq!(validity(&mut client, "t_by_i"), Some(true));
}
