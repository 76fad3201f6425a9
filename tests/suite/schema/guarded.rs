//! Schema 1.3.0: entries stay as they are, two roles, and functions that no name can mislead.

use postgres::{Client, GenericClient};
use uuid::Uuid;

use super::{USER, add, contents, debit, decimal, value};
use crate::support::program::creditdb;
use crate::support::server::Database;

/// The SQLSTATE of a statement that is refused.
pub fn refusal(client: &mut impl GenericClient, statement: &str) -> String {
    let error = client.batch_execute(statement).unwrap_err();
    error
        .code()
        .unwrap_or_else(|| panic!("{error:?}\n{statement}"))
        .code()
        .to_owned()
}

/// Runs statements as a role, and takes it off again.
pub fn as_role<T>(client: &mut Client, role: &str, work: impl FnOnce(&mut Client) -> T) -> T {
    client.batch_execute(&format!("SET ROLE {role}")).unwrap();
    let done = work(client);
    client.batch_execute("RESET ROLE").unwrap();
    done
}

#[test]
fn entries_are_not_changed_even_by_a_superuser() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let before = contents(&mut client);
    for statement in [
        "UPDATE credit_transactions SET description = 'x'",
        "UPDATE credit_transactions SET amount = 1 WHERE false",
        "DELETE FROM credit_transactions",
        "TRUNCATE credit_transactions",
        "TRUNCATE user_credits CASCADE",
        "INSERT INTO credit_transactions (user_id, entry_seq, transaction_type, amount,
                                          balance_after)
         SELECT user_id, entry_seq, transaction_type, amount, balance_after
           FROM credit_transactions
             ON CONFLICT (user_id, entry_seq) DO UPDATE SET description = 'x'",
    ] {
        assert_eq!(refusal(&mut client, statement), "UC015", "{statement}");
    }
    assert_eq!(contents(&mut client), before);
}

#[test]
fn a_gateway_may_call_and_read_and_nothing_else() {
    let database = Database::migrated();
    let mut client = database.connect();
    as_role(&mut client, "creditdb_gateway", |client| {
        add(client, USER, "10", "purchase");
        assert!(debit(client, USER, "4", "usage").success);
        let record = format!(
            "SELECT success FROM record_llm_request('{USER}', 'r', 'gpt-4', 'openai', 'eco', 1, 2,
                                                    1, 5)"
        );
        assert!(value::<bool>(client, &record));
        assert_eq!(
            value::<i64>(client, "SELECT count(*) FROM credit_transactions"),
            3
        );
        let quota = format!("SELECT get_quota_usage_percentage('{USER}')");
        assert_eq!(value::<rust_decimal::Decimal>(client, &quota), decimal("5"));
        for statement in [
            "UPDATE user_credits SET balance = 1000000",
            "INSERT INTO credit_transactions (user_id, transaction_type, amount, balance_after)
             SELECT user_id, 'bonus', 1, 1 FROM user_credits",
            "DELETE FROM credit_transactions",
            "UPDATE schema_version SET version = '9.9.9'",
        ] {
            assert_eq!(refusal(client, statement), "42501", "{statement}");
        }
    });
}

#[test]
fn an_auditor_may_read_which_is_enough_for_the_audit() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    as_role(&mut client, "creditdb_auditor", |client| {
        for statement in [
            format!("SELECT add_user_credits('{USER}', 1, 'bonus', NULL, NULL)"),
            format!("SELECT debit_user_credits('{USER}', 1, 'usage', NULL, NULL)"),
            format!("SELECT record_llm_request('{USER}', 'r', 'm', 'p', 'eco', 1, 2, 1, 5)"),
            "UPDATE user_credits SET balance = 1000000".to_owned(),
        ] {
            assert_eq!(refusal(client, &statement), "42501", "{statement}");
        }
    });
    let name = format!("auditor_{}", database.name());
    client
        .batch_execute(&format!(
            "CREATE ROLE {name} LOGIN IN ROLE creditdb_auditor"
        ))
        .unwrap();
    let role = regex::Regex::new(r"://[^@/]*@").unwrap();
    let url = role.replace(&database.url, format!("://{name}@"));
    let audit = creditdb(["verify", "--format", "json"]).on(&url).run();
    client.batch_execute(&format!("DROP ROLE {name}")).unwrap();
    assert_eq!(
        audit.json()["verdict"],
        "clean",
        "{}{}",
        audit.stdout,
        audit.stderr
    );
}

