//! `rehearse`: a scratch copy that is like the live schema, watched, and gone afterwards.

use serde_json::Value;

use super::{history, migrate};
use crate::support::folder::Folder;
use crate::support::program::{Program, Run, creditdb, signal};
use crate::support::role::Role;
use crate::support::server::{Database, server};
use crate::support::{snapshots, wait_until};

pub(super) fn rehearse(folder: &Folder, database: &Database) -> Program {
    creditdb(["rehearse", "--format", "json", "--migrations", folder.arg()])
        .args(["--scratch-url", &server().url_of("postgres")])
        .on(&database.url)
}

fn statement(json: &Value, file: usize, statement: usize) -> &Value {
    &json["files"][file]["statements"][statement]
}

#[test]
fn our_own_migrations_lock_what_the_plan_says() {
    let database = Database::empty();
    let run = creditdb(["rehearse", "--format", "json"])
        .on(&database.url)
        .succeeds();
    let json = run.json();
    assert_eq!(json["agrees"], true, "{}", run.stdout);
    let applied = history(&Database::migrated());
    assert_eq!(json["files"].as_array().unwrap().len(), applied.len());
    let place = json["server"].as_str().unwrap();
    assert!(place.starts_with("a throw-away server"), "{place}");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    let left: i64 = database.connect().query_one(tables, &[]).unwrap().get(0);
    assert_eq!(left, 0, "the live database was written to");
}

/// The files qualify every name, so nothing on the path can stand in for what they mean.
#[test]
fn our_own_migrations_mean_the_same_on_any_search_path() {
    let database = Database::empty();
    database.execute(&format!(
        "CREATE SCHEMA app; CREATE TABLE app.credit_transactions (id int);
         ALTER DATABASE {} SET search_path = app, public",
        database.name()
    ));
    let run = creditdb(["rehearse", "--format", "json"])
        .args(["--scratch-url", &server().url_of("postgres")])
        .on(&database.url)
        .succeeds();
    assert_eq!(run.json()["agrees"], true, "{}", run.stdout);
    assert!(!run.stdout.contains("\"app."), "{}", run.stdout);
}

#[test]
fn the_later_ones_with_rows_as_well() {
    let database = Database::empty();
    creditdb(["migrate", "--to", "5"])
        .on(&database.url)
        .succeeds();
    let sample = ["sample", "--users", "20", "--requests", "300"];
    creditdb(sample).on(&database.url).succeeds();
    let run = creditdb(["rehearse", "--rows", "100", "--format", "json"])
        .args(["--scratch-url", &server().url_of("postgres")])
        .on(&database.url)
        .succeeds();
    assert_eq!(run.json()["agrees"], true, "{}", run.stdout);
}

/// Rows travel as text from one session to another, which need not be set alike.
#[test]
fn rows_arrive_however_the_database_writes_dates() {
    let database = Database::empty();
    let folder = Folder::with(&[(
        "V1__a.sql",
        "CREATE TABLE a AS SELECT '2020-12-31 23:00:00+00'::timestamptz AS at;",
    )]);
    migrate(&folder, &database).succeeds();
    folder.write(
        "V2__b.sql",
        "ALTER TABLE a ADD CONSTRAINT same CHECK (at = '2020-12-31 23:00:00+00');",
    );
    let name = database.name();
    database.execute(&format!(
        "ALTER DATABASE {name} SET DateStyle = 'German, DMY';
         ALTER DATABASE {name} SET TimeZone = 'America/St_Johns'"
    ));
    let rehearsed = rehearse(&folder, &database).args(["--rows", "10"]);
    rehearsed.succeeds();
}

