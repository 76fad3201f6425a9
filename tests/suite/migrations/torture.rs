//! Deployers that are killed, stopped, cut off, and servers that crash, at random moments of a run
//! with all kinds of files. `CREDITDB_TORTURE_ROUNDS` says how often; the gate asks for 200.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use creditdb::db::throwaway::{Options, Throwaway};
use postgres::{Client, NoTls};

use crate::schema::catalogue::catalogue;
use crate::support::folder::Folder;
use crate::support::program::{Program, Run, creditdb, signal};
use crate::support::wait_until;

/// Each file leaves a mark that tells whether it is applied.
const FILES: &[(&str, &str)] = &[
    (
        "V1__make.sql",
        "CREATE TABLE t (i int NOT NULL, done boolean);
         INSERT INTO t SELECT n, NULL FROM generate_series(1, 500) n;
         SELECT pg_sleep(0.05);",
    ),
    (
        "V2__extend.sql",
        "ALTER TABLE t ADD COLUMN j int;
         CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;",
    ),
    (
        "V3__build.sql",
        "-- transaction: none
         CREATE INDEX CONCURRENTLY t_by_i ON t (i);
         CREATE UNIQUE INDEX CONCURRENTLY t_by_j ON t (i, j) WHERE i > 0;
         CREATE TABLE u (i int);",
    ),
    (
        "V4__fill.sql",
        "-- transaction: batched
         WITH nap AS MATERIALIZED (SELECT pg_sleep(0.01))
         UPDATE t SET done = true FROM nap
          WHERE i IN (SELECT i FROM t WHERE done IS NULL LIMIT 25);",
    ),
    (
        "V5__rebuild.sql",
        "-- transaction: none
         REINDEX TABLE CONCURRENTLY t;
         DROP INDEX CONCURRENTLY t_by_i;",
    ),
    (
        "V6__require.sql",
        "ALTER TABLE t ADD CONSTRAINT t_done CHECK (done); SELECT pg_sleep(0.02);",
    ),
];

/// One row: what is recorded, and what is there, in one moment.
const STATE: &str = "
SELECT (SELECT array_agg(version ORDER BY version) FROM refinery_schema_history),
       EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('t') AND attname = 'done'),
       EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('t') AND attname = 'j'),
       (SELECT count(*) FROM pg_index WHERE indisvalid
           AND indexrelid IN (to_regclass('t_by_i'), to_regclass('t_by_j'))),
       to_regclass('u') IS NOT NULL,
       EXISTS (SELECT FROM pg_constraint WHERE conname = 't_done')";

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    Terminate,
    StopAndSecond,
    EndBackends,
    /// The server restarts and recovers, and with it everybody's session ends.
    CrashServer,
}

/// A server of its own, because it crashes; durable, because what it said must hold.
static SERVER: LazyLock<Throwaway> = LazyLock::new(|| {
    Throwaway::start(&Options {
        durable: true,
        ..Options::default()
    })
    .unwrap()
});

fn rounds() -> u32 {
    let asked = std::env::var("CREDITDB_TORTURE_ROUNDS").ok();
    asked.map_or(12, |n| {
        n.parse().expect("CREDITDB_TORTURE_ROUNDS is a number")
    })
}

