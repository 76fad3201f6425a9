//! What the plan says about locks, and what the server holds: equal for each statement of the
//! corpus in `tests/fixtures/locks` and for all our migrations.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::{Database, server};

/// Every case finds these tables in its schema.
const COMMON: &str = "
    CREATE TABLE here.t (id bigint PRIMARY KEY, a int, b text, c varchar(10), d numeric(10,2));
    INSERT INTO here.t SELECT g, g, g, g, g FROM generate_series(1, 20) AS g;
    CREATE TABLE here.r (id bigint PRIMARY KEY, t_id bigint);
    INSERT INTO here.r SELECT g, g FROM generate_series(1, 20) AS g;";

/// One statement, and what is there before it.
struct Case {
    name: String,
    since: u32,
    transaction: String,
    setup: String,
    statement: String,
}

/// Reads a fixture: `-- case: …`, then `-- since: MAJOR`, `-- setup`, `-- transaction: none` where
/// needed, and `-- statement`.
fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_statement = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("-- case: ") {
            in_statement = false;
            cases.push(Case {
                name: name.to_owned(),
                since: 0,
                transaction: "one".to_owned(),
                setup: String::new(),
                statement: String::new(),
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        if let Some(major) = line.strip_prefix("-- since: ") {
            case.since = major.parse().unwrap();
        } else if let Some(mode) = line.strip_prefix("-- transaction: ") {
            mode.clone_into(&mut case.transaction);
        } else if line == "-- statement" {
            in_statement = true;
        } else if line != "-- setup" {
            let part = if in_statement {
                &mut case.statement
            } else {
                &mut case.setup
            };
            part.push_str(line);
            part.push('\n');
        }
    }
    cases
}

fn corpus() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/locks");
    let files = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let texts = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    let major = server().major();
    texts
        .flat_map(|text| cases(&text))
        .filter(|case| case.since <= major)
        .collect()
}

/// A text in the schema of its case.
fn within(text: &str, number: usize) -> String {
    let word = regex::Regex::new(r"\bhere(_\w+)?\b").unwrap();
    let name = |found: &regex::Captures<'_>| {
        let suffix = found.get(1).map_or("", |m| m.as_str());
        format!("c{number:03}{suffix}")
    };
    word.replace_all(text, name).into_owned()
}

fn statements(json: &Value) -> impl Iterator<Item = &Value> {
    let files = json["files"].as_array().unwrap();
    files
        .iter()
        .flat_map(|file| file["statements"].as_array().unwrap())
}

fn differences(json: &Value) -> Vec<String> {
    let mut told = Vec::new();
    for statement in statements(json) {
        for difference in statement["differences"].as_array().unwrap() {
            let sql = statement["sql"].as_str().unwrap().trim();
            told.push(format!("{difference}\n    {sql}"));
        }
    }
    told
}

#[test]
fn the_corpus_locks_what_the_plan_says() {
    let database = Database::empty();
    let cases = corpus();
    assert!(cases.len() >= 80, "only {} statements", cases.len());
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let mut client = database.connect();
    let folder = Folder::with::<&str>(&[]);
    for (number, case) in cases.iter().enumerate() {
        let setup = format!("CREATE SCHEMA here; {COMMON} {}", case.setup);
        client
            .batch_execute(&within(&setup, number))
            .unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
        let text = format!("-- transaction: {}\n{}", case.transaction, case.statement);
        let name = format!("V{}__case.sql", number + 1);
        folder.write(&name, within(&text, number));
    }
    let run = creditdb(["rehearse", "--rows", "100", "--format", "json"])
        .args(["--migrations", folder.arg()])
        .args(["--scratch-url", &server().url_of("postgres")])
        .on(&database.url)
        .run();
    assert!(run.code == 0 || run.code == 1, "{}", run.stderr);
    let json = run.json();
    let told = differences(&json);
    let files = json["files"].as_array().unwrap();
    let last = &cases[files.len() - 1].name;
    let failure = &json["failure"];
    assert!(failure.is_null(), "{last}: {failure}\n{}", told.join("\n"));
    assert_eq!(files.len(), cases.len());
    assert!(statements(&json).count() >= cases.len());
    // What the plan cannot read is not compared.
    let unread: Vec<_> = statements(&json)
        .filter(|statement| !statement["unread"].as_array().unwrap().is_empty())
        .collect();
    assert!(unread.is_empty(), "{unread:?}");
    assert!(
        told.is_empty(),
        "{} differences:\n{}",
        told.len(),
        told.join("\n")
    );
}
