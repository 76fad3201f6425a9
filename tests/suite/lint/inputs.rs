//! What is read, what counts as existing, and the exit codes.

use std::path::Path;

use clap::CommandFactory;
use creditdb::cli::Cli;

use super::{lint, rules};
use crate::support::folder::Folder;

const HEADER: &str = "-- why: a test\n-- locks: none\n-- transaction: one\n-- undo: nothing\n\n";

fn file(sql: &str) -> String {
    format!("{HEADER}{sql}\n")
}

fn three_files() -> Folder {
    Folder::with(&[
        ("V1__a.sql", file("CREATE TABLE a (i bigint);")),
        ("V2__b.sql", file("CREATE TABLE b (i bigint);")),
        (
            "V10__c.sql",
            file("CREATE INDEX on_a ON a (i);\nCREATE INDEX on_b ON b (i);"),
        ),
    ])
}

#[test]
fn files_in_the_examples_of_the_help_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for command in Cli::command().get_subcommands() {
        let help = command.get_after_help().unwrap().to_string();
        for word in help
            .split_whitespace()
            .filter(|word| word.ends_with(".sql"))
        {
            assert!(root.join(word).is_file(), "{}: {word}", command.get_name());
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn our_own_migrations_pass() {
    let run = lint([]).succeeds();
    assert!(
        run.stdout.starts_with("nothing found in "),
        "{}",
        run.stdout
    );
}

#[test]
fn a_table_of_a_pending_file_is_new_and_one_of_an_earlier_file_is_not() {
    let folder = three_files();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let all = lint(["--migrations", folder.arg()]).succeeds();
    assert_eq!(all.stdout, "nothing found in 3 files\n");
    let last = lint([&path("V10__c.sql")[..], "--format", "json"]).exits(1);
    assert_eq!(rules(&last), ["blocking-index", "blocking-index"]);
    let from = lint([
        "--migrations",
        folder.arg(),
        "--from",
        "2",
        "--format",
        "json",
    ])
    .exits(1);
    assert_eq!(rules(&from), ["blocking-index"]);
    assert!(from.stdout.contains(r#"\"a\""#), "{}", from.stdout);
    // Files that are named count as pending, whatever their order on the command line.
    let both = [
        &path("V10__c.sql")[..],
        &path("V2__b.sql")[..],
        "--format",
        "json",
    ];
    assert_eq!(rules(&lint(both).exits(1)), ["blocking-index"]);
}

#[test]
fn a_judgement_of_nothing_is_wrong_usage() {
    let folder = three_files();
    let run = lint(["V2__b.sql", "--from", "9"])
        .within(folder.path())
        .exits(2);
    assert!(
        run.stderr.contains("\"V2__b.sql\" is older than --from 9"),
        "{}",
        run.stderr
    );
    for arguments in [
        &["--from", "99"][..],
        &["--migrations", folder.arg(), "--from", "99"],
    ] {
        let run = lint(arguments.iter().copied()).exits(2);
        assert!(
            run.stderr.contains("older than --from 99"),
            "{}",
            run.stderr
        );
    }
    // Beside others, it is told.
    let run = lint(["V2__b.sql", "V10__c.sql", "--from", "9"])
        .within(folder.path())
        .exits(1);
    let remark = "\"V2__b.sql\" is older than --from 9, and not judged\n";
    assert_eq!(run.stderr, remark);
}

#[test]
fn a_file_in_the_working_directory_finds_its_siblings() {
    let folder = three_files();
    let run = lint(["V10__c.sql", "--format", "json"])
        .within(folder.path())
        .exits(1);
    assert_eq!(rules(&run), ["blocking-index", "blocking-index"]);
    assert_eq!(run.json()["files"][0], "V10__c.sql");
}

/// A folder below is another project's, and may not be ours to read; a file has more than one path.
#[test]
fn siblings_are_those_in_the_folder_itself_and_each_is_read_once() {
    let folder = three_files();
    folder.write("deeper/V3__d.sql", b"SELECT '\xe9';");
    folder.write("V11__e.sql", file("CREATE INDEX other_on_b ON b (i);"));
    std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
    lint(["./V2__b.sql", "./V11__e.sql"])
        .within(folder.path())
        .succeeds();
    // A link to a folder above does not make a set of files endless.
    folder.remove("deeper/V3__d.sql");
    let run = lint(["--migrations", folder.arg(), "--format", "json"]).succeeds();
    assert_eq!(run.json()["files"].as_array().unwrap().len(), 4);
}

#[test]
fn what_only_informs_does_not_fail() {
    let sql = "DO $$ BEGIN SOMETHING odd; END $$;";
    let folder = Folder::with(&[("V1__a.sql", file(sql))]);
    let run = lint(["--migrations", folder.arg(), "--format", "json"]).succeeds();
    assert_eq!(rules(&run), ["unread-body"]);
}

#[test]
fn what_is_allowed_with_a_reason_does_not_fail() {
    let sql = "-- creditdb: allow drop-in-use: unused since 1.2.0\nDROP TABLE a;";
    let folder = Folder::with(&[("V1__a.sql", file(sql))]);
    let run = lint(["--migrations", folder.arg()]).succeeds();
    assert_eq!(
        run.stdout,
        "nothing found in 1 file, 1 allowed with a reason\n"
    );
    let json = lint(["--migrations", folder.arg(), "--format", "json"])
        .succeeds()
        .json();
    assert_eq!(json["allowed"][0]["rule"], "drop-in-use");
    assert_eq!(json["allowed"][0]["reason"], "unused since 1.2.0");
}

#[test]
fn a_file_without_a_version_comes_after_all_others() {
    let folder = three_files();
    folder.write(
        "next.sql",
        file("ALTER TABLE b ADD COLUMN user_id uuid;\nDROP TABLE b;"),
    );
    let path = folder.path().join("next.sql");
    let run = lint([path.to_str().unwrap(), "--format", "json"]).exits(1);
    assert_eq!(rules(&run), ["file-name", "drop-in-use"]);
    let all = lint(["--migrations", folder.arg(), "--format", "json"]).exits(1);
    assert_eq!(rules(&all), ["file-name"]);
}

#[test]
fn comments_of_squawk_silence_nothing() {
    let sql = "-- squawk-ignore ban-drop-table\nDROP TABLE a;";
    let folder = Folder::with(&[("V1__a.sql", format!("-- squawk-ignore-file\n{}", file(sql)))]);
    let run = lint(["--migrations", folder.arg(), "--format", "json"]).exits(1);
    assert!(
        rules(&run).contains(&"drop-in-use".to_owned()),
        "{}",
        run.stdout
    );
}

#[test]
fn two_files_with_one_version_are_found() {
    let folder = Folder::with(&[("V1__a.sql", file("")), ("V01__b.sql", file("SELECT 1;"))]);
    let run = lint(["--migrations", folder.arg(), "--format", "json"]).exits(1);
    assert_eq!(rules(&run), ["file-name"]);
}

#[test]
fn what_cannot_be_read_is_undecided_and_nonsense_is_wrong_usage() {
    let folder = Folder::with(&[("V1__a.sql", b"SELECT '\xff';")]);
    let missing = folder.path().join("V9__none.sql");
    lint([missing.to_str().unwrap()]).exits(3);
    lint(["--migrations", folder.arg()]).exits(2);
    lint([folder.path().join("V1__a.sql").to_str().unwrap()]).exits(2);
    // Wrapped by the width of the help.
    let help = lint(["--help"]).succeeds().stdout;
    let help: Vec<&str> = help.split_whitespace().collect();
    let help = help.join(" ");
    for words in [
        "a file that is not UTF-8 · 3",
        "3 a file that cannot be read",
    ] {
        assert!(help.contains(words), "{help}");
    }
    lint(["--explain", "no-such-rule"]).exits(2);
    lint(["V1__a.sql", "--rules"]).exits(2);
}
