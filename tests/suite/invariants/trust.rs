//! The verdict is never "clean" when the audit did not look, and all checks see one moment.

use super::{LEDGER, assert_says, check, own_check, result, verify_own};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb};
use crate::support::server::{Database, server};
use crate::support::wait_until;

/// A query check that finds every entry.
const EVERY_ENTRY: &str = "SELECT 'entry ' || id AS subject, NULL AS expected, NULL AS actual,
    amount AS difference, NULL AS cause, NULL AS detail FROM public.credit_transactions";

/// Requires that the check "it" could not be evaluated, for a reason with these words.
fn assert_undecided(database: &Database, text: &str, reason: &str) {
    let audit = verify_own(database, &own_check(text), 3);
    assert_eq!(audit["verdict"], "incomplete");
    let it = result(&audit, "it");
    assert_eq!(it["status"], "error");
    assert!(it["reason"].as_str().unwrap().contains(reason), "{it}");
}

#[test]
fn a_migrated_database_without_users_is_clean() {
    let database = Database::migrated();
    let run = creditdb(["verify", "--format", "json"])
        .on(&database.url)
        .succeeds();
    let audit = run.json();
    assert_eq!(audit["verdict"], "clean");
    for check in audit["checks"].as_array().unwrap() {
        assert!(
            check["status"] == "holds" || check["status"] == "guarded",
            "{check}"
        );
    }
}

#[test]
fn a_query_that_fails_leaves_the_audit_incomplete() {
    let database = Database::migrated();
    let missing = EVERY_ENTRY.replace("credit_transactions", "no_such_table");
    assert_undecided(
        &database,
        &check("query", &[], &missing),
        "(SQLSTATE 42P01)",
    );
    let columns = check("query", &[], "SELECT id FROM public.credit_transactions");
    assert_undecided(&database, &columns, "(SQLSTATE 42703)");
    assert_undecided(&database, &check("row", &[], "amount"), "(SQLSTATE 42804)");
    let write = "WITH gone AS (DELETE FROM public.credit_transactions RETURNING id) TABLE gone";
    assert_undecided(&database, &check("query", &[], write), "SQLSTATE");
}

#[test]
fn the_other_checks_are_evaluated_after_one_failed() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let folder = Folder::with(&[
        ("own/a.sql", check("query", &[], "SELECT 1/0")),
        ("own/b.sql", check("query", &[], EVERY_ENTRY)),
    ]);
    let audit = verify_own(&database, &folder, 3);
    assert_eq!(audit["verdict"], "incomplete");
    assert_eq!(result(&audit, "b")["status"], "violated");
    assert_eq!(result(&audit, "b")["at_risk"], "110.00000000");
}

#[test]
fn an_expression_that_is_null_has_decided_nothing() {
    let database = Database::at("1.2.0");
    database.execute(LEDGER);
    database.execute("UPDATE public.credit_transactions SET reference_id = NULL WHERE amount < 0");
    let text = check("row", &[], "reference_id = 'pay_1'");
    assert_undecided(
        &database,
        &text,
        "NULL for 1 rows of \"public.credit_transactions\", first",
    );
}

/// Verifies as a role that may read everything that the statements do not take away.
fn verify_as_reader(database: &Database, statements: &str) -> Run {
    let role = format!("{}_reader", database.name());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT pg_read_all_data TO {role}; {}",
        statements.replace("$role", &role)
    ));
    let url = database.url.replace("postgres@", &format!("{role}@"));
    assert_ne!(
        url, database.url,
        "the URL of the tests names another superuser"
    );
    let run = creditdb(["verify", "chain-continuity", "--format", "json"])
        .on(&url)
        .run();
    let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    database.execute(&drop);
    run
}

