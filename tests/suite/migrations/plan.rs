//! `plan`: what it says, what it leaves alone, and that a saved plan holds or is refused.

use creditdb::db::throwaway::{Options, Throwaway};
use serde_json::Value;

use super::{exists, history, migrate};
use crate::support::folder::Folder;
use crate::support::program::{Program, creditdb};
use crate::support::server::Database;
use crate::support::snapshots;
use crate::support::standby::Standby;

/// Files of each kind, above a table that is there.
const FILES: [(&str, &str); 4] = [
    (
        "V1__table.sql",
        "CREATE TABLE t (id bigint PRIMARY KEY, a int);",
    ),
    (
        "V2__column.sql",
        "-- transaction: one\nALTER TABLE t ADD COLUMN r float8 DEFAULT random();\n\
         COMMENT ON TABLE t IS 'rewritten';",
    ),
    (
        "V3__index.sql",
        "-- transaction: none\nCREATE INDEX CONCURRENTLY t_a ON t (a);",
    ),
    (
        "V4__fill.sql",
        "-- transaction: batched\nUPDATE t SET a = 1\n WHERE id IN (SELECT id FROM t WHERE a IS NULL LIMIT 5);",
    ),
];

pub(super) fn plan(folder: &Folder, database: &Database) -> Program {
    creditdb(["plan", "--migrations", folder.arg()]).on(&database.url)
}

/// With the first file applied and some rows.
pub(super) fn with_rows(folder: &Folder, rows: u32) -> Database {
    let database = Database::empty();
    migrate(folder, &database).args(["--to", "1"]).succeeds();
    database.execute(&format!(
        "INSERT INTO t (id) SELECT g FROM generate_series(1, {rows}) AS g; ANALYZE t"
    ));
    database
}

pub(super) fn statement(json: &Value, file: usize, statement: usize) -> &Value {
    &json["files"][file]["statements"][statement]
}

#[test]
fn text_and_json_name_modes_locks_sizes_and_risks() {
    let folder = Folder::with(&FILES);
    let database = with_rows(&folder, 20);
    let text = plan(&folder, &database).succeeds();
    let json = plan(&folder, &database)
        .args(["--format", "json"])
        .succeeds()
        .json();
    snapshots(|| {
        insta::assert_snapshot!("plan_text", folder.scrub(&text.stdout));
        insta::assert_json_snapshot!("plan", json, {".fingerprint" => "[hashes]"});
    });
    assert_eq!(history(&database), [1]);
}

#[test]
fn the_same_statement_is_nothing_on_few_rows_and_a_danger_on_many() {
    let folder = Folder::with(&FILES);
    let database = with_rows(&folder, 10);
    let risk = |database: &Database| {
        let json = plan(&folder, database)
            .args(["--format", "json"])
            .succeeds()
            .json();
        statement(&json, 0, 0)["risk"].as_str().unwrap().to_owned()
    };
    assert_eq!(risk(&database), "none");
    // What ANALYZE would write about ten million rows. The planner, and so the plan, multiply the
    // density with the true size.
    database.execute("UPDATE pg_class SET reltuples = 10000000 WHERE relname = 't'");
    assert_eq!(risk(&database), "danger");
}

#[test]
fn github_gets_a_line_for_each_danger() {
    let folder = Folder::with(&FILES);
    let database = with_rows(&folder, 10);
    database.execute("UPDATE pg_class SET reltuples = 10000000 WHERE relname = 't'");
    let run = plan(&folder, &database)
        .args(["--format", "github"])
        .succeeds();
    let text = folder.scrub(&run.stdout);
    let place = "::error file=DIR/V2__column.sql,line=2,title=danger::ALTER TABLE t";
    assert!(text.contains(place), "{text}");
    assert!(!text.contains("V3__index"), "{text}");
}

/// What stands before `public` on the search path has the same names.
#[test]
fn what_a_file_calls_public_is_not_looked_for_on_the_search_path() {
    let folder = Folder::with(&[
        (
            "V1__t.sql",
            "CREATE DOMAIN public.d AS int; CREATE TABLE public.t (i int, d public.d);
             CREATE DOMAIN public.e AS int; CREATE TABLE public.v (e public.e);",
        ),
        (
            "V2__change.sql",
            "-- transaction: none\nALTER TABLE public.t ADD COLUMN j int;\n\
             ALTER TABLE t ADD COLUMN k int;\nALTER DOMAIN public.d SET NOT NULL;\n\
             CREATE TABLE public.u (i int);\nCREATE INDEX u_i ON public.u (i);\n\
             DROP DOMAIN public.d CASCADE;\nALTER DOMAIN public.e SET NOT NULL;",
        ),
    ]);
    let database = Database::empty();
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    database.execute(&format!(
        "CREATE SCHEMA app; CREATE DOMAIN app.d AS int; CREATE TABLE app.t (i int, d app.d);
         CREATE TABLE app.u (i int); ALTER DATABASE {} SET search_path = app, public",
        database.name()
    ));
    let json = plan(&folder, &database)
        .args(["--format", "json"])
        .succeeds()
        .json();
    let locked = |number| {
        let locks = statement(&json, 0, number)["locks"].as_array().unwrap();
        let relations = locks.iter().map(|lock| lock["relation"].as_str().unwrap());
        relations.collect::<Vec<_>>()
    };
    assert_eq!(locked(0), ["t"]);
    assert_eq!(locked(1), ["app.t"], "without a schema it is the path's");
    assert_eq!(locked(2), ["t"]);
    assert_eq!(locked(4), ["u"]);
    assert_eq!(locked(5), ["t"]);
    assert_eq!(locked(6), ["v"]);
}

