//! Files that were edited after they were applied: how much of an edit it is, and what may be
//! accepted.

use super::migrate;
use crate::support::folder::Folder;
use crate::support::program::{Program, creditdb};
use crate::support::server::Database;

const TEXT: &str = "-- why: a reason\nCREATE TABLE a (i int);\nCOMMENT ON TABLE a IS 'x  y';\n";

fn applied() -> (Folder, Database) {
    let folder = Folder::with(&[("V1__a.sql", TEXT), ("V2__b.sql", "SELECT 1;")]);
    let database = Database::empty();
    migrate(&folder, &database).succeeds();
    (folder, database)
}

fn accept(folder: &Folder, database: &Database, version: &str) -> Program {
    migrate(folder, database).args(["--accept-edit", version])
}

/// Version, name and checksum of all rows.
fn rows(database: &Database) -> Vec<(i32, String, String)> {
    let query = "SELECT version, name, checksum FROM refinery_schema_history ORDER BY version";
    let rows = database.connect().query(query, &[]).unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

#[test]
fn edits_of_form_are_accepted_one_version_at_a_time() {
    let forms = [
        (TEXT.replace('\n', "\r\n"), "line endings"),
        (format!("\u{feff}{TEXT}"), "line endings"),
        (TEXT.trim_end().to_owned(), "line endings"),
        (
            TEXT.replace("a reason", "another reason\n-- and more"),
            "comments and white space",
        ),
        (
            TEXT.replace("(i int)", "(\n    i int -- number\n)"),
            "comments and white space",
        ),
    ];
    for (text, class) in forms {
        let (folder, database) = applied();
        let before = rows(&database);
        folder.write("V1__a.sql", &text);
        folder.write("V2__b.sql", "SELECT 1; -- edited, too");
        let status = creditdb(["status", "--migrations", folder.arg()]);
        let run = status.on(&database.url).exits(4);
        assert!(run.stdout.contains(class), "{text:?}: {}", run.stdout);
        assert!(run.stdout.contains("--accept-edit 1"), "{}", run.stdout);
        migrate(&folder, &database).exits(4);
        assert_eq!(rows(&database), before);

        // The other version stays as it is, and keeps the run from going on.
        accept(&folder, &database, "1").exits(4);
        let after = rows(&database);
        assert_ne!(after[0].2, before[0].2, "{text:?}");
        assert_eq!(after[1], before[1]);
        let run = accept(&folder, &database, "2").succeeds();
        assert!(
            run.stderr.contains("comments and white space"),
            "{}",
            run.stderr
        );
        let run = migrate(&folder, &database).succeeds();
        assert!(run.stdout.contains("nothing to do"));

        let kept = database
            .connect()
            .query_one(
                "SELECT old_checksum, new_checksum, deployer, at IS NOT NULL
                   FROM creditdb_migration_log WHERE event = 'checksum_accepted' AND version = 1",
                &[],
            )
            .unwrap();
        assert_eq!(kept.get::<_, String>(0), before[0].2);
        assert_eq!(kept.get::<_, String>(1), after[0].2);
        assert_eq!(kept.get::<_, String>(2), "postgres");
    }
}

/// A new name with the same text is told from an edit of what the file does.
#[test]
fn a_new_name_is_taken_back_and_not_accepted() {
    for text in [TEXT.to_owned(), TEXT.replace('\n', "\r\n")] {
        let (folder, database) = applied();
        folder.remove("V1__a.sql");
        folder.write("V1__other_name.sql", &text);
        let run = accept(&folder, &database, "1").exits(4);
        let words = "V1__other_name.sql\" was applied as \"a\"";
        assert!(run.stderr.contains(words), "{}", run.stderr);
        let hint = "hint: mv 'DIR/V1__other_name.sql' 'DIR/V1__a.sql'";
        let status = creditdb(["status", "--migrations", folder.arg()]);
        let told = folder.scrub(&status.on(&database.url).exits(4).stdout);
        assert!(told.contains(", \"a\"; its text is the same"), "{told}");
        for text in [told, folder.scrub(&run.stderr)] {
            assert!(text.contains(hint), "{text}");
        }
    }
}

#[test]
fn real_edits_are_never_accepted() {
    let edits = [
        ("V1__a.sql", TEXT.replace("i int", "i bigint")),
        ("V1__a.sql", TEXT.replace("x  y", "x y")),
        ("V1__a.sql", format!("{TEXT}SELECT 1;\n")),
        ("V1__other_name.sql", TEXT.to_owned()),
    ];
    for (name, text) in edits {
        let (folder, database) = applied();
        let before = rows(&database);
        folder.remove("V1__a.sql");
        folder.write(name, &text);
        let run = accept(&folder, &database, "1").exits(4);
        assert!(
            run.stderr.contains("its checksum is left alone"),
            "{}",
            run.stderr
        );
        assert_eq!(rows(&database), before);
        let query = "SELECT count(*) FROM creditdb_migration_log WHERE event = 'checksum_accepted'";
        assert_eq!(
            database
                .connect()
                .query_one(query, &[])
                .unwrap()
                .get::<_, i64>(0),
            0
        );
    }
}

/// What plain refinery applied has no digest: comments cannot be told from the rest.
#[test]
fn without_a_log_only_the_form_of_lines_can_be_told() {
    let (folder, database) = applied();
    database.execute("DROP TABLE creditdb_migration_log");
    folder.write("V1__a.sql", TEXT.replace("a reason", "another"));
    accept(&folder, &database, "1").exits(4);
    folder.write("V1__a.sql", TEXT.replace('\n', "\r\n"));
    accept(&folder, &database, "1").succeeds();
    assert!(rows(&database).len() == 2);
}

#[test]
fn a_version_that_is_not_edited_or_not_there() {
    let (folder, database) = applied();
    let run = accept(&folder, &database, "1").succeeds();
    assert!(run.stderr.contains("nothing to accept"), "{}", run.stderr);
    let run = accept(&folder, &database, "7").exits(2);
    assert!(run.stderr.contains("version 7"), "{}", run.stderr);
}
