//! What the quick reference prints of packages, power levels, tiers, types and indexes is what the
//! database holds.

use std::collections::BTreeSet;

use regex::Regex;

use super::document::{TEXT, printed, section};
use super::value;
use crate::support::server::Database;

/// Rows of text, so that a difference shows the two tables.
type Rows = Vec<Vec<Option<String>>>;

fn matches(pattern: &str, text: &str) -> Rows {
    let pattern = Regex::new(pattern).unwrap();
    let rows = pattern.captures_iter(text);
    rows.map(|row| {
        row.iter()
            .skip(1)
            .map(|c| c.map(|c| c.as_str().to_owned()))
            .collect()
    })
    .collect()
}

/// A query whose columns are all text.
fn stored(query: &str) -> Rows {
    let database = Database::migrated();
    let mut client = database.connect();
    let rows = client.query(query, &[]).unwrap();
    rows.iter()
        .map(|row| (0..row.len()).map(|column| row.get(column)).collect())
        .collect()
}

/// The words in quotes of a CHECK, which lists the values that a column may have.
fn domain(constraint: &str) -> BTreeSet<String> {
    let query = format!(
        "SELECT m[1] FROM pg_constraint AS c,
                regexp_matches(pg_get_constraintdef(c.oid), '''([a-z_]+)''', 'g') AS m
          WHERE c.conname = '{constraint}'"
    );
    stored(&query)
        .into_iter()
        .map(|mut row| row.remove(0).unwrap())
        .collect()
}

#[test]
fn packages() {
    let text = printed("Credit Package Tiers");
    // A symbol may stand in front of the badge.
    let line = r"(?m)^([A-Z][A-Za-z ]+): +(\d+) credits = \$(\d+) +\((\d+)% discount\)(?: \W+ ([A-Z ]+))?$";
    let expected = matches(line, &text);
    assert_eq!(expected.len(), 4, "{text}");
    assert_eq!(
        expected.iter().filter(|row| row[4].is_some()).count(),
        2,
        "{text}"
    );
    let query = "SELECT name, trim_scale(credits)::text, trim_scale(price_usd)::text,
                        trim_scale(discount)::text, badge_text
                   FROM credit_packages WHERE is_active ORDER BY sort_order";
    assert_eq!(stored(query), expected);
}

#[test]
fn the_discount_is_the_one_that_the_price_gives() {
    let query = "SELECT name FROM credit_packages
                  WHERE price_usd <> credits * 0.10 * (1 - discount / 100)";
    assert_eq!(stored(query), Rows::new());
}

#[test]
fn power_levels() {
    let text = printed("Power Levels");
    let line =
        r"(?m)^(([A-Z]+) Mode): +([\d.]+)x cost \| (\d+)ms latency \| (\d+)% quality\n +→ (.+)$";
    let expected = matches(line, &text);
    assert_eq!(expected.len(), 3, "{text}");
    let query = "SELECT name, upper(power_level), cost_multiplier::text, max_latency_ms::text,
                        trim_scale(min_quality_score)::text,
                        array_to_string(preferred_providers, ', ')
                   FROM power_level_configs WHERE is_active ORDER BY id";
    assert_eq!(stored(query), expected);

    let note = TEXT
        .lines()
        .find(|line| line.starts_with("Note: Actual costs vary"))
        .unwrap();
    let multipliers = matches(r"(eco|balanced|precision) ([\d.]+)x", note);
    assert_eq!(multipliers.len(), 3, "{note}");
    let query = "SELECT power_level, cost_multiplier::text FROM power_level_configs ORDER BY id";
    assert_eq!(stored(query), multipliers);
}

#[test]
fn tiers_types_and_levels_are_those_that_are_printed() {
    let words = |pattern: &str, text: &str| -> BTreeSet<String> {
        let rows = matches(pattern, text).into_iter();
        rows.map(|mut row| row.remove(0).unwrap().to_lowercase())
            .collect()
    };
    let tiers = words(r"(?m)^([A-Z]+) +→", &printed("Subscription Tiers"));
    assert_eq!((tiers.len(), domain("user_credits_tier_check")), (4, tiers));
    let types = words(r"(?m)^- \*\*([a-z_]+)\*\* - ", section("Transaction Types"));
    assert_eq!(types.len(), 5);
    assert_eq!(domain("credit_transactions_transaction_type_check"), types);
    let levels = words(r"(?m)^([A-Z]+) Mode:", &printed("Power Levels"));
    assert_eq!(levels.len(), 3);
    for table in ["user_credits", "power_level_configs", "llm_usage_log"] {
        assert_eq!(domain(&format!("{table}_power_level_check")), levels);
    }
}

#[test]
fn tables_have_the_rows_and_key_columns_that_are_printed() {
    let lines = matches(
        r"(?m)^\| \*\*(\w+)\*\* \| [^|]+ \| (\w+) \| ([^|]+) \|$",
        section("Tables Overview"),
    );
    assert_eq!(lines.len(), 6);
    let database = Database::migrated();
    let mut client = database.connect();
    for line in lines
        .iter()
        .map(|line| line.iter().flatten().collect::<Vec<_>>())
    {
        let count: i64 = value(&mut client, &format!("SELECT count(*) FROM {}", line[0]));
        // "Dynamic" tables start empty.
        assert_eq!(count, line[1].parse().unwrap_or(0), "{}", line[0]);
        for word in line[2].split(", ") {
            // The document shortens transaction_type to "type" and the three counts to "tokens".
            let query = format!(
                "SELECT count(*) FROM pg_attribute WHERE attrelid = '{}'::regclass
                    AND attname ~ '(^|_){word}$'",
                line[0]
            );
            assert!(value::<i64>(&mut client, &query) > 0, "{}.{word}", line[0]);
        }
    }
}

#[test]
fn indexes() {
    let names = matches(r"(?m)^- `(idx_\w+)` - ", section("Key Indexes"));
    assert_eq!(names.len(), 8);
    let query = "SELECT indexname::text FROM pg_indexes
                  WHERE schemaname = 'public' AND indexname LIKE 'idx\\_%' ORDER BY 1";
    let mut names = names;
    names.sort();
    assert_eq!(stored(query), names);
}