#[test]
fn rows_that_this_role_may_not_see_are_not_taken_for_absent() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let run = verify_as_reader(&database, "");
    assert_eq!(run.json()["verdict"], "clean", "{}", run.stderr);

    let policy = "ALTER TABLE public.credit_transactions ENABLE ROW LEVEL SECURITY;
                  CREATE POLICY own ON public.credit_transactions USING (false);";
    let run = verify_as_reader(&database.copy(), policy);
    assert_eq!(run.code, 3);
    let reason = run.json()["checks"][0]["reason"].to_string();
    assert!(reason.contains("row-level security"), "{reason}");

    let revoke = "REVOKE pg_read_all_data FROM $role;
                  GRANT SELECT ON public.schema_version TO $role;";
    let run = verify_as_reader(&database, revoke);
    assert_eq!(run.code, 3);
    let reason = run.json()["checks"][0]["reason"].to_string();
    assert!(reason.contains("(SQLSTATE 42501)"), "{reason}");
}

/// What cannot be locked can be emptied after the snapshot was taken, which then shows no rows.
#[test]
fn a_table_that_this_role_cannot_lock_is_not_believed() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let columns = "REVOKE pg_read_all_data FROM $role;
                   GRANT SELECT ON public.schema_version, public.user_credits TO $role;
                   GRANT SELECT (id, user_id, entry_seq, amount, balance_after, created_at)
                       ON public.credit_transactions TO $role;";
    let run = verify_as_reader(&database, columns);
    assert_eq!(run.code, 3);
    let reason = run.json()["checks"][0]["reason"].to_string();
    let words = "credit_transactions\\\" may be read by columns only, so it could not be locked";
    assert!(reason.contains(words), "{reason}");
}

/// No constraint holds for its rows, and no snapshot.
#[test]
fn a_table_with_a_foreign_part_is_not_believed() {
    let database = Database::migrated();
    database.execute(
        "CREATE FOREIGN DATA WRAPPER elsewhere;
         CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;
         CREATE FOREIGN TABLE public.old () INHERITS (public.credit_transactions) SERVER elsewhere",
    );
    let run = creditdb(["verify", "sign-usage"])
        .on(&database.url)
        .exits(3);
    let words = "\"public.credit_transactions\" has a foreign table as a part";
    assert!(run.stdout.contains(words), "{}", run.stdout);
}

/// Without the constraints of a ledger, anything of a row may be missing.
#[test]
fn rows_without_an_id_or_a_user_are_judged() {
    let database = Database::at("1.0.0");
    let user = "'11111111-1111-4111-8111-111111111111'";
    database.execute(&format!(
        "SELECT add_user_credits({user}, 9, 'purchase', 'pi_1', 'x');
         SELECT debit_user_credits({user}, 5, 'usage', 'r1', 'x');
         SELECT debit_user_credits({user}, 1, 'usage', 'r2', 'x');
         ALTER TABLE credit_transactions DROP CONSTRAINT credit_transactions_pkey CASCADE;
         ALTER TABLE credit_transactions ALTER id DROP NOT NULL, ALTER user_id DROP NOT NULL;
         UPDATE credit_transactions SET id = NULL, balance_after = 7 WHERE reference_id = 'r1';
         UPDATE credit_transactions SET user_id = NULL, balance_after = 8
          WHERE reference_id = 'r2';"
    ));
    let run = creditdb(["verify", "--jobs", "2", "--format", "json"]);
    let audit = run.on(&database.url).exits(1).json();
    let breaks = result(&audit, "chain-continuity");
    assert_eq!(breaks["status"], "violated", "{breaks}");
}

#[test]
fn a_view_in_the_place_of_a_table_is_not_believed() {
    let database = Database::migrated();
    database.execute(
        "ALTER TABLE public.credit_transactions RENAME TO hidden;
         CREATE VIEW public.credit_transactions AS SELECT * FROM public.hidden WHERE false;",
    );
    let run = creditdb(["verify", "chain-continuity"])
        .on(&database.url)
        .exits(3);
    assert!(
        run.stdout.starts_with("INCOMPLETE  1 of 1 check"),
        "{}",
        run.stdout
    );
    let words = "\"public.credit_transactions\" is a view, not a table";
    assert!(run.stdout.contains(words), "{}", run.stdout);
}

