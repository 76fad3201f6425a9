//! What a replay finds before its first file, as `migrate` found it.

use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::role::Role;
use crate::support::server::{Database, server};

/// What a name without a schema means is up to the session that migrates.
#[test]
fn a_replay_has_the_search_path_of_the_session() {
    let folder = Folder::with(&[
        ("V1__a.sql", "CREATE TABLE a (i int);"),
        ("V2__b.sql", "CREATE VIEW v AS SELECT i FROM a;"),
        (
            "V3__c.sql",
            "CREATE SCHEMA IF NOT EXISTS later; CREATE TABLE c (i int);
             CREATE SCHEMA ours; CREATE TABLE ours.a (i int);",
        ),
    ]);
    let database = Database::empty();
    let role = Role::named(&database, "Role", "SUPERUSER");
    let with = |command: &str| creditdb([command, "--migrations", folder.arg()]).on(&role.url());
    // The schema of the role is somebody else's, and so is what is in the others.
    let path = format!(
        "CREATE SCHEMA \"{0}\"; COMMENT ON SCHEMA \"{0}\" IS 'made by hand';
         CREATE SCHEMA shared; CREATE TABLE shared.others (i int);",
        role.name
    );
    database.execute(&path);
    database.execute(&format!(
        "ALTER DATABASE {} SET search_path = '$user', ours, shared, public",
        database.name()
    ));
    with("migrate").succeeds();
    with("drift").succeeds();
    database.execute(&format!("CREATE TABLE \"{}\".extra (i int)", role.name));
    let run = with("drift").exits(1);
    let extra = format!("extra table \"{}\".extra\n", role.name);
    assert!(run.stdout.contains(&extra), "{}", run.stdout);
    database.execute(&format!("DROP TABLE \"{}\".extra", role.name));

    // A rehearsal resolves the names as the role does, though another one runs it.
    folder.write("V4__d.sql", "ALTER TABLE c ADD COLUMN j int;");
    let run = with("rehearse")
        .args(["--scratch-url", &server().url_of("postgres")])
        .succeeds();
    assert!(!run.stdout.contains("failed"), "{}", run.stdout);

    // Without its history the database is taken over on the same ground.
    database.execute(&format!(
        "DROP TABLE \"{0}\".refinery_schema_history, \"{0}\".creditdb_migration_log",
        role.name
    ));
    with("adopt").args(["--version", "3"]).succeeds();
}

/// The history tells which schemas were there before the first file.
#[test]
fn a_schema_that_came_after_the_history_takes_no_part_in_a_replay() {
    let folder = Folder::with(&[("V1__a.sql", "CREATE TABLE a (i int);")]);
    let database = Database::empty();
    let role = Role::named(&database, "Role", "SUPERUSER");
    let with = |command: &str| creditdb([command, "--migrations", folder.arg()]).on(&role.url());
    with("migrate").succeeds();
    database.execute(&format!("CREATE SCHEMA \"{}\"", role.name));
    with("drift").succeeds();
}

/// Where an administrator makes schemas and roles, the files only use them.
#[test]
fn a_replay_has_the_schemas_and_roles_that_the_files_use() {
    let database = Database::empty();
    let reader = Role::named(&database, "Reader", "");
    let owner = Role::named(&database, "owner", "");
    let sql = format!(
        "CREATE TABLE a (i int); CREATE TABLE audit.a (i int);
         GRANT SELECT ON a TO \"{}\"; SET ROLE {}; CREATE TABLE app.a (i int);",
        reader.name, owner.name
    );
    let folder = Folder::with(&[
        ("V1__a.sql", &sql[..]),
        (
            "V2__b.sql",
            "DO $$ BEGIN EXECUTE 'CREATE SCHEMA made'; END $$; CREATE TABLE made.a (i int);",
        ),
    ]);
    database.execute(&format!(
        "CREATE SCHEMA audit; CREATE SCHEMA app AUTHORIZATION {0}; GRANT {0} TO CURRENT_USER;
         CREATE SCHEMA others; CREATE TABLE others.a (i int);
         ALTER DATABASE {1} SET search_path = public, made",
        owner.name,
        database.name()
    ));
    let with = |command: &str| creditdb([command, "--migrations", folder.arg()]).on(&database.url);
    with("migrate").succeeds();
    let drift = with("drift").exits(1);
    let others = drift.stdout.matches("\ndifferent ").count();
    assert!(
        others == 1 && !drift.stdout.contains("missing"),
        "{}",
        drift.stdout
    );
    database.execute("ALTER TABLE app.a OWNER TO CURRENT_USER");
    with("drift").succeeds();
    database.execute("DROP TABLE audit.a");
    let drift = with("drift").exits(1);
    let lost = drift.stdout.contains("missing table audit.a\n");
    assert!(lost, "{}", drift.stdout);
}
