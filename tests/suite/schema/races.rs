//! Several sessions call the functions at once. Each race is made, not hoped for: one session
//! holds a transaction open until the server says that the other waits for it.

use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use fastrand::Rng;
use jiff::Timestamp;
use postgres::Client;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Answer, Arguments, USER, add, balance_of, call, debit, decimal, value};
use crate::support::server::Database;

/// A call in a session of its own, which has been seen waiting for a lock.
fn call_that_waits(
    database: &Database,
    direction: &'static str,
    with: Arguments<'static>,
) -> std::thread::JoinHandle<Result<Answer, postgres::Error>> {
    let mut client = database.connect();
    let pid: i32 = value(&mut client, "SELECT pg_backend_pid()");
    let waiting = spawn(move || call(&mut client, direction, with));
    let mut observer = database.connect();
    let blocked = format!("SELECT cardinality(pg_blocking_pids({pid})) > 0");
    let started = Instant::now();
    while !value::<bool>(&mut observer, &blocked) {
        assert!(
            !waiting.is_finished(),
            "{direction} did not wait: {:?}",
            waiting.join()
        );
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{direction} waits for nobody"
        );
        sleep(Duration::from_millis(2));
    }
    waiting
}

/// Entries in the order of the chain: amount and balance_after.
fn chain(client: &mut Client, user: Uuid) -> Vec<(Decimal, Decimal)> {
    let query = "SELECT amount, balance_after FROM credit_transactions
                  WHERE user_id = $1 ORDER BY id";
    let entries = client.query(query, &[&user]).unwrap();
    entries
        .iter()
        .map(|entry| (entry.get(0), entry.get(1)))
        .collect()
}

fn assert_unbroken(client: &mut Client, user: Uuid) {
    let mut balance = Decimal::ZERO;
    for (number, (amount, after)) in chain(client, user).into_iter().enumerate() {
        balance += amount;
        assert_eq!(
            after, balance,
            "entry {number} of {user} does not follow from the one before"
        );
    }
    assert_eq!(balance_of(client, user), Some(balance), "{user}");
}

#[test]
fn sixteen_connections_on_one_user_leave_an_unbroken_chain() {
    let database = Database::migrated();
    let sessions: Vec<_> = (0..16)
        .map(|seed| {
            let mut client = database.connect();
            spawn(move || {
                let mut random = Rng::with_seed(seed);
                let answers = (0..25).map(|_| {
                    let amount = Decimal::new(random.i64(1..2_000), 2).to_string();
                    match random.u8(0..4) {
                        0 | 1 => debit(&mut client, USER, &amount, "usage"),
                        2 => add(&mut client, USER, &amount, "purchase"),
                        _ => add(&mut client, USER, &amount, "bonus"),
                    }
                });
                answers.collect::<Vec<Answer>>()
            })
        })
        .collect();
    let answers: Vec<Answer> = sessions
        .into_iter()
        .flat_map(|session| session.join().unwrap())
        .collect();

    let mut client = database.connect();
    assert_unbroken(&mut client, USER);
    // Each success is one entry, with the balance that its caller was told.
    let query = "SELECT id, balance_after FROM credit_transactions ORDER BY id";
    let entries = client.query(query, &[]).unwrap();
    let entries: Vec<(i64, Decimal)> = entries.iter().map(|e| (e.get(0), e.get(1))).collect();
    let mut told: Vec<(i64, Decimal)> = answers
        .iter()
        .filter_map(|answer| answer.transaction_id.zip(answer.new_balance))
        .collect();
    told.sort_unstable();
    assert_eq!(entries, told);
    assert_eq!(
        answers.iter().filter(|answer| answer.success).count(),
        told.len()
    );
    assert!(
        entries.iter().all(|(_, balance)| *balance >= Decimal::ZERO),
        "overspent"
    );
    let counted: bool = value(
        &mut client,
        "SELECT (SELECT credits_used_this_month FROM user_credits) =
                -(SELECT sum(amount) FROM credit_transactions WHERE transaction_type = 'usage')",
    );
    assert!(counted, "credits_used_this_month lost a debit");
}

#[test]
fn two_first_credits_make_one_row_and_keep_both_entries() {
    let database = Database::migrated();
    let mut first = database.connect();
    let mut transaction = first.transaction().unwrap();
    add(&mut transaction, USER, "10", "purchase");
    let second = call_that_waits(&database, "add", Arguments::of(USER, "20", "purchase"));
    transaction.commit().unwrap();
    let second = second.join().unwrap().unwrap();
    assert_eq!(second.new_balance, Some(decimal("30")));
    assert_eq!(
        value::<i64>(&mut first, "SELECT count(*) FROM user_credits"),
        1
    );
    let expected = [("10", "10"), ("20", "30")].map(|(a, b)| (decimal(a), decimal(b)));
    assert_eq!(chain(&mut first, USER), expected);
    assert_unbroken(&mut first, USER);
}

#[test]
fn when_the_first_of_two_first_credits_is_rolled_back_the_second_stands_alone() {
    let database = Database::migrated();
    let mut first = database.connect();
    let mut transaction = first.transaction().unwrap();
    add(&mut transaction, USER, "10", "purchase");
    let second = call_that_waits(&database, "add", Arguments::of(USER, "20", "purchase"));
    transaction.rollback().unwrap();
    let second = second.join().unwrap().unwrap();
    assert_eq!(second.new_balance, Some(decimal("20")));
    assert_eq!(
        value::<i64>(&mut first, "SELECT count(*) FROM user_credits"),
        1
    );
    assert_eq!(chain(&mut first, USER), [(decimal("20"), decimal("20"))]);
    assert_unbroken(&mut first, USER);
}

