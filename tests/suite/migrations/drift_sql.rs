//! The SQL of `drift` where a statement that looks right would lose something or be refused: it is
//! run on a database with rows, and nothing is left of the drift.

use postgres::Client;
use serde_json::Value;

use super::migrate;
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;

/// A database that the migrations of a folder made.
struct Made {
    folder: Folder,
    database: Database,
}

impl Made {
    fn of(file: &str) -> Self {
        let folder = Folder::with(&[("V1__all.sql", file)]);
        let database = Database::empty();
        migrate(&folder, &database).succeeds();
        Self { folder, database }
    }

    fn drift(&self) -> Value {
        let directory = ["--migrations", self.folder.arg()];
        let run = creditdb(["drift", "--format", "json"]).args(directory);
        run.on(&self.database.url).run().json()
    }

    /// Changes it by hand, runs the SQL of every difference, and finds nothing left.
    fn repaired(&self, by_hand: &str) -> Client {
        let mut client = self.database.connect();
        client.batch_execute(by_hand).unwrap();
        let found = self.drift();
        for statement in statements(&found) {
            client
                .batch_execute(statement)
                .unwrap_or_else(|error| panic!("{statement}\n{error:?}\n{found:#}"));
        }
        let left = self.drift();
        assert_eq!(left["state"], "clean", "{found:#}\n{left:#}");
        client
    }
}

/// Each is to be sent by itself.
fn statements(found: &Value) -> Vec<&str> {
    let differences = found["differences"].as_array().unwrap().iter();
    let sql = differences.flat_map(|difference| difference["sql"].as_array().unwrap());
    sql.map(|statement| statement.as_str().unwrap()).collect()
}

#[test]
fn labels_paths_and_partitioned_indexes_are_made_as_they_were() {
    let file = "
        CREATE TYPE mood AS ENUM ('bad', 'sad', 'ok', 'happy');
        CREATE FUNCTION alone() RETURNS int LANGUAGE sql SET search_path = '' AS 'SELECT 1';
        CREATE FUNCTION listed() RETURNS int LANGUAGE sql
            SET search_path = \"a, \"\", b\", '', pg_temp SET temp_tablespaces = ''
            AS 'SELECT 1';
        CREATE TABLE log (at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
        CREATE TABLE log_1 PARTITION OF log DEFAULT;
        CREATE INDEX log_at ON log (at);";
    let made = Made::of(file);
    let mut client = made.repaired(
        "DROP TYPE mood; CREATE TYPE mood AS ENUM ('ok', 'happy');
         CREATE OR REPLACE FUNCTION alone() RETURNS int LANGUAGE sql SET search_path = ''
             AS 'SELECT 2';
         CREATE OR REPLACE FUNCTION listed() RETURNS int LANGUAGE sql AS 'SELECT 2';
         DROP INDEX log_at; CREATE INDEX log_at ON log (at DESC);
         CREATE INDEX log_note ON log (note);",
    );
    let query = "SELECT array_agg(proconfig::text ORDER BY proname) FROM pg_proc
                  WHERE proname IN ('alone', 'listed')";
    let settings: Vec<String> = client.query_one(query, &[]).unwrap().get(0);
    assert_eq!(
        settings,
        [
            r#"{"search_path=\"\""}"#,
            r#"{"search_path=\"a, \"\", b\", \"\", pg_temp","temp_tablespaces=\"\""}"#,
        ]
    );
}

/// Rows that came in while nothing was checked are found, where enabled triggers would let them be.
#[test]
fn a_foreign_key_that_was_switched_off_is_made_anew() {
    let file = "
        CREATE TABLE users (id int PRIMARY KEY);
        CREATE TABLE entries (user_id int CONSTRAINT entries_fkey REFERENCES users,
                              place int CONSTRAINT entries_key UNIQUE DEFERRABLE);
        CREATE TABLE parcels (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE parcels_1 PARTITION OF parcels FOR VALUES FROM (0) TO (9);
        CREATE TABLE labels (parcel int CONSTRAINT labels_fkey REFERENCES parcels);";
    let made = Made::of(file);
    let mut client = made.database.connect();
    client
        .batch_execute(
            "ALTER TABLE entries DISABLE TRIGGER ALL; ALTER TABLE parcels_1 DISABLE TRIGGER ALL;
             INSERT INTO entries VALUES (1, 1);",
        )
        .unwrap();
    let found = made.drift();
    let objects: Vec<&str> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| difference["object"].as_str().unwrap())
        .collect();
    let expected = [
        "entries_key on public.entries",
        "entries_fkey on public.entries",
        "labels_fkey on public.labels",
    ];
    assert_eq!(objects, expected, "{found:#}");
    let refused: Vec<&str> = statements(&found)
        .into_iter()
        .filter(|statement| client.batch_execute(statement).is_err())
        .collect();
    let validate = "ALTER TABLE public.entries VALIDATE CONSTRAINT entries_fkey;";
    assert_eq!(refused, [validate]);
    made.repaired("INSERT INTO users VALUES (1)");
    let orphan = "INSERT INTO entries VALUES (2, 2)";
    assert!(client.batch_execute(orphan).is_err());
}
