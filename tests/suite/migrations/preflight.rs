//! What is said before the first statement, with nothing changed.

use super::{exists, migrate};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::{Database, server};

/// A role of this database's own that may log in and nothing else; dropped with the guard.
struct Role(String);

impl Role {
    fn new(database: &Database) -> Self {
        let name = format!("{}_role", database.name());
        database.execute(&format!("CREATE ROLE {name} LOGIN"));
        Self(name)
    }

    fn url(&self, database: &Database) -> String {
        let url = &database.url;
        match url.split_once("postgres@") {
            Some((head, tail)) => format!("{head}{}@{tail}", self.0),
            None => panic!("the server under test has another superuser: {url}"),
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let mut admin = server().connect("postgres");
        let _ = admin.batch_execute(&format!("DROP ROLE IF EXISTS {}", self.0));
    }
}

/// A role that a file makes where it is missing: it takes a privilege, or somebody who made it.
#[test]
fn whoever_may_not_make_a_role_is_told_beforehand() {
    let database = Database::empty();
    let role = Role::new(&database);
    database.execute(&format!("GRANT CREATE ON SCHEMA public TO {}", role.0));
    let made = format!("{}_made", role.0);
    let file = |name: &str| format!("DO $$ BEGIN PERFORM 1; CREATE ROLE {name} NOLOGIN; END $$;");
    let folder = Folder::with(&[("V1__a.sql", file(&made))]);
    let run = migrate(&folder, &database)
        .on(&role.url(&database))
        .exits(4);
    let words = format!("- role {made}: CREATEROLE is needed to make it");
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    // One that is there already is not asked for; that the file fails is its own affair.
    let folder = Folder::with(&[("V1__a.sql", file("postgres"))]);
    migrate(&folder, &database)
        .on(&role.url(&database))
        .exits(5);
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
    let role = Role::new(&database);
    database.execute(&format!(
        "GRANT SELECT ON refinery_schema_history TO {0}; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        role.0
    ));
    let run = migrate(&folder, &database)
        .on(&role.url(&database))
        .exits(4);
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
    database.execute(&format!("GRANT postgres TO {}", role.0));
    migrate(&folder, &database)
        .on(&role.url(&database))
        .succeeds();
    assert!(exists(&database, "c"));
    database.execute(&format!("DROP OWNED BY {}", role.0));
}

/// A role has a search path of its own, and may use what stands first on it only.
#[test]
fn what_a_file_calls_public_is_not_looked_for_on_the_search_path() {
    let database = Database::empty();
    let role = Role::new(&database);
    database.execute(&format!("GRANT CREATE ON SCHEMA public TO {}", role.0));
    let function = "FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'";
    let first = format!("CREATE TABLE public.a (i int PRIMARY KEY); CREATE {function};");
    let folder = Folder::with(&[("V1__a.sql", first)]);
    let as_role = || migrate(&folder, &database).on(&role.url(&database));
    as_role().succeeds();
    database.execute(&format!(
        "CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO {0};
         CREATE TABLE app.a (i int); CREATE {1};
         ALTER ROLE {0} IN DATABASE {2} SET search_path = app, public",
        role.0,
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
    database.execute(&format!("DROP OWNED BY {}", role.0));
}

#[test]
fn each_missing_privilege_has_its_own_next_step() {
    let database = Database::empty();
    let role = Role::new(&database);
    database.execute(&format!("GRANT CREATE ON SCHEMA public TO {}", role.0));
    let made = ["one", "other"].map(|word| format!("{}_{word}", role.0));
    let file = |name: &str| format!("DO $$ BEGIN PERFORM 1; CREATE ROLE {name} NOLOGIN; END $$;");
    let folder = Folder::with(&[("V1__a.sql", file(&made[0])), ("V2__b.sql", file(&made[1]))]);
    let run = migrate(&folder, &database)
        .on(&role.url(&database))
        .exits(4);
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
