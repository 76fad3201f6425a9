//! Random histories of calls, in transactions that commit, fail or are rolled back, against the
//! database and against the model. A failure names its seed; `CREDITDB_TEST_SEED` runs that one.

use std::collections::BTreeMap;

use fastrand::Rng;
use postgres::{Client, GenericClient};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::model::{Account, Entry, Ledger, Model};
use super::{Answer, Arguments, call, decimal, provision};
use crate::support::server::Database;

/// How many transactions a history has; each has one to five steps.
const TRANSACTIONS: usize = 80;

/// How often each kind of outcome was met: a generator that never gets somewhere tests nothing.
#[derive(Debug, Default)]
struct Met(BTreeMap<String, u32>);

impl Met {
    fn count(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }
}

/// A step that is drawn before it is taken, so that a failure can print it.
#[derive(Debug)]
enum Step {
    Call {
        direction: &'static str,
        user: Option<Uuid>,
        amount: Option<String>,
        kind: Option<&'static str>,
        reference: Option<String>,
    },
    /// What provisioning does.
    Provision {
        user: Uuid,
        tier: &'static str,
        allowance: Option<&'static str>,
    },
    /// What a subscription does; the functions must read the tier each time.
    ChangeTier { user: Uuid, tier: &'static str },
}

const TIERS: [&str; 4] = ["trial", "starter", "professional", "enterprise"];
const KINDS: [&str; 5] = ["purchase", "usage", "refund", "admin_adjustment", "bonus"];

fn user(random: &mut Rng) -> Uuid {
    Uuid::from_u128(random.u128(1..=6))
}

fn pick<T: Copy>(random: &mut Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}

/// Mostly small and valid, with up to eight decimals; now and then one that is refused.
fn amount(random: &mut Rng) -> Option<String> {
    let odd = [
        "NaN",
        "Infinity",
        "-Infinity",
        "0",
        "0.000",
        "-5",
        "0.123456789",
        "1000000000000",
        "999999999999.99999999",
        "0.00000001",
        "500000000000",
    ];
    match random.u8(0..20) {
        0 => None,
        1 | 2 => Some(pick(random, &odd).to_owned()),
        // The same again, as a retry has it.
        3..=6 => "2.5".to_owned().into(),
        _ => {
            let scale = random.u32(0..=8);
            let digits = random.i64(1..40 * 10_i64.pow(scale));
            Some(Decimal::new(digits, scale).to_string())
        }
    }
}

/// From few, so that they repeat; some say nothing.
fn reference(random: &mut Rng) -> String {
    match random.u8(0..8) {
        0 => pick(random, &["", " ", "None", "null", "undefined"]).to_owned(),
        _ => format!("ref_{}", random.u8(0..15)),
    }
}

fn draw(random: &mut Rng) -> Step {
    match random.u8(0..20) {
        0 => Step::Provision {
            user: user(random),
            tier: pick(random, &TIERS),
            allowance: pick(
                random,
                &[None, Some("0"), Some("100"), Some("33.3"), Some("10000")],
            ),
        },
        1 => Step::ChangeTier {
            user: user(random),
            tier: pick(random, &TIERS),
        },
        _ => {
            let fitting = [
                ("add", "purchase"),
                ("add", "bonus"),
                ("add", "refund"),
                ("add", "admin_adjustment"),
                ("debit", "usage"),
                ("debit", "usage"),
                ("debit", "usage"),
                ("debit", "refund"),
                ("debit", "admin_adjustment"),
            ];
            let (mut direction, mut kind) = pick(random, &fitting);
            if random.u8(0..10) == 0 {
                (direction, kind) = (pick(random, &["add", "debit"]), pick(random, &KINDS));
            }
            let unknown = random.u8(0..30);
            Step::Call {
                direction,
                user: (random.u8(0..40) > 0).then(|| user(random)),
                amount: amount(random),
                kind: match unknown {
                    0 => None,
                    1 => Some("gift"),
                    _ => Some(kind),
                },
                reference: random.bool().then(|| reference(random)),
            }
        }
    }
}

/// Takes a step in both; whether the transaction can go on.
fn take(
    step: &Step,
    client: &mut impl GenericClient,
    model: &mut Model,
    met: &mut Met,
    at: &str,
) -> bool {
    match step {
        Step::Call {
            direction,
            user,
            amount,
            kind,
            reference,
        } => {
            let with = Arguments {
                user: *user,
                amount: amount.as_deref(),
                kind: *kind,
                reference: reference.as_deref(),
                description: reference.as_deref().map(|_| "it's 50 % \"off\""),
            };
            let expected = model.call(direction, &with).map_err(str::to_owned);
            let found: Result<Answer, String> = call(client, direction, with)
                .map_err(|error| error.code().map_or("none", |code| code.code()).to_owned());
            assert_eq!(found, expected, "{at}: {step:?}");
            match &found {
                Ok(answer) => met.count(if answer.success { "success" } else { "refusal" }),
                Err(code) => met.count(code),
            }
            found.is_ok()
        }
        Step::Provision {
            user,
            tier,
            allowance,
        } => {
            if !model.ledger.accounts.contains_key(user) {
                provision(client, *user, tier, *allowance);
                let account = Account::new(tier, allowance.map(decimal));
                model.ledger.accounts.insert(*user, account);
            }
            true
        }
        Step::ChangeTier { user, tier } => {
            let update = "UPDATE user_credits SET tier = $2 WHERE user_id = $1";
            let changed = client.execute(update, &[user, tier]).unwrap();
            let account = model.ledger.accounts.get_mut(user);
            assert_eq!(changed == 1, account.is_some(), "{at}: {step:?}");
            if let Some(account) = account {
                (*tier).clone_into(&mut account.tier);
            }
            true
        }
    }
}

/// What the database holds, in the words of the model.
fn stored(client: &mut Client) -> Ledger {
    let accounts = "SELECT user_id, balance, credits_used_this_month, tier, monthly_allowance
                      FROM user_credits";
    let accounts = client.query(accounts, &[]).unwrap();
    let accounts = accounts.iter().map(|row| {
        let account = Account {
            balance: row.get(1),
            used: row.get(2),
            tier: row.get(3),
            allowance: row.get(4),
        };
        (row.get(0), account)
    });
    let accounts = accounts.collect();
    let entries = "SELECT id, user_id, transaction_type, amount, balance_after, reference_id,
                          description FROM credit_transactions ORDER BY id";
    let entries = client.query(entries, &[]).unwrap();
    let entries = entries.iter().map(|row| Entry {
        id: row.get(0),
        user: row.get(1),
        kind: row.get(2),
        amount: row.get(3),
        balance_after: row.get(4),
        reference: row.get(5),
        description: row.get(6),
    });
    let entries = entries.collect();
    Ledger { accounts, entries }
}

fn compare(client: &mut Client, model: &Model, at: &str) {
    let found = stored(client);
    assert_eq!(found.accounts, model.ledger.accounts, "{at}");
    assert_eq!(found.entries, model.ledger.entries, "{at}");
    let quotas = "SELECT user_id, get_quota_usage_percentage(user_id) FROM user_credits";
    for row in client.query(quotas, &[]).unwrap() {
        let (user, quota): (Uuid, Option<Decimal>) = (row.get(0), row.get(1));
        assert_eq!(
            quota,
            model.ledger.accounts[&user].quota(),
            "{at}: quota of {user}"
        );
    }
    // Whatever did not commit is gone; only the sequence remembers it.
    let state = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END
                   FROM credit_transactions_id_seq";
    assert_eq!(
        super::value::<i64>(client, state),
        model.drawn,
        "{at}: ids drawn"
    );
}

/// Numbers 1, 2, 3 and so on per user, in the order of ids here, and the last one beside the
/// balance.
fn assert_numbered(client: &mut Client, at: &str) {
    let wrong: i64 = super::value(
        client,
        "SELECT (SELECT count(*)
                   FROM (SELECT entry_seq, row_number() OVER (PARTITION BY user_id ORDER BY id) AS n
                           FROM credit_transactions) AS e
                  WHERE entry_seq IS DISTINCT FROM n)
              + (SELECT count(*) FROM user_credits AS uc
                  WHERE last_entry_seq <> (SELECT count(*) FROM credit_transactions AS ct
                                            WHERE ct.user_id = uc.user_id))",
    );
    assert_eq!(wrong, 0, "{at}");
}

