//! `status`: read-only, complete, and the same in JSON.

use creditdb::db::throwaway::{Options, Throwaway};

use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::{Database, server};
use crate::support::snapshots;
use crate::support::standby::Standby;

#[test]
fn json_of_a_current_database() {
    let database = Database::migrated();
    let status = creditdb(["status", "--check", "--format", "json"])
        .on(&database.url)
        .succeeds();
    let json = status.json();
    snapshots(
        || insta::assert_json_snapshot!("status", json, {".migrations[].applied_on" => "[time]"}),
    );
}

#[test]
fn check_exits_1_when_something_is_pending() {
    let database = Database::empty();
    creditdb(["migrate", "--to", "3"])
        .on(&database.url)
        .succeeds();
    creditdb(["status"]).on(&database.url).succeeds();
    let run = creditdb(["status", "--check"]).on(&database.url).exits(1);
    assert!(
        run.stdout.starts_with("pending, schema version none\n"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("  pending  V4__seed_catalogue\n"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("next: creditdb migrate"),
        "{}",
        run.stdout
    );
}

#[test]
fn an_empty_database_is_left_empty() {
    let database = Database::empty();
    creditdb(["status"]).on(&database.url).succeeds();
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(
        database
            .connect()
            .query_one(tables, &[])
            .unwrap()
            .get::<_, i64>(0),
        0
    );
}

#[test]
fn select_is_all_that_it_needs() {
    let database = Database::migrated();
    let role = format!("reader_of_{}", database.name());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC;
         GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT ON refinery_schema_history, schema_version TO {role};"
    ));
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    let run = creditdb(["status", "--check"]).on(&url).run();
    let revoked = {
        database.execute(&format!(
            "REVOKE SELECT ON refinery_schema_history FROM {role}"
        ));
        creditdb(["status"]).on(&url).run()
    };
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(revoked.code, 3, "{}", revoked.stdout);
    assert!(
        revoked.stderr.contains("permission denied"),
        "{}",
        revoked.stderr
    );
    assert!(
        revoked.stderr.contains("hint: ") && revoked.stderr.contains("GRANT SELECT"),
        "{}",
        revoked.stderr
    );
}

#[test]
fn a_standby_answers_and_refuses_to_migrate() {
    let primary = Throwaway::start(&Options::default()).unwrap();
    creditdb(["migrate", "--to", "4"])
        .on(&primary.url("postgres"))
        .succeeds();
    let standby = Standby::of(&primary);
    let url = standby.url("postgres");
    let run = creditdb(["status", "--check"]).on(&url).exits(1);
    assert!(
        run.stdout.contains("applied  V4__seed_catalogue"),
        "{}",
        run.stdout
    );
    creditdb(["drift"]).on(&url).succeeds();
    for command in [&["migrate"][..], &["adopt", "--detect"]] {
        let run = creditdb(command).on(&url).exits(4);
        assert!(run.stderr.contains("standby"), "{}", run.stderr);
    }
}

#[test]
fn the_server_is_the_one_that_was_asked_for() {
    if let Ok(major) = std::env::var("CREDITDB_EXPECT_MAJOR") {
        assert_eq!(server().major().to_string(), major);
    }
}

/// Without them, the next step would make the ledger's tables in somebody else's database.
#[test]
fn the_next_step_is_about_the_same_migrations() {
    let database = Database::empty();
    let parent = Folder::with(&[("my files/V1__a.sql", "CREATE TABLE a (i int);")]);
    let folder = parent.path().join("my files");
    let option = format!("--migrations '{}'", folder.display());
    for (command, next) in [
        ("status", format!("next: creditdb migrate {option}")),
        (
            "plan",
            format!("next: creditdb rehearse {option}, then creditdb migrate {option}"),
        ),
    ] {
        let run = creditdb([command, "--migrations", folder.to_str().unwrap()]);
        let run = run.on(&database.url).succeeds();
        assert!(run.stdout.contains(&next), "{}", run.stdout);
    }
}
