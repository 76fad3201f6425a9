//! `sample`: the same rows for a seed everywhere, a ledger that adds up, and all or nothing.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use crate::support::program::{Run, creditdb};
use crate::support::server::Database;
use crate::support::snapshots;

const TABLES: [&str; 4] = [
    "user_credits",
    "credit_transactions",
    "user_provider_keys",
    "llm_usage_log",
];

/// Queries that a person would write, each of which counts what must not be there.
const MUST_BE_ZERO: &str = include_str!("sample.sql");

fn sample(database: &Database, users: u32, requests: u32, seed: u32) -> Run {
    let [users, requests, seed] = [users, requests, seed].map(|n| n.to_string());
    creditdb([
        "sample",
        "--users",
        &users,
        "--requests",
        &requests,
        "--seed",
        &seed,
    ])
    .on(&database.url)
    .succeeds()
}

fn count(client: &mut Client, sql: &str) -> i64 {
    client
        .query_one(&format!("SELECT count(*) FROM {sql}"), &[])
        .unwrap()
        .get(0)
}

/// A checksum over all columns of all rows, in the order of the keys.
fn digest(database: &Database) -> String {
    let mut client = database.connect();
    let mut lines = String::new();
    for table in TABLES {
        let key = if table == "user_credits" {
            "user_id"
        } else {
            "id"
        };
        let query = format!(
            "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY {key})) FROM {table} AS t"
        );
        let row = client.query_one(&query, &[]).unwrap();
        let (rows, sum): (i64, Option<String>) = (row.get(0), row.get(1));
        lines += &format!("{table} {rows} {}\n", sum.unwrap_or_default());
    }
    lines
}

/// What does not add up: the name of the query and how many rows it found.
fn violations(database: &Database) -> Vec<(String, i64)> {
    let mut client = database.connect();
    let rows = client.query(MUST_BE_ZERO, &[]).unwrap();
    assert!(rows.len() > 20, "only {} queries", rows.len());
    let found = rows.iter().map(|row| (row.get(0), row.get(1)));
    found.filter(|(_, count)| *count != 0).collect()
}

/// By queries of this test's own, and by the audit.
fn assert_consistent(database: &Database) {
    assert_eq!(violations(database), []);
    creditdb(["verify"]).on(&database.url).succeeds();
}

#[test]
fn a_seed_makes_the_same_rows_on_every_major_and_every_time() {
    let [first, second, other] = [7, 7, 8].map(|seed| {
        let database = Database::migrated();
        sample(&database, 60, 6000, seed);
        digest(&database)
    });
    assert_eq!(first, second);
    assert_ne!(first, other);
    // The gate runs this on all majors against one and the same file.
    snapshots(|| insta::assert_snapshot!("sample_digest", first));
}

#[test]
fn the_ledger_adds_up_and_holds_a_bit_of_everything() {
    let database = Database::migrated();
    let run = sample(&database, 300, 20_000, 3);
    assert_consistent(&database);

    let mut client = database.connect();
    for (what, at_least) in [
        (
            "(SELECT DISTINCT transaction_type FROM credit_transactions) AS t",
            5,
        ),
        ("(SELECT DISTINCT tier FROM user_credits) AS t", 4),
        ("(SELECT DISTINCT power_level FROM user_credits) AS t", 3),
        ("(SELECT DISTINCT model FROM llm_usage_log) AS t", 6),
        ("(SELECT DISTINCT provider FROM llm_usage_log) AS t", 4),
        (
            "(SELECT DISTINCT date_trunc('month', created_at) FROM llm_usage_log) AS t",
            6,
        ),
        ("llm_usage_log WHERE byok_used AND success", 100),
        ("llm_usage_log WHERE NOT success", 100),
        ("llm_usage_log WHERE latency_ms IS NULL", 10),
        (
            "credit_transactions WHERE transaction_type = 'refund' AND amount > 0",
            10,
        ),
        (
            "credit_transactions WHERE transaction_type = 'refund' AND amount < 0",
            3,
        ),
        (
            "credit_transactions WHERE transaction_type = 'admin_adjustment' AND amount < 0",
            1,
        ),
        ("user_credits WHERE balance < 0", 1),
        ("user_provider_keys WHERE NOT is_active", 3),
    ] {
        let found = count(&mut client, what);
        assert!(found >= at_least, "{found} of {what}");
    }
    // A power law: a hundredth of the users makes far more than a hundredth of the requests.
    let top: i64 = client
        .query_one(
            "SELECT sum(n)::bigint FROM (SELECT count(*) AS n FROM llm_usage_log
             GROUP BY user_id ORDER BY n DESC LIMIT 3) AS t",
            &[],
        )
        .unwrap()
        .get(0);
    assert!(
        top > 20_000 / 6,
        "the first three of 300 users made {top} of 20000 requests"
    );

    let entries = count(&mut client, "credit_transactions");
    let expected = format!("filled: 300 users, 20000 requests, {entries} entries in ");
    assert!(run.stdout.starts_with(&expected), "{}", run.stdout);
    let again =
        "the same again: --users 300 --requests 20000 --seed 3 --until 2026-01-01T00:00:00Z";
    assert!(run.stdout.contains(again), "{}", run.stdout);
}