/// One history on a database of its own.
fn live(schema: &str, seed: u64, met: &mut Met) {
    let database = Database::at(schema);
    let mut client = database.connect();
    let mut random = Rng::with_seed(seed);
    let mut model = Model {
        books_once: schema >= "1.2.0",
        ..Model::default()
    };
    for number in 0..TRANSACTIONS {
        let at = format!("schema {schema}, CREDITDB_TEST_SEED={seed}, transaction {number}");
        let before = model.ledger.clone();
        // A single call commits by itself, as the gateway's do; it takes no BEGIN.
        let steps = if random.bool() {
            1
        } else {
            random.usize(2..=5)
        };
        if steps == 1 {
            take(&draw(&mut random), &mut client, &mut model, met, &at);
        } else {
            let mut transaction = client.transaction().unwrap();
            let whole = (0..steps)
                .all(|_| take(&draw(&mut random), &mut transaction, &mut model, met, &at));
            if whole && random.u8(0..3) > 0 {
                transaction.commit().unwrap();
                met.count("commit");
            } else {
                transaction.rollback().unwrap();
                model.ledger = before;
                met.count("rollback");
            }
        }
        if number % 8 == 7 {
            compare(&mut client, &model, &at);
            if schema >= "1.1.0" {
                assert_numbered(&mut client, &at);
            }
        }
    }
}

#[test]
fn the_database_does_what_the_model_does() {
    let mut met = Met::default();
    if let Ok(seed) = std::env::var("CREDITDB_TEST_SEED") {
        let seed = seed.parse().expect("CREDITDB_TEST_SEED is a number");
        for schema in ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.3.1"] {
            live(schema, seed, &mut met);
        }
        return;
    }
    for (schema, seeds) in [
        ("1.0.0", 1..=2),
        ("1.1.0", 3..=4),
        ("1.2.0", 5..=6),
        ("1.3.0", 7..=8),
        ("1.3.1", 9..=12),
    ] {
        for seed in seeds {
            live(schema, seed, &mut met);
        }
    }
    let mut all = vec!["success", "refusal", "commit", "rollback"];
    // UC012 takes a second session.
    let codes = (1..=11).chain([13]).map(|number| format!("UC{number:03}"));
    let codes: Vec<String> = codes.collect();
    all.extend(codes.iter().map(String::as_str));
    for outcome in all {
        assert!(
            met.0.get(outcome).is_some_and(|count| *count >= 3),
            "{outcome}: {met:?}"
        );
    }
}
