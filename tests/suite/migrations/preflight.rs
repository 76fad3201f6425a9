//! What is said before the first statement, with nothing changed.

use super::{exists, migrate};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::role::Role;
use crate::support::server::Database;

/// A role that a file makes where it is missing: it takes a privilege, or somebody who made it.
#[test]
fn whoever_may_not_make_a_role_is_told_beforehand() {
    let database = Database::empty();
    let role = Role::new(&database, "");
    database.execute(&format!("GRANT CREATE ON SCHEMA public TO {}", role.name));
    let made = format!("{}_made", role.name);
    let file = |name: &str| format!("DO $$ BEGIN PERFORM 1; CREATE ROLE {name} NOLOGIN; END $$;");
    let folder = Folder::with(&[("V1__a.sql", file(&made))]);
    let run = migrate(&folder, &database).on(&role.url()).exits(4);
    let words = format!("- role {made}: CREATEROLE is needed to make it");
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    // One that is there already is not asked for; that the file fails is its own affair.
    let folder = Folder::with(&[("V1__a.sql", file("postgres"))]);
    migrate(&folder, &database).on(&role.url()).exits(5);
}

#[test]
fn missing_privileges_are_listed_per_object() {
    let database = Database::empty();
    let first = (
        "V1__a.sql",
        "CREATE TABLE a (i int PRIMARY KEY); CREATE TABLE b (i int);
        CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
    );
    let folder = Folder::with(&[first]);
    migrate(&folder, &database).succeeds();
    folder.write(
        "V2__b.sql",
        "ALTER TABLE a ADD COLUMN j int;
         CREATE INDEX b_by_i ON b (i);
         CREATE TABLE c (i int, CONSTRAINT c_a_fkey FOREIGN KEY (i) REFERENCES a);
         CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2';",
    );
    let role = Role::new(&database, "");
    database.execute(&format!(
        "GRANT SELECT ON refinery_schema_history TO {0}; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        role.name
    ));
    let run = migrate(&folder, &database).on(&role.url()).exits(4);
    for words in [
        "- a: only its owner, postgres",
        "- b: only its owner, postgres",
        "- a: REFERENCES is needed",
        "- function f(): only its owner, postgres",
        "schema public: CREATE is needed for new objects",
        "refinery_schema_history: INSERT is needed",
        "creditdb_migration_log: INSERT is needed",
        "hint: connect as the owner, or: GRANT postgres TO",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert!(!exists(&database, "c"));
    // With everything granted, the same run succeeds.
    database.execute(&format!("GRANT postgres TO {}", role.name));
    migrate(&folder, &database).on(&role.url()).succeeds();
    assert!(exists(&database, "c"));
}

/// A role has a search path of its own, and may use what stands first on it only.
#[test]
fn what_a_file_calls_public_is_not_looked_for_on_the_search_path() {
    let database = Database::empty();
    let role = Role::new(&database, "");
    database.execute(&format!("GRANT CREATE ON SCHEMA public TO {}", role.name));
    let function = "FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'";
    let first = format!("CREATE TABLE public.a (i int PRIMARY KEY); CREATE {function};");
    let folder = Folder::with(&[("V1__a.sql", first)]);
    let as_role = || migrate(&folder, &database).on(&role.url());
    as_role().succeeds();
    database.execute(&format!(
        "CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO {0};
         CREATE TABLE app.a (i int); CREATE {1};
         ALTER ROLE {0} IN DATABASE {2} SET search_path = app, public",
        role.name,
        function.replace("public.", "app."),
        database.name()
    ));
    folder.write(
        "V2__b.sql",
        format!(
            "ALTER TABLE public.a ADD COLUMN j int;
             CREATE TABLE public.b (i int CONSTRAINT b_a_fkey REFERENCES public.a);
             CREATE OR REPLACE {function}; DROP FUNCTION public.f();"
        ),
    );
    as_role().succeeds();
    // Without a schema, a name is what the path says.
    folder.write(
        "V3__c.sql",
        "ALTER TABLE a ADD COLUMN k int; CREATE TABLE c (i int);
         CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2';",
    );
    let run = as_role().exits(4);
    for words in [
        "- a: only its owner, postgres",
        "- schema app: CREATE is needed",
        "- function f(): only its owner, postgres",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}

#[test]
fn a_schema_is_made_in_the_database_and_not_in_the_current_schema() {
    let database = Database::empty();
    let folder = Folder::with(&[("V1__a.sql", "CREATE TABLE a (i int);")]);
    migrate(&folder, &database).succeeds();
    let role = Role::new(&database, "");
    database.execute(&format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         GRANT SELECT, INSERT ON refinery_schema_history, creditdb_migration_log TO {}",
        role.name
    ));
    folder.write(
        "V2__b.sql",
        "CREATE SCHEMA shop CREATE TABLE goods (id int); CREATE TABLE shop.log (id int);
         CREATE SCHEMA IF NOT EXISTS public;",
    );
    let as_role = || migrate(&folder, &database).on(&role.url());
    let run = as_role().exits(4);
    let (name, user) = (database.name(), &role.name);
    for words in [
        "error: refused to migrate: 2 privileges are missing",
        &format!("- database {name}: CREATE is needed for schema public\n"),
        &format!("- database {name}: CREATE is needed for schema shop\n"),
        &format!("hint: GRANT CREATE ON DATABASE {name} TO {user}\n"),
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    database.execute(&format!("GRANT CREATE ON DATABASE {name} TO {user}"));
    as_role().succeeds();
    assert!(exists(&database, "shop.goods") && exists(&database, "shop.log"));
}

#[test]
fn each_missing_privilege_has_its_own_next_step() {
    let database = Database::empty();
    let role = Role::new(&database, "");
    database.execute(&format!("GRANT CREATE ON SCHEMA public TO {}", role.name));
    let made = ["one", "other"].map(|word| format!("{}_{word}", role.name));
    let file = |name: &str| format!("DO $$ BEGIN PERFORM 1; CREATE ROLE {name} NOLOGIN; END $$;");
    let folder = Folder::with(&[("V1__a.sql", file(&made[0])), ("V2__b.sql", file(&made[1]))]);
    let run = migrate(&folder, &database).on(&role.url()).exits(4);
    for name in made {
        let words = format!(
            "- role {name}: CREATEROLE is needed to make it\n  \
             hint: let an administrator run: CREATE ROLE {name} NOLOGIN\n"
        );
        assert!(run.stderr.contains(&words), "{words}: {}", run.stderr);
    }
}

#[test]
fn a_read_only_session_is_told_before_anything_else() {
    let database = Database::empty();
    database.execute(&format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database.name()
    ));
    let run = creditdb(["migrate"]).on(&database.url).exits(4);
    assert!(
        run.stderr.contains("default_transaction_read_only is on"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_index_that_cannot_fit_on_the_disk_is_not_begun() {
    let database = Database::empty();
    let folder = Folder::with(&[
        ("V1__a.sql", "CREATE TABLE a (i bigint, j text);"),
        (
            "V2__b.sql",
            "-- transaction: none\nCREATE INDEX CONCURRENTLY a_by_i ON a (i);",
        ),
    ]);
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    // As the statistics of a table of ten trillion rows would be.
    database.execute("UPDATE pg_class SET reltuples = 1e13 WHERE oid = 'a'::regclass");
    let run = migrate(&folder, &database).exits(4);
    assert!(
        run.stderr.contains("of disk, sorting included"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("- a_by_i on a: about"),
        "{}",
        run.stderr
    );
    assert!(!exists(&database, "a_by_i"));
    database.execute("UPDATE pg_class SET reltuples = 1e6 WHERE oid = 'a'::regclass");
    migrate(&folder, &database).succeeds();
    assert!(exists(&database, "a_by_i"));
}
