//! `list`, `explain`, `--checks`, names that do not exist, and what holds for every check file.

use creditdb::invariants::{Catalogue, contract::Kind};

use super::{assert_says, check, own_check};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;
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

/// Whoever writes a first check learns what it has to say, and in which file.
#[test]
fn a_check_without_a_key_or_with_the_id_of_another_says_what_to_do() {
    let folder = own_check("-- title: a\n\nSELECT 1");
    let run = creditdb(["verify", "--checks", folder.arg()]).exits(2);
    let hint = "hint: begin the file of a query check with a header such as\n-- title: ";
    let says = [
        "it.sql:1: header key \"remedy\" is missing",
        hint,
        "\n-- remedy: ",
    ];
    assert_says(&run, &says);
    assert!(!run.stderr.contains("DIR/<area>"), "{}", run.stderr);
    let good = check("query", &[], "SELECT 1");
    let folder = Folder::with(&[("a/twice.sql", &good), ("b/twice.sql", &good)]);
    let run = creditdb(["verify", "--checks", folder.arg()]).exits(2);
    let both = [
        "b/twice.sql: the id \"twice\" is that of",
        "a/twice.sql\" already",
        "hint: rename one of the two files of \"twice\"",
    ];
    assert_says(&run, &both);
    let folder = Folder::with(&[("chain/balance-equals-sum.sql", &good)]);
    let run = creditdb(["verify", "--checks", folder.arg()]).exits(2);
    let says = [
        "that of a check of this program already",
        "hint: rename the file of \"balance-equals-sum\"; \"creditdb explain balance-equals-sum\"",
    ];
    assert_says(&run, &says);
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

/// What is NULL where it must not be is some check's finding. For the others it must be no
/// obstacle: an expression that is NULL has decided nothing, and the audit is incomplete.
#[test]
fn no_row_check_is_at_a_loss_for_a_missing_value() {
    let database = Database::migrated();
    creditdb(["sample", "--users=8", "--requests=40"])
        .on(&database.url)
        .succeeds();
    let mut client = database.connect();
    client
        .batch_execute("SELECT set_config('creditdb.now', now()::text, false)")
        .unwrap();
    let catalogue = Catalogue::load(None).unwrap();
    let row_checks = catalogue.checks().iter().map(|check| &check.contract);
    let mut undecided = Vec::new();
    for check in row_checks.filter(|contract| contract.kind == Kind::Row) {
        for table in &check.tables {
            let rows = client.query(
                &format!(
                    "SELECT DISTINCT missing
                       FROM (SELECT c.attname::text AS missing,
                                    (jsonb_populate_record(NULL::public.{table},
                                         to_jsonb(stored) - c.attname::text)).*
                               FROM public.{table} AS stored, pg_catalog.pg_attribute AS c
                              WHERE c.attrelid = 'public.{table}'::regclass AND c.attnum > 0
                            ) AS {table}
                      WHERE (\n{}\n) IS NULL",
                    check.sql
                ),
                &[],
            );
            let rows = rows.unwrap_or_else(|e| panic!("{}: {e:?}", check.id));
            undecided.extend(
                rows.iter()
                    .map(|row| format!("{}: {table}.{}", check.id, row.get::<_, String>(0))),
            );
        }
    }
    assert!(undecided.is_empty(), "{undecided:#?}");
}
