//! Schema 1.2.0 in a storm: sixteen connections that retry, and an administrator who cuts them off.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use postgres::{Client, Error};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::exactly_once::record;
use super::{Answer, Arguments, call, decimal, provision, value};
use crate::support::program::creditdb;
use crate::support::server::Database;

const CALLS: usize = 90;

/// A call that several connections make, several times.
#[derive(Clone, Copy)]
enum Act {
    Buy,
    Pay,
    Record,
}

impl Act {
    fn of(number: usize) -> Self {
        [Self::Buy, Self::Pay, Self::Record][number % 3]
    }
}

fn amount(number: usize) -> String {
    format!("{}.25", 1 + number % 7)
}

fn act(client: &mut Client, number: usize) -> Result<Answer, Error> {
    let user = Uuid::from_u128(1 + number as u128 % 5);
    let reference = format!("ref_{number}");
    let amount = amount(number);
    let with = |kind| Arguments {
        reference: Some(&reference),
        ..Arguments::of(user, &amount, kind)
    };
    match Act::of(number) {
        Act::Buy => call(client, "add", with("purchase")),
        Act::Pay => call(client, "debit", with("usage")),
        Act::Record => record(client, user, Some(&reference), &amount, "").map(|r| r.answer),
    }
}

/// A call that may be cut in its middle; whether it answered.
fn attempt(
    database: &Database,
    (client, admin): (&mut Client, &mut Client),
    number: usize,
    random: &mut Rng,
) -> Option<Answer> {
    let cut = random.u8(0..12) == 0;
    let delay = Duration::from_micros(random.u64(0..1500));
    let pid: i32 = value(client, "SELECT pg_backend_pid()");
    let answer = thread::scope(|scope| {
        if cut {
            scope.spawn(move || {
                thread::sleep(delay);
                admin.execute("SELECT pg_terminate_backend($1)", &[&pid])
            });
        }
        act(client, number)
    });
    if cut {
        *client = database.connect();
    }
    assert!(cut || answer.is_ok(), "{answer:?}");
    answer.ok()
}

/// Sixteen connections make the same calls in different orders, each call up to three times; now
/// and then an administrator cuts a connection in the middle of a call, which is then repeated.
#[test]
fn sixteen_connections_that_retry_book_each_reference_once() {
    let database = Database::migrated();
    for user in 1..=5 {
        // Nobody runs out of credits, so that every call succeeds in the end.
        let user = Uuid::from_u128(user);
        provision(&mut database.connect(), user, "enterprise", None);
    }
    let answers: Mutex<BTreeMap<usize, Vec<Answer>>> = Mutex::default();
    let cuts = Mutex::new(0);
    thread::scope(|scope| {
        for seed in 0..16 {
            let (database, answers, cuts) = (&database, &answers, &cuts);
            scope.spawn(move || {
                let mut random = Rng::with_seed(seed);
                let mut client = database.connect();
                let mut admin = database.connect();
                for _ in 0..60 {
                    let number = random.usize(..CALLS);
                    for _ in 0..random.usize(1..=3) {
                        let clients = (&mut client, &mut admin);
                        match attempt(database, clients, number, &mut random) {
                            Some(answer) => {
                                let mut answers = answers.lock().unwrap();
                                answers.entry(number).or_default().push(answer);
                            }
                            None => *cuts.lock().unwrap() += 1,
                        }
                    }
                }
            });
        }
    });
    let cuts = cuts.into_inner().unwrap();
    assert!(cuts >= 5, "only {cuts} connections were cut in a call");
    let mut client = database.connect();
    let mut answers = answers.into_inner().unwrap();
    for number in 0..CALLS {
        // Those whose calls were all cut, or that nobody drew.
        let last = act(&mut client, number).unwrap();
        let all = answers.entry(number).or_default();
        all.push(last);
        let first = &all[0];
        assert!(first.success, "{number}: {first:?}");
        assert!(all.iter().all(|a| a == first), "{number}: {all:?}");
    }
    let entries: i64 = value(&mut client, "SELECT count(*) FROM credit_transactions");
    let logged: i64 = value(&mut client, "SELECT count(*) FROM llm_usage_log");
    assert_eq!((entries, logged), (CALLS as i64, CALLS as i64 / 3));
    // Money in is money out.
    let amounts = (0..CALLS).map(|number| match Act::of(number) {
        Act::Buy => decimal(&amount(number)),
        Act::Pay | Act::Record => -decimal(&amount(number)),
    });
    let sum: Decimal = amounts.sum();
    let balances = "SELECT sum(balance) FROM user_credits";
    assert_eq!(value::<Decimal>(&mut client, balances), sum);
    let audit = creditdb(["verify", "--area", "chain"]).on(&database.url);
    audit.succeeds();
}
