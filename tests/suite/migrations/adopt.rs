//! `adopt` on databases that nobody recorded: what is harmless, what blocks, what is written.

use std::process::Command;

use creditdb::db::throwaway::find_binaries;
use serde_json::Value;

use super::concurrency::KEY;
use super::{exists, schema_1_0_0};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb};
use crate::support::server::Database;
use crate::support::{snapshots, wait_until};

const HARMLESS: &str = include_str!("../../fixtures/legacy/harmless.sql");
const BLOCKING: &str = include_str!("../../fixtures/legacy/blocking.sql");
const HANDWRITTEN: &str = include_str!("../../fixtures/legacy/litellm_schema.sql");

/// A database without its history, changed.
fn legacy(database: Database, change: &str) -> Database {
    database.execute(
        "DROP TABLE refinery_schema_history; DROP TABLE IF EXISTS creditdb_migration_log CASCADE",
    );
    database.execute(change);
    database
}

/// Version, name and checksum of each history row.
fn history(database: &Database) -> Vec<(i32, String, String)> {
    let query = "SELECT version, name, checksum FROM refinery_schema_history ORDER BY version";
    let rows = database.connect().query(query, &[]).unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

/// All that pg_dump sees, without the random words of its newest versions.
fn dump(database: &Database) -> String {
    let output = Command::new(find_binaries().unwrap().join("pg_dump"))
        .arg(&database.url)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("CREATE TABLE public.user_credits"), "{text}");
    let random = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    text.lines()
        .filter(|line| !random(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Nature, kind and name of the differences that are blocking, or harmless.
fn words(adoption: &Value, blocking: bool) -> Vec<String> {
    let differences = adoption["differences"].as_array().unwrap();
    let mut words: Vec<String> = differences
        .iter()
        .filter(|d| d["counts"] == blocking)
        .map(|d| {
            let word = |key: &str| d[key].as_str().unwrap();
            let because = word("because");
            assert!(!because.is_empty());
            let (nature, kind, object) = (word("nature"), word("kind"), word("object"));
            format!("{nature} {kind} {object}: {because}")
        })
        .collect();
    words.sort();
    words
}

#[test]
fn harmless_differences_are_adopted_once() {
    let database = legacy(schema_1_0_0(), HARMLESS);
    let run = creditdb(["status"]).on(&database.url).exits(4);
    assert!(
        run.stdout.contains("creditdb adopt --detect"),
        "{}",
        run.stdout
    );

    let adopt = || creditdb(["adopt", "--detect", "--format", "json"]).on(&database.url);
    let first = adopt().succeeds().json();
    assert_eq!(first["state"], "adopted");
    assert_eq!(first["at_version"], 5);
    assert_eq!(words(&first, true), Vec::<String>::new());
    let harmless = words(&first, false).join("\n");
    snapshots(|| insta::assert_snapshot!("adopt_harmless", harmless));

    assert_eq!(history(&database), history(&schema_1_0_0()));
    creditdb(["status"]).on(&database.url).succeeds();
    let run = creditdb(["migrate", "--to", "5"])
        .on(&database.url)
        .succeeds();
    assert!(run.stdout.starts_with("nothing to do"), "{}", run.stdout);

    let before = dump(&database);
    assert_eq!(adopt().succeeds().json()["state"], "managed");
    let run = creditdb(["adopt", "--version", "1"])
        .on(&database.url)
        .exits(4);
    assert!(
        run.stderr.contains("the history says version"),
        "{}",
        run.stderr
    );
    assert_eq!(dump(&database), before);
}

#[test]
fn blocking_differences_are_refused_and_nothing_is_changed() {
    let database = legacy(schema_1_0_0(), BLOCKING);
    let before = dump(&database);
    let adopt = || creditdb(["adopt", "--version", "5"]).on(&database.url);
    let found = adopt().args(["--format", "json"]).exits(4).json();
    assert_eq!(found["state"], "refused");
    let blocking = words(&found, true).join("\n");
    snapshots(|| insta::assert_snapshot!("adopt_blocking", blocking));
    assert_eq!(dump(&database), before);
    assert!(!exists(&database, "refinery_schema_history"));
    creditdb(["migrate"]).on(&database.url).exits(4);
}

/// What a restore that was cut off leaves: the constraints are there, and check nothing. What takes
/// a table with old rows out of ours keeps the rows.
#[test]
fn tables_are_not_adopted_while_their_foreign_keys_are_off_or_others_inherit_them() {
    let database = legacy(
        Database::migrated(),
        "ALTER TABLE credit_transactions DISABLE TRIGGER ALL;
         ALTER TABLE credit_transactions ENABLE TRIGGER USER;
         CREATE SCHEMA apart; CREATE TABLE apart.old_users (note text) INHERITS (user_credits);
         INSERT INTO apart.old_users (user_id) VALUES (gen_random_uuid())",
    );
    let adopt = || creditdb(["adopt", "--detect", "--format", "json"]).on(&database.url);
    let found = adopt().exits(4).json();
    assert_eq!(
        words(&found, true),
        [
            "different constraint credit_transactions_user_id_fkey on public.credit_transactions: \
             its triggers are disabled, so that it checks no row",
            "extra table apart.old_users: its rows appear in queries of a table of ours",
        ]
    );
    let differences = found["differences"].as_array().unwrap().iter();
    for statement in differences.flat_map(|difference| difference["sql"].as_array().unwrap()) {
        database.execute(statement.as_str().unwrap());
    }
    assert_eq!(adopt().succeeds().json()["state"], "adopted");
    let left = "SELECT (SELECT count(*) FROM apart.old_users) = 1, (SELECT count(*) FROM user_credits) = 0";
    let row = database.connect().query_one(left, &[]).unwrap();
    assert_eq!((row.get(0), row.get(1)), (true, true));
}

/// The way of a team with a schema of its own: adopt, run the SQL, adopt again.
#[test]
fn the_sql_of_a_refusal_leads_to_an_adoption_with_all_rows() {
    let database = Database::empty();
    database.execute(HANDWRITTEN);
    let adopt = || creditdb(["adopt", "--version", "5"]).on(&database.url);
    let folder = Folder::with::<&str>(&[]);
    let file = folder.path().join("adopt.json");
    let output = format!("json={}", file.display());
    let run = adopt().args(["--output", &output]).exits(4);
    let text = run.stdout.replace(database.name(), "DATABASE");
    snapshots(|| insta::assert_snapshot!("adopt_refused", text));

    let found: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut client = database.connect();
    let differences = found["differences"].as_array().unwrap().iter();
    for statement in differences
        .filter(|difference| difference["counts"] == true)
        .flat_map(|difference| difference["sql"].as_array().unwrap())
    {
        let statement = statement.as_str().unwrap();
        // What the comments advise.
        let advice = statement
            .lines()
            .filter_map(|line| line.strip_prefix("-- UPDATE "));
        for update in advice {
            client.batch_execute(&format!("UPDATE {update}")).unwrap();
        }
        client
            .batch_execute(statement)
            .unwrap_or_else(|error| panic!("{statement}\n{error:?}"));
    }
    let adopted = adopt().args(["--format", "json"]).succeeds().json();
    assert_eq!(adopted["state"], "adopted");
    assert_eq!(words(&adopted, true), Vec::<String>::new());
    assert_eq!(history(&database), history(&schema_1_0_0()));
    let user = "SELECT balance::text, tier, stripe_customer_id FROM user_credits";
    let row = client.query_one(user, &[]).unwrap();
    assert_eq!(row.get::<_, String>(0), "97.50000000");
    let new = "SELECT success, new_balance::text, transaction_id FROM add_user_credits(
                   '11111111-1111-4111-8111-111111111111', 10, 'bonus', NULL, NULL)";
    let row = client.query_one(new, &[]).unwrap();
    assert_eq!(
        (row.get(0), row.get::<_, String>(1), row.get(2)),
        (true, "107.50000000".to_owned(), 3_i64)
    );
}

#[test]
fn what_cannot_be_adopted_says_what_to_do_instead() {
    let cases: [(Database, &str, &[&str]); 3] = [
        (
            Database::empty(),
            "--detect",
            &["nothing to adopt", "creditdb migrate"],
        ),
        (
            Database::migrated(),
            "--version=99",
            &["there is no migration 99"],
        ),
        (
            Database::migrated(),
            "--detect",
            &["do not fit together", "creditdb status"],
        ),
    ];
    // A hole in the history.
    cases[2]
        .0
        .execute("DELETE FROM refinery_schema_history WHERE version = 2");
    for (database, argument, words) in cases {
        let code = if argument == "--version=99" { 2 } else { 4 };
        let run = creditdb(["adopt", argument]).on(&database.url).exits(code);
        for word in words {
            assert!(
                run.stderr.contains(word),
                "no \"{word}\" in:\n{}",
                run.stderr
            );
        }
    }
    let run = creditdb(["adopt"]).on("postgres://nobody@/none").exits(2);
    assert!(run.stderr.contains("--detect"), "{}", run.stderr);
}

/// Only what makes a version out of tables is missing: its row, and the history.
#[test]
fn of_two_adopters_one_writes_and_the_schema_version_too() {
    let database = legacy(
        Database::migrated(),
        "DELETE FROM schema_version;
         CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar(255),
                                               applied_on varchar(255), checksum varchar(255))",
    );
    let adopt = || {
        let command = creditdb(["adopt", "--detect", "--format", "json"]);
        command.on(&database.url).spawn()
    };
    // A deployer is at work.
    let mut deployer = database.connect();
    let lock = format!("SELECT pg_advisory_lock({KEY})");
    deployer.execute(&lock, &[]).unwrap();
    let run = creditdb(["adopt", "--detect", "--wait", "0s"])
        .on(&database.url)
        .exits(4);
    assert!(
        run.stderr.contains("another deployer holds"),
        "{}",
        run.stderr
    );
    drop(deployer);
    let (one, other) = (adopt(), adopt());
    let states: Vec<String> = [one, other]
        .map(|child| {
            let run: Run = child.wait_with_output().unwrap().into();
            assert_eq!(run.code, 0, "{}", run.stderr);
            run.json()["state"].as_str().unwrap().to_owned()
        })
        .into();
    assert!(states.contains(&"adopted".to_owned()), "{states:?}");
    assert!(states.contains(&"managed".to_owned()), "{states:?}");
    let newest = Database::migrated();
    assert_eq!(history(&database), history(&newest));
    let versions = |database: &Database| -> Vec<(String, String)> {
        let query = "SELECT version, description FROM schema_version ORDER BY version";
        let rows = database.connect().query(query, &[]).unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    assert_eq!(versions(&database), versions(&newest));
    creditdb(["drift"]).on(&database.url).succeeds();
}

/// A database of an earlier version is adopted at that version, and can be migrated from there. A
/// directory of any team's migrations will do.
#[test]
fn an_earlier_version_is_detected_and_migrated_further() {
    let folder = Folder::with(&[
        (
            "V1__a.sql",
            "CREATE TABLE a (i int); CREATE INDEX a_i ON a (i);",
        ),
        ("V2__b.sql", "ALTER TABLE a ADD COLUMN t varchar(20);"),
        (
            "V3__c.sql",
            "CREATE TABLE c (i int); CREATE INDEX c_i ON c (i);",
        ),
    ]);
    let with = |database: &Database, words: &[&str]| {
        let source = ["--migrations", folder.arg()];
        creditdb(words.iter().chain(&source)).on(&database.url)
    };
    let role = "creditdb_adopt_owner";
    let database = Database::empty();
    database.execute(&format!(
        "DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         CREATE TABLE a (i int, t text); CREATE INDEX a_i ON a (i); ALTER TABLE a OWNER TO {role}"
    ));
    let before = with(&database, &["adopt", "--version", "3"]).exits(4);
    assert!(
        before.stdout.contains("missing table public.c"),
        "{}",
        before.stdout
    );
    // At version 1 the column would be in the way of version 2.
    let before = with(&database, &["adopt", "--version", "1"]).exits(4);
    assert!(
        before.stdout.contains("a later migration makes it"),
        "{}",
        before.stdout
    );

    let adopted = with(&database, &["adopt", "--detect", "--format", "json"])
        .succeeds()
        .json();
    assert_eq!(
        (&adopted["at_version"], &adopted["pending"]),
        (&2.into(), &1.into())
    );
    // Whoever owns the tables owns the history.
    let query = "SELECT tableowner FROM pg_tables WHERE tablename = 'refinery_schema_history'";
    let owner: String = database.connect().query_one(query, &[]).unwrap().get(0);
    assert_eq!(owner, role);
    with(&database, &["migrate"]).succeeds();
    let found = with(&database, &["drift", "--format", "json"])
        .exits(1)
        .json();
    let objects: Vec<_> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["object"])
        .collect();
    assert_eq!(objects, ["public.c", "public.a.t"]);
}

/// What somebody commits while the tables' locks are waited for is part of what is compared.
/// Another deployer keeps the adoption until the change is under way: it has looked once by then.
#[test]
fn a_change_that_was_under_way_is_seen() {
    let database = legacy(schema_1_0_0(), "");
    let mut deployer = database.connect();
    let lock = format!("SELECT pg_advisory_lock({KEY})");
    deployer.execute(&lock, &[]).unwrap();
    let adopt = creditdb(["adopt", "--version", "5", "--format", "json"]);
    let child = adopt.on(&database.url).spawn();
    let asks = "SELECT EXISTS (SELECT FROM pg_stat_activity
                 WHERE datname = current_database() AND query LIKE '%pg_catalog.pg_locks l%'
                       AND pid <> pg_backend_pid())";
    wait_until("the adoption asks who holds the lock", || {
        deployer.query_one(asks, &[]).unwrap().get(0)
    });
    let mut other = database.connect();
    other
        .batch_execute("BEGIN; ALTER TABLE user_credits DROP COLUMN tier")
        .unwrap();
    drop(deployer);
    let waits = "SELECT EXISTS (SELECT FROM pg_locks
                  WHERE relation = 'user_credits'::regclass AND NOT granted)";
    let mut client = database.connect();
    wait_until("the adoption waits for the table", || {
        client.query_one(waits, &[]).unwrap().get(0)
    });
    other.batch_execute("COMMIT").unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, 4, "{}", run.stderr);
    let blocking = words(&run.json(), true).join("\n");
    assert!(blocking.contains("user_credits.tier"), "{blocking}");
    assert!(!exists(&database, "refinery_schema_history"));
}