/// The last ten credits are spent once: the second debit judges the balance that the first left.
#[test]
fn two_debits_cannot_spend_the_same_credits() {
    for commits in [true, false] {
        let database = Database::migrated();
        let mut first = database.connect();
        add(&mut first, USER, "10", "purchase");
        let mut transaction = first.transaction().unwrap();
        assert!(debit(&mut transaction, USER, "10", "usage").success);
        let second = call_that_waits(&database, "debit", Arguments::of(USER, "7", "usage"));
        if commits {
            transaction.commit().unwrap();
        } else {
            transaction.rollback().unwrap();
        }
        let second = second.join().unwrap().unwrap();
        let left = if commits { "0" } else { "3" };
        assert_eq!(
            (second.success, second.new_balance),
            (!commits, Some(decimal(left)))
        );
        assert_unbroken(&mut first, USER);
    }
}

/// The tier is read under the lock as well: an upgrade that commits meanwhile counts.
#[test]
fn a_debit_that_waits_sees_the_tier_that_was_committed_meanwhile() {
    let database = Database::migrated();
    let mut first = database.connect();
    add(&mut first, USER, "1", "bonus");
    let mut transaction = first.transaction().unwrap();
    transaction
        .batch_execute("UPDATE user_credits SET tier = 'enterprise'")
        .unwrap();
    let waiting = call_that_waits(&database, "debit", Arguments::of(USER, "5", "usage"));
    transaction.commit().unwrap();
    assert_eq!(
        waiting.join().unwrap().unwrap().new_balance,
        Some(decimal("-4"))
    );
}

#[test]
fn the_clock_is_read_when_the_lock_is_held_not_when_the_wait_begins() {
    for (direction, kind) in [("add", "bonus"), ("debit", "usage")] {
        let database = Database::migrated();
        let mut first = database.connect();
        add(&mut first, USER, "10", "bonus");
        let mut transaction = first.transaction().unwrap();
        add(&mut transaction, USER, "10", "bonus");
        let waiting = call_that_waits(&database, direction, Arguments::of(USER, "5", kind));
        let still_held: Timestamp = value(&mut transaction, "SELECT clock_timestamp()");
        transaction.commit().unwrap();
        let id = waiting.join().unwrap().unwrap().transaction_id.unwrap();
        let query = "SELECT ct.created_at, uc.updated_at
                       FROM credit_transactions AS ct JOIN user_credits AS uc USING (user_id)
                      WHERE ct.id = $1";
        let row = first.query_one(query, &[&id]).unwrap();
        let (entry, balance): (Timestamp, Timestamp) = (row.get(0), row.get(1));
        assert!(
            entry > still_held,
            "{direction}: {entry} while another held the lock"
        );
        assert_eq!(entry, balance, "{direction}");
    }
}

/// The lock of another session lets the call find the row, and then takes it away.
#[test]
fn a_row_that_is_deleted_meanwhile_is_an_error_for_add_and_unknown_for_debit() {
    // From 1.3.0 on a row with entries cannot be deleted.
    let deleted_during = |direction: &'static str, kind: &'static str| {
        let database = Database::at("1.2.0");
        let mut first = database.connect();
        add(&mut first, USER, "10", "bonus");
        let mut transaction = first.transaction().unwrap();
        transaction
            .batch_execute("SELECT FROM user_credits FOR UPDATE")
            .unwrap();
        let waiting = call_that_waits(&database, direction, Arguments::of(USER, "5", kind));
        transaction
            .batch_execute("DELETE FROM user_credits")
            .unwrap();
        transaction.commit().unwrap();
        let outcome = waiting.join().unwrap();
        assert_eq!(balance_of(&mut first, USER), None);
        assert_eq!(
            chain(&mut first, USER).len(),
            1,
            "{direction} left an entry"
        );
        outcome
    };
    let error = deleted_during("add", "bonus").unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "UC012", "{error:?}");
    let message = format!("the balance row of user {USER} was deleted during the call");
    assert_eq!(error.message(), message);
    assert!(error.hint().is_some());
    let answer = deleted_during("debit", "usage").unwrap();
    let unknown = Answer {
        success: false,
        new_balance: None,
        transaction_id: None,
    };
    assert_eq!(answer, unknown);
}

/// Writers wait for each other; whoever only refers to the user (a foreign key) waits for nobody,
/// nor does a call for another user.
#[test]
fn the_lock_keeps_out_writers_of_the_row_and_nobody_else() {
    let database = Database::migrated();
    let (mut first, mut second) = (database.connect(), database.connect());
    add(&mut first, USER, "10", "bonus");
    add(&mut first, Uuid::from_u128(2), "10", "bonus");
    for refused in [false, true] {
        let mut transaction = first.transaction().unwrap();
        let amount = if refused { "1000" } else { "1" };
        assert_eq!(
            debit(&mut transaction, USER, amount, "usage").success,
            !refused
        );
        let lock = |strength: &str| {
            format!("SELECT FROM user_credits WHERE user_id = '{USER}' FOR {strength} NOWAIT")
        };
        second.batch_execute(&lock("KEY SHARE")).unwrap();
        let error = second.batch_execute(&lock("NO KEY UPDATE")).unwrap_err();
        assert_eq!(error.code().unwrap().code(), "55P03", "{error:?}");
        second.batch_execute("SET lock_timeout = '1s'").unwrap();
        add(&mut second, Uuid::from_u128(2), "1", "bonus");
        transaction.commit().unwrap();
    }
}