/// The role that a gateway has used since 1.0.0 goes on calling, without a new grant.
#[test]
fn whoever_could_write_entries_may_still_call_and_nobody_else_may() {
    let database = Database::at("1.2.0");
    let mut client = database.connect();
    let (old, other) = (
        format!("old_{}", database.name()),
        format!("other_{}", database.name()),
    );
    client
        .batch_execute(&format!(
            "CREATE ROLE {old}; CREATE ROLE {other};
             GRANT SELECT, INSERT, UPDATE ON user_credits, credit_transactions TO {old};
             GRANT DELETE ON credit_transactions TO {other};
             GRANT USAGE ON SEQUENCE credit_transactions_id_seq TO {old};"
        ))
        .unwrap();
    as_role(&mut client, &old, |client| add(client, USER, "10", "bonus"));
    creditdb(["migrate"]).on(&database.url).succeeds();
    as_role(&mut client, &old, |client| {
        add(client, USER, "10", "bonus");
        assert_eq!(
            refusal(client, "UPDATE credit_transactions SET amount = 1"),
            "42501"
        );
    });
    as_role(&mut client, &other, |client| {
        let call = format!("SELECT add_user_credits('{USER}', 1, 'bonus', NULL, NULL)");
        assert_eq!(refusal(client, &call), "42501");
        assert_eq!(refusal(client, "DELETE FROM credit_transactions"), "42501");
    });
    // Whoever may only insert gets a number, too, although the balance row is not theirs.
    client
        .batch_execute(&format!(
            "GRANT INSERT ON credit_transactions TO {other};
             GRANT USAGE ON SEQUENCE credit_transactions_id_seq TO {other}"
        ))
        .unwrap();
    as_role(&mut client, &other, |client| {
        let insert = format!(
            "INSERT INTO credit_transactions (user_id, transaction_type, amount, balance_after)
             VALUES ('{USER}', 'bonus', 1, 21)"
        );
        client.batch_execute(&insert).unwrap();
    });
    assert_eq!(
        value::<i64>(&mut client, "SELECT last_entry_seq FROM user_credits"),
        3
    );
    client
        .batch_execute(&format!(
            "DROP OWNED BY {old}, {other}; DROP ROLE {old}, {other}"
        ))
        .unwrap();
}

/// Tables, functions, operators and casts of the same names in front of ours: what the functions
/// use is the same as without them.
#[test]
fn objects_that_stand_in_front_change_nothing() {
    let shadows = "
        CREATE SCHEMA trap;
        GRANT USAGE ON SCHEMA trap TO creditdb_gateway;
        CREATE TABLE trap.user_credits (LIKE public.user_credits INCLUDING ALL);
        CREATE TABLE trap.credit_transactions (LIKE public.credit_transactions INCLUDING ALL);
        CREATE TABLE trap.llm_usage_log (LIKE public.llm_usage_log INCLUDING ALL);
        GRANT ALL ON ALL TABLES IN SCHEMA trap TO creditdb_gateway;
        CREATE FUNCTION trap.trapped() RETURNS text LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''trapped''; END';
        CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''trapped''; END';
        CREATE FUNCTION trap.abs(numeric) RETURNS numeric LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''trapped''; END';
        CREATE FUNCTION trap.btrim(text) RETURNS text LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''trapped''; END';
        CREATE FUNCTION trap.round(numeric, int) RETURNS numeric LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''trapped''; END';
        CREATE FUNCTION trap.less(numeric, numeric) RETURNS boolean LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''trapped''; END';
        CREATE FUNCTION trap.plus(numeric, numeric) RETURNS numeric LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''trapped''; END';
        CREATE OPERATOR trap.< (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = trap.less);
        CREATE OPERATOR trap.+ (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = trap.plus);
        CREATE OPERATOR trap.- (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = trap.plus);";
    let everything = |trapped: bool| {
        let database = Database::migrated();
        let mut client = database.connect();
        client.batch_execute(shadows).unwrap();
        client.batch_execute("SET ROLE creditdb_gateway").unwrap();
        if trapped {
            client
                .batch_execute(
                    "CREATE TEMPORARY TABLE user_credits (user_id uuid);
                     SET search_path = pg_temp, trap, pg_catalog, public",
                )
                .unwrap();
            // The trap works for whoever does not pin the path.
            let sprung = client.batch_execute("SELECT 1::numeric < 2::numeric");
            assert!(format!("{sprung:?}").contains("trapped"), "{sprung:?}");
        }
        let calls = format!(
            "SELECT * FROM public.add_user_credits('{USER}', 10, 'purchase', 'pi', NULL);
             SELECT * FROM public.add_user_credits('{USER}', 10, 'purchase', 'pi', NULL);
             SELECT * FROM public.debit_user_credits('{USER}', 2, 'usage', 'req', NULL);
             SELECT * FROM public.debit_user_credits('{USER}', 20, 'usage', NULL, NULL);
             SELECT * FROM public.record_llm_request('{USER}', 'r', 'm', 'p', 'eco', 1, 2, 3, 5);
             SELECT public.get_quota_usage_percentage('{USER}')"
        );
        client.batch_execute(&calls).unwrap();
        client
            .batch_execute("RESET ROLE; RESET search_path; DROP SCHEMA trap CASCADE")
            .unwrap();
        value::<String>(
            &mut client,
            "SELECT string_agg(concat_ws('|', entry_seq, transaction_type, amount, balance_after,
                                         reference_id), E'\\n' ORDER BY entry_seq)
                    || (SELECT concat_ws('|', balance, credits_used_this_month, last_entry_seq)
                          FROM public.user_credits)
               FROM public.credit_transactions",
        )
    };
    assert_eq!(everything(true), everything(false));
}