#[test]
fn each_mode_is_watched() {
    let folder = Folder::with(&[
        (
            "V1__t.sql",
            "CREATE TABLE t (id bigint PRIMARY KEY, a int); CREATE TABLE u (i int);",
        ),
        (
            "V2__one.sql",
            "ALTER TABLE t ADD COLUMN r float8 DEFAULT random();\nALTER TABLE t ADD CONSTRAINT c CHECK (r >= 0);",
        ),
        (
            "V3__none.sql",
            "-- transaction: none\nCREATE INDEX CONCURRENTLY t_a ON t (a);",
        ),
        (
            "V4__batched.sql",
            "-- transaction: batched\nUPDATE t SET a = 1 WHERE id IN (SELECT id FROM t WHERE a IS NULL LIMIT 5);",
        ),
    ]);
    let database = Database::empty();
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    database.execute("INSERT INTO t (id) SELECT g FROM generate_series(1, 50) AS g; ANALYZE t");
    let run = rehearse(&folder, &database)
        .args(["--rows", "12"])
        .succeeds();
    let json = run.json();
    assert_eq!(json["agrees"], true, "{}", run.stdout);

    let column = &statement(&json, 0, 0)["locks"][0];
    assert_eq!(column["relation"], "t");
    assert_eq!(column["mode"], "ACCESS EXCLUSIVE");
    assert_eq!(
        (&column["rewritten"], &column["blocks_reads"]),
        (&true.into(), &true.into())
    );
    // The lock is no news to the second statement, the reading is.
    assert_eq!(statement(&json, 0, 1)["locks"].as_array().unwrap().len(), 0);
    let index = &statement(&json, 1, 0)["locks"][0];
    assert_eq!(index["mode"], "SHARE UPDATE EXCLUSIVE");
    assert_eq!(
        (&index["rewritten"], &index["blocks_writes"]),
        (&false.into(), &false.into())
    );
    let batch = statement(&json, 2, 0);
    assert_eq!(batch["runs"], 4, "5 + 5 + 2 + 0 rows");
    assert_eq!(batch["locks"][0]["mode"], "ROW EXCLUSIVE");
    assert_eq!(history(&database), [1]);
}

#[test]
fn text_tells_locks_times_and_differences() {
    let folder = Folder::with(&[
        ("V1__t.sql", "CREATE TABLE t (i int);"),
        (
            "V2__do.sql",
            "CREATE INDEX t_i ON t (i);\nDO $$ BEGIN ALTER TABLE t ADD COLUMN j int; END $$;",
        ),
        ("V3__bad.sql", "ALTER TABLE t ADD COLUMN i int;"),
    ]);
    let database = Database::empty();
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    let run = creditdb(["rehearse", "--migrations", folder.arg()])
        .args(["--scratch-url", &server().url_of("postgres")])
        .on(&database.url)
        .run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r" *\d+\.\d ms", " [time]");
    settings.add_filter(r"PostgreSQL \d+", "PostgreSQL [major]");
    let text = folder.scrub(&run.stdout);
    settings.bind(|| snapshots(|| insta::assert_snapshot!("rehearsal_text", text)));
}

#[test]
fn what_the_plan_cannot_read_is_seen_and_told() {
    let folder = Folder::with(&[
        ("V1__t.sql", "CREATE TABLE t (i int);"),
        (
            "V2__do.sql",
            "DO $$ BEGIN ALTER TABLE t ADD COLUMN j int; END $$;",
        ),
    ]);
    let database = Database::empty();
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    let json = rehearse(&folder, &database).succeeds().json();
    let block = statement(&json, 0, 0);
    assert_eq!(block["locks"][0]["mode"], "ACCESS EXCLUSIVE");
    assert!(block["unread"].to_string().contains("DO block"), "{block}");
}

#[test]
fn a_file_that_fails_is_a_finding() {
    let folder = Folder::with(&[
        ("V1__t.sql", "CREATE TABLE t (i int);"),
        (
            "V2__bad.sql",
            "SELECT 1;\nALTER TABLE t ADD CONSTRAINT c CHECK (i > 0);",
        ),
        ("V3__never.sql", "SELECT 1;"),
    ]);
    let database = Database::empty();
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    database.execute("INSERT INTO t VALUES (-1)");
    let run = rehearse(&folder, &database).args(["--rows", "10"]).exits(1);
    let json = run.json();
    assert_eq!(json["failure"]["line"], 2);
    assert_eq!(json["failure"]["sqlstate"], "23514");
    assert_eq!(json["files"].as_array().unwrap().len(), 1);
    // Without the row nothing speaks against it.
    rehearse(&folder, &database).succeeds();
}

/// What a file says about times means the same on both servers.
#[test]
fn times_and_dates_are_those_of_the_live_database() {
    let look = "DO $$ BEGIN
        IF '03.02.2026 12:00'::timestamptz <> '2026-02-03 06:30:00Z' THEN
            RAISE EXCEPTION '%', '03.02.2026 12:00'::timestamptz;
        END IF;
    END $$";
    let folder = Folder::with(&[("V1__look.sql", look)]);
    let database = Database::empty();
    let name = database.name();
    database.execute(&format!(
        "ALTER DATABASE {name} SET TimeZone = 'Asia/Kolkata';
         ALTER DATABASE {name} SET DateStyle = 'German, DMY'"
    ));
    rehearse(&folder, &database).succeeds();
}

