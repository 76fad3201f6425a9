//! An upgrade is refused before it begins when rows stand in its way, and only then: what the audit
//! says of them is what the constraints would say.

use std::fs;
use std::path::Path;

use super::{USER, add, contents};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;

#[test]
fn duplicates_stop_the_upgrade_before_the_first_statement() {
    let database = Database::at("1.0.0");
    let mut client = database.connect();
    client
        .batch_execute(&format!(
            "SELECT add_user_credits('{USER}', 10, 'purchase', 'pi_1', NULL);
             SELECT add_user_credits('{USER}', 10, 'purchase', 'pi_1', NULL);
             INSERT INTO llm_usage_log (user_id, request_id, model, provider, success)
             VALUES ('{USER}', 'req_1', 'm', 'p', true), ('{USER}', 'req_1', 'm', 'p', true)"
        ))
        .unwrap();
    let before = contents(&mut client);
    let run = creditdb(["migrate"]).on(&database.url).exits(4);
    for words in [
        "V21__index_references.sql",
        "V22__index_requests.sql",
        "reference-reused: 1 violation",
        &format!("reference pi_1 of user {USER}"),
        &format!("request req_1 of user {USER}"),
        "creditdb verify --distrust reference-reused request-id-duplicate",
    ] {
        assert!(
            run.stderr.contains(words),
            "no \"{words}\" in:\n{}",
            run.stderr
        );
    }
    assert_eq!(contents(&mut client), before);
    // The command that it names shows them.
    let command = "verify --distrust reference-reused request-id-duplicate";
    let shown = creditdb(command.split(' ')).on(&database.url).exits(1);
    assert!(shown.stdout.contains("reference pi_1"), "{}", shown.stdout);
    // What comes before is not held up.
    creditdb(["migrate", "--to", "20"])
        .on(&database.url)
        .succeeds();
    creditdb(["migrate"]).on(&database.url).exits(4);
    client
        .batch_execute(
            "UPDATE credit_transactions SET reference_id = reference_id || '#' || id
              WHERE entry_seq = 2;
             DELETE FROM llm_usage_log WHERE id = 2",
        )
        .unwrap();
    creditdb(["migrate"]).on(&database.url).succeeds();
}

/// What others tied to the key of the entries, and what no index has room for. The steps that are
/// told are those that help.
#[test]
fn what_else_stands_in_the_way_is_told_before_the_first_statement() {
    let database = Database::at("1.0.0");
    let mut client = database.connect();
    client
        .batch_execute(&format!(
            "SELECT add_user_credits('{USER}', 10, 'purchase', long, NULL),
                    debit_user_credits('{USER}', 9, 'refund', long, NULL),
                    debit_user_credits('{USER}', 1, 'usage', repeat('long ', 1000), NULL)
               FROM (SELECT string_agg(encode(sha256(n::text::bytea), 'base64'), '')
                       FROM generate_series(1, 70) AS n) AS reference (long);
             INSERT INTO llm_usage_log (user_id, request_id, model, provider, credits_used, success)
             VALUES ('{USER}', repeat('long ', 1000), 'm', 'p', 1, true);
             UPDATE credit_transactions SET created_at = created_at - interval '1 hour';
             UPDATE llm_usage_log SET created_at = created_at - interval '1 hour';
             CREATE TABLE invoices (entry bigint, of_user uuid, CONSTRAINT \"of\"
                 FOREIGN KEY (entry, of_user) REFERENCES credit_transactions (id, user_id));
             INSERT INTO invoices SELECT id, user_id FROM credit_transactions;
             CREATE VIEW grouped AS SELECT user_id, amount FROM credit_transactions GROUP BY id, user_id"
        ))
        .unwrap();
    let before = contents(&mut client);
    let refused = |file: &str| {
        let stderr = creditdb(["migrate"]).on(&database.url).exits(4).stderr;
        assert!(stderr.contains(&format!("\"{file}\" pass\n")), "{stderr}");
        stderr
    };
    let stderr = refused("V17__replace_primary_key.sql");
    let view =
        "\ndrop grouped; after the upgrade, make it again with each of its columns in GROUP BY\n";
    assert!(stderr.contains(view), "{stderr}");
    let steps = stderr.lines().find_map(|line| line.strip_prefix("hint: "));
    let (now, later) = steps.unwrap().split_once("; after the upgrade: ").unwrap();
    assert_eq!(contents(&mut client), before);
    client.batch_execute("DROP VIEW grouped").unwrap();
    client.batch_execute(now).unwrap();

    let stderr = refused("V21__index_references.sql");
    let entries = stderr.matches("\n- reference of entry ").count();
    assert!(
        entries == 2 && stderr.contains(", 3080 bytes\n"),
        "{stderr}"
    );
    let update = stderr.lines().find_map(|line| line.strip_prefix("hint: "));
    client.batch_execute(update.unwrap()).unwrap();
    creditdb(["migrate"]).on(&database.url).succeeds();
    client.batch_execute(later).unwrap();
    client
        .batch_execute(
            "CREATE VIEW grouped AS
             SELECT user_id, amount FROM credit_transactions GROUP BY id, user_id, amount",
        )
        .unwrap();
    // The request and what was paid for it still know each other.
    creditdb(["verify", "--area", "usage"])
        .on(&database.url)
        .succeeds();
    let references = "SELECT count(DISTINCT reference_id) FROM credit_transactions";
    let references: i64 = client.query_one(references, &[]).unwrap().get(0);
    assert_eq!(references, 2);
}

