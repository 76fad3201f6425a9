//! The three formats.

use std::collections::BTreeSet;

use super::lint;
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;
use crate::support::snapshots;

fn folder() -> Folder {
    Folder::with(&[
        ("V1__a.sql", "CREATE TABLE a (i bigint);\n"),
        (
            "V2__b, 100%.sql",
            "-- why: é ü\n-- locks: share on a\n-- transaction: one\n-- undo: drop the index\n\n\
             CREATE INDEX by_i\n    ON a (i);\n/* ü */ ALTER TABLE a ALTER i SET NOT NULL;\n\
             CREATE TABLE b (t timestamp, money real\n);\nSELEC 1;\n",
        ),
    ])
}

fn shows(name: &str, arguments: &[&str]) {
    let folder = folder();
    let path = folder.path().join("V2__b, 100%.sql");
    let run = lint([path.to_str().unwrap()]).args(arguments).exits(1);
    snapshots(|| insta::assert_snapshot!(name, folder.scrub(&run.stdout)));
}

#[test]
fn text_shows_each_place_with_a_caret() {
    shows("lint_text", &[]);
}

#[test]
fn json_has_lines_columns_and_bytes() {
    shows("lint_json", &["--format", "json"]);
}

#[test]
fn github_annotates_lines_and_escapes() {
    shows("lint_github", &["--format", "github"]);
}

#[test]
fn rules_are_listed_and_explained() {
    let run = lint(["--explain", "concurrent-if-not-exists"]).succeeds();
    snapshots(|| insta::assert_snapshot!("lint_explain", run.stdout));
    let json = lint(["--explain", "int4-key", "--format", "json"])
        .succeeds()
        .json();
    assert_eq!(
        (&json["id"], &json["area"]),
        (&"int4-key".into(), &"types".into())
    );
    let list = lint(["--rules"]).succeeds().stdout;
    assert!(
        list.contains("  blocking-index                error    an index"),
        "{list}"
    );
}

/// Words that people are told to type.
#[test]
fn remedies_name_commands_that_there_are() {
    let known = |word: &str| creditdb(["help", word]).run().code == 0;
    let rules = lint(["--rules", "--format", "json"]).succeeds().json();
    let checks = creditdb(["list", "--format", "json"]).succeeds().json();
    let texts = format!("{}{}", rules["rules"], checks["checks"]);
    let named: BTreeSet<&str> = texts
        .split("creditdb ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphabetic()).next())
        .collect();
    assert!(named.contains("verify"), "{named:?}");
    let wrong: Vec<_> = named.iter().filter(|word| !known(word)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn github_annotates_what_other_commands_find() {
    let database = Database::at("1.2.0");
    let pending = creditdb(["status", "--format", "github"])
        .on(&Database::empty().url)
        .succeeds();
    assert_eq!(
        pending.stdout,
        "::notice title=pending::migrations are pending\n"
    );
    database.execute(
        "INSERT INTO public.credit_transactions
                (user_id, transaction_type, amount, balance_after)
         VALUES ('00000000-0000-0000-0000-000000000001', 'usage', -2.5, 97.5)",
    );
    let audit = creditdb(["verify", "chain-continuity", "--format", "github"])
        .on(&database.url)
        .exits(1);
    let lines: Vec<&str> = audit.stdout.lines().collect();
    let [line] = lines[..] else {
        panic!("one annotation per check: {}", audit.stdout);
    };
    assert!(
        line.starts_with("::error title=chain-continuity::"),
        "{line}"
    );
    assert!(line.contains("%0Aremedy: "), "{line}");
}