#[test]
fn a_database_that_is_not_ours_is_one_clear_error() {
    let database = Database::empty();
    let run = creditdb(["verify"]).on(&database.url).exits(3);
    assert_says(&run, &["has no schema version", "creditdb migrate"]);
    database.execute(
        "CREATE TABLE public.schema_version (version text, applied_at timestamptz);
         INSERT INTO public.schema_version VALUES ('2', now());",
    );
    let run = creditdb(["verify"]).on(&database.url).exits(3);
    assert_says(
        &run,
        &["schema version \"2\"", "is not a version such as 1.0.0"],
    );
}

#[test]
fn checks_of_other_schema_versions_are_skipped_and_nothing_is_missing() {
    let database = Database::migrated();
    let folder = Folder::with(&[
        (
            "own/later.sql",
            check("query", &[("since", "9.0.0")], "SELECT 1/0"),
        ),
        ("own/now.sql", check("query", &[], EVERY_ENTRY)),
    ]);
    let audit = verify_own(&database, &folder, 0);
    assert_eq!(audit["verdict"], "clean");
    assert_eq!(result(&audit, "later")["status"], "skipped");
    assert_eq!(
        result(&audit, "later")["reason"],
        "begins with schema 9.0.0"
    );
    let arguments = ["verify", "later", "--checks", folder.arg()];
    let run = creditdb(arguments).on(&database.url).exits(3);
    let verdict = "INCOMPLETE  no check applies to this schema version\n";
    assert!(run.stdout.starts_with(verdict), "{}", run.stdout);
}

/// Three checks: one that is over at once, one that sleeps, and one that sleeps before it reads, so
/// that another connection does not have it done too early.
fn slow_checks(more: &[&str]) -> (Folder, Vec<String>) {
    let sleep = "SELECT 'x' AS subject, NULL AS expected, NULL AS actual, NULL AS difference,
                        NULL AS cause, NULL AS detail FROM pg_sleep(1) AS s WHERE s IS NULL";
    let zero = format!("{EVERY_ENTRY} WHERE amount = 0");
    let late = format!("{EVERY_ENTRY} WHERE (SELECT pg_sleep(1)) IS NOT NULL");
    let folder = Folder::with(&[
        ("own/a.sql", check("query", &[], &zero)),
        ("own/b.sql", check("query", &[], sleep)),
        ("own/c.sql", check("query", &[], &late)),
    ]);
    let own = [
        "verify",
        "--area=own",
        "--format=json",
        "--checks",
        folder.arg(),
    ];
    let arguments = own
        .iter()
        .chain(more)
        .map(|&word| word.to_owned())
        .collect();
    (folder, arguments)
}

/// Until a check of an audit sleeps.
fn wait_until_asleep(database: &Database) {
    let sleeps = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = $1 AND wait_event = 'PgSleep'";
    let mut admin = server().connect("postgres");
    wait_until("a check sleeps", || {
        let row = admin.query_one(sleeps, &[&database.name()]).unwrap();
        row.get::<_, i64>(0) > 0
    });
}

#[test]
fn all_checks_see_one_moment_and_nobody_can_empty_a_table_meanwhile() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let (_folder, arguments) = slow_checks(&[]);
    let running = creditdb(arguments).on(&database.url).spawn();
    wait_until_asleep(&database);
    database.execute(LEDGER);
    let mut other = database.connect();
    let truncate = "SET lock_timeout = '100ms'; TRUNCATE public.credit_transactions";
    let refused = other.batch_execute(truncate).unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "55P03");
    let run = Run::from(running.wait_with_output().unwrap());
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_eq!(result(&run.json(), "c")["violations"], 2);
}

