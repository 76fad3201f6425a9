//! The lock policy: what waits for a lock makes others wait, so it waits briefly, says for whom,
//! and tries again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{history, migrate};
use crate::support::folder::Folder;
use crate::support::program::Run;
use crate::support::server::Database;
use crate::support::wait_until;

const ALTER: (&str, &str) = (
    "V1__x.sql",
    "CREATE TABLE u (i int);\nALTER TABLE t ADD COLUMN j int;",
);

/// A database whose table `t` somebody has read in a transaction that stays open.
fn with_reader() -> (Database, postgres::Client) {
    let database = Database::empty();
    database.execute("CREATE TABLE t (i int, name text)");
    let mut reader = database.connect();
    reader
        .batch_execute(
            "SET application_name = 'month end report';
             BEGIN; SELECT i FROM t WHERE name = 'a secret' AND i = 4711",
        )
        .unwrap();
    (database, reader)
}

fn has_column(database: &Database) -> bool {
    let query =
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'j')";
    database.connect().query_one(query, &[]).unwrap().get(0)
}

#[test]
fn no_reader_waits_for_longer_than_the_lock_timeout() {
    let (database, reader) = with_reader();
    let folder = Folder::with(&[ALTER]);
    let stop = Arc::new(AtomicBool::new(false));
    let mut client = database.connect();
    let ended = Arc::clone(&stop);
    // The gateway: reads the table all the time, and measures how long that takes.
    let gateway = std::thread::spawn(move || {
        let (mut waits, mut reads) = (Vec::new(), 0);
        while !ended.load(Ordering::Relaxed) {
            let started = Instant::now();
            client.query("SELECT count(*) FROM t", &[]).unwrap();
            let took = started.elapsed();
            waits.extend((took > Duration::from_millis(300)).then_some(took));
            reads += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        (waits, reads)
    });
    let run = migrate(&folder, &database)
        .args(["--lock-timeout", "1s", "--retry-for", "5s"])
        .exits(4);
    stop.store(true, Ordering::Relaxed);
    let (waits, reads) = gateway.join().unwrap();
    // It did stand in the way, several times, and never for all of the five seconds. A busy machine
    // makes a read late, but hardly all of them: one shows how long the wait for a lock was.
    assert!(
        waits.len() >= 2,
        "of {reads} reads, these waited: {waits:?}"
    );
    let (shortest, longest) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*shortest < Duration::from_millis(1500), "{waits:?}");
    assert!(*longest < Duration::from_secs(4), "{waits:?}");

    assert!(!has_column(&database) && history(&database).is_empty());
    let tables = "SELECT to_regclass('u') IS NULL";
    assert!(
        database
            .connect()
            .query_one(tables, &[])
            .unwrap()
            .get::<_, bool>(0)
    );
    let attempts: Vec<&str> = run
        .stderr
        .lines()
        .filter(|l| l.contains("blocked by pid"))
        .collect();
    assert!(attempts.len() >= 3, "{}", run.stderr);
    for line in attempts {
        for words in [
            "user postgres",
            "application \"month end report\"",
            "idle in transaction",
            "transaction open for",
            "AccessShareLock on t",
            "SELECT i FROM t WHERE name = ? AND i = ?",
        ] {
            assert!(line.contains(words), "{words}: {line}");
        }
    }
    assert!(
        !run.stderr.contains("secret") && !run.stderr.contains("4711"),
        "{}",
        run.stderr
    );
    for words in [
        "did not get its locks in",
        "55P03",
        "V1__x.sql:2:1",
        "pg_terminate_backend(",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    drop(reader);
}

#[test]
fn a_short_time_is_not_told_as_none() {
    let (database, reader) = with_reader();
    let folder = Folder::with(&[ALTER]);
    let run = migrate(&folder, &database)
        .args(["--lock-timeout", "100ms", "--retry-for", "300ms"])
        .exits(4);
    let told = run
        .stderr
        .split("did not get its locks in ")
        .nth(1)
        .unwrap();
    let time = humantime::parse_duration(told.lines().next().unwrap()).unwrap();
    assert!(time >= Duration::from_millis(100), "{}", run.stderr);
    drop(reader);
}

#[test]
fn it_goes_on_when_the_blocker_has_ended() {
    let (database, mut reader) = with_reader();
    let folder = Folder::with(&[ALTER]);
    let child = migrate(&folder, &database)
        .args(["--lock-timeout", "200ms"])
        .spawn();
    let mut client = database.connect();
    let waits =
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 't'::regclass AND NOT granted)";
    wait_until("the migration waits", || {
        client.query_one(waits, &[]).unwrap().get(0)
    });
    wait_until("it has given up once", || {
        !client.query_one(waits, &[]).unwrap().get::<_, bool>(0)
    });
    reader.batch_execute("COMMIT").unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("trying again in"), "{}", run.stderr);
    assert!(has_column(&database));
    assert_eq!(history(&database), [1]);
}

