//! `drift` on real servers: what it finds, that its SQL takes the drift away, what it needs.

use creditdb::migrations::{DriftOptions, Set, drift};
use creditdb::report::{Drift, Progress};
use postgres::Client;

use super::schema_1_0_0;
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;
use crate::support::snapshots;

/// Changes that somebody makes by hand, each after a comment that says what must be named.
const CHANGES: &str = include_str!("../../fixtures/drift.sql");

/// Roles belong to the server, which other tests share: names of our own, made once.
fn make_roles(client: &mut Client) {
    for role in ["creditdb_drift_other", "creditdb_drift_reader"] {
        let create = format!(
            "DO $$ BEGIN CREATE ROLE {role} LOGIN;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        client.batch_execute(&create).unwrap();
    }
}

struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn at(&self, _: u64, _: u64) {}
    fn end(&self) {}
    fn remark(&self, _: &str) {}
}

fn look(client: &mut Client) -> Drift {
    drift(client, &Set::embedded(), &DriftOptions::default(), &Quiet).unwrap()
}

fn words(drift: &Drift) -> Vec<String> {
    let word = |nature| format!("{nature:?}").to_lowercase();
    let line = |d: &creditdb::report::SchemaDifference| {
        format!("{} {} {}", word(d.nature), d.kind, d.object)
    };
    drift.differences.iter().map(line).collect()
}

/// Runs all of the SQL, each statement by itself.
fn reconcile(client: &mut Client, drift: &Drift, change: &str) {
    for statement in drift.differences.iter().flat_map(|d| &d.sql) {
        client
            .batch_execute(statement)
            .unwrap_or_else(|error| panic!("{change}\n{statement}\n{error:?}"));
    }
}

#[test]
fn every_change_is_found_and_taken_away_by_its_sql() {
    let database = schema_1_0_0();
    let mut client = database.connect();
    make_roles(&mut client);
    assert!(look(&mut client).differences.is_empty());
    client
        .batch_execute("SET allow_system_table_mods = on")
        .unwrap();
    let changes: Vec<_> = CHANGES.split("\n\n").skip(1).collect();
    assert!(changes.len() > 70, "{}", changes.len());
    for change in changes {
        let expected = change.lines().next().unwrap().trim_start_matches("-- ");
        client
            .batch_execute(change)
            .unwrap_or_else(|e| panic!("{change}: {e:?}"));
        let found = look(&mut client);
        assert!(found.count() > 0, "not seen: {change}");
        let words = words(&found);
        assert!(
            words.iter().any(|word| word == expected),
            "{change}: {words:?}"
        );
        reconcile(&mut client, &found, change);
        let left = look(&mut client).differences;
        assert!(left.is_empty(), "{change}: {left:#?}");
    }
    // The sum of all repairs is the schema that the migrations make, and it works.
    let bonus = "SELECT success FROM add_user_credits(gen_random_uuid(), 1, 'bonus', 'r', 'd')";
    assert!(client.query_one(bonus, &[]).unwrap().get::<_, bool>(0));
}