#[test]
fn another_schema_under_the_name_of_ours_is_not_read_as_ours() {
    let database = Database::migrated();
    database.execute(LEDGER);
    // Nothing locks the name of a schema. The tables of this one are sound, and empty.
    database.execute(
        "CREATE SCHEMA staging;
         CREATE TABLE staging.credit_transactions (LIKE public.credit_transactions);
         CREATE TABLE staging.user_credits (LIKE public.user_credits);",
    );
    let swap = "BEGIN;
                ALTER SCHEMA public RENAME TO retired;
                ALTER SCHEMA staging RENAME TO public;
                COMMIT;";
    for jobs in ["1", "2"] {
        let database = database.copy();
        let (folder, arguments) = slow_checks(&["--jobs", jobs]);
        let running = creditdb(arguments).on(&database.url).spawn();
        wait_until_asleep(&database);
        database.execute(swap);
        let run = Run::from(running.wait_with_output().unwrap());
        let (audit, stderr) = (run.json(), run.stderr);
        let late = result(&audit, "c");
        // A connection that has not heard of the new name yet goes on with the old table.
        if jobs == "1" || late["violations"] != 2 {
            assert_eq!(run.code, 3, "{audit}{stderr}");
            let reason = late["reason"].as_str().unwrap_or_default();
            let words = "\"public.credit_transactions\" is not what it was when the audit began";
            assert!(reason.contains(words), "{audit}");
        }
        drop(folder);
    }
}

#[test]
fn no_table_changes_its_name_during_an_audit() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let (_folder, arguments) = slow_checks(&["--jobs=2"]);
    let mut other = database.connect();
    other
        .batch_execute("CREATE SCHEMA retired; SET lock_timeout = '50ms'")
        .unwrap();
    let running = creditdb(arguments).on(&database.url).spawn();
    wait_until_asleep(&database);
    for statement in [
        "ALTER TABLE public.credit_transactions RENAME TO entries",
        "ALTER TABLE public.credit_transactions SET SCHEMA retired",
        "DROP TABLE public.credit_transactions",
        "VACUUM FULL public.credit_transactions",
    ] {
        let refused = other.batch_execute(statement).unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "55P03", "{statement}");
    }
    let run = Run::from(running.wait_with_output().unwrap());
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_eq!(result(&run.json(), "c")["violations"], 2);
}

#[test]
fn rows_too_young_to_be_judged_are_pending() {
    let database = Database::at("1.0.0");
    database.execute(LEDGER);
    let run = |age: &str| {
        database.execute(&format!(
            "UPDATE public.credit_transactions SET created_at = created_at - interval '{age}'"
        ));
        let arguments = ["verify", "charge-without-usage", "--format", "json"];
        creditdb(arguments).on(&database.url).run().json()
    };
    // The debit is there, its row in the log is not yet.
    let young = run("1 minute");
    assert_eq!(young["verdict"], "clean");
    assert_eq!(young["checks"][0]["pending"], 1);
    let old = run("1 hour");
    assert_eq!(old["verdict"], "findings");
    assert_eq!(old["checks"][0]["pending"], serde_json::Value::Null);
    assert_eq!(old["checks"][0]["violations"], 1);
}

#[test]
fn an_index_that_misses_duplicates_is_believed_only_without_distrust() {
    let database = Database::migrated();
    database.execute(LEDGER);
    // As after a change of the C library: the index stands, is valid, and did not see the row.
    let ready = |word: &str| {
        format!(
            "UPDATE pg_index SET indisready = {word}
              WHERE indexrelid = 'public.idx_user_credits_user_id'::regclass;"
        )
    };
    database.execute(&ready("false"));
    database.execute(
        "INSERT INTO public.user_credits (user_id, balance, last_entry_seq)
         SELECT user_id, balance, last_entry_seq FROM public.user_credits",
    );
    database.execute(&ready("true"));
    let status = |more: &[&str], id: &str, code: i32| {
        let run = creditdb(["verify", id, "--format", "json"]).args(more);
        let audit = run.on(&database.url).exits(code).json();
        audit["checks"][0]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(&[], "balance-row-duplicate", 0), "guarded");
    let distrust = ["--distrust"];
    assert_eq!(status(&distrust, "balance-row-duplicate", 1), "violated");
    // The chain equation counts rows, not keys, so even a trusting audit is not fooled.
    assert_eq!(status(&[], "trial-balance", 1), "violated");
}