/// A deadlock that chose us, and a conflict with somebody's change: the next attempt may succeed.
#[test]
fn it_is_tried_again_after_a_deadlock_and_a_conflict() {
    let database = Database::empty();
    // What a sequence has given is not taken back with the attempt.
    database.execute("CREATE SEQUENCE attempts");
    let folder = Folder::with(&[(
        "V1__a.sql",
        "CREATE TABLE a (i int);
         DO $$ BEGIN
             CASE nextval('attempts')
                 WHEN 1 THEN RAISE deadlock_detected;
                 WHEN 2 THEN RAISE serialization_failure;
                 ELSE NULL;
             END CASE;
         END $$;",
    )]);
    let run = migrate(&folder, &database).succeeds();
    assert_eq!(
        run.stderr.matches("trying again in").count(),
        2,
        "{}",
        run.stderr
    );
    assert_eq!(history(&database), [1]);
}

/// What a file sets reaches no other file, whatever their modes.
#[test]
fn each_file_begins_with_the_settings_of_the_program() {
    let sets = "GRANT ALL ON ALL TABLES IN SCHEMA public TO pg_monitor;
                SET work_mem = '77MB'; SET quote_all_identifiers = on; SET lock_timeout = '1s';
                SET idle_in_transaction_session_timeout = 0; SET ROLE pg_monitor;";
    for mode in ["one", "none"] {
        let database = Database::empty();
        let name = database.name();
        database.execute(&format!(
            "ALTER DATABASE {name} SET quote_all_identifiers = on"
        ));
        let seen = "CREATE TABLE seen AS SELECT current_user = session_user AS as_itself,
            current_setting('work_mem') <> '77MB' AS without_theirs,
            current_setting('quote_all_identifiers') AS quote_all_identifiers,
            current_setting('lock_timeout') AS lock_timeout,
            current_setting('idle_in_transaction_session_timeout') AS silence,
            current_setting('client_connection_check_interval') AS check_interval;";
        let folder = Folder::with(&[
            ("V1__a.sql", sets.to_owned()),
            ("V2__b.sql", format!("-- transaction: {mode}\n{seen}")),
        ]);
        migrate(&folder, &database).succeeds();
        let query = "SELECT row(seen.*)::text FROM seen";
        let row = database.connect().query_one(query, &[]).unwrap();
        assert_eq!(row.get::<_, String>(0), "(t,t,off,2s,10s,2s)", "{mode}");
    }
}

