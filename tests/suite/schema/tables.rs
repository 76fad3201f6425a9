//! Rules for what the tables may contain, and rules that hold for all of them.

use postgres::Client;

use super::USER;
use crate::support::server::Database;

/// The rows of a query, one text each; rules are written so that no row is no violation.
fn lines(client: &mut Client, query: &str) -> Vec<String> {
    client
        .query(query, &[])
        .unwrap_or_else(|e| panic!("{e:?}\n{query}"))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// The columns of our tables, for the rules below.
const COLUMNS: &str =
    "SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
   FROM pg_class AS c
   JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    AND c.relname NOT IN ('refinery_schema_history', 'creditdb_migration_log')";

#[test]
fn types_follow_the_rules_of_the_design() {
    let database = Database::migrated();
    let mut client = database.connect();
    let mut none = |what: &str, condition: &str| {
        let found = lines(&mut client, &format!("{COLUMNS} AND {condition}"));
        assert!(found.is_empty(), "{what}: {found:?}");
    };
    let of = "format_type(a.atttypid, a.atttypmod)";
    none(
        "a user is a uuid, and known",
        &format!("a.attname = 'user_id' AND NOT ({of} = 'uuid' AND a.attnotnull)"),
    );
    none(
        "no float anywhere",
        "a.atttypid IN ('float4'::regtype, 'float8'::regtype, 'money'::regtype)",
    );
    none(
        "times have a zone",
        "a.atttypid IN ('timestamp'::regtype, 'date'::regtype, 'timetz'::regtype)",
    );
    none("no identity column", "a.attidentity <> ''");
    let credits = "('balance', 'balance_after', 'amount', 'credits', 'credits_used',
                    'credits_used_this_month', 'monthly_allowance')";
    none(
        "credits",
        &format!("a.attname IN {credits} AND {of} <> 'numeric(20,8)'"),
    );
    none(
        "prices",
        &format!("a.attname = 'price_usd' AND {of} <> 'numeric(10,2)'"),
    );
    let key = "EXISTS (SELECT FROM pg_attrdef AS d WHERE d.adrelid = c.oid AND d.adnum = a.attnum
                AND pg_get_expr(d.adbin, d.adrelid) = format('nextval(%L::regclass)', c.relname || '_id_seq')
                AND pg_get_serial_sequence(c.oid::regclass::text, a.attname) = format('public.%s_id_seq', c.relname))";
    none(
        "keys are bigint from a sequence that they own",
        &format!("a.attname = 'id' AND NOT ({of} = 'bigint' AND {key})"),
    );

    let count = |client: &mut Client, condition: &str| {
        lines(client, &format!("{COLUMNS} AND {condition}")).len()
    };
    assert_eq!(count(&mut client, "a.attname = 'user_id'"), 4);
    assert_eq!(count(&mut client, "a.attname = 'id'"), 5);
    assert_eq!(count(&mut client, &format!("a.attname IN {credits}")), 7);
}

#[test]
fn structure_follows_the_rules_of_the_design() {
    let database = Database::migrated();
    let mut client = database.connect();
    let rules = [
        (
            "foreign keys lead to the user",
            "SELECT conname::text FROM pg_constraint WHERE contype = 'f'
                AND pg_get_constraintdef(oid)
                    <> 'FOREIGN KEY (user_id) REFERENCES user_credits(user_id)'",
        ),
        (
            "triggers are on entries only, and are named after what they do",
            "SELECT tgname::text FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
              WHERE NOT tgisinternal AND tgname <> 'credit_transactions_' || p.proname",
        ),
        (
            "each table has a comment",
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
                AND relkind = 'r' AND relname <> 'refinery_schema_history'
                AND obj_description(oid, 'pg_class') IS NULL",
        ),
        (
            "each function has a comment",
            "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                AND obj_description(oid, 'pg_proc') IS NULL",
        ),
        (
            "keys of tables with a user contain it",
            "SELECT i.indexrelid::regclass::text FROM pg_index AS i
               JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = 'user_id'
              WHERE i.indisunique AND a.attnum <> ALL (i.indkey::int2[])",
        ),
        (
            "no volatile call in UPDATE SET",
            "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                AND prosrc ~* 'set[^;]*(clock_timestamp|random|nextval)[^;]*where'",
        ),
    ];
    for (rule, violations) in rules {
        let found = lines(&mut client, violations);
        assert!(found.is_empty(), "{rule}: {found:?}");
    }
}

#[test]
fn the_indexes_are_what_the_design_says_of_them() {
    let database = Database::migrated();
    let mut client = database.connect();
    let indexes = "SELECT indexrelid::regclass || ' ' || indisprimary || ' ' || indisunique
                     FROM pg_index WHERE indrelid = 'user_credits'::regclass";
    assert_eq!(
        lines(&mut client, indexes),
        ["idx_user_credits_user_id true true"]
    );
    let plain = "SELECT i.indisunique::text FROM pg_index AS i
                  WHERE i.indexrelid = 'idx_llm_usage_log_request_id'::regclass";
    assert_eq!(lines(&mut client, plain), ["false"]);
    // "The latest entries of one user" reads from the front of an index, without a sort.
    client
        .batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        .unwrap();
    for table in ["credit_transactions", "llm_usage_log"] {
        let query = format!(
            "EXPLAIN SELECT * FROM {table} WHERE user_id = '{USER}' ORDER BY created_at DESC LIMIT 10"
        );
        let plan = lines(&mut client, &query).join("\n");
        assert!(
            plan.contains(&format!("idx_{table}_user_date")) && !plan.contains("Sort"),
            "{plan}"
        );
    }
}

