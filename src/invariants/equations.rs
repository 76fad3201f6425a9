//! Equations between sums that hold for a sound ledger only, so that the checks they stand for need
//! not be evaluated: their rows would have to be sorted, grouped or joined, a sum needs none of it.
//!
//! Each row becomes a 64-bit number by the server's own extended hash functions, keyed with a
//! random number that is drawn for the run and never shown: two different multisets of rows have
//! the same sum by chance once in about 2^64 runs, and nobody can aim at it. The sums are exact:
//! the server adds 64-bit numbers in 128 bits.
//!
//! Sums of rows that an earlier audit has sealed stand for those rows: `base`, by name.
//!
//! An equation that does not hold has found nothing yet. Its checks are evaluated then, and they
//! say which rows.

use std::collections::BTreeMap;

use postgres::Transaction;

use super::contract::SchemaVersion;
use super::relations::{self, Relation, Shape};
use super::scan::{Scan, Tally};
use crate::error::{Error, Result};

/// Shown to be an equation that can fail: sums over rows that are written down here.
const CANARY: &str = include_str!("canary.sql");

/// The server's hash of a numeric forgets its sign. Above this offset every number that fits
/// `numeric(20,8)`, and every difference of two, is positive, and below its negative every one is
/// negative and like no number that fits.
pub(super) const OFFSET: &str = "10000000000000";

/// Entry numbers are hashed by 32 bits.
const NUMBERS_END: &str = "2147483648";

/// What an equation proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Equation {
    /// Every entry leads from one state of its user to the next, so all that is left of the sum
    /// over ends minus starts is each user's present state minus the state before the first entry.
    Chain,
    /// Usage entries and logged charges are the same requests with the same amounts.
    Reconciliation,
    /// No usage entry and no logged charge lacks the id of its request: of those that are the same
    /// on both sides, the log's are judged by a row check, and no entry is without any.
    Identified,
}

/// The checks that hold whenever the equation does.
const CHAIN: &[&str] = &[
    "balance-equals-last",
    "balance-equals-sum",
    "balance-without-history",
    "chain-continuity",
    "chain-sequence",
    "trial-balance",
];
const RECONCILIATION: &[&str] = &[
    "charge-without-usage",
    // Its question takes each usage for a request of the log.
    "reference-type-collision",
    "usage-amount-mismatch",
    "usage-unbilled",
    "usage-user-mismatch",
    // Its suspects are requests that no sum contains.
    "usage-user-unknown",
];
const IDENTIFIED: &[&str] = &["usage-sum-per-day"];

/// Checks of the chain whose findings end with no later entry, because entries stay as they are.
pub(super) const LASTING: &[&str] = &[
    "balance-equals-sum",
    "chain-continuity",
    "chain-sequence",
    "trial-balance",
];

/// The sum that takes what the chains are known to be off by.
pub(super) const STARTS: &str = "chain starts";

pub(super) const ENTRIES: &str = "credit_transactions";
pub(super) const USERS: &str = "user_credits";
pub(super) const LOG: &str = "llm_usage_log";

/// Sums by their names.
pub(super) type Sums = BTreeMap<String, i128>;

/// What the hashes are made for.
const CHAIN_SHAPE: &[Shape] = &[
    (
        ENTRIES,
        &[
            "user_id uuid",
            "entry_seq bigint",
            "amount numeric(20,8)",
            "balance_after numeric(20,8)",
        ],
    ),
    (
        USERS,
        &[
            "user_id uuid",
            "last_entry_seq bigint",
            "balance numeric(20,8)",
        ],
    ),
];
const RECONCILIATION_SHAPE: &[Shape] = &[
    (
        ENTRIES,
        &[
            "user_id uuid",
            "amount numeric(20,8)",
            "transaction_type text",
            "reference_id text",
            "created_at timestamp with time zone",
        ],
    ),
    (
        LOG,
        &[
            "user_id uuid",
            "credits_used numeric(20,8)",
            "request_id text",
            "created_at timestamp with time zone",
        ],
    ),
];

/// Rows younger than this are not judged by the checks of the reconciliation, nor sealed.
pub(super) const GRACE: &str =
    "(SELECT current_setting('creditdb.now')::timestamptz - interval '15 minutes')";

impl Equation {
    pub const ALL: [Self; 3] = [Self::Chain, Self::Reconciliation, Self::Identified];

