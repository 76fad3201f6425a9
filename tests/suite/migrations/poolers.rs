//! `migrate` through a real PgBouncer.

use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use crate::support::pgbouncer::PgBouncer;
use crate::support::program::creditdb;
use crate::support::server::{Database, NEWEST};

/// Nothing of ours exists, and no pooled session holds a lock of ours.
fn assert_untouched(database: &Database) {
    let row = database
        .connect()
        .query_one(
            "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
                    (SELECT count(*) FROM pg_locks
                      WHERE locktype = 'advisory'
                        AND database = (SELECT oid FROM pg_database
                                         WHERE datname = current_database()))",
            &[],
        )
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 0));
}

/// Through a pool in which `idle` sessions of the server wait for work.
fn is_refused(pool_mode: &str, settings: &str, idle: usize) {
    let Some(pool) = PgBouncer::start(pool_mode, settings) else {
        return;
    };
    let database = Database::empty();
    let url = pool.url(database.name());
    let mut busy: Vec<Client> = (0..idle)
        .map(|_| Client::connect(&url, NoTls).unwrap())
        .collect();
    for words in ["BEGIN", "COMMIT"] {
        for client in &mut busy {
            client.simple_query(words).unwrap();
        }
    }
    drop(busy);
    let run = creditdb(["migrate"]).on(&url).exits(4);
    assert!(run.stderr.contains("pools transactions"), "{}", run.stderr);
    assert!(
        run.stderr.contains("hint: connect to the server itself")
            && run.stderr.contains("pool_mode = session"),
        "{}",
        run.stderr
    );
    assert_untouched(&database);
}

#[test]
fn transaction_pooling_is_refused_before_the_first_statement() {
    is_refused("transaction", "", 0);
}

/// Two clients that ask in turn then meet in one session by chance only, and may each find
/// themselves where they were before.
#[test]
fn transaction_pooling_is_refused_when_there_are_sessions_to_choose_from() {
    is_refused("transaction", "", 4);
    for idle in 2..=4 {
        is_refused("transaction", "server_round_robin = 1", idle);
    }
}

#[test]
fn statement_pooling_is_refused() {
    is_refused("statement", "", 0);
}

#[test]
fn session_pooling_is_as_good_as_none() {
    let Some(pool) = PgBouncer::start("session", "") else {
        return;
    };
    let database = Database::empty();
    let url = pool.url(database.name());
    let run = creditdb(["migrate"]).on(&url).succeeds();
    assert!(
        run.stdout.contains(&format!("schema version {}", NEWEST.0)),
        "{}",
        run.stdout
    );
    creditdb(["status", "--check"]).on(&url).succeeds();
    creditdb(["migrate"]).on(&url).succeeds();
}

/// The second client, which only asks a question, must not be waited for.
#[test]
fn a_pool_with_room_for_one_session_is_enough() {
    let Some(pool) = PgBouncer::start("session", "default_pool_size = 1") else {
        return;
    };
    let database = Database::empty();
    let started = Instant::now();
    creditdb(["migrate"])
        .on(&pool.url(database.name()))
        .succeeds();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
}