#[test]
fn what_the_audit_finds_the_tables_refuse() {
    let database = Database::migrated();
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    let nil = Uuid::nil();
    let stranger = Uuid::from_u128(404);
    let entry = |user: Uuid, kind: &str, amount: &str, after: &str| {
        format!(
            "INSERT INTO credit_transactions (user_id, entry_seq, transaction_type, amount,
                                              balance_after)
             VALUES ('{user}', 2, '{kind}', '{amount}', '{after}')"
        )
    };
    let log = |columns: &str, values: &str| {
        format!(
            "INSERT INTO llm_usage_log (user_id, model, provider, success, {columns})
             VALUES ('{USER}', 'm', 'p', true, {values})"
        )
    };
    let key = |user: Uuid| {
        format!(
            "INSERT INTO user_provider_keys (user_id, provider, key_name, encrypted_key, is_default)
             VALUES ('{user}', 'p', 'a', 'x', true), ('{user}', 'p', 'b', 'y', true)"
        )
    };
    for (statement, constraint) in [
        (
            entry(USER, "purchase", "-1", "9"),
            "credit_transactions_sign_check",
        ),
        (
            entry(USER, "bonus", "0", "10"),
            "credit_transactions_sign_check",
        ),
        (
            entry(USER, "usage", "1", "11"),
            "credit_transactions_sign_check",
        ),
        (
            entry(USER, "refund", "0", "10"),
            "credit_transactions_sign_check",
        ),
        (
            entry(USER, "refund", "NaN", "10"),
            "credit_transactions_finite_check",
        ),
        (
            entry(USER, "refund", "1", "NaN"),
            "credit_transactions_finite_check",
        ),
        (
            entry(stranger, "bonus", "1", "1"),
            "credit_transactions_user_id_fkey",
        ),
        (
            entry(nil, "bonus", "1", "1"),
            "credit_transactions_user_id_check",
        ),
        (
            "UPDATE user_credits SET balance = 'NaN'".to_owned(),
            "user_credits_balance_check",
        ),
        (
            "UPDATE user_credits SET credits_used_this_month = -1".to_owned(),
            "user_credits_quota_check",
        ),
        (
            "UPDATE user_credits SET monthly_allowance = 'NaN'".to_owned(),
            "user_credits_quota_check",
        ),
        (
            "UPDATE user_credits SET monthly_allowance = -1".to_owned(),
            "user_credits_quota_check",
        ),
        (
            format!("INSERT INTO user_credits (user_id) VALUES ('{nil}')"),
            "user_credits_user_id_check",
        ),
        (
            "DELETE FROM user_credits".to_owned(),
            "credit_transactions_user_id_fkey",
        ),
        (key(stranger), "user_provider_keys_default_key"),
        (
            key(stranger).replace("'b', 'y', true", "'b', 'y', false"),
            "user_provider_keys_user_id_fkey",
        ),
        (
            key(nil).replace("'b', 'y', true", "'b', 'y', false"),
            "user_provider_keys_user_id_check",
        ),
        (log("credits_used", "-1"), "llm_usage_log_credits_check"),
        (log("credits_used", "'NaN'"), "llm_usage_log_credits_check"),
        (log("total_tokens", "-1"), "llm_usage_log_tokens_check"),
        (log("prompt_tokens", "-1"), "llm_usage_log_tokens_check"),
        (log("completion_tokens", "-1"), "llm_usage_log_tokens_check"),
        (
            log("latency_ms", "1").replace(&USER.to_string(), &nil.to_string()),
            "llm_usage_log_user_id_check",
        ),
    ] {
        let error = client.batch_execute(&statement).unwrap_err();
        let error = error
            .as_db_error()
            .unwrap_or_else(|| panic!("{error:?}\n{statement}"));
        assert_eq!(
            error.constraint(),
            Some(constraint),
            "{statement}: {error:?}"
        );
    }
    // NULL is unlimited.
    client
        .batch_execute("UPDATE user_credits SET monthly_allowance = NULL")
        .unwrap();
}
