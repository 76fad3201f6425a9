//! Reads the checks of `--checks DIR`: `DIR/<area>/<id>.sql`, row and query checks.
//!
//! A file that is left out in silence would be an invariant that nobody checks, so everything that
//! looks like SQL is read or complained about.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::contract::{Contract, Kind};
use crate::error::{Error, Result, shell_quoted};

const LAYOUT: &str = "put each check into DIR/<area>/<id>.sql";

/// The least that a check says of itself; it is read as one by a test.
const HEADER: &str = "\
-- title: what is true as long as nothing is wrong
-- kind: query
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: no constraint can say it
-- why: what happens in real life when it is not true
-- remedy: what to do about a violation

";

pub(super) fn read(directory: &Path, taken: &[String]) -> Result<Vec<Contract>> {
    let mut reader = Reader {
        contracts: Vec::new(),
        taken: taken.iter().map(|id| (id.clone(), None)).collect(),
        problems: Vec::new(),
        hints: Vec::new(),
    };
    reader.directory(directory);
    if let Some((first, rest)) = reader.problems.split_first() {
        let error = rest.iter().fold(Error::usage(first), Error::detail);
        let hints = match reader.hints.as_slice() {
            [] => LAYOUT.to_owned(),
            hints => hints.join("\n"),
        };
        return Err(error.hint(hints));
    }
    if reader.contracts.is_empty() {
        let message = format!("no checks in \"{}\"", directory.display());
        return Err(Error::usage(message).hint(LAYOUT));
    }
    Ok(reader.contracts)
}

struct Reader {
    contracts: Vec<Contract>,
    /// Ids, and the files that have them; none is a check of this program.
    taken: BTreeMap<String, Option<PathBuf>>,
    problems: Vec<String>,
    /// What helps against them, each once.
    hints: Vec<String>,
}

impl Reader {
    fn reject(&mut self, path: &Path, what: impl std::fmt::Display) {
        self.problems.push(format!("{}: {what}", path.display()));
    }

    fn hint(&mut self, hint: impl Into<String>) {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
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
                self.hint(LAYOUT);
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
                self.hint(LAYOUT);
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
                self.hint(LAYOUT);
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
                let file = shell_quoted(path.display());
                self.hint(format!("iconv -f ISO-8859-1 -t UTF-8 {file}"));
                return;
            }
            Err(error) => return self.reject(path, format!("cannot read the file: {error}")),
        };
        if path.extension().is_none_or(|ending| ending != "sql") {
            self.reject(path, "the name must end in \".sql\", in lower case");
            return self.hint(LAYOUT);
        }
        let id = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        self.contract(area, &id, path, &text);
    }

    fn contract(&mut self, area: &str, id: &str, path: &Path, text: &str) {
        match Contract::read(area, id, text) {
            Err(problems) => {
                for problem in problems {
                    let (line, message) = (problem.line, problem.message);
                    if message.contains("header key") {
                        self.hint(format!(
                            "begin the file of a query check with a header such as\n{HEADER}\
                             a row check has \"kind: row\", and \"table: <name>\" after it"
                        ));
                    }
                    self.problems
                        .push(format!("{}:{line}: {message}", path.display()));
                }
            }
            Ok(contract) if matches!(contract.kind, Kind::Native | Kind::Sealed) => {
                let message = format!("kind \"{}\" needs Rust; use row or query", contract.kind);
                self.reject(path, message);
            }
            Ok(_) if self.taken.contains_key(id) => self.twice(id, path),
            Ok(contract) => {
                self.taken.insert(id.to_owned(), Some(path.to_owned()));
                self.contracts.push(contract);
            }
        }
    }

    /// The id is the name of the file, so one of the two needs another.
    fn twice(&mut self, id: &str, path: &Path) {
        let first = self.taken.get(id).and_then(Option::as_deref);
        if let Some(first) = first {
            let already = format!("\"{}\" already", first.display());
            self.reject(path, format!("the id \"{id}\" is that of {already}"));
            return self.hint(format!("rename one of the two files of \"{id}\""));
        }
        let message = format!("the id \"{id}\" is that of a check of this program already");
        self.reject(path, message);
        let shown = format!("creditdb explain {id}");
        self.hint(format!(
            "rename the file of \"{id}\"; \"{shown}\" is the other one"
        ));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_that_is_shown_is_one() {
        let text = format!("{HEADER}SELECT NULL::text AS subject");
        Contract::read("own", "mine", &text).unwrap();
    }
}