/// Whatever they say: it is no line of ours, and does nothing to a terminal.
#[test]
fn rows_in_the_way_are_named_without_their_control_characters() {
    let database = Database::at("1.0.0");
    let entry = format!(
        r"SELECT add_user_credits('{USER}', 10, 'purchase',
                                  E'pi\n::error title=forged::x\n\x1b]0;owned\x07\u202e', NULL);"
    );
    database.execute(&entry.repeat(2));
    let stderr = creditdb(["migrate"]).on(&database.url).exits(4).stderr;
    let shown = r"reference pi\n::error title=forged::x\n\u{1b}]0;owned\u{7}\u{202e} of user";
    assert!(stderr.contains(shown), "{stderr}");
    assert!(
        !stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']),
        "{stderr:?}"
    );
}

/// A file of somebody's own may ask for the same.
#[test]
fn a_file_of_a_directory_has_prechecks_too() {
    let folder = |precheck: &str| {
        let text = format!(
            "-- why: a test\n-- locks: none\n-- transaction: one\n-- undo: nothing\n\
             -- precheck: {precheck}\nCREATE TABLE t (i int);"
        );
        Folder::with(&[("V1__t.sql", text)])
    };
    let run = |command: &str, folder: &Folder, database: &Database| {
        let program = creditdb([command, "--migrations", folder.arg()]).on(&database.url);
        let run = program.run();
        (run.code, run.stdout + &run.stderr)
    };
    let ledger = Database::migrated();
    ledger.execute(&format!(
        "DROP TABLE refinery_schema_history, creditdb_migration_log;
         ALTER TABLE credit_transactions DROP CONSTRAINT credit_transactions_user_id_fkey;
         INSERT INTO credit_transactions (user_id, transaction_type, amount, balance_after)
         VALUES ('{USER}', 'bonus', 7, 7)"
    ));
    let asks = folder("type-domain, balance-row-missing");
    for command in ["plan", "migrate"] {
        let (code, told) = run(command, &asks, &ledger);
        assert_eq!(code, 4, "{told}");
        assert!(told.contains("balance-row-missing: 1 violation"), "{told}");
    }
    for database in [&ledger, &Database::empty()] {
        for command in ["plan", "migrate"] {
            let (code, told) = run(command, &folder("balance-row-mising"), database);
            assert_eq!(code, 4, "{told}");
            let words = "V1__t.sql\" asks for a precheck that cannot be made: no check \
                         \"balance-row-mising\"; did you mean \"balance-row-missing\"?";
            assert!(told.contains(words), "{told}");
        }
    }
    // Without the tables of the ledger there are no rows to ask.
    let (code, told) = run("migrate", &asks, &Database::empty());
    assert_eq!(code, 0, "{told}");
}

