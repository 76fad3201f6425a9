//! Schema 1.1.0: old entries are numbered in the order of the chain, while calls of every age write
//! new ones.

use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use postgres::Client;
use uuid::Uuid;

use super::{Arguments, USER, add, call, debit, value};
use crate::support::program::creditdb;
use crate::support::server::Database;

/// The files that the tests stop between.
const TRIGGER: &str = "7";
const FUNCTIONS: &str = "8";
const HELPERS: &str = "10";
const BACKFILL: &str = "11";
const RECORDED: &str = "19";

fn migrate_to(database: &Database, version: &str) {
    creditdb(["migrate", "--to", version])
        .on(&database.url)
        .succeeds();
}

/// Amounts of a user in the order of the numbers, with the numbers.
fn numbered(client: &mut Client, user: Uuid) -> Vec<(Option<i64>, String)> {
    let query = "SELECT entry_seq, trim_scale(amount)::text FROM credit_transactions
                  WHERE user_id = $1 ORDER BY entry_seq NULLS FIRST, id";
    let rows = client.query(query, &[&user]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn in_order(amounts: &[&str]) -> Vec<(Option<i64>, String)> {
    let numbers = (1..).map(Some);
    numbers
        .zip(amounts.iter().map(|a| (*a).to_owned()))
        .collect()
}

/// Entries of a user as another program left them: id, amount and balance_after of each.
fn copied(client: &mut Client, user: Uuid, entries: &[(i64, i32, i32)]) {
    let insert = "INSERT INTO credit_transactions (id, user_id, transaction_type, amount,
                                                   balance_after)
                  VALUES ($1, $2, 'admin_adjustment', $3::int, $4::int)";
    for (id, amount, after) in entries {
        client.execute(insert, &[id, &user, amount, after]).unwrap();
    }
    let (_, _, balance) = entries.iter().max_by_key(|(id, ..)| *id).unwrap();
    client
        .execute(
            "INSERT INTO user_credits (user_id, balance) VALUES ($1, $2::int)",
            &[&user, balance],
        )
        .unwrap();
}

#[test]
fn the_order_is_that_by_which_the_balances_follow() {
    let database = Database::at("1.0.0");
    let mut client = database.connect();
    let user = Uuid::from_u128;
    // By id, backwards, and with a balance that is passed twice: from 10 on, id 202 seems to go on,
    // but whoever takes it never comes back for the others.
    copied(
        &mut client,
        user(1),
        &[(101, 10, 10), (102, -4, 6), (103, 1, 7)],
    );
    copied(
        &mut client,
        user(2),
        &[(113, 10, 10), (112, -4, 6), (111, 1, 7)],
    );
    copied(
        &mut client,
        user(3),
        &[(201, 10, 10), (202, -7, 3), (203, 5, 15), (204, -5, 10)],
    );
    // Of two ways that both work, the one with the lower id first.
    copied(
        &mut client,
        user(4),
        &[
            (305, 10, 10),
            (304, 2, 12),
            (303, -2, 10),
            (302, 3, 13),
            (301, -3, 10),
        ],
    );
    // No way at all: a lost update. By id, and the audit goes on reporting it.
    copied(
        &mut client,
        user(5),
        &[(401, 10, 10), (402, -1, 9), (403, -2, 8)],
    );
    // More than a batch takes, and without a balance row.
    client
        .batch_execute(
            "INSERT INTO credit_transactions (id, user_id, transaction_type, amount, balance_after)
             SELECT 100000 - n, '00000000-0000-0000-0000-000000000006', 'bonus', 1, n
               FROM generate_series(1, 20200) AS n;
             INSERT INTO user_credits (user_id, balance)
             VALUES ('00000000-0000-0000-0000-000000000006', 20200);
             INSERT INTO credit_transactions (id, user_id, transaction_type, amount, balance_after)
             SELECT 200000 + n, '00000000-0000-0000-0000-000000000007', 'bonus', 1, n
               FROM generate_series(1, 3) AS n",
        )
        .unwrap();

    let run = creditdb(["migrate", "--to", RECORDED])
        .on(&database.url)
        .succeeds();
    // What the server warns of is said where the deployer looks.
    let expected = format!(
        "warning: no order of the entries of user {} makes a chain",
        user(5)
    );
    assert!(run.stderr.contains(&expected), "{}", run.stderr);
    assert_eq!(run.stderr.matches("warning: ").count(), 1, "{}", run.stderr);
    assert!(
        run.stderr
            .contains("hint: After the upgrade, creditdb verify")
    );

    assert_eq!(numbered(&mut client, user(1)), in_order(&["10", "-4", "1"]));
    assert_eq!(numbered(&mut client, user(2)), in_order(&["10", "-4", "1"]));
    assert_eq!(
        numbered(&mut client, user(3)),
        in_order(&["10", "5", "-5", "-7"])
    );
    assert_eq!(
        numbered(&mut client, user(4)),
        in_order(&["10", "3", "-3", "2", "-2"])
    );
    assert_eq!(
        numbered(&mut client, user(5)),
        in_order(&["10", "-1", "-2"])
    );
    let wrong: i64 = value(
        &mut client,
        "SELECT count(*) FROM credit_transactions
          WHERE user_id IN ('00000000-0000-0000-0000-000000000006',
                            '00000000-0000-0000-0000-000000000007')
            AND entry_seq <> balance_after",
    );
    assert_eq!(wrong, 0);
    let audit = creditdb([
        "verify",
        "chain-continuity",
        "chain-sequence",
        "--format",
        "json",
    ])
    .on(&database.url)
    .exits(1)
    .json();
    assert_eq!(audit["checks"][0]["violations"], 1, "{audit}");
    let subject = audit["checks"][0]["evidence"][0]["subject"]
        .as_str()
        .unwrap();
    assert!(subject.ends_with("000000000005"), "{subject}");
    assert_eq!(audit["checks"][1]["violations"], 0, "{audit}");
}

/// Between the new functions and the back-fill: a call counts the old entries and leaves them
/// alone.
#[test]
fn new_entries_are_numbered_after_the_old_ones_before_those_have_numbers() {
    let database = Database::at("1.0.0");
    let mut client = database.connect();
    for amount in ["1", "2", "3"] {
        add(&mut client, USER, amount, "bonus");
    }
    migrate_to(&database, HELPERS);
    add(&mut client, USER, "4", "bonus");
    debit(&mut client, USER, "5", "usage");
    let unnumbered = |amount: &str| (None, amount.to_owned());
    let found = numbered(&mut client, USER);
    assert_eq!(found[..3], ["1", "2", "3"].map(unnumbered));
    assert_eq!(
        found[3..],
        [(Some(4), "4".to_owned()), (Some(5), "-5".to_owned())]
    );
    // The audit knows that entries without a number are the older ones.
    creditdb(["verify", "--area", "chain"])
        .on(&database.url)
        .succeeds();

    migrate_to(&database, BACKFILL);
    assert_eq!(
        numbered(&mut client, USER),
        in_order(&["1", "2", "3", "4", "-5"])
    );
}

/// A call that began with the body of 1.0.0 ends with it, after the functions were replaced.
#[test]
fn a_call_that_runs_the_old_body_gets_its_number_all_the_same() {
    let database = Database::at("1.0.0");
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    migrate_to(&database, TRIGGER);
    let mut holder = client.transaction().unwrap();
    holder
        .batch_execute("SELECT FROM user_credits FOR UPDATE")
        .unwrap();
    let mut old = database.connect();
    let pid: i32 = value(&mut old, "SELECT pg_backend_pid()");
    let waiting = spawn(move || call(&mut old, "debit", Arguments::of(USER, "1", "usage")));
    let mut observer = database.connect();
    wait_until(
        &mut observer,
        &format!("SELECT cardinality(pg_blocking_pids({pid})) > 0"),
    );
    migrate_to(&database, FUNCTIONS);
    holder.commit().unwrap();
    assert!(waiting.join().unwrap().unwrap().success);
    add(&mut client, USER, "3", "bonus");
    migrate_to(&database, RECORDED);
    assert_eq!(numbered(&mut client, USER), in_order(&["10", "-1", "3"]));
    assert_eq!(
        value::<i64>(&mut client, "SELECT last_entry_seq FROM user_credits"),
        3
    );
}

/// A user whose row somebody holds does not keep the others waiting.
#[test]
fn the_backfill_passes_a_locked_user_over_and_comes_back() {
    let database = Database::at("1.0.0");
    let mut client = database.connect();
    for user in 1..=8 {
        add(&mut client, Uuid::from_u128(user), "1", "bonus");
        debit(&mut client, Uuid::from_u128(user), "1", "usage");
    }
    migrate_to(&database, HELPERS);
    let mut holder = client.transaction().unwrap();
    holder
        .batch_execute(
            "SELECT FROM user_credits WHERE user_id = '00000000-0000-0000-0000-000000000003'
                FOR UPDATE",
        )
        .unwrap();
    let run = creditdb(["migrate", "--to", BACKFILL])
        .on(&database.url)
        .spawn();
    let mut observer = database.connect();
    wait_until(
        &mut observer,
        "SELECT count(*) = 2 FROM credit_transactions WHERE entry_seq IS NULL",
    );
    holder.commit().unwrap();
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let left: i64 = value(
        &mut observer,
        "SELECT (SELECT count(*) FROM credit_transactions WHERE entry_seq IS NULL)
              + (SELECT count(*) FROM user_credits WHERE last_entry_seq <> 2)",
    );
    assert_eq!(left, 0);
}

/// An insert by hand, and a balance row that was deleted and made again.
#[test]
fn a_number_that_nobody_gives_is_the_next_one() {
    let database = Database::at("1.2.0");
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let by_hand = format!(
        "INSERT INTO credit_transactions (user_id, transaction_type, amount, balance_after)
         VALUES ('{USER}', 'bonus', 1, 11), ('{USER}', 'bonus', 1, 12)"
    );
    client.batch_execute(&by_hand).unwrap();
    add(&mut client, USER, "5", "bonus");
    client
        .batch_execute("DELETE FROM user_credits; INSERT INTO user_credits (user_id) SELECT DISTINCT user_id FROM credit_transactions")
        .unwrap();
    add(&mut client, USER, "6", "bonus");
    client.batch_execute("DELETE FROM user_credits").unwrap();
    client.batch_execute(&by_hand).unwrap();
    let expected = in_order(&["10", "1", "1", "5", "6", "1", "1"]);
    assert_eq!(numbered(&mut client, USER), expected);
}

fn wait_until(client: &mut Client, question: &str) {
    let started = Instant::now();
    while !value::<bool>(client, question) {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "never true: {question}"
        );
        sleep(Duration::from_millis(5));
    }
}
