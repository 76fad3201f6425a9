//! Files without a transaction that were cut off: what is told of them, and how they are completed.

use super::separate::{file, with_table};
use super::{exists, history, migrate};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::role::Role;
use crate::support::server::Database;

/// A file that was cut off after one of its two statements.
fn half_done() -> (Folder, Database) {
    let database = with_table();
    let folder = file(
        "CREATE INDEX CONCURRENTLY t_by_i ON t (i);\nSELECT 1 / (SELECT count(*) - 1000 FROM t);",
    );
    migrate(&folder, &database).exits(6);
    (folder, database)
}

#[test]
fn what_is_half_done_is_told_in_every_format() {
    let (folder, database) = half_done();
    for command in ["status", "plan"] {
        let told = |format| {
            let run = creditdb([command, "--migrations", folder.arg(), "--format", format]);
            run.on(&database.url).exits(6)
        };
        let text = told("github").stdout;
        assert!(text.contains("::error title=half_done::"), "{text}");
        assert!(text.contains("1 of 2 statements are done"), "{text}");
        let problem = &told("json").json()["problems"][0];
        assert_eq!(problem["code"], "half_done");
        let hint = format!(
            "creditdb migrate --migrations {} completes it",
            folder.arg()
        );
        assert_eq!(problem["hint"], hint.as_str());
    }
}

#[test]
fn what_is_half_done_is_completed_before_the_next_is_rehearsed() {
    let (folder, database) = half_done();
    let rehearse = creditdb(["rehearse", "--migrations", folder.arg()]).on(&database.url);
    let run = rehearse.exits(6);
    let words = "error: a file is half done, so there is nothing to rehearse yet";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert!(run.stderr.contains("1 of 2 statements"), "{}", run.stderr);
    let hint = format!(
        "hint: creditdb migrate --migrations {} completes it",
        folder.arg()
    );
    assert!(run.stderr.contains(&hint), "{}", run.stderr);

    database.execute("DELETE FROM t WHERE i = 1");
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1]);
}

/// They are repeated, so they are never done; nor are they left to do.
#[test]
fn settings_are_not_counted() {
    let database = with_table();
    let folder = file(
        "SET maintenance_work_mem = '64MB';
         CREATE INDEX CONCURRENTLY t_by_i ON t (i);
         RESET maintenance_work_mem;
         SELECT 1 / (SELECT count(*) - 1000 FROM t);",
    );
    let told = migrate(&folder, &database).exits(6).stderr;
    assert!(told.contains("1 of 2 statements are done"), "{told}");
    let status = creditdb(["status", "--migrations", folder.arg()]);
    let told = status.on(&database.url).exits(6).stdout;
    assert!(told.contains("1 of 2 statements are done"), "{told}");
}

/// Whoever follows drift would take away what a file has made, and its completion would not notice.
#[test]
fn what_is_half_done_is_no_drift_and_is_made_again_when_it_is_gone() {
    let database = with_table();
    let folder = Folder::with(&[
        (
            "V1__u.sql",
            "CREATE TABLE u (i int);\nINSERT INTO u VALUES (1), (1);",
        ),
        (
            "V2__x.sql",
            "-- transaction: none\nCREATE INDEX CONCURRENTLY u_by_i ON u (i);\n\
             CREATE UNIQUE INDEX CONCURRENTLY u_i ON u (i);",
        ),
    ]);
    migrate(&folder, &database).exits(6);
    let drift = creditdb(["drift", "--migrations", folder.arg()]).on(&database.url);
    let run = drift.exits(6);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("1 of 2 statements"), "{}", run.stderr);
    let hint = format!(
        "hint: creditdb migrate --migrations {} completes it",
        folder.arg()
    );
    assert!(run.stderr.contains(&hint), "{}", run.stderr);
    database.execute("DROP INDEX u_by_i; DELETE FROM u");
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1, 2]);
    assert!(exists(&database, "u_by_i") && exists(&database, "u_i"));
}

/// A later statement may have made a constraint of an index, or dropped it.
#[test]
fn an_index_that_a_later_statement_has_used_is_not_built_again() {
    let database = with_table();
    let folder = file(
        "CREATE UNIQUE INDEX CONCURRENTLY t_by_i ON t (i);
         ALTER TABLE t ADD CONSTRAINT t_i UNIQUE USING INDEX t_by_i;
         SELECT 1 / (SELECT count(*) - 1000 FROM t);",
    );
    migrate(&folder, &database).exits(6);
    database.execute("DELETE FROM t WHERE i = 1");
    migrate(&folder, &database).succeeds();
    assert!(exists(&database, "t_i") && !exists(&database, "t_by_i"));
}