#[test]
fn select_is_all_that_it_needs() {
    let database = Database::empty();
    creditdb(["migrate", "--to", "3"])
        .on(&database.url)
        .succeeds();
    let role = format!("planner_of_{}", database.name());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC;
         GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};"
    ));
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    let run = creditdb(["plan", "--format", "json"]).on(&url).run();
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["files"][0]["version"], 4);
}

#[test]
fn a_standby_answers() {
    let primary = Throwaway::start(&Options::default()).unwrap();
    creditdb(["migrate", "--to", "4"])
        .on(&primary.url("postgres"))
        .succeeds();
    let standby = Standby::of(&primary);
    let run = creditdb(["plan", "--format", "json"])
        .on(&standby.url("postgres"))
        .succeeds();
    let json = run.json();
    assert_eq!(json["files"][0]["name"], "record_schema_version");
    // What is planned there cannot be done there.
    let remark = &json["remarks"][0];
    assert_eq!(remark["code"], "session", "{json}");
    assert_eq!(remark["hint"], "connect to the primary");
}

#[test]
fn nothing_is_made_and_nothing_waits_for_it() {
    let database = Database::empty();
    creditdb(["plan"]).on(&database.url).succeeds();
    assert!(!exists(&database, "refinery_schema_history"));
    let current = creditdb(["plan"]).on(&Database::migrated().url).succeeds();
    assert!(
        current.stdout.starts_with("nothing to do"),
        "{}",
        current.stdout
    );
}

#[test]
fn a_refused_set_has_no_plan() {
    let folder = Folder::with(&FILES);
    let database = with_rows(&folder, 1);
    folder.write("V1__table.sql", "CREATE TABLE t (id int);");
    let out = folder.path().join("plan.json");
    let run = plan(&folder, &database)
        .args(["--out", out.to_str().unwrap()])
        .exits(4);
    assert!(
        run.stdout.contains("migrate would refuse"),
        "{}",
        run.stdout
    );
    assert!(!out.exists());
}

#[test]
fn a_saved_plan_is_applied_while_it_holds() {
    let folder = Folder::with(&FILES);
    let database = with_rows(&folder, 20);
    let saved = folder.path().join("saved.json");
    let saved = saved.to_str().unwrap();
    plan(&folder, &database).args(["--out", saved]).succeeds();
    // Rows come and go meanwhile; they are no part of it.
    database.execute("INSERT INTO t (id) VALUES (1000)");
    migrate(&folder, &database)
        .args(["--plan", saved])
        .succeeds();
    assert_eq!(history(&database), [1, 2, 3, 4]);
    let again = migrate(&folder, &database).args(["--plan", saved]).exits(4);
    assert!(
        again.stderr.contains("the history: it is now at version 4"),
        "{}",
        again.stderr
    );
}

/// What comes after the version that it was made up to stays pending.
#[test]
fn a_saved_plan_up_to_a_version_ends_there() {
    let folder = Folder::with(&FILES);
    let database = with_rows(&folder, 20);
    let saved = folder.path().join("saved.json");
    let saved = saved.to_str().unwrap();
    let to = ["--to", "2", "--out", saved];
    plan(&folder, &database).args(to).succeeds();
    folder.write("V5__more.sql", "SELECT 1;");
    let three = ["--plan", saved, "--to", "3"];
    let run = migrate(&folder, &database).args(three).exits(4);
    assert!(
        run.stderr.contains("planned were 2, pending are 2, 3"),
        "{}",
        run.stderr
    );
    migrate(&folder, &database)
        .args(["--plan", saved])
        .succeeds();
    assert_eq!(history(&database), [1, 2]);
}

#[test]
fn a_changed_catalogue_history_or_file_is_refused_by_name() {
    let folder = Folder::with(&FILES);
    let database = with_rows(&folder, 20);
    let saved = folder.path().join("saved.json");
    let saved = saved.to_str().unwrap();
    plan(&folder, &database).args(["--out", saved]).succeeds();
    let refused = |words: &str| {
        let run = migrate(&folder, &database).args(["--plan", saved]).exits(4);
        assert!(run.stderr.contains(words), "{words}:\n{}", run.stderr);
        assert_eq!(history(&database), [1]);
    };

    database.execute("CREATE INDEX by_hand ON t (a)");
    refused("the catalogue: table public.t is different");
    database
        .execute("DROP INDEX by_hand; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    refused("the catalogue: function public.f() is new");
    database.execute("DROP FUNCTION f()");

    folder.write(
        "V4__fill.sql",
        "-- transaction: batched\nDELETE FROM t WHERE a > 5;",
    );
    refused("the files: the text of one of them (2, 3, 4) was edited");
    folder.write("V4__fill.sql", FILES[3].1);
    folder.write("V5__more.sql", "SELECT 1;");
    refused("the files: planned were 2, 3, 4, pending are 2, 3, 4, 5");
    folder.remove("V5__more.sql");
    migrate(&folder, &database)
        .args(["--plan", saved, "--to", "3"])
        .exits(4);

    // What was refused was the change, not the plan.
    migrate(&folder, &database)
        .args(["--plan", saved])
        .succeeds();
}

#[test]
fn what_is_no_plan_is_told() {
    let folder = Folder::with(&[("no.json", "{}"), ("V1__a.sql", "SELECT 1;")]);
    let database = Database::empty();
    let path = folder.path().join("no.json");
    let run = migrate(&folder, &database)
        .args(["--plan", path.to_str().unwrap()])
        .exits(2);
    assert!(run.stderr.contains("is not a plan"), "{}", run.stderr);
}

#[test]
fn other_commands_do_not_speak_sql() {
    let run = creditdb(["status", "--format", "sql"]).exits(2);
    assert!(run.stderr.contains("text, json, github"), "{}", run.stderr);
    creditdb(["list", "--output", "sql=/nowhere/x"]).exits(2);
}
