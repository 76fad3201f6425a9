//! What stands under the names of history and log is not used before it is known to be harmless:
//! whoever may create objects could have put it there.

use postgres::{Client, NoTls};

use super::{exists, history, migrate};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb};
use crate::support::role::Role;
use crate::support::server::Database;

/// As schema `public` is for everybody on PostgreSQL 14.
fn stranger<'a>(database: &'a Database, word: &str) -> Role<'a> {
    let role = Role::named(database, word, "");
    database.execute(&format!("GRANT CREATE ON SCHEMA public TO {}", role.name));
    role
}

fn as_role(role: &Role<'_>, sql: &str) {
    let mut client = Client::connect(&role.url(), NoTls).unwrap();
    client.batch_execute(sql).unwrap();
}

fn one_file() -> Folder {
    Folder::with(&[("V1__a.sql", "CREATE TABLE a (i int);")])
}

/// A function that leaves a file behind when a superuser runs it, and the file.
fn trap(folder: &Folder) -> (String, std::path::PathBuf) {
    let file = folder.path().join("sprung");
    let function = format!(
        "CREATE FUNCTION trap() RETURNS text LANGUAGE plpgsql AS $x$ BEGIN
             COPY (SELECT 1) TO PROGRAM 'touch {}'; RETURN '1'; END $x$;",
        file.display()
    );
    (function, file)
}

const HISTORY: &str = "(version int, name text, applied_on text, checksum text)";

const LOG: &str = "(id bigint GENERATED ALWAYS AS IDENTITY, version int, event text, statement int,
    rows_changed bigint, digest text, old_checksum text, new_checksum text, program text)";