#[test]
fn small_sizes_add_up_as_well() {
    for (users, requests) in [(1, 0), (1, 1), (1, 2), (40, 3), (3, 4000)] {
        let database = Database::migrated();
        sample(&database, users, requests, 5);
        assert_consistent(&database);
        let mut client = database.connect();
        assert_eq!(count(&mut client, "user_credits"), i64::from(users));
        assert_eq!(count(&mut client, "llm_usage_log"), i64::from(requests));
    }
}

#[test]
fn json_says_what_was_made() {
    let database = Database::migrated();
    let arguments = [
        "sample",
        "--users",
        "2",
        "--requests",
        "9",
        "--format",
        "json",
    ];
    let json = creditdb(arguments).on(&database.url).succeeds().json();
    assert_eq!(json["version"], 1);
    assert_eq!((&json["users"], &json["requests"]), (&2.into(), &9.into()));
    assert_eq!(
        (&json["seed"], &json["until"]),
        (&1.into(), &"2026-01-01T00:00:00Z".into())
    );
    let entries = count(&mut database.connect(), "credit_transactions");
    assert_eq!(json["entries"], entries);
}

#[test]
fn the_end_can_be_now_or_another_day_but_not_in_the_future() {
    let database = Database::migrated();
    creditdb([
        "sample",
        "--users",
        "50",
        "--requests",
        "5000",
        "--until",
        "now",
    ])
    .on(&database.url)
    .succeeds();
    assert_consistent(&database);
    let recent = "llm_usage_log WHERE created_at BETWEEN now() - interval '1 day' AND now()";
    assert!(count(&mut database.connect(), recent) > 0);

    // Not at midnight: a day ends when the period does.
    let database = Database::migrated();
    creditdb(["sample", "--until", "2024-06-30T17:45:00+02:00"])
        .on(&database.url)
        .succeeds();
    assert_consistent(&database);
    let mut client = database.connect();
    let late = "llm_usage_log WHERE created_at >= '2024-06-30 15:45Z'";
    assert_eq!(count(&mut client, late), 0);
    let hour = "llm_usage_log WHERE extract(hour FROM created_at AT TIME ZONE 'UTC')";
    let noon = count(&mut client, &format!("{hour} = 12"));
    let night = count(&mut client, &format!("{hour} = 1"));
    assert!(
        noon > 4 * night,
        "{noon} requests at noon, {night} at one in the night"
    );

    for (until, code, words) in [
        ("2999-01-01T00:00:00Z", 2, "in the future"),
        ("2020-12-31T23:59:59Z", 2, "too early"),
        ("yesterday", 2, "yesterday"),
    ] {
        let run = creditdb(["sample", "--until", until])
            .on(&Database::migrated().url)
            .exits(code);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}

#[test]
fn a_filled_database_is_refused_whichever_table_holds_a_row() {
    let user = "'3f2b8c1e-5d64-4c0a-9a51-0c7d1e2f3a4b'";
    for insert in [
        format!("user_credits (user_id) VALUES ({user})"),
        format!(
            "credit_transactions (user_id, transaction_type, amount, balance_after)
             VALUES ({user}, 'bonus', 1, 1)"
        ),
        format!(
            "user_provider_keys (user_id, provider, key_name, encrypted_key)
             VALUES ({user}, 'openai', 'main', 'enc:v1:AAAA')"
        ),
        format!(
            "llm_usage_log (user_id, model, provider, success)
             VALUES ({user}, 'gpt-4', 'openai', true)"
        ),
    ] {
        // From 1.3.0 on an entry needs a balance row.
        let database = Database::at("1.2.0");
        database.execute(&format!("INSERT INTO {insert}"));
        let before = digest(&database);
        let run = creditdb(["sample"]).on(&database.url).exits(4);
        let table = insert.split(' ').next().unwrap();
        assert!(
            run.stderr.contains("holds a ledger already"),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr.contains(&format!("not empty: {table}\n")),
            "{}",
            run.stderr
        );
        assert_eq!(digest(&database), before);
    }
}

#[test]
fn a_database_without_the_schema_is_sent_to_migrate() {
    let run = creditdb(["sample"]).on(&Database::empty().url).exits(3);
    assert!(run.stderr.contains("no credit ledger"), "{}", run.stderr);
    assert!(
        run.stderr.contains("hint: creditdb migrate"),
        "{}",
        run.stderr
    );
}

#[test]
fn of_two_at_once_one_fills_and_one_is_refused() {
    let database = Database::migrated();
    let start = || {
        creditdb(["sample", "--users", "20", "--requests", "3000"])
            .on(&database.url)
            .spawn()
    };
    let runs = [start(), start()].map(|child| Run::from(child.wait_with_output().unwrap()));
    let mut codes = runs.each_ref().map(|run| run.code);
    codes.sort_unstable();
    assert_eq!(codes, [0, 4], "{}{}", runs[0].stderr, runs[1].stderr);
    assert_consistent(&database);
    let mut client = database.connect();
    assert_eq!(count(&mut client, "user_credits"), 20);
    assert_eq!(count(&mut client, "llm_usage_log"), 3000);
}

#[test]
fn a_writer_that_has_not_committed_is_not_mixed_in() {
    let database = Database::migrated();
    let mut gateway = database.connect();
    let mut open = gateway.transaction().unwrap();
    open.batch_execute(
        "SELECT * FROM add_user_credits(
             '3f2b8c1e-5d64-4c0a-9a51-0c7d1e2f3a4b', 5, 'bonus', 'welcome', NULL)",
    )
    .unwrap();
    let run = creditdb(["sample"]).on(&database.url).exits(4);
    assert!(run.stderr.contains("somebody is writing"), "{}", run.stderr);
    open.commit().unwrap();
    assert_eq!(count(&mut database.connect(), "credit_transactions"), 1);
}

