//! Canaries: what a check has to find in planted rows before its silence is believed.

use std::fs;
use std::path::Path;

use super::{LEDGER, check, own_check, result, verify_own};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::{Database, EARLIER, NEWEST};

/// A query check that finds every entry that takes credits.
const DEBITS: &str = "SELECT 'entry ' || id AS subject, NULL AS expected, NULL AS actual,
    amount AS difference, NULL AS cause, NULL AS detail
    FROM public.credit_transactions AS ct WHERE ct.amount < 0 -- public.credit_transactions";

/// A canary of rows of `credit_transactions`.
fn entries(rows: &str) -> String {
    format!("{{\"credit_transactions\": [{rows}]}}")
}

/// Requires that the check "it" could not be evaluated, for a reason with these words.
fn assert_not_believed(database: &Database, text: &str, reason: &str) {
    let audit = verify_own(database, &own_check(text), 3);
    assert_eq!(audit["verdict"], "incomplete");
    let it = result(&audit, "it");
    assert_eq!(it["status"], "error");
    assert!(it["reason"].as_str().unwrap().contains(reason), "{it}");
}

#[test]
fn a_row_check_that_misses_its_canary_is_not_believed() {
    let database = Database::migrated();
    let check = |canary: &str| check("row", &[("canary", canary)], "amount < 0");
    let audit = verify_own(&database, &own_check(check("{\"amount\": -1}")), 0);
    assert_eq!(result(&audit, "it")["status"], "holds");
    for missed in ["{\"amount\": 1}", "{}"] {
        assert_not_believed(&database, &check(missed), "its own canary");
    }
    assert_not_believed(&database, &check("{\"amount\": \"?\"}"), "(SQLSTATE 22P02)");
}

#[test]
fn a_query_sees_the_planted_rows_and_no_others() {
    let database = Database::migrated();
    let check = |rows: &str| check("query", &[("canary", &entries(rows))], DEBITS);
    let debit = check("{\"amount\": -1}");
    assert_eq!(
        verify_own(&database, &own_check(&debit), 0)["verdict"],
        "clean"
    );
    // What is stored is found by the check, and does not stand in for what is planted.
    database.execute(LEDGER);
    let audit = verify_own(&database, &own_check(&debit), 1);
    assert_eq!(result(&audit, "it")["violations"], 1);
    for missed in ["", "{\"amount\": 1}", "{\"no_such_column\": -1}"] {
        assert_not_believed(&database, &check(missed), "its own canary");
    }
    assert_not_believed(&database, &check("{\"amount\": \"?\"}"), "(SQLSTATE 22P02)");
    let row = DEBITS.replace("public.", "");
    let audit = verify_own(&database, &own_check(super::check("query", &[], &row)), 3);
    assert!(result(&audit, "it")["reason"].to_string().contains("42P01"));
}

#[test]
fn a_planted_row_is_repeated_at_will() {
    let database = Database::migrated();
    let many = format!(
        "SELECT * FROM ({DEBITS}\n) AS d WHERE (SELECT count(*) = 1000 \
                        FROM public.credit_transactions)"
    );
    let check = |rows: &str| check("query", &[("canary", &entries(rows))], &many);
    let thousand = check("{\"*\": 999, \"amount\": 1}, {\"amount\": -1}");
    assert_eq!(
        verify_own(&database, &own_check(thousand), 0)["verdict"],
        "clean"
    );
    let fewer = check("{\"*\": 998, \"amount\": 1}, {\"amount\": -1}");
    assert_not_believed(&database, &fewer, "its own canary");
}

#[test]
fn the_others_are_decided_when_one_misses_its_canary_or_cannot_be_asked() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let canary = |rows: &str| check("query", &[("canary", &entries(rows))], DEBITS);
    let broken = format!("{DEBITS}\n AND 1 / (amount - amount) > 0");
    let broken = check(
        "query",
        &[("canary", &entries("{\"amount\": -1}"))],
        &broken,
    );
    let folder = Folder::with(&[
        ("own/broken.sql", broken),
        ("own/finds.sql", canary("{\"amount\": -1}")),
        ("own/misses.sql", canary("{\"amount\": 1}")),
    ]);
    let audit = verify_own(&database, &folder, 3);
    assert_eq!(result(&audit, "finds")["status"], "violated");
    let reason = |id: &str| result(&audit, id)["reason"].to_string();
    assert!(reason("misses").contains("its own canary"), "{audit}");
    assert!(reason("broken").contains("(SQLSTATE 22012)"), "{audit}");
}

#[test]
fn every_canary_is_found_at_every_schema_version() {
    for (version, _) in EARLIER.into_iter().chain([NEWEST]) {
        let run = creditdb(["verify", "--distrust", "--format", "json"]);
        let audit = run.on(&Database::at(version).url).succeeds().json();
        for check in audit["checks"].as_array().unwrap() {
            let status = check["status"].as_str().unwrap();
            assert!(["holds", "skipped"].contains(&status), "{version}: {check}");
        }
    }
}

/// Each check by itself, in tables where nothing is planted, has to be silent: else it would find
/// its canary whatever was planted.
#[test]
fn no_canary_is_found_where_nothing_is_planted() {
    // Compares one of our tables with what canaries do not reach.
    let besides = ["version-history-agrees"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/invariants/sql");
    let mut checks = Vec::new();
    let areas = fs::read_dir(root).unwrap().map(|area| area.unwrap().path());
    for area in areas.filter(|area| area.is_dir()) {
        for file in fs::read_dir(area).unwrap() {
            let path = file.unwrap().path();
            let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let Some(at) = text.find("-- canary: {") else {
                continue;
            };
            // Native checks cannot be added.
            if text.contains("\n-- kind: query\n") && !besides.contains(&id.as_str()) {
                let body = &text[at + text[at..].find("\n\n").unwrap()..];
                let text = format!("{}-- canary: {{}}{body}", &text[..at]);
                checks.push((format!("own/own-{id}.sql"), text));
            }
        }
    }
    assert!(checks.len() > 30, "only {} checks", checks.len());
    let checks: Vec<_> = checks
        .iter()
        .map(|(name, text)| (name.as_str(), text))
        .collect();
    let audit = verify_own(&Database::migrated(), &Folder::with(&checks), 3);
    for check in audit["checks"].as_array().unwrap() {
        let word = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
        let silent = word("reason").contains("its own canary") || word("status") == "guarded";
        assert!(silent, "{check}");
    }
}