/// A stopped deployer (SIGSTOP, a frozen machine) must not block the gateway for ever, and the
/// next one says who holds the lock.
#[test]
fn a_second_deployer_names_one_that_was_stopped() {
    let database = Database::empty();
    let folder = Folder::with(&[("V1__x.sql", "CREATE TABLE t (i int); SELECT pg_sleep(2);")]);
    let mut child = migrate(&folder, &database).spawn();
    let mut client = database.connect();
    let runs = "SELECT EXISTS (SELECT FROM pg_stat_activity
                 WHERE query LIKE 'SELECT pg_sleep(2)%' AND datname = current_database())";
    wait_until("the first one works", || {
        client.query_one(runs, &[]).unwrap().get(0)
    });
    crate::support::program::signal(&child, "STOP");
    let run = migrate(&folder, &database)
        .args(["--wait", "500ms"])
        .exits(4);
    assert!(run.stderr.contains("holder: pid "), "{}", run.stderr);
    crate::support::program::signal(&child, "CONT");
    assert!(child.wait().unwrap().success());
    let run = migrate(&folder, &database).succeeds();
    assert!(run.stdout.contains("nothing to do"));
    assert_eq!(history(&database), [1]);
}

/// One that was stopped while it only looked has a snapshot, for which every build would wait.
#[test]
fn a_deployer_that_was_stopped_while_it_looked_does_not_hold_up_a_build() {
    let database = Database::empty();
    database.execute(
        "CREATE TABLE t (i int); CREATE TABLE schema_version (version text, applied_at timestamptz)",
    );
    let build = "-- transaction: none\nCREATE INDEX CONCURRENTLY t_by_i ON t (i);";
    let folder = Folder::with(&[("V1__x.sql", build)]);
    // Its first question to the catalogue stays unanswered for a while, in its transaction.
    let mut holder = database.connect();
    holder
        .batch_execute("BEGIN; LOCK TABLE schema_version")
        .unwrap();
    let mut child = migrate(&folder, &database).spawn();
    let mut client = database.connect();
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'schema_version'::regclass AND NOT granted)";
    wait_until("it looks", || client.query_one(waits, &[]).unwrap().get(0));
    crate::support::program::signal(&child, "STOP");
    holder.batch_execute("ROLLBACK").unwrap();
    let started = Instant::now();
    migrate(&folder, &database)
        .args(["--wait", "1s"])
        .succeeds();
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(history(&database), [1]);
    crate::support::program::signal(&child, "CONT");
    child.wait().unwrap();
}

/// As each script of pg_dump begins.
#[test]
fn a_file_does_not_wait_without_a_limit() {
    for (header, set) in [
        ("", "SET lock_timeout = 0;"),
        ("", "SET LOCAL lock_timeout = '1h';"),
        (
            "",
            "SELECT pg_catalog.set_config('lock_timeout', '0', true);",
        ),
        ("", "DO $$ BEGIN SET lock_timeout = 0; END $$;"),
        ("-- transaction: none\n", "SET lock_timeout = 0;"),
        ("-- transaction: none\n", "RESET ALL;"),
    ] {
        let (database, reader) = with_reader();
        let text = format!("{header}{set}\nALTER TABLE t ADD COLUMN j int;");
        let folder = Folder::with(&[("V1__x.sql", text)]);
        let run = migrate(&folder, &database)
            .args(["--lock-timeout", "300ms", "--retry-for", "0s"])
            .exits(4);
        assert!(run.stderr.contains("lock timeout"), "{}", run.stderr);
        let told = "is put back to 300 ms";
        assert!(run.stderr.contains(told), "{set}: {}", run.stderr);
        assert!(!has_column(&database));
        drop(reader);
    }
    // A shorter one is the file's affair.
    let (database, reader) = with_reader();
    let text = "SET lock_timeout = '100ms';
         CREATE TABLE l AS SELECT current_setting('lock_timeout') AS l;";
    let run = migrate(&Folder::with(&[("V1__x.sql", text)]), &database).succeeds();
    assert!(!run.stderr.contains("put back"), "{}", run.stderr);
    let row = database.connect().query_one("SELECT l FROM l", &[]);
    assert_eq!(row.unwrap().get::<_, String>(0), "100ms");
    drop(reader);
}
