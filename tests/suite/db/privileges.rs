//! What a role is told to be given, for each privilege that it can lack.

use crate::support::program::creditdb;
use crate::support::role::Role;
use crate::support::server::Database;

/// What `creditdb` says to a role that may log in and nothing else, after some SQL.
fn told(arguments: &[&str], sql: &str) -> String {
    let database = Database::migrated();
    let role = Role::new(&database, "");
    database.execute(sql);
    let run = creditdb(arguments).on(&role.url()).exits(3);
    assert!(run.stderr.contains("sqlstate: 42501"), "{}", run.stderr);
    run.stderr
}

#[test]
fn the_hint_is_about_the_privilege_that_is_missing() {
    let on_table = told(&["status"], "");
    let on_schema = told(&["status"], "REVOKE USAGE ON SCHEMA public FROM PUBLIC");
    assert!(
        on_table.contains("hint: connect as the owner, or GRANT"),
        "{on_table}"
    );
    assert!(
        on_table.contains("GRANT SELECT ON ALL TABLES"),
        "{on_table}"
    );
    assert!(
        on_schema.contains("hint: GRANT USAGE ON SCHEMA public"),
        "{on_schema}"
    );
    assert!(!on_schema.contains("GRANT SELECT"), "{on_schema}");
}

#[test]
fn whoever_may_not_connect_is_told_so_only_when_it_is_that() {
    let name = "DO $$ BEGIN EXECUTE format(
                   'REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$";
    let at_login = told(&["status"], name);
    assert!(
        at_login.contains("hint: GRANT CONNECT ON DATABASE"),
        "{at_login}"
    );
    let database = Database::migrated();
    let role = Role::new(&database, "");
    let run = creditdb(["status"])
        .on(&role.url())
        .env("PGOPTIONS", "-c session_replication_role=replica")
        .run();
    assert!(run.stderr.contains("sqlstate: 42501"), "{}", run.stderr);
    assert!(!run.stderr.contains("hint:"), "{}", run.stderr);
}