fn refused(run: &Run, words: &[&str]) {
    assert_eq!(run.code, 4, "{}{}", run.stdout, run.stderr);
    for words in words {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}

#[test]
fn a_view_in_the_place_of_a_record_is_not_read() {
    for (name, columns) in [
        (
            "refinery_schema_history",
            "1 AS version, 'a'::text AS name, '2026-01-01T00:00:00Z'::text AS applied_on,
             trap() AS checksum",
        ),
        (
            "creditdb_migration_log",
            "1 AS version, trap() AS event, 1 AS statement, '' AS digest, 1 AS id,
             1 AS rows_changed",
        ),
    ] {
        let (database, folder) = (Database::empty(), one_file());
        let role = stranger(&database, "mallory");
        let (function, sprung) = trap(&folder);
        as_role(
            &role,
            &format!("{function} CREATE VIEW {name} AS SELECT {columns}"),
        );
        for command in ["status", "plan", "drift", "migrate"] {
            let run = creditdb([command, "--migrations", folder.arg()]).on(&database.url);
            let owner = format!(
                "public.{name} is no ordinary table, but a view of {}",
                role.name
            );
            let hint = format!("hint: DROP VIEW public.{name}");
            refused(&run.run(), &[&owner, "neither read nor written", &hint]);
            assert!(!sprung.exists(), "{command}");
        }
        let run = creditdb(["adopt", "--detect"]).on(&database.url).run();
        refused(&run, &["no ordinary table"]);
        assert!(!sprung.exists() && !exists(&database, "a"));
    }
}

#[test]
fn a_table_of_a_stranger_is_not_written() {
    for (name, columns) in [
        ("refinery_schema_history", HISTORY),
        ("creditdb_migration_log", LOG),
    ] {
        let (database, folder) = (Database::empty(), one_file());
        let role = stranger(&database, "mallory");
        as_role(
            &role,
            &format!(
                "CREATE TABLE {name} {columns};
                 CREATE FUNCTION pg_temp.t() RETURNS trigger LANGUAGE plpgsql AS $x$ BEGIN
                     ALTER ROLE {} SUPERUSER; RETURN new; END $x$;
                 CREATE TRIGGER t BEFORE INSERT ON {name} EXECUTE FUNCTION pg_temp.t();
                 GRANT ALL ON {name} TO PUBLIC",
                role.name
            ),
        );
        let belongs = format!("public.{name} belongs to {}", role.name);
        let hint = format!("ALTER TABLE public.{name} OWNER TO postgres");
        refused(&migrate(&folder, &database).run(), &[&belongs, &hint]);
        let run = creditdb(["adopt", "--detect"]).on(&database.url).run();
        refused(&run, &[&belongs]);
        let is_superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = $1";
        let row = database.connect().query_one(is_superuser, &[&role.name]);
        assert!(!row.unwrap().get::<_, bool>(0));
        assert!(!exists(&database, "a"));
    }
}

#[test]
fn what_strangers_attach_to_a_record_of_ours_is_not_run() {
    let (database, folder) = (Database::empty(), one_file());
    migrate(&folder, &database).succeeds();
    let role = stranger(&database, "mallory");
    database.execute("GRANT TRIGGER ON creditdb_migration_log TO PUBLIC");
    as_role(
        &role,
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
         CREATE TRIGGER \"T\" BEFORE INSERT ON creditdb_migration_log EXECUTE FUNCTION t();",
    );
    let hint = "hint: DROP TRIGGER \"T\" ON public.creditdb_migration_log";
    refused(&migrate(&folder, &database).run(), &[hint]);
    // One that is switched off does not run.
    database.execute("ALTER TABLE creditdb_migration_log DISABLE TRIGGER \"T\"");
    migrate(&folder, &database).succeeds();
    database.execute("ALTER TABLE creditdb_migration_log ENABLE TRIGGER \"T\"");
    database.execute(&hint["hint: ".len()..]);
    migrate(&folder, &database).succeeds();
    database.execute(
        "ALTER TABLE refinery_schema_history ENABLE ROW LEVEL SECURITY;
         GRANT SELECT ON refinery_schema_history TO PUBLIC",
    );
    // Superusers see all rows, others none: all of it would look pending.
    migrate(&folder, &database).succeeds();
    let run = migrate(&folder, &database).on(&role.url()).run();
    refused(
        &run,
        &["row security hides rows of public.refinery_schema_history"],
    );
}

/// Deployments in which records belong to somebody else, for good reasons.
#[test]
fn records_of_a_trusted_owner_are_used() {
    let (database, folder) = (Database::empty(), one_file());
    let owner = stranger(&database, "owner");
    let deployer = stranger(&database, "deployer");
    migrate(&folder, &database).on(&owner.url()).succeeds();
    database.execute(&format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {}",
        deployer.name
    ));
    let by = |url: &str| migrate(&folder, &database).on(url).run();
    let belongs = format!("public.refinery_schema_history belongs to {}", owner.name);
    refused(&by(&database.url), &[&belongs]);
    refused(&by(&deployer.url()), &[&belongs]);
    // Whoever has taken another role is still himself.
    let (himself, other) = (&owner.name, &deployer.name);
    let takes = format!("GRANT {other} TO {himself}; ALTER ROLE {himself} SET role = {other}");
    database.execute(&takes);
    assert_eq!(by(&owner.url()).code, 0, "{}", by(&owner.url()).stderr);
    let gives = format!("ALTER ROLE {himself} RESET role; REVOKE {other} FROM {himself}");
    database.execute(&gives);
    let database_of = |role: &str| format!("ALTER DATABASE {} OWNER TO {role}", database.name());
    for (given, taken) in [
        (
            format!("GRANT {} TO {}, postgres", owner.name, deployer.name),
            format!("REVOKE {} FROM {}, postgres", owner.name, deployer.name),
        ),
        (
            format!("ALTER SCHEMA public OWNER TO {}", owner.name),
            // What an owner was granted goes with the ownership.
            format!(
                "ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO {}, {}",
                owner.name, deployer.name
            ),
        ),
        (database_of(&owner.name), database_of("postgres")),
    ] {
        database.execute(&given);
        for url in [&database.url, &deployer.url(), &owner.url()] {
            assert_eq!(by(url).code, 0, "{given}: {}", by(url).stderr);
        }
        database.execute(&taken);
        refused(&by(&database.url), &[&belongs]);
    }
    // Who may create nothing there can have been given it only; but not with what he attached to
    // it.
    let revoke = format!("REVOKE CREATE ON SCHEMA public FROM PUBLIC, {}", owner.name);
    database.execute(&revoke);
    assert_eq!(by(&database.url).code, 0, "{}", by(&database.url).stderr);
    database.execute("CREATE TYPE odd AS (t text)");
    for (attach, detach) in [
        ("ADD CONSTRAINT c CHECK (version > 0)", "DROP CONSTRAINT c"),
        (
            "ALTER name SET DEFAULT version()",
            "ALTER name DROP DEFAULT",
        ),
        ("ADD odd odd", "DROP odd"),
        (
            "ADD CONSTRAINT c EXCLUDE USING btree (lower(name) WITH =)",
            "DROP CONSTRAINT c",
        ),
        (
            "ADD CONSTRAINT c EXCLUDE USING btree (name WITH =) WHERE (length(name) > 0)",
            "DROP CONSTRAINT c",
        ),
    ] {
        let alter = |what| format!("ALTER TABLE refinery_schema_history {what}");
        database.execute(&alter(attach));
        refused(&by(&database.url), &[&belongs]);
        database.execute(&alter(detach));
        assert_eq!(by(&database.url).code, 0, "{detach}");
    }
    database.execute(&format!("GRANT CREATE ON SCHEMA public TO {}", owner.name));
    // Up to 14, a role makes others its members without asking them.
    let mut client = Client::connect(&owner.url(), NoTls).unwrap();
    let grant = format!("GRANT {} TO {}, postgres", owner.name, deployer.name);
    let _ = client.batch_execute(&grant);
    refused(&by(&database.url), &[&belongs]);
    refused(&by(&deployer.url()), &[&belongs]);
    // Whom the superuser made owner is nobody's problem.
    database.execute(
        "ALTER TABLE refinery_schema_history OWNER TO postgres;
         ALTER TABLE creditdb_migration_log OWNER TO postgres",
    );
    assert_eq!(by(&deployer.url()).code, 0);
    assert_eq!(history(&database), [1]);
}

#[test]
fn a_stranger_names_no_schema_version() {
    let (database, folder) = (Database::empty(), one_file());
    let role = stranger(&database, "mallory");
    let (function, sprung) = trap(&folder);
    // A cast is a function, too.
    as_role(
        &role,
        &format!(
            "{function}
             CREATE TYPE odd AS (t text);
             CREATE FUNCTION words(odd) RETURNS text LANGUAGE sql AS 'SELECT trap()';
             CREATE CAST (odd AS text) WITH FUNCTION words(odd);
             CREATE TABLE schema_version AS SELECT row('9.9.9')::odd AS version, now() AS applied_at"
        ),
    );
    let check = |sprung: &std::path::Path| {
        let run = creditdb(["status", "--migrations", folder.arg()]).on(&database.url);
        let run = run.succeeds();
        assert!(run.stdout.contains("schema version none"), "{}", run.stdout);
        creditdb(["verify"]).on(&database.url).exits(3);
        assert!(!sprung.exists());
    };
    check(&sprung);
    as_role(
        &role,
        "DROP TABLE schema_version;
         CREATE VIEW schema_version AS SELECT trap() AS version, now() AS applied_at",
    );
    check(&sprung);
}
