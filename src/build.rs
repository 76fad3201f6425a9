//! Build script: lists `migrations/`, the check files, the native checks and the rules of `lint`,
//! so that nothing is registered by hand, and refuses to build when one of them breaks its
//! contract.

// Cargo reads what a build script prints.
#![allow(clippy::print_stdout)]

// They are parts of the library; the build script uses a few of their functions.
#[allow(dead_code)]
#[path = "invariants/contract.rs"]
mod contract;
#[allow(dead_code)]
mod header;
#[allow(dead_code)]
mod report {
    mod severity;
    pub use severity::Severity;
}

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use contract::{Contract, Kind};
use header::{Header, MIGRATION_KEYS, Mode, Problem};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let ids = check_ids(&root.join("src/invariants/sql"))?;
    fs::write(
        out.join("migrations.rs"),
        migrations(&root.join("migrations"), &ids)?,
    )?;
    fs::write(out.join("newest.rs"), newest(&root.join("migrations"))?)?;
    fs::write(
        out.join("expected.rs"),
        expected(&root.join("src/migrations/expected"))?,
    )?;
    let natives = modules(&root.join("src/invariants/native"))?;
    fs::write(out.join("native.rs"), declare(&natives))?;
    fs::write(
        out.join("lint_rules.rs"),
        lint_rules(&root.join("src/lint/rules"))?,
    )?;
    fs::write(
        out.join("checks.rs"),
        checks(&root.join("src/invariants/sql"), &natives)?,
    )
}

/// `FILES`: name and text of each migration.
fn migrations(folder: &Path, checks: &[String]) -> io::Result<String> {
    let mut code = String::from("pub(super) const FILES: &[(&str, &str)] = &[\n");
    for file in files(folder, "sql")? {
        let text = fs::read_to_string(&file)?;
        let header = Header::parse(&text);
        let mut problems = header.problems(MIGRATION_KEYS);
        problems.extend(not_ascii(&text));
        if Mode::of(&header).is_none() {
            let message = format!("transaction must be one of: {}", Mode::WORDS.join(", "));
            problems.push(Problem::new(header.line("transaction"), message));
        }
        for id in header.get("precheck").unwrap_or_default().split(',') {
            let id = id.trim();
            if !id.is_empty() && !checks.iter().any(|check| check == id) {
                let message = format!("precheck \"{id}\" is no check of src/invariants/sql");
                problems.push(Problem::new(header.line("precheck"), message));
            }
        }
        report(&file, &problems);
        let _ = writeln!(code, "({:?}, include_str!({file:?})),", name(&file));
    }
    Ok(code + "];\n")
}

/// `NEWEST`: the schema version that the last migration of its name records.
fn newest(folder: &Path) -> io::Result<String> {
    const RECORDS: &str = "__record_schema_version_";
    let mut versions: Vec<Vec<u32>> = Vec::new();
    for file in files(folder, "sql")? {
        if let Some((_, version)) = stem(&file).split_once(RECORDS) {
            let parts = version.split('_').map(str::parse);
            versions.push(parts.collect::<Result<_, _>>().unwrap_or_default());
        }
    }
    let newest = versions.iter().max().cloned().unwrap_or_default();
    let [major, minor, patch] = newest[..] else {
        return Err(io::Error::other("no migration records a schema version"));
    };
    Ok(format!(
        "/// The newest schema version that this program knows.\n\
         pub(super) const NEWEST: SchemaVersion = SchemaVersion({major}, {minor}, {patch});\n"
    ))
}

/// The ids of the checks.
fn check_ids(folder: &Path) -> io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for area in folders(folder)? {
        ids.extend(files(&area, "sql")?.iter().map(|file| stem(file)));
    }
    Ok(ids)
}