/// The statements of a migration, as one text.
fn migration(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{e}: {name}"))
}

/// For each act of each fixture whose damage a constraint of 1.3.0 forbids: the checks that the
/// migrations ask for hold exactly when the constraints can be validated.
#[test]
fn the_audit_is_clean_exactly_when_the_constraints_can_be_validated() {
    const CHECKS: [&str; 11] = [
        "chain/balance-row-missing",
        "keys/key-default-duplicate",
        "quota/quota-negative",
        "time/user-id-nil",
        "types/amount-not-finite",
        "types/balance-not-finite",
        "types/entry-amount-zero",
        "types/sign-bonus",
        "types/sign-purchase",
        "types/sign-usage",
        "usage/credits-negative",
    ];
    let names = CHECKS.iter().chain(&["usage/tokens-negative"]);
    let guards = [
        "V26__guard_balances.sql",
        "V27__guard_entries.sql",
        "V28__guard_keys.sql",
        "V29__guard_usage_log.sql",
        "V30__validate_guards.sql",
        "V31__index_default_keys.sql",
    ];
    let guards: String = guards.map(migration).concat().replace(" CONCURRENTLY", "");
    let ids = names.clone().map(|name| name.split_once('/').unwrap().1);
    let (mut passed, mut refused) = (0, 0);
    for name in names.clone() {
        let fixture = format!("tests/fixtures/damage/{name}.sql");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture)).unwrap();
        let (head, acts) = text.split_once("-- act: ").unwrap();
        let schema = head
            .lines()
            .find_map(|line| line.strip_prefix("-- schema: "));
        let database = Database::at(schema.unwrap());
        for act in acts.split("-- act: ") {
            let (title, sql) = act.split_once('\n').unwrap();
            let mut client = database.connect();
            client.batch_execute(sql).unwrap();
            let mut transaction = client.transaction().unwrap();
            let outcome = transaction.batch_execute(&guards);
            transaction.rollback().unwrap();
            let audit = creditdb(["verify", "--distrust", "--format", "json"])
                .args(ids.clone())
                .on(&database.url)
                .run()
                .json();
            let is_clean = audit["verdict"] == "clean";
            assert_eq!(
                is_clean,
                outcome.is_ok(),
                "{name}, {title}: {outcome:?}\n{audit}"
            );
            *if is_clean { &mut passed } else { &mut refused } += 1;
        }
    }
    assert_eq!((passed, refused), (36, 12));
}

#[test]
fn rows_that_a_constraint_would_refuse_stop_the_upgrade() {
    let database = Database::at("1.2.0");
    let mut client = database.connect();
    add(&mut client, USER, "10", "bonus");
    client
        .batch_execute(&format!(
            "INSERT INTO credit_transactions (user_id, transaction_type, amount, balance_after)
             VALUES ('{USER}', 'usage', 1, 11);
             INSERT INTO user_provider_keys (user_id, provider, key_name, encrypted_key)
             VALUES ('00000000-0000-4000-8000-000000000404', 'p', 'k', 'x')"
        ))
        .unwrap();
    let before = contents(&mut client);
    let run = creditdb(["migrate"]).on(&database.url).exits(4);
    for words in [
        "sign-usage: 1 violation",
        "balance-row-missing: 1 violation",
        "user 00000000-0000-4000-8000-000000000404",
        "creditdb verify --distrust balance-row-missing sign-usage",
    ] {
        assert!(
            run.stderr.contains(words),
            "no \"{words}\" in:\n{}",
            run.stderr
        );
    }
    assert_eq!(contents(&mut client), before);
}
