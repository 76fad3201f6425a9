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
    ("catalogue", &["db", "error", "report"]),
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
    (
        "invariants",
        &["db", "error", "files", "header", "report", "syntax"],
    ),
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

/// How often a file has to say `super::` to be at the root: once in `files.rs` and `db/mod.rs`.
fn depth(path: &Path) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let inside = path.strip_prefix(root).unwrap();
    let own_name = usize::from(!inside.ends_with("mod.rs"));
    inside.components().count() - 1 + own_name
}

/// What stands after a path: all of it, or the parts of a list in braces. A part may be such a list
/// again, whose commas and braces separate and end nothing here.
fn parts(rest: &str) -> Vec<&str> {
    let Some(list) = rest.strip_prefix('{') else {
        return vec![rest];
    };
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                parts.push(&list[begin..at]);
                begin = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    parts
}

/// The top-level modules that a file names: after `crate::` (in the library), `creditdb::` (in
/// `main`) or as many `super::` as its depth; single or in braces. The tests inside of a file are
/// one deeper: their `super::*` is the file itself, and names nothing.
fn imports(text: &str, depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    for prefix in ["crate::", "creditdb::", &"super::".repeat(depth)] {
        for (at, _) in text.match_indices(prefix) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &text[at + prefix.len()..];
            for part in parts(rest) {
                let word: String = part
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
        for import in imports(&text, depth(&path)) {
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
    assert_eq!(imports(text, 1), ["db", "cli", "error", "report", "exit"]);
    let nested = "use crate::{db::{A, b::{C, d}}, output, lint::E};\nuse crate::sample::F;";
    assert_eq!(imports(nested, 1), ["db", "output", "lint", "sample"]);
    let outwards = "use super::output::{self, text};\nuse super::{cli, error::Error};\n
                    mod tests { use super::*; } fn f() { super::report::g() }";
    assert_eq!(imports(outwards, 1), ["output", "cli", "error", "report"]);
    assert!(imports(outwards, 2).is_empty());
    assert_eq!(
        imports("use super::super::{db::A, lint};", 2),
        ["db", "lint"]
    );
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let depths = ["files.rs", "db/mod.rs", "cli/plan.rs"].map(|file| depth(&src.join(file)));
    assert_eq!(depths, [1, 1, 2]);
}
