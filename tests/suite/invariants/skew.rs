//! Ledgers of which one user has most: a planner thinks of the average user.

use super::{LEDGER, check, own_check, result, verify_own};
use crate::support::program::creditdb;
use crate::support::server::Database;
use crate::support::wait_until;

/// Two thousand users with ten entries each, and one with ten thousand; forty of the requests of
/// this one were given back.
const ONE_HAS_MOST: &str = "
    INSERT INTO public.credit_transactions
           (user_id, transaction_type, amount, balance_after, reference_id, created_at)
    SELECT CASE WHEN n <= 10000 THEN md5('')::uuid ELSE md5((n % 2000)::text)::uuid END,
           'usage', -1, 0, 'request-' || n, timestamptz '2026-01-01Z' + n * interval '1 minute'
      FROM generate_series(1, 30000) AS n;
    INSERT INTO public.credit_transactions
           (user_id, transaction_type, amount, balance_after, reference_id, created_at)
    SELECT md5('')::uuid, 'refund', 1, 0, 'request-' || n, '2026-02-01Z'
      FROM generate_series(1, 40) AS n;
    ANALYZE";

/// Rows of entries that sessions of the program have fetched by way of an index, once all have
/// ended.
fn fetched(database: &Database) -> i64 {
    let mut client = database.connect();
    let mut ask = |query: &str| client.query_one(query, &[]).unwrap();
    wait_until("the audit's sessions end", || {
        ask("SELECT count(*) = 0 FROM pg_stat_activity
              WHERE datname = current_database() AND application_name = 'creditdb'")
        .get(0)
    });
    ask("SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'credit_transactions'")
        .get(0)
}

#[test]
fn entries_of_a_large_user_are_not_read_for_each_of_them() {
    let database = Database::at("1.0.0");
    database.execute(ONE_HAS_MOST);
    // As for disks that do not seek.
    let name = database.name();
    database.execute(&format!("ALTER DATABASE {name} SET random_page_cost = 1.1"));
    let arguments = ["verify", "--area", "references", "--area", "types"];
    let run = creditdb(arguments).on(&database.url).run();
    assert!(run.code < 2, "{}", run.stderr);
    // All entries for each refund would be four hundred thousand rows.
    let fetched = fetched(&database);
    assert!(fetched < 200_000, "{fetched}");
}

#[test]
fn loops_are_for_indexes_that_are_there_and_believed() {
    let sql = "SELECT current_setting('enable_nestloop') AS subject, NULL AS expected,
                      NULL AS actual, NULL AS difference, NULL AS cause, NULL AS detail
                 FROM public.credit_transactions LIMIT 1";
    let folder = own_check(check("query", &[], sql));
    let loops = |database: &Database| {
        let audit = verify_own(database, &folder, 1);
        result(&audit, "it")["evidence"][0]["subject"].clone()
    };
    let database = Database::migrated();
    database.execute(LEDGER);
    assert_eq!(loops(&database), "on");
    database.execute("DROP INDEX public.credit_transactions_reference_key");
    assert_eq!(loops(&database), "off");
}
