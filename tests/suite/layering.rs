//! Imports point one way, and only `output` and `main` print: the rules of `src/lib.rs`, checked.

use std::fs;
use std::path::{Path, PathBuf};

/// Module, and what it may import. A folder is one module: inside of it, imports are free.
const ALLOWED: &[(&str, &[&str])] = &[
    ("report", &[]),
    ("exit", &[]),
    ("error", &[]),
    ("header", &[]),
    ("syntax", &[]),
    ("cli", &[]),
    ("db", &["error"]),
    ("files", &["error"]),
    ("catalogue", &["db", "error"]),
    (
        "migrations",
        &[
            "catalogue",
            "db",
            "error",
            "files",
            "header",
            "report",
            "syntax",
        ],
    ),
    ("lint", &["header", "report", "syntax"]),
    ("invariants", &["db", "error", "files", "header", "report"]),
    ("sample", &["db", "error", "header", "report"]),
    ("output", &["error", "report"]),
    (
        "commands",
        &[
            "cli",
            "db",
            "error",
            "exit",
            "files",
            "header",
            "invariants",
            "lint",
            "migrations",
            "output",
            "report",
            "sample",
        ],
    ),
    ("main", &["cli", "commands", "error", "exit"]),
    ("lib", &[]),
    ("build", &[]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// Each file of `src`, with the name of its top-level module.
fn files() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = sources(&root).into_iter().map(|path| {
        let inside = path.strip_prefix(&root).unwrap();
        let first = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        let module = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
        let text = fs::read_to_string(&path).unwrap();
        (module, path, text)
    });
    found.collect()
}

/// The top-level modules that a file names: after `crate::` (in the library) or `creditdb::` (in
/// `main`), single or in braces.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for prefix in ["crate::", "creditdb::"] {
        for (at, _) in text.match_indices(prefix) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &text[at + prefix.len()..];
            let list = rest
                .strip_prefix('{')
                .map_or(rest, |r| r.split('}').next().unwrap());
            let items: Vec<&str> = if rest.starts_with('{') {
                list.split(',').collect()
            } else {
                vec![list]
            };
            for item in items {
                let word: String = item
                    .trim()
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                found.push(word);
            }
        }
    }
    found.retain(|word| word.chars().next().is_some_and(char::is_lowercase));
    found
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (module, path, text) in files() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!(
                "{}: the layering rule does not know this module",
                path.display()
            ));
            continue;
        };
        for import in imports(&text) {
            seen += 1;
            if import != module && !allowed.contains(&import.as_str()) {
                wrong.push(format!(
                    "{}: {module} must not import {import}",
                    path.display()
                ));
            }
        }
    }
    assert!(
        seen > 40,
        "only {seen} imports were found: the test reads them wrong"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_output_and_main_print_and_only_main_ends_the_process() {
    let mut wrong = Vec::new();
    for (module, path, text) in files() {
        // The build script talks to cargo.
        let may_print = ["output", "main", "build"].contains(&module.as_str());
        let prints = ["println!", "eprintln!", "print!(", "stdout()", "stderr()"];
        for word in prints
            .iter()
            .filter(|word| !may_print && text.contains(*word))
        {
            wrong.push(format!(
                "{}: {word} belongs into output or main",
                path.display()
            ));
        }
        if module != "main" && text.contains("process::exit") {
            wrong.push(format!(
                "{}: process::exit belongs into main",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readers_of_this_test_see_what_they_should() {
    let text =
        "use crate::db::Target;\nuse crate::{cli, error::Error};\nlet x = crate::report::A;\n
                use creditdb::exit::Exit; use mycrate::nothing;";
    assert_eq!(imports(text), ["db", "cli", "error", "report", "exit"]);
}