/// Connects, also while the server recovers.
fn connect(database: &str) -> Client {
    let started = Instant::now();
    loop {
        match Client::connect(&SERVER.url(database), NoTls) {
            Ok(client) => return client,
            Err(error) if started.elapsed() > Duration::from_secs(30) => panic!("{error:?}"),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn migrate(folder: &Folder, database: &str) -> Program {
    creditdb(["migrate", "--migrations", folder.arg()]).on(&SERVER.url(database))
}

/// What a whole run leaves.
fn result(client: &mut Client) -> (String, i64, i64) {
    let rows = "SELECT count(*) FILTER (WHERE done), count(*) FROM t";
    let row = client.query_one(rows, &[]).unwrap();
    (catalogue(client), row.get(0), row.get(1))
}

fn reset(database: &str) {
    connect(database)
        .batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        .unwrap();
}

fn inflict(fault: Fault, child: &mut std::process::Child, folder: &Folder, database: &str) {
    let backends = "SELECT pid FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'creditdb'";
    match fault {
        Fault::Kill => child.kill().unwrap(),
        Fault::Terminate => signal(child, "TERM"),
        Fault::StopAndSecond => {
            signal(child, "STOP");
            let run = migrate(folder, database).args(["--wait", "200ms"]).run();
            assert!([0, 4].contains(&run.code), "{}", run.stderr);
            signal(child, "CONT");
        }
        Fault::EndBackends => {
            let end = format!("SELECT pg_terminate_backend(pid) FROM ({backends}) AS b");
            connect(database).execute(&end, &[]).unwrap();
        }
        Fault::CrashServer => {
            let told = |words: &str| SERVER.log().matches(words).count();
            let (ready, killed) = ("ready to accept connections", "was terminated by signal 9");
            let before = (told(ready), told(killed));
            let pids = connect(database).query(backends, &[]).unwrap();
            let pids: Vec<i32> = pids.iter().map(|row| row.get(0)).collect();
            let kill = |signal: &str, pid: i32| {
                let kill = std::process::Command::new("kill")
                    .args([signal, &pid.to_string()])
                    .stderr(std::process::Stdio::null())
                    .status();
                kill.is_ok_and(|status| status.success())
            };
            for pid in &pids {
                kill("-9", *pid);
            }
            // The server notices when it buries them. One that was about to end by itself takes the
            // signal and dies of old age all the same, and nothing has crashed.
            wait_until("the sessions are gone", || {
                !pids.iter().any(|pid| kill("-0", *pid))
            });
            std::thread::sleep(std::time::Duration::from_millis(100));
            if told(killed) > before.1 {
                wait_until("the server has recovered", || told(ready) > before.0);
            }
        }
    }
}

/// Applied and recorded, or neither; and what the program said is so.
fn check(run: &Run, database: &str, what: &str) {
    let mut client = connect(database);
    let has_history = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    if !client
        .query_one(has_history, &[])
        .unwrap()
        .get::<_, bool>(0)
    {
        let there = "SELECT to_regclass('t') IS NOT NULL";
        assert!(
            !client.query_one(there, &[]).unwrap().get::<_, bool>(0),
            "{what}"
        );
        return;
    }
    let row = client.query_one(STATE, &[]).unwrap();
    let versions: Vec<i32> = row.get::<_, Option<_>>(0).unwrap_or_default();
    let expected: Vec<i32> = (1..).take(versions.len()).collect();
    assert_eq!(versions, expected, "{what}");
    let recorded = |version| versions.contains(&version);
    assert_eq!(recorded(1), row.get::<_, bool>(1), "{what}: V1");
    assert_eq!(recorded(2), row.get::<_, bool>(2), "{what}: V2");
    assert_eq!(recorded(6), row.get::<_, bool>(5), "{what}: V6");
    let (indexes, table): (i64, bool) = (row.get(3), row.get(4));
    if recorded(3) {
        assert!(
            indexes >= 1 && table,
            "{what}: V3 is recorded, and not there"
        );
    }
    if recorded(4) {
        let left = "SELECT count(*) FROM t WHERE done IS NULL";
        let left: i64 = client.query_one(left, &[]).unwrap().get(0);
        assert_eq!(left, 0, "{what}: V4 is recorded, and not done");
    }
    if recorded(5) {
        assert_eq!(indexes, 1, "{what}: V5 is recorded, and not done");
    }
    if let Some((_, said)) = run.stderr.split_once("the database is at version ") {
        let said: String = said.chars().take_while(char::is_ascii_digit).collect();
        // A second deployer may have gone on since.
        let newest = versions.last().copied().unwrap_or_default();
        assert!(
            said.parse::<i32>().unwrap() <= newest,
            "{what}: {}",
            run.stderr
        );
    }
}

fn round(
    fault: Fault,
    database: &str,
    folder: &Folder,
    delay: Duration,
    whole: &(String, i64, i64),
) {
    let what = format!("{fault:?} after {delay:?}");
    reset(database);
    let mut child = migrate(folder, database).spawn();
    thread::sleep(delay);
    inflict(fault, &mut child, folder, database);
    let run: Run = child.wait_with_output().unwrap().into();
    assert!(
        [-1, 0, 3, 4, 5, 6].contains(&run.code),
        "{what}: {}",
        run.stderr
    );
    assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
    check(&run, database, &what);
    // No lock is stuck: whatever the first one left ends within seconds, and the next completes.
    connect(database);
    let next = migrate(folder, database).args(["--wait", "20s"]).run();
    assert_eq!(
        next.code, 0,
        "{what}: {}\nthe next run: {}",
        run.stderr, next.stderr
    );
    check(&next, database, &what);
    assert_eq!(&result(&mut connect(database)), whole, "{what}");
}

#[test]
fn whatever_is_killed_when_a_rerun_ends_the_same() {
    let folder = Folder::with(FILES);
    connect("postgres")
        .batch_execute("CREATE DATABASE whole")
        .unwrap();
    let started = Instant::now();
    migrate(&folder, "whole").succeeds();
    let duration = started.elapsed();
    let whole = result(&mut connect("whole"));
    assert_eq!((whole.1, whole.2), (500, 500));
    assert!(
        whole.0.contains("t_by_j") && !whole.0.contains("INVALID"),
        "{}",
        whole.0
    );

    // Each thread has a database; a crash hits all of them, so those rounds come alone.
    let total = rounds();
    let next = AtomicU32::new(0);
    let faults = [
        Fault::Kill,
        Fault::Terminate,
        Fault::StopAndSecond,
        Fault::EndBackends,
    ];
    let delay = || duration.mul_f64(fastrand::f64() * 1.1);
    thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let create = format!("CREATE DATABASE {name}");
            connect("postgres").batch_execute(&create).unwrap();
            let (next, folder, whole, delay) = (&next, &folder, &whole, &delay);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return;
                    }
                    let fault = faults[usize::try_from(number).unwrap() % faults.len()];
                    round(fault, name, folder, delay(), whole);
                }
            });
        }
    });
    for _ in 0..total.div_ceil(10) {
        round(Fault::CrashServer, "a", &folder, delay(), &whole);
    }
    eprintln!(
        "{} rounds of faults, a whole run takes {duration:?}",
        total + total.div_ceil(10)
    );
}