#[test]
fn killed_half_way_it_leaves_nothing() {
    let database = Database::migrated();
    let mut watcher = database.connect();
    let mut child = creditdb(["sample", "--users", "50", "--requests", "40000"])
        .on(&database.url)
        .spawn();
    // Its rows are invisible, but they are written: the table grows.
    let writing = "SELECT pg_relation_size('llm_usage_log') > 1000000";
    let deadline = Instant::now() + Duration::from_secs(120);
    while !watcher.query_one(writing, &[]).unwrap().get::<_, bool>(0) {
        assert!(Instant::now() < deadline, "it never began to write");
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    let others = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND backend_type = 'client backend'";
    while count(&mut watcher, others) > 0 {
        assert!(
            Instant::now() < deadline,
            "the server still works for the dead program"
        );
        thread::sleep(Duration::from_millis(20));
    }
    for table in TABLES {
        assert_eq!(count(&mut watcher, table), 0, "rows in {table}");
    }
    // And the way is free.
    sample(&database, 10, 100, 1);
    assert_consistent(&database);
}

#[test]
fn the_gateway_goes_on_where_the_sample_ends() {
    let database = Database::migrated();
    sample(&database, 5, 200, 2);
    let mut client = database.connect();
    let entries = count(&mut client, "credit_transactions");
    let user: uuid::Uuid = client
        .query_one("SELECT user_id FROM user_credits LIMIT 1", &[])
        .unwrap()
        .get(0);
    let id: i64 = client
        .query_one(
            "SELECT transaction_id FROM add_user_credits($1, 1, 'bonus', 'later', 'Later')",
            &[&user],
        )
        .unwrap()
        .get(0);
    assert_eq!(id, entries + 1);
    client
        .batch_execute(
            "INSERT INTO llm_usage_log (user_id, model, provider, success)
             SELECT user_id, 'gpt-4', 'openai', true FROM user_credits LIMIT 1;
             INSERT INTO user_provider_keys (user_id, provider, key_name, encrypted_key)
             SELECT user_id, 'openai', 'new', 'enc:v1:BBBB' FROM user_credits LIMIT 1",
        )
        .unwrap();
    let last: i64 = client
        .query_one("SELECT max(id) FROM llm_usage_log", &[])
        .unwrap()
        .get(0);
    assert_eq!(last, 201);
}
