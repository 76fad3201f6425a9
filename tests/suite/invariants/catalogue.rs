//! `list`, `explain`, `--checks`, and names that do not exist.

use super::{assert_says, check, own_check};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::snapshots;

#[test]
fn list_shows_every_check() {
    let run = creditdb(["list"]).succeeds();
    snapshots(|| insta::assert_snapshot!("list", run.stdout));
}

#[test]
fn explain_shows_what_why_and_the_sql() {
    let run = creditdb(["explain", "chain-continuity"]).succeeds();
    snapshots(|| insta::assert_snapshot!("explain", run.stdout));
}

#[test]
fn explain_of_a_row_check_is_a_statement_for_psql() {
    let tables = [("table", "credit_transactions, llm_usage_log")];
    let text = check(
        "row",
        &tables,
        "created_at > current_setting('creditdb.now')::timestamptz",
    );
    let folder = own_check(text);
    let run = creditdb(["explain", "it", "--checks", folder.arg()]).succeeds();
    snapshots(|| insta::assert_snapshot!("explain_row", run.stdout));
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let run = creditdb(["verify", "chain_continuty", "--area", "chian"]).exits(2);
    assert_says(
        &run,
        &[
            "no check \"chain_continuty\"; did you mean \"chain-continuity\"?",
            "no area \"chian\"; did you mean \"chain\"?",
            "checks: ",
            "areas: ",
            "hint: creditdb list",
        ],
    );
    assert_says(
        &creditdb(["explain", "nonsense"]).exits(2),
        &["no check \"nonsense\""],
    );
    assert_says(
        &creditdb(["verify", "--area", ""]).exits(2),
        &["no area \"\""],
    );
}

#[test]
fn every_mistake_of_a_folder_is_named_at_once() {
    let good = check("query", &[], "SELECT 1");
    let folder = Folder::with(&[
        ("own/not-utf8.sql", b"-- title: a\n\xff\xfe".to_vec()),
        ("own/Upper.SQL", good.clone().into_bytes()),
        ("own/Bad_Name.sql", good.clone().into_bytes()),
        ("own/chain-continuity.sql", good.clone().into_bytes()),
        (
            "own/native.sql",
            check("native", &[], "SELECT 1").into_bytes(),
        ),
        (
            "own/keys.sql",
            b"-- title: a\n-- color: red\n\nSELECT 1".to_vec(),
        ),
        ("own/deep/er.sql", good.clone().into_bytes()),
        ("own/empty.sql", check("query", &[], "").into_bytes()),
        ("other/twice.sql", good.clone().into_bytes()),
        ("own/twice.sql", good.clone().into_bytes()),
        ("stray.sql", good.into_bytes()),
        ("README.md", b"not a check".to_vec()),
    ]);
    let run = creditdb(["list", "--checks", folder.arg()]).exits(2);
    snapshots(|| insta::assert_snapshot!("checks_folder_mistakes", folder.scrub(&run.stderr)));
}

#[test]
fn a_folder_without_checks_is_no_catalogue() {
    let empty = Folder::with::<&str>(&[]);
    let run = creditdb(["verify", "--checks", empty.arg()]).exits(2);
    assert_says(&run, &["no checks in", "DIR/<area>/<id>.sql"]);
    let absent = empty.path().join("absent");
    let run = creditdb(["verify", "--checks", absent.to_str().unwrap()]).exits(2);
    assert_says(&run, &["absent: cannot read the folder"]);
}
