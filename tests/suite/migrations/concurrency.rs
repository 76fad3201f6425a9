//! Several deployers at once.

use std::collections::BTreeSet;
use std::process::Child;
use std::time::{Duration, Instant};

use creditdb::db::throwaway::{Options, Throwaway};
use postgres::Client;

use crate::support::program::{Run, creditdb, signal};
use crate::support::server::{Database, NEWEST};
use crate::support::wait_until;

/// The number that every version of the program must keep using: "creditdb" in ASCII.
pub(super) const KEY: &str = "7165901439040250978";

#[test]
fn of_ten_deployers_one_applies_and_nine_find_nothing_to_do() {
    // A server of its own, because the test reads the whole log.
    let server = Throwaway::start(&Options::default()).unwrap();
    let url = server.url("postgres");
    let children: Vec<_> = (0..10)
        .map(|_| creditdb(["migrate"]).on(&url).spawn())
        .collect();
    let runs: Vec<Run> = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap().into())
        .collect();
    for run in &runs {
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    }
    let idle = runs
        .iter()
        .filter(|run| run.stdout.contains("nothing to do"))
        .count();
    let busy = runs
        .iter()
        .filter(|run| {
            run.stdout
                .contains(&format!("{} migrations applied", NEWEST.1))
        })
        .count();
    assert_eq!(
        (busy, idle),
        (1, 9),
        "{:?}",
        runs.iter().map(|r| &r.stdout).collect::<Vec<_>>()
    );
    let log = server.log();
    assert!(
        log.contains("ready to accept connections"),
        "this is not the log: {log}"
    );
    assert!(!log.contains("ERROR") && !log.contains("FATAL"), "{log}");
}

#[test]
fn waiting_for_another_deployer_is_bounded_and_names_it() {
    let database = Database::empty();
    let mut holder = database.connect();
    holder
        .batch_execute("SET application_name = 'nightly deploy'")
        .unwrap();
    holder
        .execute(&format!("SELECT pg_advisory_lock({KEY})"), &[])
        .unwrap();
    let pid: i32 = holder
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap()
        .get(0);

    let started = Instant::now();
    let run = creditdb(["migrate", "--wait", "700ms"])
        .on(&database.url)
        .exits(4);
    let waited = started.elapsed();
    assert!(
        waited >= Duration::from_millis(700),
        "gave up after {waited:?}"
    );
    assert!(
        waited < Duration::from_secs(10),
        "gave up only after {waited:?}"
    );
    assert!(
        run.stderr
            .contains("another deployer holds the migration lock"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains(&format!("pid {pid}")), "{}", run.stderr);
    assert!(run.stderr.contains("nightly deploy"), "{}", run.stderr);
    let tables: i64 = holder
        .query_one(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
            &[],
        )
        .unwrap()
        .get(0);
    assert_eq!(tables, 0, "a refused run changed something");
}

/// A deployer that waits for the lock, which the connection holds.
fn waiting(database: &Database) -> (Client, Child) {
    let mut holder = database.connect();
    holder
        .execute(&format!("SELECT pg_advisory_lock({KEY})"), &[])
        .unwrap();
    let child = creditdb(["migrate"]).on(&database.url).spawn();
    // Each time it is answered with the holder, and the first time it tells.
    let asks = "SELECT query_start::text FROM pg_stat_activity
                 WHERE datname = current_database() AND query LIKE '%pg_catalog.pg_locks l%'
                       AND pid <> pg_backend_pid()";
    let mut asked = BTreeSet::new();
    wait_until("the deployer asks again who holds the lock", || {
        let asks = holder.query(asks, &[]).unwrap();
        asked.extend(asks.iter().map(|row| row.get::<_, String>(0)));
        asked.len() > 3
    });
    (holder, child)
}

#[test]
fn a_signal_ends_the_wait_for_another_deployer() {
    let database = Database::empty();
    let (_holder, child) = waiting(&database);
    signal(&child, "TERM");
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, 4, "{}", run.stderr);
    let words =
        "error: stopped while another deployer held the migration lock\nnothing was changed";
    assert!(run.stderr.contains(words), "{}", run.stderr);
}

#[test]
fn a_deployer_goes_on_when_the_lock_is_released() {
    let database = Database::empty();
    let (holder, child) = waiting(&database);
    drop(holder);
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stderr.contains("waiting for another deployer"),
        "{}",
        run.stderr
    );
    assert!(
        run.stdout
            .contains(&format!("{} migrations applied", NEWEST.1)),
        "{}",
        run.stdout
    );
}