/// What happens to a replay happens to nobody's database: exit codes 5 and 6 would say that.
#[test]
fn a_replay_that_fails_decides_nothing() {
    let folder = Folder::with(&[
        ("V1__a.sql", "CREATE TABLE a (i int);"),
        ("V2__b.sql", "INSERT INTO b VALUES (1);"),
    ]);
    let database = Database::empty();
    database.execute("CREATE TABLE b (i int)");
    super::migrate(&folder, &database).succeeds();
    let run = creditdb(["drift", "--migrations", folder.arg()]);
    let run = run.on(&database.url).exits(3);
    assert!(
        run.stderr.contains("relation \"b\" does not exist"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("was not touched\n"), "{}", run.stderr);
}

/// A drifted database as a person sees it, and the SQL of all of it at once.
#[test]
fn text_json_and_exit_code_of_a_drifted_database() {
    let database = schema_1_0_0();
    database.execute(
        "ALTER TABLE public.user_credits ALTER COLUMN balance TYPE numeric(20,6);
         ALTER TABLE public.user_credits DROP CONSTRAINT user_credits_tier_check;
         DROP INDEX public.idx_llm_usage_log_model;
         CREATE TABLE public.notes (id int PRIMARY KEY);
         COMMENT ON COLUMN public.user_credits.tier IS 'plan';
         CREATE OR REPLACE FUNCTION public.get_quota_usage_percentage(p_user_id uuid)
             RETURNS numeric LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END'",
    );
    let run = creditdb(["drift"]).on(&database.url).exits(1);
    let text = run.stdout.replace(database.name(), "DATABASE");
    let json = creditdb(["drift", "--format", "json"])
        .on(&database.url)
        .exits(1)
        .json();
    let annotations = creditdb(["drift", "--format", "github"])
        .on(&database.url)
        .exits(1)
        .stdout;
    snapshots(|| {
        insta::assert_snapshot!("drift_text", text);
        insta::assert_json_snapshot!("drift_json", json, {".database" => "DATABASE"});
    });
    assert_eq!(
        annotations.matches("::error title=").count(),
        5,
        "{annotations}"
    );
    assert_eq!(
        annotations.matches("::notice title=").count(),
        1,
        "{annotations}"
    );

    let mut client = database.connect();
    let found = look(&mut client);
    reconcile(&mut client, &found, "everything");
    let run = creditdb(["drift"]).on(&database.url).succeeds();
    let clean = "CLEAN  no differences at version ";
    assert!(run.stdout.starts_with(clean), "{}", run.stdout);
}

#[test]
fn a_role_that_may_read_the_history_only_is_enough() {
    let database = Database::migrated();
    make_roles(&mut database.connect());
    database.execute("GRANT SELECT ON refinery_schema_history TO creditdb_drift_reader");
    let url = database.url.replace("postgres@", "creditdb_drift_reader@");
    database.execute("GRANT SELECT ON schema_version TO creditdb_drift_reader");
    let run = creditdb(["drift"]).on(&url).succeeds();
    // Grants to a role of the deployment are told, and count only when asked for.
    assert!(
        run.stdout.starts_with("CLEAN  no differences and 1 note"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .contains("note: different table public.schema_version"),
        "{}",
        run.stdout
    );
    creditdb(["drift", "--strict"]).on(&url).exits(1);
    // Without the right to read the history there is no answer.
    database.execute("REVOKE SELECT ON refinery_schema_history FROM creditdb_drift_reader");
    creditdb(["drift"]).on(&url).exits(3);
}

#[test]
fn the_recorded_version_is_what_counts() {
    let database = Database::empty();
    creditdb(["drift"]).on(&database.url).exits(4);
    creditdb(["migrate", "--to", "2"])
        .on(&database.url)
        .succeeds();
    let run = creditdb(["drift"]).on(&database.url).succeeds();
    assert!(run.stdout.contains("at version 2\n"), "{}", run.stdout);
    // The functions of version 3 do not belong to version 2.
    database.execute("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    creditdb(["drift"]).on(&database.url).exits(1);
    let ignoring = ["drift", "--ignore", "public.f()"];
    let run = creditdb(ignoring).on(&database.url).succeeds();
    assert_eq!(run.stderr, "");
    let misspelt = creditdb(ignoring).args(["--ignore", "public.f"]);
    let run = misspelt.on(&database.url).succeeds();
    assert_eq!(
        run.stderr,
        "--ignore \"public.f\" matches no extra object\n"
    );
    database.execute(
        "INSERT INTO refinery_schema_history VALUES (99, 'x', '2099-01-01T00:00:00Z', '7')",
    );
    let run = creditdb(["drift"]).on(&database.url).exits(4);
    assert!(run.stderr.contains("V99__x is applied"), "{}", run.stderr);
}

#[test]
fn migrations_of_a_directory_are_replayed() {
    let database = Database::empty();
    let folder = Folder::with(&[
        (
            "V1__a.sql",
            "CREATE SCHEMA shop; CREATE TYPE shop.size AS ENUM ('s', 'l');
             CREATE DOMAIN shop.price AS numeric(10,2) CHECK (VALUE >= 0);
             CREATE TABLE shop.goods (id int PRIMARY KEY, size shop.size, price shop.price);
             ALTER TABLE shop.goods ENABLE ROW LEVEL SECURITY;
             CREATE POLICY all_rows ON shop.goods FOR SELECT USING (id > 0);
             CREATE VIEW shop.small AS SELECT id FROM shop.goods WHERE size = 's';
             CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql
                 SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER touch BEFORE UPDATE ON shop.goods FOR EACH ROW
                 EXECUTE FUNCTION shop.touch();
             GRANT SELECT ON shop.small TO PUBLIC;",
        ),
        (
            "V2__b.sql",
            "CREATE TABLE shop.log (at timestamptz NOT NULL) PARTITION BY RANGE (at);
             CREATE TABLE shop.log_1 PARTITION OF shop.log DEFAULT;
             CREATE INDEX log_at ON shop.log (at);
             CREATE TABLE shop.parcels (id int PRIMARY KEY) PARTITION BY RANGE (id);
             CREATE TABLE shop.labels (parcel int REFERENCES shop.parcels);",
        ),
    ]);
    let with = |command: &str| creditdb([command, "--migrations", folder.arg()]).on(&database.url);
    with("migrate").succeeds();
    folder.write("V3__pending.sql", "CREATE TABLE shop.pending (i int);");
    with("drift").succeeds();
    // Partitions come and go with the data.
    database.execute(
        "CREATE TABLE shop.log_2 PARTITION OF shop.log
             FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
         CREATE TABLE shop.parcels_1 PARTITION OF shop.parcels FOR VALUES FROM (0) TO (9);",
    );
    with("drift").succeeds();
    database.execute(
        "ALTER TABLE shop.goods DISABLE TRIGGER touch; ALTER TYPE shop.size RENAME TO sizes;
         ALTER POLICY all_rows ON shop.goods USING (true);
         CREATE OR REPLACE VIEW shop.small AS SELECT id FROM shop.goods WHERE size = 'l';
         ALTER DOMAIN shop.price SET DEFAULT 1; ALTER FUNCTION shop.touch RESET search_path;
         REVOKE SELECT ON shop.small FROM PUBLIC; DROP INDEX shop.log_at;",
    );
    let found = with("drift").args(["--format", "json"]).exits(1).json();
    let mut words: Vec<String> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            ["nature", "kind", "object"]
                .map(|key| d[key].as_str().unwrap())
                .join(" ")
        })
        .collect();
    words.sort();
    let expected = [
        "different column shop.goods.size",
        "different function shop.touch()",
        "different policy all_rows on shop.goods",
        "different trigger touch on shop.goods",
        "different type shop.price",
        "different view shop.small",
        "extra type shop.sizes",
        "missing index shop.log_at",
        "missing type shop.size",
    ];
    assert_eq!(words, expected);
}

/// Another team's versions have our numbers, and its tables are in the same schema: what it made
/// must not be told as something to drop.
#[test]
fn the_history_of_another_program_is_no_drift() {
    let database = Database::empty();
    let theirs = Folder::with(&[
        ("V1__theirs.sql", "CREATE TABLE invoices (id int);"),
        ("V2__more.sql", "CREATE TABLE letters (id int);"),
    ]);
    let apply = ["migrate", "--migrations", theirs.arg()];
    creditdb(apply).on(&database.url).succeeds();
    for format in ["text", "json"] {
        let run = creditdb(["drift", "--format", format]).on(&database.url);
        let run = run.exits(4);
        assert_eq!(run.stdout, "");
        for words in [
            "error: the history in public.refinery_schema_history is not that of this build",
            "\"V1__create_tables.sql\" is not what was applied on ",
            " as version 1, \"theirs\"",
            "hint: name the migrations that made this database (creditdb status --migrations DIR)",
        ] {
            assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        }
    }
    // Only the first one is told, and a directory has its own next step.
    let with = || creditdb(["drift", "--migrations", theirs.arg()]).on(&database.url);
    theirs.write("V2__more.sql", "CREATE TABLE letters (id bigint);");
    theirs.write("V3__next.sql", "CREATE TABLE next (id int);");
    let run = with().exits(4);
    for words in [
        "V2__more.sql\" was edited after it was applied",
        "hint: restore the applied text (git log --follow -- ",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert!(!run.stderr.contains("replaying"), "{}", run.stderr);
    // What changes no statement changes no schema.
    for same in [
        "CREATE TABLE letters (id int);",
        "-- Letters.\nCREATE TABLE letters (id int);\r\n",
    ] {
        theirs.write("V2__more.sql", same);
        with().succeeds();
    }
}

/// The server stores the settings of a function as the session spelt them, which an older program
/// left to the role and the database.
#[test]
fn names_are_quoted_only_where_they_have_to_be() {
    let database = Database::empty();
    database.execute(&format!(
        "ALTER DATABASE {} SET quote_all_identifiers = on",
        database.name()
    ));
    creditdb(["migrate"]).on(&database.url).succeeds();
    let path = || -> String {
        let query = "SELECT proconfig[1] FROM pg_proc WHERE proname = 'add_user_credits'";
        database.connect().query_one(query, &[]).unwrap().get(0)
    };
    assert_eq!(path(), "search_path=pg_catalog, pg_temp");
    let set = |path: &str| {
        let function = "public.add_user_credits(uuid, numeric, text, text, text)";
        database.execute(&format!(
            "ALTER FUNCTION {function} SET search_path = {path}"
        ));
    };
    set("pg_catalog, pg_temp");
    assert_eq!(path(), "search_path=\"pg_catalog\", \"pg_temp\"");
    creditdb(["drift"]).on(&database.url).succeeds();
    set("'$user', pg_catalog, 'a, \"b\"', pg_temp");
    let run = creditdb(["drift"]).on(&database.url).exits(1);
    let found = "found search_path=\"$user\", pg_catalog, \"a, \"\"b\"\"\", pg_temp\n";
    assert!(run.stdout.contains(found), "{}", run.stdout);
}

/// The server writes the constants of a definition as the session wants dates and numbers.
#[test]
fn how_a_database_writes_constants_is_no_drift() {
    let database = Database::empty();
    let folder = Folder::with(&[(
        "V1__a.sql",
        "CREATE TABLE a (at timestamptz DEFAULT '2020-01-01 00:00:00+00', on_day date
             DEFAULT '2020-02-01', every interval DEFAULT '-1 day 2 hours', bytes bytea
             DEFAULT '\\xc3', CONSTRAINT later CHECK (at > '2019-01-01 00:00:00+00'));",
    )]);
    let with = |command: &str| creditdb([command, "--migrations", folder.arg()]).on(&database.url);
    with("migrate").succeeds();
    for setting in [
        "TimeZone = 'Europe/Berlin'",
        "DateStyle = 'German, DMY'",
        "IntervalStyle = 'iso_8601'",
        "bytea_output = 'escape'",
    ] {
        let name = database.name();
        database.execute(&format!("ALTER DATABASE {name} SET {setting}"));
    }
    with("drift").succeeds();
}
