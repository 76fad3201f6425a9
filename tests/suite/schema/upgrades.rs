//! Any path leads to the same place: a fresh install, and an upgrade with data from each earlier
//! version. What a version offers, the next one still offers.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use postgres::Client;

use super::catalogue::catalogue;
use super::{USER, value};
use crate::support::program::creditdb;
use crate::support::server::{Database, EARLIER, NEWEST};
use crate::support::snapshots;

/// What a gateway of 1.0.0 does: the functions, and rows of its own in log and keys.
fn use_it(client: &mut Client, round: u32) {
    // Not the same twice in a row, which looks like one payment that was reported twice.
    let credits = if round == 1 { 100 } else { 500 };
    client
        .batch_execute(&format!(
            "INSERT INTO user_credits (user_id, balance, tier, power_level, monthly_allowance,
                                       billing_cycle_start)
             VALUES ('{USER}', 0.00, 'trial', 'balanced', 100, NOW() - interval '1 hour')
             ON CONFLICT (user_id) DO NOTHING;
             SELECT add_user_credits('{USER}', {credits}, 'purchase', 'pi_{round}', 'a package');
             SELECT debit_user_credits('{USER}', 2.5, 'usage', 'req_{round}', 'GPT-4 completion');
             SELECT debit_user_credits('{USER}', 1000, 'usage', 'req_x{round}', 'too much');
             SELECT add_user_credits('{USER}', 2.5, 'refund', 'req_{round}', 'was cut off');
             SELECT add_user_credits(
                 ('00000000-0000-4000-8000-00000000000' || n)::uuid, n, 'bonus', NULL, 'welcome')
               FROM generate_series(1, 4) AS n;
             INSERT INTO llm_usage_log (user_id, request_id, model, provider, credits_used, success)
             VALUES ('{USER}', 'req_{round}', 'gpt-4', 'openai', 2.5, true);
             INSERT INTO user_provider_keys (user_id, provider, key_name, encrypted_key)
             VALUES ('{USER}', 'openai', 'key {round}', 'enc:v1:{round}');"
        ))
        .unwrap();
}

/// All that the tables hold, without times.
fn results(client: &mut Client) -> String {
    let queries = [
        "SELECT row(user_id, balance, tier, power_level, monthly_allowance,
                    credits_used_this_month, last_entry_seq)::text FROM user_credits",
        "SELECT row(id, user_id, entry_seq, transaction_type, amount, balance_after, reference_id,
                    description, metadata)::text FROM credit_transactions",
        "SELECT row(id, user_id, request_id, model, credits_used, success)::text
           FROM llm_usage_log",
        "SELECT row(id, user_id, provider, key_name, is_default)::text FROM user_provider_keys",
        "SELECT row(c.*)::text FROM (SELECT id, name, credits, price_usd FROM credit_packages) AS c",
        "SELECT version FROM schema_version",
    ];
    queries.iter().fold(String::new(), |mut text, query| {
        let all =
            format!("SELECT string_agg(line, E'\\n' ORDER BY line) FROM ({query}) AS q (line)");
        let _ = writeln!(text, "{}", value::<String>(client, &all));
        text
    })
}

#[test]
fn every_path_leads_to_the_same_catalogue_and_the_same_results() {
    let fresh = Database::migrated();
    let mut client = fresh.connect();
    use_it(&mut client, 1);
    use_it(&mut client, 2);
    let expected = (catalogue(&mut client), results(&mut client));
    for (schema, _) in EARLIER {
        let database = Database::at(schema);
        let mut client = database.connect();
        use_it(&mut client, 1);
        creditdb(["migrate"]).on(&database.url).succeeds();
        // The session that was there all along goes on without a reconnect.
        use_it(&mut client, 2);
        assert_eq!(results(&mut client), expected.1, "from {schema}");
        assert_eq!(catalogue(&mut client), expected.0, "from {schema}");
        creditdb(["verify"]).on(&database.url).succeeds();
    }
}

/// Names, arguments and results of functions; names and types of columns.
fn offers(database: &Database) -> BTreeSet<String> {
    let mut client = database.connect();
    let query = "SELECT p.proname || '(' || pg_get_function_arguments(p.oid) || ') '
                        || pg_get_function_result(p.oid)
                   FROM pg_proc AS p WHERE p.pronamespace = 'public'::regnamespace
                 UNION ALL
                 SELECT a.attrelid::regclass || '.' || a.attname || ' '
                        || format_type(a.atttypid, a.atttypmod)
                   FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
                  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
                    AND a.attnum > 0 AND NOT a.attisdropped";
    let rows = client.query(query, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn what_a_version_offers_the_next_one_offers_too() {
    let mut before = BTreeSet::new();
    for (schema, database) in Database::of_each_version() {
        let now = offers(&database);
        let gone: Vec<_> = before.difference(&now).collect();
        assert!(gone.is_empty(), "gone in {schema}: {gone:?}");
        assert!(
            now.len() > before.len() || schema == NEWEST.0,
            "{schema} offers nothing new"
        );
        before = now;
    }
}

/// What each check says of a healthy ledger at each version: since when it is there, and from when
/// on which constraint proves it.
#[test]
fn each_check_knows_since_when_it_applies_and_what_guards_it() {
    let mut lines = String::new();
    for (schema, database) in Database::of_each_version() {
        creditdb(["sample", "--users", "20", "--requests", "500"])
            .on(&database.url)
            .succeeds();
        let audit = creditdb(["verify", "--format", "json"])
            .on(&database.url)
            .succeeds()
            .json();
        let _ = writeln!(lines, "{schema}");
        for check in audit["checks"].as_array().unwrap() {
            if check["status"] != "holds" {
                let word = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
                let _ = writeln!(
                    lines,
                    "  {} {}: {}",
                    word("id"),
                    word("status"),
                    word("reason")
                );
            }
        }
        // The same without believing any of them.
        creditdb(["verify", "--distrust"])
            .on(&database.url)
            .succeeds();
    }
    snapshots(|| insta::assert_snapshot!("checks_by_version", lines));
}
