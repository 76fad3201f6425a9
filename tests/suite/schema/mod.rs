//! The schema and its versions: what the quick reference and the design say, on a real server.
//!
//! `document` reads the quick reference, `quick_reference` and `parameters` hold it against the
//! database. `arguments`, `functions` and `races` are about the three functions, `histories` about
//! all of their effects at once (`model`). `tables` and `seeds` are about rules for what is stored,
//! `catalogue` about the whole of what each version leaves.
//!
//! `sequenced`, `exactly_once` with `retries`, and `guarded` are about 1.1.0, 1.2.0 and 1.3.0,
//! `privileges` and `reconciled` about 1.3.1, `upgrades` about the ways from version to version,
//! `live` about those under traffic, `prechecks` about what stops one.

mod arguments;
pub mod catalogue;
mod document;
mod exactly_once;
mod functions;
mod guarded;
mod histories;
mod live;
mod model;
mod parameters;
mod prechecks;
mod privileges;
mod quick_reference;
mod races;
mod reconciled;
mod retries;
mod seeds;
mod sequenced;
mod tables;
mod upgrades;

use postgres::{Client, Error, GenericClient};
use rust_decimal::Decimal;
use uuid::Uuid;

/// A user that most tests are about.
const USER: Uuid = Uuid::from_u128(0x1111_1111_1111_4111_8111_1111_1111_1111);

/// The row that both functions return.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    success: bool,
    new_balance: Option<Decimal>,
    transaction_id: Option<i64>,
}

/// The arguments of both functions. Numbers are text, because `Decimal` has no NaN.
#[derive(Clone, Copy, Debug)]
struct Arguments<'a> {
    user: Option<Uuid>,
    amount: Option<&'a str>,
    kind: Option<&'a str>,
    reference: Option<&'a str>,
    description: Option<&'a str>,
}

impl<'a> Arguments<'a> {
    fn of(user: Uuid, amount: &'a str, kind: &'a str) -> Self {
        Self {
            user: Some(user),
            amount: Some(amount),
            kind: Some(kind),
            reference: None,
            description: None,
        }
    }
}

/// Calls `add_user_credits` or `debit_user_credits`, by its first word.
fn call(
    client: &mut impl GenericClient,
    direction: &str,
    with: Arguments,
) -> Result<Answer, Error> {
    let query = format!(
        "SELECT success, new_balance, transaction_id
           FROM {direction}_user_credits($1, $2::text::numeric, $3, $4, $5)"
    );
    let rows = client.query(
        &query,
        &[
            &with.user,
            &with.amount,
            &with.kind,
            &with.reference,
            &with.description,
        ],
    )?;
    assert_eq!(rows.len(), 1, "{direction}: one row is promised");
    Ok(Answer {
        success: rows[0].get(0),
        new_balance: rows[0].get(1),
        transaction_id: rows[0].get(2),
    })
}

/// Adds credits where nothing should go wrong.
fn add(client: &mut impl GenericClient, user: Uuid, amount: &str, kind: &str) -> Answer {
    call(client, "add", Arguments::of(user, amount, kind)).unwrap()
}

/// Debits credits where nothing should go wrong; a refusal is no error.
fn debit(client: &mut impl GenericClient, user: Uuid, amount: &str, kind: &str) -> Answer {
    call(client, "debit", Arguments::of(user, amount, kind)).unwrap()
}

/// A balance row with nothing in it.
fn provision(client: &mut impl GenericClient, user: Uuid, tier: &str, allowance: Option<&str>) {
    let insert = "INSERT INTO user_credits (user_id, tier, monthly_allowance)
                  VALUES ($1, $2, $3::text::numeric)";
    client.execute(insert, &[&user, &tier, &allowance]).unwrap();
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// The one value of a query without parameters.
fn value<T: for<'a> postgres::types::FromSql<'a>>(
    client: &mut impl GenericClient,
    query: &str,
) -> T {
    client
        .query_one(query, &[])
        .unwrap_or_else(|e| panic!("{e:?}\n{query}"))
        .get(0)
}

fn balance_of(client: &mut impl GenericClient, user: Uuid) -> Option<Decimal> {
    let query = "SELECT balance FROM user_credits WHERE user_id = $1";
    client
        .query_opt(query, &[&user])
        .unwrap()
        .map(|row| row.get(0))
}

/// Everything that the schema's tables and sequences hold, with the place of each row: an update
/// that changes no value moves the row all the same.
fn contents(client: &mut Client) -> String {
    let relations = "SELECT c.oid::regclass::text, c.relkind = 'S'
                       FROM pg_class AS c
                      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S')
                        AND c.relname <> 'refinery_schema_history'
                      ORDER BY 1";
    let mut all = String::new();
    for relation in client.query(relations, &[]).unwrap() {
        let (name, is_sequence): (String, bool) = (relation.get(0), relation.get(1));
        // The third column of a sequence, log_cnt, is the server's own and changes by itself.
        let line = if is_sequence {
            "r.last_value || ' ' || r.is_called"
        } else {
            "r.ctid || ' ' || r"
        };
        let rows = format!("SELECT coalesce(string_agg({line}, E'\\n'), '') FROM {name} AS r");
        all += &format!("{name}\n{}\n", value::<String>(client, &rows));
    }
    assert!(all.contains("user_credits\n") && all.contains("schema_version\n"));
    all
}
