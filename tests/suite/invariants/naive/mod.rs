//! A second implementation in SQL, slow and plain, as somebody would write it by hand: one query
//! for each invariant, with window functions, joins and subqueries. A row is a violation. Its
//! verdicts must be those of the audit.
//!
//! In the files, `$place` is the order of a chain: `entry_seq`, or `id` where there is none.
//! `$parts` are the entries, and once more with the reference of their origin the adjustments that
//! name a part of it.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;

use crate::support::program::creditdb;

const QUERIES: [&str; 9] = [
    include_str!("catalogue.sql"),
    include_str!("chain.sql"),
    include_str!("keys.sql"),
    include_str!("quota.sql"),
    include_str!("references.sql"),
    include_str!("schema.sql"),
    include_str!("time.sql"),
    include_str!("types.sql"),
    include_str!("usage.sql"),
];

/// Checks that ask the server's catalogue or a setting one question: whoever wrote it by hand would
/// write the same query, so that it would be no second opinion. Their fixtures damage the server
/// itself. `version-history-agrees` reads two small tables, whose rows no ledger has, and
/// `sealed-history` a file.
const LEFT_OUT: [&str; 14] = [
    "collation-stale",
    "constraint-not-valid",
    "constraint-validation-due",
    "durability-settings",
    "index-invalid",
    "privilege-append-only",
    "row-security-hides",
    "sealed-history",
    "search-path-shadow",
    "sequence-exhaustion",
    "table-unlogged",
    "trigger-disabled",
    "version-history-agrees",
    "wraparound-age",
];

/// The queries by check.
fn queries() -> BTreeMap<&'static str, &'static str> {
    let mut queries = BTreeMap::new();
    for part in QUERIES
        .iter()
        .flat_map(|file| file.split("-- check: ").skip(1))
    {
        let (check, query) = part.split_once('\n').unwrap();
        assert!(
            queries.insert(check, query).is_none(),
            "{check} comes twice"
        );
    }
    queries
}

/// What a query must not depend on: names that somebody put before ours, and indexes.
const PINNED: &str = "SET search_path = public; SET enable_indexscan = off;
    SET enable_indexonlyscan = off; SET enable_bitmapscan = off";

const PARTS: &str = "(
    SELECT id, user_id, transaction_type, amount, reference_id, created_at FROM credit_transactions
    UNION ALL
    SELECT id, user_id, transaction_type, amount, part[1], created_at
      FROM credit_transactions, regexp_match(reference_id, '^(.*) part [0-9]+$') AS part
     WHERE transaction_type = 'admin_adjustment' AND part IS NOT NULL)";

fn ask(client: &mut Client, numbered: bool, check: &str, query: &str) -> bool {
    let place = if numbered { "entry_seq" } else { "id" };
    let query = query.replace("$place", place).replace("$parts", PARTS);
    let exists = format!("SELECT EXISTS ({query})");
    let row = client.query_one(&exists, &[]);
    row.unwrap_or_else(|e| panic!("{check}: {e:?}")).get(0)
}

/// Whether a check is violated, by its query; nothing where there is none.
pub fn verdict(client: &mut Client, numbered: bool, check: &str) -> Option<bool> {
    client.batch_execute(PINNED).unwrap();
    let query = queries().remove(check)?;
    Some(ask(client, numbered, check, query))
}

/// The checks about which the two disagree.
pub fn disagreements(
    client: &mut Client,
    numbered: bool,
    is_violated: impl Fn(&str) -> bool,
) -> Vec<String> {
    client.batch_execute(PINNED).unwrap();
    let mut disagreements = Vec::new();
    for (check, query) in queries() {
        let naive = ask(client, numbered, check, query);
        if naive != is_violated(check) {
            disagreements.push(format!("  {check}: naively {naive}"));
        }
    }
    disagreements
}

#[test]
fn every_check_has_a_naive_query_or_is_left_out_for_a_reason() {
    let list = creditdb(["list", "--format", "json"]).succeeds().json();
    let checks = list["checks"].as_array().unwrap().iter();
    let checks: BTreeSet<&str> = checks.map(|check| check["id"].as_str().unwrap()).collect();
    let known: Vec<&str> = queries().into_keys().chain(LEFT_OUT).collect();
    assert_eq!(known.len(), checks.len());
    assert_eq!(known.into_iter().collect::<BTreeSet<_>>(), checks);
}