    /// Ids of the checks that hold whenever it does.
    pub fn checks(self) -> &'static [&'static str] {
        match self {
            Self::Chain => CHAIN,
            Self::Reconciliation => RECONCILIATION,
            Self::Identified => IDENTIFIED,
        }
    }

    /// Whether it cannot be false where constraints prove a check, by its id: they have been got
    /// round then (a restore that disables triggers does so), and the check has to be evaluated.
    pub fn doubts(self, id: &str) -> bool {
        self == Self::Chain && id == "balance-row-missing"
    }

    /// Whether there is an equation that a check may count on.
    pub fn spares(id: &str) -> bool {
        Self::ALL
            .iter()
            .any(|equation| equation.checks().contains(&id))
    }

    fn shape(self) -> &'static [Shape] {
        match self {
            Self::Chain => CHAIN_SHAPE,
            Self::Reconciliation | Self::Identified => RECONCILIATION_SHAPE,
        }
    }

    /// The row check that has to be silent besides, where there is one.
    pub fn leans_on(self) -> Option<&'static str> {
        match self {
            Self::Identified => Some("request-id-missing"),
            Self::Chain | Self::Reconciliation => None,
        }
    }

    /// The tables that it reads.
    pub fn tables(self) -> impl Iterator<Item = &'static str> {
        self.shape().iter().map(|(table, _)| *table)
    }

    /// Whether this database has the columns, exactly so.
    pub fn applies(self, version: SchemaVersion, relations: &BTreeMap<String, Relation>) -> bool {
        let numbered = SchemaVersion(1, 1, 0);
        if self == Self::Chain && version < numbered {
            return false;
        }
        relations::have(relations, self.shape())
    }

    /// Adds what it needs to the scans of its tables. What constraints prove (`is_proven`, by the
    /// id of a check) is not computed again for each row; sound rows have the same sums either way.
    pub fn add_sums(self, key: i64, scan: &mut Scan, is_proven: &dyn Fn(&str) -> bool) {
        match (self, scan.table.as_str()) {
            (Self::Chain, ENTRIES) => add_steps(key, scan, is_proven("amount-not-finite")),
            (Self::Chain, USERS) => add_standing(key, scan),
            (Self::Reconciliation, ENTRIES) => add_charges(key, scan, is_proven("sign-usage")),
            (Self::Reconciliation, LOG) => add_requests(key, scan, is_proven("credits-negative")),
            (Self::Identified, ENTRIES) => {
                let nameless = "reference_id IS NULL AND transaction_type = 'usage'";
                scan.add_unsound("charges nameless", nameless.to_owned());
            }
            _ => {}
        }
    }

    /// Whether it holds; `None` when one of its tables was not read.
    pub fn holds(self, scans: &[(&Scan, Option<&Tally>)], base: &Sums) -> Option<bool> {
        let sum = |name| sum(scans, base, name);
        match self {
            Self::Chain => Some(chains_off(scans, base)? == Some(0)),
            Self::Reconciliation => {
                let unfit = sum("charges unfit")? + sum("log unfit")?;
                Some(unfit == 0 && sum("charged")? == sum("logged")?)
            }
            Self::Identified => {
                Some(sum("charges nameless")? == 0 && Self::Reconciliation.holds(scans, base)?)
            }
        }
    }

    /// How many rows a check leaves for the next audit, when the equation does not hold: they are
    /// too young to be judged.
    pub fn pending(self, id: &str, scans: &[(&Scan, Option<&Tally>)]) -> u64 {
        let name = match id {
            "charge-without-usage" => "charges young",
            "usage-unbilled" | "usage-amount-mismatch" | "usage-user-mismatch" => "log young",
            _ => return 0,
        };
        let young = scans
            .iter()
            .find_map(|(scan, tally)| scan.sum((*tally)?, name));
        young
            .and_then(|young| u64::try_from(young).ok())
            .unwrap_or_default()
    }
}

/// A sum by its name, with what sealed rows add to it; none when its table was not read.
fn sum(scans: &[(&Scan, Option<&Tally>)], base: &Sums, name: &str) -> Option<i128> {
    let mut scans = scans.iter();
    let read = scans.find_map(|(scan, tally)| scan.sum((*tally)?, name))?;
    Some(read.wrapping_add(base.get(name).copied().unwrap_or_default()))
}

/// What the chains are off by: 0 when they are whole, and none where rows have no sum. `None` when
/// a table was not read.
pub(super) fn chains_off(scans: &[(&Scan, Option<&Tally>)], base: &Sums) -> Option<Option<i128>> {
    let sum = |name: &str| sum(scans, base, name);
    let unfit = sum("chain unfit")? + sum("users unfit")?;
    let moved = sum("chain ends")?.wrapping_sub(sum(STARTS)?);
    let stands = sum("chain last")?.wrapping_sub(sum("chain first")?);
    Some((unfit == 0).then(|| moved.wrapping_sub(stands)))
}

/// Where each entry leads to, and where it comes from.
fn add_steps(key: i64, scan: &mut Scan, are_finite: bool) {
    let end = state("user_id", "entry_seq", "balance_after", key);
    let start = state("user_id", "entry_seq - 1", "balance_after - amount", key);
    scan.add_sum("chain ends", format!("sum({end})"));
    scan.add_sum(STARTS, format!("sum({start})"));
    // What a hash would pass over, or take for something else. NaN is above Infinity.
    let finite = match are_finite {
        true => "",
        false => "AND amount < 'Infinity' AND balance_after < 'Infinity'",
    };
    let fit =
        format!("entry_seq >= 1 AND entry_seq < {NUMBERS_END} AND user_id IS NOT NULL {finite}");
    scan.add_unsound("chain unfit", not(&fit));
}

