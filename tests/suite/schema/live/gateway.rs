//! A gateway that was there before the upgrade and knows nothing of it: connections that credit,
//! debit and log without pause, with statements prepared at the old version, and remember what each
//! call answered.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use postgres::{Client, Error, GenericClient, Statement};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::CONNECTIONS;
use crate::support::wait_until;

/// An entry that a successful call left: reference, user, amount with its sign, id.
pub type Booked = (String, Uuid, Decimal, i64);

/// A row of the usage log: request, user, whether it succeeded, credits.
pub type Logged = (String, Uuid, bool, Decimal);

/// Tells when to end, and how far the connections are.
#[derive(Default)]
pub struct Traffic {
    pub stop: AtomicBool,
    calls: AtomicU64,
}

impl Traffic {
    /// Returns when so many further calls have been answered.
    pub fn wait_for(&self, further: u64) {
        let target = self.calls.load(Ordering::Relaxed) + further;
        wait_until("the gateway goes on", || {
            self.calls.load(Ordering::Relaxed) >= target
        });
    }
}

/// What one connection, or all of them, did and were told.
#[derive(Default)]
pub struct Told {
    pub calls: u64,
    pub booked: Vec<Booked>,
    pub logged: Vec<Logged>,
    /// Calls that changed nothing: refused, raised an error as they should, or were rolled back.
    pub without_effect: u64,
    /// Calls that raised what they should not.
    pub errors: Vec<String>,
    /// The longest call, and what it was.
    pub longest: (Duration, &'static str),
}

impl Told {
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.booked.extend(other.booked);
        self.logged.extend(other.logged);
        self.without_effect += other.without_effect;
        self.errors.extend(other.errors);
        self.longest = self.longest.max(other.longest);
    }
}

/// The users of the ledger, and those of them who cannot overdraw.
pub struct Users {
    pub all: Vec<Uuid>,
    pub limited: Vec<Uuid>,
}

impl Users {
    /// A few of them are asked for all the time.
    fn any(&self, random: &mut Rng) -> Uuid {
        let among = if random.u8(..4) == 0 {
            5
        } else {
            self.all.len()
        };
        self.all[random.usize(..among)]
    }
}

struct Statements {
    add: Statement,
    debit: Statement,
    log: Statement,
    record: Option<Statement>,
}

impl Statements {
    fn prepare(client: &mut Client, schema: &str) -> Self {
        let record = "SELECT success, transaction_id FROM record_llm_request(
                          $1, $2, 'gpt-4', 'openai', 'balanced', 1000, 250, $3, 1800)";
        Self {
            add: client
                .prepare("SELECT success, transaction_id FROM add_user_credits($1, $2, $3, $4, $5)")
                .unwrap(),
            debit: client
                .prepare(
                    "SELECT success, transaction_id FROM debit_user_credits($1, $2, $3, $4, $5)",
                )
                .unwrap(),
            log: client
                .prepare(
                    "INSERT INTO llm_usage_log
                         (user_id, request_id, model, provider, power_level, prompt_tokens,
                          completion_tokens, total_tokens, credits_used, latency_ms, success,
                          error_message)
                     VALUES ($1, $2, 'gpt-4', 'openai', 'balanced', 1000, 250, 1250, $3, 1800, $4,
                             CASE WHEN NOT $4 THEN 'timed out' END)",
                )
                .unwrap(),
            record: (schema >= "1.2.0").then(|| client.prepare(record).unwrap()),
        }
    }
}

/// One connection, until the traffic is stopped.
pub fn connection(
    mut client: Client,
    schema: &str,
    number: u64,
    users: &Users,
    traffic: &Traffic,
) -> Told {
    let with = Statements::prepare(&mut client, schema);
    let mut random = Rng::with_seed(number);
    let mut told = Told::default();
    while !traffic.stop.load(Ordering::Relaxed) {
        let reference = format!("live_{number}_{}", told.calls);
        let started = Instant::now();
        let (what, result) = call(
            &mut client,
            &with,
            users,
            (number, &reference),
            &mut random,
            &mut told,
        );
        told.longest = told.longest.max((started.elapsed(), what));
        told.calls += 1;
        traffic.calls.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = result {
            told.errors.push(format!("{what}: {error:?}"));
        }
    }
    told
}

/// Entry of a call that said it was successful; `None` when it said it was not.
fn ask(
    client: &mut impl GenericClient,
    statement: &Statement,
    (user, amount, kind, reference): (Uuid, Decimal, &str, &str),
) -> Result<Option<i64>, Error> {
    let row = client.query_one(statement, &[&user, &amount, &kind, &reference, &"live"])?;
    Ok(row.get::<_, bool>(0).then(|| row.get(1)))
}

