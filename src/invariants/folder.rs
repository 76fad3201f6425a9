//! Reads the checks of `--checks DIR`: `DIR/<area>/<id>.sql`, row and query checks.
//!
//! A file that is left out in silence would be an invariant that nobody checks, so everything that
//! looks like SQL is read or complained about.

use std::fs;
use std::path::{Path, PathBuf};

use super::contract::{Contract, Kind};
use crate::error::{Error, Result};

const LAYOUT: &str = "put each check into DIR/<area>/<id>.sql";

pub(super) fn read(directory: &Path, taken: &[String]) -> Result<Vec<Contract>> {
    let mut reader = Reader {
        contracts: Vec::new(),
        taken: taken.to_vec(),
        problems: Vec::new(),
    };
    reader.directory(directory);
    if let Some((first, rest)) = reader.problems.split_first() {
        let error = rest.iter().fold(Error::usage(first), Error::detail);
        return Err(error.hint(LAYOUT));
    }
    if reader.contracts.is_empty() {
        let message = format!("no checks in \"{}\"", directory.display());
        return Err(Error::usage(message).hint(LAYOUT));
    }
    Ok(reader.contracts)
}

struct Reader {
    contracts: Vec<Contract>,
    taken: Vec<String>,
    problems: Vec<String>,
}

impl Reader {
    fn reject(&mut self, path: &Path, what: impl std::fmt::Display) {
        self.problems.push(format!("{}: {what}", path.display()));
    }

    fn directory(&mut self, directory: &Path) {
        for path in self.entries(directory) {
            if path.is_dir() {
                let area = name(&path);
                for file in self.entries(&path) {
                    self.file(&area, &file);
                }
            } else if looks_like_sql(&path) {
                self.reject(&path, "a check must be in the folder of its area");
            }
        }
    }

    fn entries(&mut self, directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory)
            .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect());
        let mut paths: Vec<PathBuf> = match entries {
            Ok(paths) => paths,
            Err(error) => {
                self.reject(directory, format!("cannot read the folder: {error}"));
                return Vec::new();
            }
        };
        // Folders such as .git are not areas.
        paths.retain(|path| !name(path).starts_with('.'));
        paths.sort();
        paths
    }

    fn file(&mut self, area: &str, path: &Path) {
        if path.is_dir() || !looks_like_sql(path) {
            if path.is_dir() && self.entries(path).iter().any(|p| looks_like_sql(p)) {
                self.reject(path, "areas have no folders inside");
            }
            return;
        }
        let text = match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => {
                let at = error.utf8_error().valid_up_to();
                let line = 1 + error.as_bytes()[..at]
                    .iter()
                    .filter(|b| **b == b'\n')
                    .count();
                self.problems
                    .push(format!("{}:{line}: not UTF-8", path.display()));
                return;
            }
            Err(error) => return self.reject(path, format!("cannot read the file: {error}")),
        };
        if path.extension().is_none_or(|ending| ending != "sql") {
            return self.reject(path, "the name must end in \".sql\", in lower case");
        }
        let id = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        self.contract(area, &id, path, text.trim_start_matches('\u{feff}'));
    }

    fn contract(&mut self, area: &str, id: &str, path: &Path, text: &str) {
        match Contract::read(area, id, text) {
            Err(problems) => self.problems.extend(
                problems
                    .iter()
                    .map(|p| format!("{}:{}: {}", path.display(), p.line, p.message)),
            ),
            Ok(contract) if matches!(contract.kind, Kind::Native | Kind::Sealed) => {
                let message = format!("kind \"{}\" needs Rust; use row or query", contract.kind);
                self.reject(path, message);
            }
            Ok(_) if self.taken.iter().any(|taken| taken == id) => {
                self.reject(path, format!("there is a check \"{id}\" already"));
            }
            Ok(contract) => {
                self.taken.push(id.to_owned());
                self.contracts.push(contract);
            }
        }
    }
}

fn looks_like_sql(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("sql"))
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