/// Where each user stands now, and where all of them began.
fn add_standing(key: i64, scan: &mut Scan) {
    let last = state("user_id", "last_entry_seq", "balance", key);
    let zero = state("user_id", "0", "0", key);
    scan.add_sum("chain last", format!("sum({last})"));
    scan.add_sum("chain first", format!("sum({zero})"));
    let fit = format!(
        "last_entry_seq >= 0 AND last_entry_seq < {NUMBERS_END} AND balance < 'Infinity' \
         AND user_id IS NOT NULL"
    );
    scan.add_unsound("users unfit", not(&fit));
}

/// What usage entries have taken, and for which request.
fn add_charges(key: i64, scan: &mut Scan, are_negative: bool) {
    let taken = match are_negative {
        true => "amount".to_owned(),
        false => taken("amount"),
    };
    let charge = request("user_id", "reference_id", &taken, key);
    let usage = "transaction_type = 'usage'";
    scan.add_sum("charged", format!("sum({charge}) FILTER (WHERE {usage})"));
    let fit = "user_id IS NOT NULL AND amount IS NOT NULL AND transaction_type IS NOT NULL";
    scan.add_unsound("charges unfit", not(fit));
    let young = format!("created_at >= {GRACE} AND {usage}");
    scan.add_sum("charges young", count(&young));
}

/// What requests cost, as logged.
fn add_requests(key: i64, scan: &mut Scan, are_positive: bool) {
    let cost = match are_positive {
        true => "credits_used".to_owned(),
        false => cost("credits_used"),
    };
    let charge = request("user_id", "request_id", &cost, key);
    let paid = "credits_used <> 0";
    scan.add_sum("logged", format!("sum({charge}) FILTER (WHERE {paid})"));
    let fit = "user_id IS NOT NULL AND credits_used IS NOT NULL";
    scan.add_unsound("log unfit", not(fit));
    let young = format!("created_at >= {GRACE} AND {paid}");
    scan.add_sum("log young", count(&young));
}

fn count(rows: &str) -> String {
    format!("count(*) FILTER (WHERE {rows})")
}

fn not(fit: &str) -> String {
    format!("({fit}) IS NOT TRUE")
}

/// The hash of a state: that this user had this balance after so many entries.
fn state(user: &str, number: &str, balance: &str, key: i64) -> String {
    format!(
        "hashint8extended({number}, hash_numeric_extended({balance} + {OFFSET}, \
         uuid_hash_extended({user}, {key})))"
    )
}

/// The hash of a charge: that this request of this user cost so much. The text is hashed last: what
/// the server makes of a numeric differs in a few bits only between 5 and 50000, so that two
/// requests could swap such amounts and have the same sum.
fn request(user: &str, reference: &str, credits: &str, key: i64) -> String {
    format!(
        "hashtextextended({reference}, hash_numeric_extended({credits}, \
         uuid_hash_extended({user}, {key})))"
    )
}

/// A cost as [`request`] takes it: with an offset where it is below 0.
fn cost(credits: &str) -> String {
    format!("CASE WHEN {credits} >= 0 THEN {credits} ELSE {credits} - {OFFSET} END")
}

/// The same of an amount, which has the other sign, for a hash that forgets it.
fn taken(amount: &str) -> String {
    format!("CASE WHEN {amount} <= 0 THEN {amount} ELSE {amount} + {OFFSET} END")
}

/// Draws a key, which nobody else knows.
///
/// # Errors
/// What the server says.
pub(super) fn key(snapshot: &mut Transaction<'_>) -> Result<i64> {
    let drawn = snapshot.query_one(
        "SELECT uuid_hash_extended(gen_random_uuid(), uuid_hash_extended(gen_random_uuid(), 1))",
        &[],
    )?;
    Ok(drawn.get(0))
}

/// Shows that with a key the sums can tell right rows from wrong ones on this server.
///
/// # Errors
/// What the server says; undecided when the hashes do not do what they should.
pub(super) fn prove(snapshot: &mut Transaction<'_>, key: i64) -> Result<()> {
    let statement = CANARY
        .replace(
            "$end",
            &state("e.user_id", "e.entry_seq", "e.balance_after", key),
        )
        .replace(
            "$start",
            &state(
                "e.user_id",
                "e.entry_seq - 1",
                "e.balance_after - e.amount",
                key,
            ),
        )
        .replace("$last", &state("e.user_id", "2", "6", key))
        .replace("$first", &state("e.user_id", "0", "0", key))
        .replace(
            "$charged",
            &request("e.user_id", "e.reference_id", &taken("e.amount"), key),
        )
        .replace(
            "$logged",
            &request("e.user_id", "'req'", &cost("e.cost"), key),
        );
    let mut wrong = Vec::new();
    for row in snapshot.query(&statement, &[])? {
        let (case, planted): (String, bool) = (row.get("name"), row.get("planted"));
        let holds: [bool; 2] = [row.get("chain_holds"), row.get("log_agrees")];
        if planted == (holds[0] && holds[1]) {
            wrong.push(case);
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let message = "the hash functions of this server do not tell right rows from wrong ones";
    Err(Error::undecided(message).detail(wrong.join(", ")))
}
