//! Batched files: repeated until nothing changes, whatever interrupts them, and never in the way.

use std::io::{BufRead, BufReader, Read};

use creditdb::db::throwaway::{Options, Throwaway};
use postgres::{Client, NoTls};

use super::{history, migrate};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb, signal};
use crate::support::server::Database;
use crate::support::standby::Standby;
use crate::support::wait_until;

const TABLE: &str = "CREATE TABLE t (i int PRIMARY KEY, done boolean);
     INSERT INTO t SELECT n, NULL FROM generate_series(1, 1000) n";

/// Ten rows at a time, each batch a twentieth of a second.
const SLOW: &str = "-- transaction: batched
WITH next AS (SELECT i FROM t WHERE done IS NULL ORDER BY i LIMIT 10 FOR UPDATE),
     nap AS MATERIALIZED (SELECT pg_sleep(0.05) FROM next LIMIT 1)
UPDATE t SET done = true FROM next, nap WHERE t.i = next.i;
";

fn with_table() -> Database {
    let database = Database::empty();
    database.execute(TABLE);
    database
}

fn file(sql: &str) -> Folder {
    Folder::with(&[("V1__x.sql", &format!("-- transaction: batched\n{sql}\n"))])
}

fn done(client: &mut Client) -> i64 {
    let query = "SELECT count(*) FROM t WHERE done";
    client.query_one(query, &[]).unwrap().get(0)
}

#[test]
fn each_repetition_is_a_transaction_of_its_own() {
    let database = with_table();
    database.execute(
        "CREATE TABLE u (i int);
         CREATE FUNCTION take() RETURNS bigint LANGUAGE sql AS
         'WITH gone AS (DELETE FROM u WHERE ctid IN (SELECT ctid FROM u LIMIT 7) RETURNING 1)
          SELECT count(*) FROM gone'",
    );
    let folder = file(
        "UPDATE t SET done = true WHERE i IN (SELECT i FROM t WHERE done IS NULL LIMIT 300);
         INSERT INTO u SELECT i FROM t WHERE i <= 20 AND NOT EXISTS (SELECT FROM u WHERE u.i = t.i) LIMIT 6;
         SELECT take();",
    );
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1]);
    let mut client = database.connect();
    let batches = "SELECT count(DISTINCT xmin::text) FROM t WHERE done";
    assert_eq!(client.query_one(batches, &[]).unwrap().get::<_, i64>(0), 4);
    let rows = client
        .query(
            "SELECT rows_changed FROM creditdb_migration_log WHERE event = 'finished' ORDER BY id",
            &[],
        )
        .unwrap();
    let rows: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, [1000, 20, 20]);
}

#[test]
fn a_signal_stops_it_between_two_batches_and_the_next_run_goes_on() {
    for name in ["INT", "TERM"] {
        let database = with_table();
        let folder = Folder::with(&[("V1__x.sql", SLOW)]);
        let mut client = database.connect();
        let child = migrate(&folder, &database).spawn();
        wait_until("some batches are done", || done(&mut client) >= 50);
        signal(&child, name);
        let run: Run = child.wait_with_output().unwrap().into();
        assert_eq!(run.code, 6, "{}", run.stderr);
        assert!(run.stderr.contains("between two batches"), "{}", run.stderr);
        let before = done(&mut client);
        assert!((50..1000).contains(&before) && before % 10 == 0, "{before}");
        assert!(
            run.stderr.contains(&format!("{before} rows are done")),
            "{}",
            run.stderr
        );
        let status = creditdb(["status", "--migrations", folder.arg()]);
        status.on(&database.url).exits(6);
        database.execute("CREATE TABLE counted AS SELECT i FROM t WHERE done");
        migrate(&folder, &database).succeeds();
        assert_eq!(done(&mut client), 1000);
        assert_eq!(history(&database), [1]);
        // What was done is not done again.
        let again = "SELECT count(*) FROM t JOIN counted USING (i)
                      WHERE t.xmin::text::int8 > (SELECT max(xmin::text::int8) FROM counted)";
        assert_eq!(client.query_one(again, &[]).unwrap().get::<_, i64>(0), 0);
    }
}

#[test]
fn a_killed_one_is_completed() {
    let database = with_table();
    let folder = Folder::with(&[("V1__x.sql", SLOW)]);
    let mut client = database.connect();
    let mut child = migrate(&folder, &database).spawn();
    wait_until("some batches are done", || done(&mut client) >= 50);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(history(&database).is_empty());
    migrate(&folder, &database).succeeds();
    assert_eq!(done(&mut client), 1000);
    assert_eq!(history(&database), [1]);
}

#[test]
fn a_statement_that_does_not_count_is_rolled_back() {
    let database = with_table();
    for sql in [
        "WITH x AS (UPDATE t SET done = true RETURNING i) SELECT i FROM x;",
        "WITH x AS (UPDATE t SET done = true) SELECT 'many';",
    ] {
        let run = migrate(&file(sql), &database).exits(5);
        assert!(
            run.stderr.contains("does not say how many rows"),
            "{}",
            run.stderr
        );
        assert_eq!(done(&mut database.connect()), 0);
    }
}

