//! The rows that V4 and V5 bring: running the seeds again changes nothing, whatever a person did
//! in between.

use super::{contents, value};
use crate::support::server::Database;

const SEEDS: &str = include_str!("../../../migrations/V4__seed_catalogue.sql");
const VERSION: &str = include_str!("../../../migrations/V5__record_schema_version.sql");

#[test]
fn seeding_again_changes_nothing() {
    let database = Database::migrated();
    let mut client = database.connect();
    let before = contents(&mut client);
    assert!(
        before.contains("\"Value Pack\"") && before.contains("\"ECO Mode\""),
        "{before}"
    );
    for _ in 0..2 {
        client.batch_execute(SEEDS).unwrap();
        assert_eq!(contents(&mut client), before);
    }
}

#[test]
fn seeding_again_leaves_alone_what_a_person_changed() {
    let edits = [
        "UPDATE credit_packages SET price_usd = 12, badge_text = 'NEW' WHERE name = 'Starter Pack'",
        "UPDATE credit_packages SET name = 'Small Pack' WHERE name = 'Starter Pack'",
        "UPDATE credit_packages SET is_active = false",
        "UPDATE credit_packages SET id = id + 100",
        "INSERT INTO credit_packages (name, credits, price_usd) VALUES ('Mega Pack', 9000, 500)",
        "UPDATE power_level_configs SET cost_multiplier = 0.6, preferred_providers = '{x}'
          WHERE power_level = 'eco'",
        "UPDATE power_level_configs SET name = 'Saver', id = 7 WHERE power_level = 'eco'",
    ];
    let database = Database::migrated();
    let mut client = database.connect();
    for edit in edits {
        client.batch_execute("BEGIN").unwrap();
        assert!(client.execute(edit, &[]).unwrap() > 0, "{edit}");
        // A person who gives ids by hand leaves the sequence behind; the seeds may move it up.
        let tables = "SELECT (SELECT string_agg(p.ctid || ' ' || p, ';') FROM credit_packages AS p)
                          || (SELECT string_agg(c.ctid || ' ' || c, ';') FROM power_level_configs AS c)";
        let before: String = value(&mut client, tables);
        client.batch_execute(SEEDS).unwrap();
        assert_eq!(value::<String>(&mut client, tables), before, "after {edit}");
        client.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn the_next_package_does_not_meet_the_id_of_a_seed() {
    let database = Database::migrated();
    let mut client = database.connect();
    let package = "INSERT INTO credit_packages (name, credits, price_usd) VALUES ('New', 1, 1)
                   RETURNING id";
    assert_eq!(value::<i64>(&mut client, package), 5);
    client
        .batch_execute("DELETE FROM power_level_configs WHERE power_level = 'eco'")
        .unwrap();
    let level = "INSERT INTO power_level_configs (power_level, name, preferred_providers,
                        cost_multiplier, max_latency_ms, min_quality_score)
                 VALUES ('eco', 'ECO', '{openrouter}', 0.5, 1, 1) RETURNING id";
    assert_eq!(value::<i64>(&mut client, level), 4);
    // A sequence that is further on is not set back.
    client.batch_execute(SEEDS).unwrap();
    let next = package.replace("'New'", "'Newer'");
    assert_eq!(value::<i64>(&mut client, &next), 6);
}

#[test]
fn the_version_is_recorded_once() {
    let database = Database::at("1.0.0");
    let mut client = database.connect();
    let query = "SELECT version || ': ' || description FROM schema_version";
    // One row, or the query fails.
    let row: String = value(&mut client, query);
    assert!(
        row.starts_with("1.0.0: Balances, entries, packages,"),
        "{row}"
    );
    // A history that does not agree with itself stops the migration.
    let error = client.batch_execute(VERSION).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "23505");
}