/// `STEPS`: version, and what that migration changes in the catalogue. That each migration has one
/// is for a test to say, which also writes them: a build that fails could not run it.
fn expected(folder: &Path) -> io::Result<String> {
    let mut code = String::from("pub(super) const STEPS: &[(i32, &str)] = &[\n");
    for file in files(folder, "json")? {
        let stem = stem(&file);
        match stem.strip_prefix('V').map(str::parse::<i32>) {
            Some(Ok(version)) => {
                let _ = writeln!(code, "({version}, include_str!({file:?})),");
            }
            _ => report(&file, &[Problem::new(1, "expected a name like V7.json")]),
        }
    }
    Ok(code + "];\n")
}

/// The modules of a folder: name and file.
fn modules(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let files = files(folder, "rs")?.into_iter();
    Ok(files
        .map(|f| (stem(&f), f))
        .filter(|(name, _)| name != "mod")
        .collect())
}

fn declare(natives: &[(String, PathBuf)]) -> String {
    natives
        .iter()
        .fold(String::new(), |mut code, (name, file)| {
            let _ = writeln!(code, "#[path = {file:?}]\npub(super) mod {name};");
            code
        })
}

/// `RULES`: area, id and definition of each rule of `lint`.
fn lint_rules(folder: &Path) -> io::Result<String> {
    let mut found = Vec::new();
    let mut list = String::from("pub(super) const RULES: &[Entry] = &[\n");
    for area in folders(folder)? {
        for (module, file) in modules(&area)? {
            let (area, id) = (name(&area), module.replace('_', "-"));
            let _ = writeln!(
                list,
                "Entry {{ area: {area:?}, id: {id:?}, rule: &{module}::RULE }},"
            );
            found.push((module, file));
        }
    }
    Ok(declare(&found) + &list + "];\n")
}

/// `CHECKS`: area, id, text and, for native checks, the function that evaluates it.
fn checks(folder: &Path, natives: &[(String, PathBuf)]) -> io::Result<String> {
    let mut code = String::from("pub(super) const CHECKS: &[Embedded] = &[\n");
    let mut without_file: Vec<&str> = natives.iter().map(|(name, _)| name.as_str()).collect();
    for area in folders(folder)? {
        for file in files(&area, "sql")? {
            let text = fs::read_to_string(&file)?;
            let (area, id) = (name(&area), stem(&file));
            let module = id.replace('-', "_");
            let native = natives.iter().any(|(name, _)| *name == module);
            without_file.retain(|name| *name != module);
            if let Some(problem) = not_ascii(&text) {
                report(&file, &[problem]);
            }
            match Contract::read(&area, &id, &text) {
                Err(problems) => report(&file, &problems),
                Ok(contract) if (contract.kind == Kind::Native) != native => {
                    let message =
                        format!("kind native and src/invariants/native/{module}.rs go together");
                    report(&file, &[Problem::new(1, message)]);
                }
                Ok(_) => {}
            }
            let function = if native {
                format!("Some(native::{module}::run)")
            } else {
                "None".to_owned()
            };
            let _ = writeln!(
                code,
                "Embedded {{ area: {area:?}, id: {id:?}, text: include_str!({file:?}), \
                 native: {function} }},"
            );
        }
    }
    for module in without_file {
        println!(
            "cargo::error=src/invariants/native/{module}.rs has no check file in src/invariants/sql"
        );
    }
    Ok(code + "];\n")
}

/// A character that a database with another encoding may not have: it would refuse the statement.
fn not_ascii(text: &str) -> Option<Problem> {
    let mut lines = text.lines().zip(1..);
    let (line, number) = lines.find(|(line, _)| !line.is_ascii())?;
    let character = line.chars().find(|character| !character.is_ascii())?;
    let message = format!("{character:?} is not in every encoding that a database may have");
    Some(Problem::new(number, message))
}

fn report(file: &Path, problems: &[Problem]) {
    for problem in problems {
        println!(
            "cargo::error={}:{}: {}",
            file.display(),
            problem.line,
            problem.message
        );
    }
}

fn files(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let keep = |path: &PathBuf| path.extension().is_some_and(|e| e == ending);
    Ok(entries(folder)?.into_iter().filter(keep).collect())
}

fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(entries(folder)?
        .into_iter()
        .filter(|path| path.is_dir())
        .collect())
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut paths = fs::read_dir(folder)?
        .map(|e| e.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