/// Run in another way, what is done would be done again.
#[test]
fn a_file_that_was_cut_off_keeps_to_its_mode() {
    let (folder, database) = half_done();
    let text = "CREATE INDEX CONCURRENTLY t_by_i ON t (i);\nSELECT 1;";
    for mode in ["one", "batched"] {
        folder.write("V1__x.sql", format!("-- transaction: {mode}\n{text}\n"));
        for command in ["status", "plan", "migrate"] {
            let run = creditdb([command, "--migrations", folder.arg()])
                .on(&database.url)
                .exits(4);
            let told = run.stdout + &run.stderr;
            let words = format!(
                "was cut off with 1 statements done as \"transaction: none\", and asks for \
                 \"transaction: {mode}\" now"
            );
            assert!(told.contains(&words), "{told}");
            assert!(!told.contains("migrate completes it"), "{told}");
        }
    }
    folder.write("V1__x.sql", format!("-- transaction: none\n{text}\n"));
    migrate(&folder, &database).succeeds();
    assert_eq!(history(&database), [1]);
}

/// What a statement did to its session is gone with it.
#[test]
fn a_later_session_has_the_settings_and_the_role_of_the_first() {
    let database = with_table();
    let role = format!("owner_in_{}", database.name());
    database.execute(&format!(
        "CREATE SCHEMA app; CREATE ROLE {role}; GRANT ALL ON SCHEMA app TO {role}; \
         ALTER TABLE t OWNER TO {role}"
    ));
    let text = |column: &str| {
        format!(
            "-- transaction: none
             SELECT set_config('search_path', 'app', false);
             SET ROLE {role};
             CREATE TABLE one (a int);
             CREATE INDEX CONCURRENTLY one_a ON one ({column});
             CREATE TABLE two (a int);"
        )
    };
    let folder = Folder::with(&[("V1__x.sql", &text("nope"))]);
    migrate(&folder, &database).exits(6);
    folder.write("V1__x.sql", text("a"));
    migrate(&folder, &database).succeeds();
    let owners = "SELECT string_agg(tablename || ' ' || tableowner, ', ' ORDER BY tablename)
                    FROM pg_tables WHERE schemaname = 'app'";
    let owners: String = database.connect().query_one(owners, &[]).unwrap().get(0);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_eq!(owners, format!("one {role}, two {role}"));
    let by = "SELECT count(*) FROM creditdb_migration_log WHERE deployer <> session_user";
    let by: i64 = database.connect().query_one(by, &[]).unwrap().get(0);
    assert_eq!(by, 0);
}

/// A file makes its objects as their owner, who need not be allowed to write what is applied.
#[test]
fn a_role_that_a_file_sets_does_not_record() {
    let database = Database::empty();
    let role = Role::new(&database, "");
    database.execute(&format!("GRANT ALL ON SCHEMA public TO {}", role.name));
    let sql = format!("SET ROLE {};\nCREATE TABLE one (a int);", role.name);
    let folder = Folder::with(&[("V1__x.sql", sql)]);
    migrate(&folder, &database).succeeds();
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'one'";
    let owner: String = database.connect().query_one(owner, &[]).unwrap().get(0);
    assert_eq!(owner, role.name);
}

/// Deployers may have a role as a setting, and no rights of their own.
#[test]
fn the_role_that_a_session_begins_with_records() {
    let database = Database::empty();
    let [owner, deployer] =
        ["owner_of", "deployer_of"].map(|what| format!("{what}_{}", database.name()));
    database.execute(&format!(
        "CREATE ROLE {owner}; CREATE ROLE {deployer} LOGIN NOINHERIT IN ROLE {owner};
         ALTER ROLE {deployer} SET role = {owner}; GRANT ALL ON SCHEMA public TO {owner}"
    ));
    let folder = file("CREATE TABLE u (i int);\nCREATE INDEX CONCURRENTLY u_by_i ON u (i);");
    let url = database
        .url
        .replacen("postgres@", &format!("{deployer}@"), 1);
    let run = migrate(&folder, &database).on(&url).run();
    let applied = (run.code == 0).then(|| history(&database));
    database.execute(&format!(
        "DROP OWNED BY {owner}; DROP ROLE {deployer}; DROP ROLE {owner}"
    ));
    assert_eq!(applied, Some(vec![1]), "{}", run.stderr);
}
