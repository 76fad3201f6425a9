//! Each rule on real text: `tests/fixtures/lint/<rule>.sql`, in acts.
//!
//! `-- act: existing` is the schema before; `-- act: flagged N` must be found N times, `-- act:
//! silent` not at all; `as FILE` gives the act a file name of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{lint, rules};
use crate::support::folder::Folder;

struct Act {
    existing: String,
    /// As it stands in the fixture.
    head: String,
    name: String,
    text: String,
    expected: usize,
}

fn acts(fixture: &str) -> Vec<Act> {
    let mut existing = String::new();
    let mut acts = Vec::new();
    for part in fixture.split("-- act: ").skip(1) {
        let (head, text) = part.split_once('\n').unwrap();
        if head == "existing" {
            existing = text.to_owned();
            continue;
        }
        let (kind, name) = head.split_once(" as ").unwrap_or((head, "V2__act.sql"));
        let expected = match kind.split_once(' ') {
            Some(("flagged", number)) => number.parse().unwrap(),
            None if kind == "silent" => 0,
            _ => panic!("no act: {head}"),
        };
        acts.push(Act {
            existing: existing.clone(),
            head: head.to_owned(),
            name: name.to_owned(),
            text: text.to_owned(),
            expected,
        });
    }
    acts
}

fn play(rule: &str, act: &Act) -> Result<(), String> {
    let folder = Folder::with(&[
        ("V1__existing.sql", &act.existing[..]),
        (&act.name[..], &act.text[..]),
    ]);
    let path = folder.path().join(&act.name);
    let run = lint([path.to_str().unwrap(), "--format", "json"]).run();
    assert!([0, 1].contains(&run.code), "{}", run.stderr);
    let found = rules(&run).iter().filter(|id| *id == rule).count();
    if found == act.expected {
        return Ok(());
    }
    Err(format!(
        "{rule}: {found} findings in \"{}\":\n{}\n{}",
        act.head, act.text, run.stdout
    ))
}

#[test]
fn every_rule_finds_its_danger_and_leaves_the_look_alike_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lint");
    let listed = lint(["--rules", "--format", "json"]).succeeds().json();
    let known: BTreeSet<String> = listed["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["id"].as_str().unwrap().to_owned())
        .collect();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let rule = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let acts = acts(&fs::read_to_string(&path).unwrap());
        for flagged in [true, false] {
            let any = acts.iter().any(|act| (act.expected > 0) == flagged);
            assert!(any, "{rule}: a flagged and a silent act are needed");
        }
        wrong.extend(acts.iter().filter_map(|act| play(&rule, act).err()));
        seen.insert(rule);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen, known, "each rule has a fixture, each fixture a rule");
}