/// Runs each statement; the constraint beside it refuses it, "" where it is accepted.
fn assert_refused(cases: &[(String, &str)]) {
    let database = Database::migrated();
    let mut client = database.connect();
    for (statement, constraint) in cases {
        let mut transaction = client.transaction().unwrap();
        let outcome = transaction.execute(statement, &[]);
        transaction.rollback().unwrap();
        let refused_by = outcome.err().map_or_else(String::new, |error| {
            let constraint = error.as_db_error().and_then(|error| error.constraint());
            constraint
                .unwrap_or_else(|| panic!("{error:?}\n{statement}"))
                .to_owned()
        });
        assert_eq!(refused_by, *constraint, "{statement}");
    }
}

#[test]
fn constraints_refuse_what_no_row_of_a_user_may_say() {
    let user = format!("INSERT INTO user_credits (user_id, tier, power_level) VALUES ('{USER}',");
    let entry = format!(
        "INSERT INTO credit_transactions (user_id, amount, balance_after, transaction_type) VALUES ('{USER}', 1, 1,"
    );
    let log = format!(
        "INSERT INTO llm_usage_log (user_id, model, provider, success, power_level) VALUES ('{USER}', 'm', 'p', true,"
    );
    let key = format!(
        "INSERT INTO user_provider_keys (user_id, provider, key_name, encrypted_key) VALUES ('{USER}', 'p', 'k', 'x')"
    );
    assert_refused(&[
        (format!("{user} 'trial', 'eco')"), ""),
        (format!("{user} 'gold', 'eco')"), "user_credits_tier_check"),
        (
            format!("{user} 'trial', 'turbo')"),
            "user_credits_power_level_check",
        ),
        (
            format!("{user} 'trial', 'eco'), ('{USER}', 'trial', 'eco')"),
            "idx_user_credits_user_id",
        ),
        (
            format!("{entry} 'bonus')"),
            "credit_transactions_user_id_fkey",
        ),
        (
            format!("{entry} 'debit')"),
            "credit_transactions_transaction_type_check",
        ),
        (
            format!("{log} NULL), ('{USER}', 'm', 'p', true, 'eco')"),
            "",
        ),
        (format!("{log} 'turbo')"), "llm_usage_log_power_level_check"),
        (
            format!("{key}, ('{USER}', 'p', 'k2', 'x')"),
            "user_provider_keys_user_id_fkey",
        ),
        (
            format!("{key}, ('{USER}', 'p', 'k', 'y')"),
            "user_provider_keys_user_id_provider_key_name_key",
        ),
    ]);
}

#[test]
fn constraints_refuse_what_no_package_or_power_level_may_say() {
    let package = "INSERT INTO credit_packages (name, credits, price_usd, discount) VALUES";
    let level = "UPDATE power_level_configs SET";
    assert_refused(&[
        (format!("{package} ('a', 1, 1, 0)"), ""),
        (
            format!("{package} ('Pro Pack', 1, 1, 0)"),
            "credit_packages_name_key",
        ),
        (
            format!("{package} ('a', 0, 1, 0)"),
            "credit_packages_positive_check",
        ),
        (
            format!("{package} ('a', 'NaN', 1, 0)"),
            "credit_packages_positive_check",
        ),
        (
            format!("{package} ('a', 1, 'NaN', 0)"),
            "credit_packages_positive_check",
        ),
        (
            format!("{package} ('a', 1, 1, 100)"),
            "credit_packages_discount_range_check",
        ),
        (
            format!("{package} ('a', 1, 1, 'NaN')"),
            "credit_packages_discount_range_check",
        ),
        (format!("{level} cost_multiplier = 2"), ""),
        (
            format!("{level} cost_multiplier = 0"),
            "power_level_configs_config_check",
        ),
        (
            format!("{level} cost_multiplier = 'NaN'"),
            "power_level_configs_config_check",
        ),
        (
            format!("{level} cost_multiplier = 'Infinity'"),
            "power_level_configs_config_check",
        ),
        (
            format!("{level} preferred_providers = '{{}}'"),
            "power_level_configs_config_check",
        ),
        (
            format!("{level} preferred_providers = '{{a,NULL}}'"),
            "power_level_configs_config_check",
        ),
        (
            format!("{level} preferred_providers = '{{a,\"\"}}'"),
            "power_level_configs_config_check",
        ),
        (
            format!("{level} min_quality_score = 'NaN'"),
            "power_level_configs_config_check",
        ),
        (
            format!("{level} power_level = 'turbo'"),
            "power_level_configs_power_level_check",
        ),
    ]);
}