/// On a server of somebody else nothing stays behind, rows of the live database least of all.
#[test]
fn a_signal_takes_the_scratch_database_away() {
    let folder = Folder::with(&[("V1__slow.sql", "SELECT pg_sleep(60), 'signalled';")]);
    let database = Database::empty();
    let mut client = server().connect("postgres");
    let mut scratch = || -> Option<String> {
        let query = "SELECT datname::text FROM pg_stat_activity
                      WHERE query LIKE 'SELECT pg_sleep(60), ''signalled''%' AND state = 'active'";
        client.query_opt(query, &[]).unwrap().map(|row| row.get(0))
    };
    for name in ["INT", "TERM"] {
        let child = rehearse(&folder, &database).spawn();
        let mut found = None;
        wait_until("the file runs", || {
            found = scratch();
            found.is_some()
        });
        signal(&child, name);
        let run: Run = child.wait_with_output().unwrap().into();
        assert_eq!(run.code, 3, "{}", run.stderr);
        assert!(run.stderr.contains("was stopped"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
        assert_eq!(scratch(), None);
        let left = "SELECT count(*) FROM pg_database WHERE datname = $1";
        let mut client = server().connect("postgres");
        let left = client.query_one(left, &[&found.unwrap()]).unwrap();
        assert_eq!(left.get::<_, i64>(0), 0);
    }
}

#[test]
fn the_scratch_database_is_gone_afterwards() {
    let folder = Folder::with(&[("V1__t.sql", "CREATE TABLE t (i int);")]);
    let database = Database::empty();
    let own = format!("own_{}", database.name());
    database.execute(&format!("CREATE ROLE {own}"));
    let run = rehearse(&folder, &database).run();
    database.execute(&format!("DROP ROLE {own}"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let pid = "SELECT count(*) FROM pg_database WHERE datname LIKE 'creditdb_rehearsal_%'
                  AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datname = pg_database.datname)";
    // Other tests rehearse at the same time; those databases are in use or about to be.
    let mut left = i64::MAX;
    for _ in 0..50 {
        left = server()
            .connect("postgres")
            .query_one(pid, &[])
            .unwrap()
            .get(0);
        if left == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(left, 0);
}

/// Whoever may make databases and nothing else cannot give objects to their owners.
#[test]
fn a_scratch_role_owns_what_it_may_not_give_away() {
    let folder = Folder::with(&[(
        "V1__t.sql",
        "CREATE TABLE t (i int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
    )]);
    let database = Database::empty();
    let owner = Role::named(&database, "owner", "");
    let scratch = Role::named(&database, "scratch", "CREATEDB");
    database.execute(&format!(
        "GRANT CREATE ON SCHEMA public TO {0}; CREATE SCHEMA shop AUTHORIZATION {0};
         GRANT {0} TO postgres;
         CREATE TABLE shop.goods (i int)",
        owner.name
    ));
    migrate(&folder, &database).on(&owner.url()).succeeds();
    database.execute("GRANT SELECT ON t TO PUBLIC");
    folder.write("V2__t.sql", "ALTER TABLE t ADD COLUMN j int;");
    let by_scratch = || {
        let url = scratch.at(&server().url_of("postgres"));
        let arguments = ["rehearse", "--format", "json", "--migrations", folder.arg()];
        let run = creditdb(arguments).args(["--scratch-url", &url]);
        let run = run.on(&database.url).succeeds();
        assert_eq!(run.json()["agrees"], true, "{}", run.stdout);
        run.json()["remarks"].to_string()
    };
    let remark = format!(
        "owners and grants are left out: {} is no superuser of the scratch server, so it owns \
         there what belongs to {}, postgres",
        scratch.name, owner.name
    );
    let remarks = by_scratch();
    assert!(remarks.contains(&remark), "{remarks}");
    // The owner may create nothing there before the grants, so a member is no better off.
    database.execute(&format!("GRANT {} TO {}", owner.name, scratch.name));
    assert_eq!(by_scratch(), remarks);
    // A superuser of the scratch server leaves nothing out.
    let run = rehearse(&folder, &database).succeeds();
    assert!(!run.stdout.contains("left out: "), "{}", run.stdout);
}

#[test]
fn a_refused_set_is_not_rehearsed() {
    let folder = Folder::with(&[("V1__t.sql", "CREATE TABLE t (i int);")]);
    let database = Database::empty();
    migrate(&folder, &database).succeeds();
    folder.write("V1__t.sql", "CREATE TABLE t (i bigint);");
    rehearse(&folder, &database).exits(4);
}
