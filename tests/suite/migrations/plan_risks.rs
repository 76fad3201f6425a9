//! The risks of a plan: who waits for a statement, and what it may do that was not looked up.

use serde_json::Value;

use super::migrate;
use super::plan::{plan, statement, with_rows};
use crate::support::folder::Folder;
use crate::support::server::Database;

fn planned(folder: &Folder, database: &Database) -> Value {
    let plan = plan(folder, database).args(["--format", "json"]);
    plan.succeeds().json()
}

#[test]
fn a_later_statement_keeps_earlier_locks() {
    let folder = Folder::with(&[
        (
            "V1__t.sql",
            "CREATE TABLE t (id bigint PRIMARY KEY, a int); CREATE TABLE u (i int);",
        ),
        (
            "V2__both.sql",
            "ALTER TABLE u ADD COLUMN j int;\nALTER TABLE t ADD CONSTRAINT c CHECK (a > 0);",
        ),
    ]);
    let database = with_rows(&folder, 10);
    database.execute(
        "INSERT INTO u VALUES (1); ANALYZE u;
         UPDATE pg_class SET reltuples = 10000000 WHERE relname = 't'",
    );
    let json = planned(&folder, &database);
    assert_eq!(statement(&json, 0, 0)["risk"], "none");
    let reasons = statement(&json, 0, 1)["reasons"].to_string();
    assert!(
        reasons.contains("of \\\"u\\\", locked before, wait meanwhile"),
        "{reasons}"
    );
}

/// A statement under a weak lock, after one under a strong lock on the same table or another.
#[test]
fn what_waits_for_the_work_of_a_later_statement_is_told() {
    let added = "reads and writes of \\\"t\\\", locked before, wait meanwhile";
    let small = "reads and writes of \\\"u\\\", locked before, wait meanwhile";
    for (first, second, words) in [
        (
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c",
            format!("{added}: about 5.0 s"),
        ),
        (
            "ALTER TABLE t ADD COLUMN z int",
            "UPDATE t SET z = 1",
            format!("{added}: up to 50.0 s"),
        ),
        (
            "ALTER TABLE t ADD COLUMN z int",
            "CREATE INDEX t_a ON t (a)",
            format!("{added}: about 5.0 s"),
        ),
        (
            "ALTER TABLE u ADD COLUMN z int",
            "WITH d AS (DELETE FROM t RETURNING a) SELECT count(*) FROM d",
            format!("{small}: up to 50.0 s"),
        ),
        (
            "ALTER TABLE u ADD COLUMN z int",
            "INSERT INTO u SELECT a FROM t",
            format!("{small}: up to 5.0 s"),
        ),
        (
            "ALTER TABLE u ADD COLUMN z int",
            "DO $$ BEGIN END $$",
            format!("{small}\""),
        ),
    ] {
        let second_file = format!("{first};\n{second};");
        let tables = "CREATE TABLE t (id bigint, a int); CREATE TABLE u (i int);";
        let folder = Folder::with(&[("V1__t.sql", tables), ("V2__both.sql", &second_file[..])]);
        let database = with_rows(&folder, 10);
        database.execute(
            "INSERT INTO u VALUES (1); ANALYZE u;
             UPDATE pg_class SET reltuples = 10000000 WHERE relname = 't'",
        );
        let json = planned(&folder, &database);
        let told = statement(&json, 0, 1);
        let reasons = told["reasons"].to_string();
        assert!(reasons.contains(&words), "{second}: {reasons}");
        assert_ne!(told["risk"], "none", "{second}");
    }
}

/// CASCADE may take a trigger, a default or a view of tables that the statement does not name.
#[test]
fn what_cascade_takes_along_is_at_least_a_notice() {
    let tables = "CREATE TABLE t (id bigint); CREATE SEQUENCE s; CREATE TYPE e AS ENUM ('a');
                  CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';";
    let cascades = "DROP FUNCTION f() CASCADE;\nDROP SEQUENCE s CASCADE;\n\
                    ALTER TABLE t DROP COLUMN id CASCADE;\nDROP COLLATION c CASCADE;";
    let folder = Folder::with(&[("V1__t.sql", tables), ("V2__drop.sql", cascades)]);
    let database = Database::empty();
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    let json = planned(&folder, &database);
    let statements = json["files"][0]["statements"].as_array().unwrap();
    assert_eq!(statements.len(), 4);
    for told in statements {
        assert_eq!(told["risk"], "notice", "{told}");
        let reasons = told["reasons"].to_string();
        assert!(reasons.contains("what depends on it"), "{told}");
    }
}

/// Whoever plans a query opens all indexes of its table.
#[test]
fn readers_wait_while_indexes_are_built_anew() {
    let folder = Folder::with(&[
        ("V1__t.sql", "CREATE TABLE t (id bigint PRIMARY KEY);"),
        ("V2__rebuild.sql", "REINDEX TABLE t;"),
    ]);
    let database = with_rows(&folder, 10);
    database.execute("UPDATE pg_class SET reltuples = 10000000 WHERE relname = 't_pkey'");
    let json = planned(&folder, &database);
    let told = statement(&json, 0, 0);
    assert_eq!(told["risk"], "danger");
    let reasons = told["reasons"].to_string();
    let words = "is rewritten while reads and writes wait: about 5.0 s";
    assert!(reasons.contains(words), "{reasons}");
}

/// Partitions are small each; who uses the table waits for all of them.
#[test]
fn partitions_count_together() {
    let folder = Folder::with(&[
        (
            "V1__p.sql",
            "CREATE TABLE t (k int, v int) PARTITION BY RANGE (k);
             CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);
             CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20);",
        ),
        (
            "V2__set.sql",
            "ALTER TABLE t ADD CONSTRAINT c CHECK (v > 0);",
        ),
        (
            "V3__vacuum.sql",
            "-- transaction: none\nVACUUM FULL t1, t2;",
        ),
    ]);
    let database = Database::empty();
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    database.execute(
        "INSERT INTO t SELECT 1, 1 FROM generate_series(1, 100);
         INSERT INTO t SELECT 11, 1 FROM generate_series(1, 100); ANALYZE t;
         UPDATE pg_class SET reltuples = 1200000 WHERE relname IN ('t1', 't2')",
    );
    let json = planned(&folder, &database);
    let check = statement(&json, 0, 0);
    assert_eq!(check["risk"], "danger", "{check}");
    let reasons = check["reasons"].to_string();
    assert!(
        reasons.contains("\\\"t1\\\" (1200000 rows, 0.0 MB) is read in full"),
        "{reasons}"
    );
    let sum = "all of it together, while reads and writes wait: about 1.2 s";
    assert!(reasons.contains(sum), "{reasons}");
    // This one goes from table to table, and lets go of each.
    let reasons = statement(&json, 1, 0)["reasons"].to_string();
    assert!(!reasons.contains("together"), "{reasons}");
}
