//! The catalogue that each version leaves, the same on every major: `snapshots/schema/V<N>.snap`.
//! What the statement reads is in `catalogue.sql`.

use postgres::GenericClient;

use crate::support::program::creditdb;
use crate::support::server::{Database, NEWEST};
use crate::support::snapshots;

const QUERY: &str = include_str!("catalogue.sql");

pub fn catalogue(client: &mut impl GenericClient) -> String {
    client
        .batch_execute("SET search_path = pg_catalog")
        .unwrap();
    let rows = client.query(QUERY, &[]).unwrap();
    client.batch_execute("RESET search_path").unwrap();
    rows.iter()
        .map(|row| row.get::<_, String>(0) + "\n")
        .collect()
}

#[test]
fn each_version_leaves_the_catalogue_of_its_snapshot() {
    let database = Database::empty();
    let mut client = database.connect();
    for version in 1..=NEWEST.1 {
        let to = version.to_string();
        creditdb(["migrate", "--to", &to])
            .on(&database.url)
            .succeeds();
        let found = catalogue(&mut client);
        snapshots(|| {
            let mut settings = insta::Settings::clone_current();
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/schema");
            settings.set_snapshot_path(folder);
            settings.bind(|| insta::assert_snapshot!(format!("V{version}"), found));
        });
    }
    // The versions above are all that there are.
    let newest = Database::migrated();
    assert_eq!(catalogue(&mut newest.connect()), catalogue(&mut client));
}

/// A snapshot proves as much as the query sees.
#[test]
fn the_catalogue_shows_every_kind_of_change() {
    let changes = [
        "CREATE TABLE t (i int)",
        "ALTER TABLE user_credits ADD COLUMN x int",
        "ALTER TABLE user_credits DROP COLUMN updated_at",
        "ALTER TABLE user_credits RENAME COLUMN tier TO plan",
        "ALTER TABLE user_credits ALTER COLUMN balance TYPE numeric(20,6)",
        "ALTER TABLE user_credits ALTER COLUMN balance SET DEFAULT 1",
        "ALTER TABLE user_credits ALTER COLUMN balance DROP NOT NULL",
        "ALTER TABLE user_credits ALTER COLUMN monthly_allowance SET NOT NULL",
        "ALTER TABLE user_credits SET (fillfactor = 90)",
        "ALTER TABLE user_credits DROP CONSTRAINT user_credits_tier_check",
        "ALTER TABLE user_credits RENAME CONSTRAINT user_credits_tier_check TO other",
        "ALTER TABLE credit_packages ADD CONSTRAINT c CHECK (credits > 1) NOT VALID",
        "DROP INDEX idx_llm_usage_log_model",
        "ALTER INDEX idx_llm_usage_log_model RENAME TO other",
        "CREATE INDEX i ON user_credits (balance)",
        "CREATE TRIGGER t AFTER DELETE ON user_credits FOR EACH ROW
            EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "ALTER SEQUENCE llm_usage_log_id_seq CACHE 32",
        "ALTER SEQUENCE llm_usage_log_id_seq OWNED BY NONE",
        "ALTER FUNCTION get_quota_usage_percentage(uuid) SECURITY DEFINER",
        "ALTER FUNCTION get_quota_usage_percentage(uuid) VOLATILE",
        "ALTER FUNCTION get_quota_usage_percentage(uuid) SET search_path = pg_catalog",
        "CREATE OR REPLACE FUNCTION get_quota_usage_percentage(p_user_id uuid) RETURNS numeric
            LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END'",
        "DROP FUNCTION get_quota_usage_percentage(uuid)",
        "COMMENT ON TABLE user_credits IS 'other'",
        "COMMENT ON COLUMN user_credits.balance IS NULL",
        "COMMENT ON FUNCTION get_quota_usage_percentage(uuid) IS 'other'",
        "CREATE VIEW v AS SELECT 1 AS i",
        "GRANT DELETE ON credit_transactions TO creditdb_gateway",
        "REVOKE SELECT ON llm_usage_log_id_seq FROM creditdb_auditor",
        "GRANT EXECUTE ON FUNCTION number_entry() TO PUBLIC",
    ];
    let database = Database::migrated();
    let mut client = database.connect();
    let before = catalogue(&mut client);
    for change in changes {
        let mut transaction = client.transaction().unwrap();
        transaction.batch_execute(change).unwrap();
        assert_ne!(catalogue(&mut transaction), before, "not seen: {change}");
        transaction.rollback().unwrap();
    }
    assert_eq!(catalogue(&mut client), before);
}