#[test]
fn a_batch_has_a_limit_of_time() {
    let database = with_table();
    let folder = file("UPDATE t SET done = true FROM pg_sleep(60) WHERE done IS NULL;");
    let run = migrate(&folder, &database)
        .args(["--batch-timeout", "300ms"])
        .exits(5);
    assert!(run.stderr.contains("57014"), "{}", run.stderr);
    assert!(
        run.stderr.contains("nothing of it is left"),
        "{}",
        run.stderr
    );
    let again = format!("creditdb migrate --migrations {}", folder.arg());
    let hint = format!("hint: {again} --batch-timeout '600ms'\n");
    assert!(run.stderr.ends_with(&hint), "{}", run.stderr);
}

#[test]
fn a_row_that_stays_locked_undoes_the_batch_only() {
    let database = with_table();
    let folder = file(
        "UPDATE t SET done = true
          WHERE i IN (SELECT i FROM t WHERE done IS NULL ORDER BY i LIMIT 10);",
    );
    let mut client = database.connect();
    let mut give_up = |locked: i32, code: i32| {
        let mut holder = database.connect();
        let mut transaction = holder.transaction().unwrap();
        let lock = "SELECT FROM t WHERE i = $1 FOR UPDATE";
        transaction.query_one(lock, &[&locked]).unwrap();
        let run = migrate(&folder, &database)
            .args(["--lock-timeout", "50ms", "--retry-for", "100ms"])
            .exits(code);
        (run.stderr, done(&mut client))
    };
    let (said, rows) = give_up(5, 4);
    assert!(said.contains("\nnothing of it was changed\n"), "{said}");
    assert_eq!(rows, 0);
    let (said, rows) = give_up(55, 6);
    assert!(said.contains("\n50 rows are done\n"), "{said}");
    assert_eq!(rows, 50);
    migrate(&folder, &database).succeeds();
    assert_eq!(done(&mut client), 1000);
}

#[test]
fn it_pauses_while_others_queue_for_locks() {
    let database = with_table();
    database.execute("CREATE TABLE busy (i int)");
    let folder =
        file("UPDATE t SET done = true WHERE i IN (SELECT i FROM t WHERE done IS NULL LIMIT 500);");
    let mut holder = database.connect();
    holder.batch_execute("BEGIN; LOCK TABLE busy").unwrap();
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let mut client = database.connect();
            std::thread::spawn(move || client.batch_execute("SELECT * FROM busy").unwrap())
        })
        .collect();
    let mut client = database.connect();
    let queue = "SELECT count(*) >= 3 FROM pg_locks
                  WHERE NOT granted AND waitstart < clock_timestamp() - interval '1.2 s'
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    wait_until("three sessions queue", || {
        client.query_one(queue, &[]).unwrap().get(0)
    });
    let run = migrate(&folder, &database)
        .args(["--retry-for", "1s"])
        .exits(6);
    assert!(
        run.stderr.contains("sessions wait for locks"),
        "{}",
        run.stderr
    );
    assert_eq!(done(&mut client), 0, "it went on all the same");
    let child = migrate(&folder, &database).spawn();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(done(&mut client), 0);
    holder.batch_execute("COMMIT").unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("going on"), "{}", run.stderr);
    assert_eq!(done(&mut client), 1000);
    for waiter in waiters {
        waiter.join().unwrap();
    }
}

#[test]
fn it_pauses_while_a_standby_is_behind() {
    let server = Throwaway::start(&Options::default()).unwrap();
    let mut client = Client::connect(&server.url("postgres"), NoTls).unwrap();
    client.batch_execute(TABLE).unwrap();
    let standby = Standby::of(&server);
    let mut replica = Client::connect(&standby.url("postgres"), NoTls).unwrap();
    wait_until("the standby follows", || {
        let following = "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'";
        client.query_one(following, &[]).unwrap().get(0)
    });
    replica
        .batch_execute("SELECT pg_wal_replay_pause()")
        .unwrap();
    let folder = Folder::with(&[("V1__x.sql", SLOW)]);
    let mut child = creditdb(["migrate", "--migrations", folder.arg(), "--max-lag", "1s"])
        .on(&server.url("postgres"))
        .spawn();
    // After a second of batches, and of however long the start takes, nothing more.
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("pausing: a standby is") {
        let length = stderr.read_line(&mut told).unwrap();
        assert!(length > 0, "it did not pause: {told}");
    }
    let paused = done(&mut client);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(done(&mut client), paused, "it went on all the same");
    assert!((10..1000).contains(&paused), "{paused}");
    replica
        .batch_execute("SELECT pg_wal_replay_resume()")
        .unwrap();
    stderr.read_to_string(&mut told).unwrap();
    assert!(child.wait().unwrap().success(), "{told}");
    assert!(told.contains("going on"), "{told}");
    assert_eq!(done(&mut client), 1000);
}

/// Some editors put a mark before the first byte of a text.
#[test]
fn a_header_may_follow_a_byte_order_mark() {
    let database = with_table();
    let mark = '\u{feff}';
    let text = "-- transaction: batched
UPDATE t SET done = true WHERE i IN (SELECT i FROM t WHERE done IS NULL LIMIT 300);";
    let folder = Folder::with(&[("V1__x.sql", format!("{mark}{text}"))]);
    migrate(&folder, &database).succeeds();
    assert_eq!(done(&mut database.connect()), 1000);
}