/// Below 0.05 credits, and another amount for each of the first five million calls: two credits of
/// one user that are the same within minutes are taken for one payment that was credited twice.
fn amount(number: u64, calls: u64) -> Decimal {
    let nth = calls * CONNECTIONS + number;
    let scattered = nth * 999_983 % 4_999_999 + 1;
    Decimal::from(scattered) / Decimal::from(100_000_000)
}

fn call(
    client: &mut Client,
    with: &Statements,
    users: &Users,
    (number, reference): (u64, &str),
    random: &mut Rng,
    told: &mut Told,
) -> (&'static str, Result<(), Error>) {
    let user = users.any(random);
    let amount = amount(number, told.calls);
    match random.u8(..20) {
        0..6 => ("credit", buy(client, with, user, amount, reference, told)),
        6..8 => {
            // Nobody provisioned this user.
            let user = Uuid::from_u128(random.u128(..));
            (
                "first credit",
                buy(client, with, user, amount, reference, told),
            )
        }
        8..17 if with.record.is_some() && random.bool() => (
            "record",
            record(client, with, user, amount, reference, told),
        ),
        8..17 => ("debit", charge(client, with, user, amount, reference, told)),
        17 => ("log", log_failed(client, with, user, reference, told)),
        18 => (
            "refused",
            refused(client, with, users, reference, random, told),
        ),
        _ => (
            "rolled back",
            rolled_back(client, with, user, amount, reference, told),
        ),
    }
}

fn buy(
    client: &mut Client,
    with: &Statements,
    user: Uuid,
    amount: Decimal,
    reference: &str,
    told: &mut Told,
) -> Result<(), Error> {
    let id = ask(client, &with.add, (user, amount, "purchase", reference))?;
    let id = id.expect("a purchase is never refused");
    told.booked.push((reference.to_owned(), user, amount, id));
    Ok(())
}

/// The old way: debit, then write the log, in one transaction.
fn charge(
    client: &mut Client,
    with: &Statements,
    user: Uuid,
    amount: Decimal,
    reference: &str,
    told: &mut Told,
) -> Result<(), Error> {
    let mut transaction = client.transaction()?;
    let answer = ask(
        &mut transaction,
        &with.debit,
        (user, amount, "usage", reference),
    )?;
    let Some(id) = answer else {
        told.without_effect += 1;
        return transaction.commit();
    };
    transaction.execute(&with.log, &[&user, &reference, &amount, &true])?;
    transaction.commit()?;
    told.booked.push((reference.to_owned(), user, -amount, id));
    told.logged.push((reference.to_owned(), user, true, amount));
    Ok(())
}

fn record(
    client: &mut Client,
    with: &Statements,
    user: Uuid,
    amount: Decimal,
    reference: &str,
    told: &mut Told,
) -> Result<(), Error> {
    let statement = with.record.as_ref().expect("asked for before");
    let row = client.query_one(statement, &[&user, &reference, &amount])?;
    let success: bool = row.get(0);
    if success {
        told.booked
            .push((reference.to_owned(), user, -amount, row.get(1)));
    }
    let credits = if success { amount } else { Decimal::ZERO };
    told.logged
        .push((reference.to_owned(), user, success, credits));
    Ok(())
}

fn log_failed(
    client: &mut Client,
    with: &Statements,
    user: Uuid,
    reference: &str,
    told: &mut Told,
) -> Result<(), Error> {
    client.execute(&with.log, &[&user, &reference, &Decimal::ZERO, &false])?;
    told.logged
        .push((reference.to_owned(), user, false, Decimal::ZERO));
    Ok(())
}

/// More than the user has, and an amount that is none.
fn refused(
    client: &mut Client,
    with: &Statements,
    users: &Users,
    reference: &str,
    random: &mut Rng,
    told: &mut Told,
) -> Result<(), Error> {
    let user = users.limited[random.usize(..users.limited.len())];
    let too_much = Decimal::from(900_000_000);
    let answer = ask(client, &with.debit, (user, too_much, "usage", reference))?;
    assert_eq!(answer, None, "{reference}");
    let negative = ask(client, &with.add, (user, -Decimal::ONE, "bonus", reference));
    told.without_effect += 1;
    match negative {
        Err(error) if error.code().is_some_and(|code| code.code() == "UC006") => Ok(()),
        Err(error) => Err(error),
        Ok(answer) => panic!("{reference}: {answer:?}"),
    }
}

/// The call succeeds, and what comes after it does not.
fn rolled_back(
    client: &mut Client,
    with: &Statements,
    user: Uuid,
    amount: Decimal,
    reference: &str,
    told: &mut Told,
) -> Result<(), Error> {
    let mut transaction = client.transaction()?;
    ask(
        &mut transaction,
        &with.add,
        (user, amount, "purchase", reference),
    )?;
    told.without_effect += 1;
    transaction.rollback()
}
