//! A set of migration files: the embedded one, or a directory of any team that uses refinery.

use std::fs;
use std::path::{Path, PathBuf};

use refinery::Migration;

use super::statements::Script;
use crate::error::{Error, Result};
use crate::header::Header;
use crate::report::Problem;

include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// Migration files, by version, with what is wrong with them as a set.
pub struct Set {
    pub(super) files: Vec<File>,
    pub(super) problems: Vec<Problem>,
    /// Schema of the history table; for foreign sets the search path decides, as in refinery.
    pub(super) history_schema: Option<&'static str>,
    /// What the set is called in messages.
    pub(super) origin: String,
}

/// One migration file.
pub(super) struct File {
    /// As messages name it.
    pub path: String,
    pub migration: Migration,
}

impl File {
    pub fn version(&self) -> i32 {
        self.migration.version()
    }

    /// Versioned files keep to the order of their numbers; refinery lets `U` files come late.
    pub fn is_versioned(&self) -> bool {
        self.migration.prefix().to_string() == "V"
    }

    pub fn sql(&self) -> &str {
        self.migration.sql().unwrap_or_default()
    }
}

impl Set {
    /// The migrations of the credit database, embedded in the program.
    pub fn embedded() -> Self {
        let mut set = Self::new(Some("public"), "this build of creditdb".to_owned());
        for (name, text) in FILES {
            set.add(name, (*name).to_owned(), text);
        }
        set.sort();
        set
    }

    /// The refinery migrations below a directory.
    ///
    /// # Errors
    /// A directory that is missing, unreadable or without migrations; a file that is not UTF-8.
    /// What `migrate` refuses (names, duplicates) is kept, so that all of it is told at once.
    pub fn directory(directory: &Path) -> Result<Self> {
        let mut set = Self::new(None, format!("\"{}\"", directory.display()));
        for path in files_below(directory)? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let shown = path.display().to_string();
            if name.ends_with(".rs") && name.contains("__") {
                set.problem(
                    "misnamed",
                    None,
                    format!("\"{shown}\" is a migration in Rust"),
                )
                .hint("run it with the program that it is part of, or rewrite it as SQL");
            } else if name.ends_with(".sql") {
                let bytes = fs::read(&path).map_err(|error| {
                    Error::undecided(format!("cannot read \"{shown}\": {error}"))
                        .hint(format!("ls -l '{shown}'"))
                })?;
                let text = String::from_utf8(bytes).map_err(|error| {
                    let at = error.utf8_error().valid_up_to();
                    Error::usage(format!("\"{shown}\" is not UTF-8 text"))
                        .detail(format!(
                            "the first byte that does not fit is at offset {at}"
                        ))
                        .hint(format!("iconv -f ISO-8859-1 -t UTF-8 '{shown}'"))
                })?;
                set.add(&name, shown, &text);
            }
        }
        if set.files.is_empty() && set.problems.is_empty() {
            return Err(Error::usage(format!("no migrations in {}", set.origin))
                .detail("migrations are files named V<number>__<words>.sql")
                .hint("name another directory with --migrations"));
        }
        set.sort();
        Ok(set)
    }

    fn new(history_schema: Option<&'static str>, origin: String) -> Self {
        Self {
            files: Vec::new(),
            problems: Vec::new(),
            history_schema,
            origin,
        }
    }

    /// The newest version of the set.
    pub(super) fn newest(&self) -> Option<i32> {
        self.files.last().map(File::version)
    }

    pub(super) fn find(&self, version: i32) -> Option<&File> {
        self.files.iter().find(|file| file.version() == version)
    }

    fn add(&mut self, name: &str, path: String, text: &str) {
        let stem = name.strip_suffix(".sql").unwrap_or(name);
        if !follows_convention(stem) {
            self.problem(
                "misnamed",
                None,
                format!("\"{path}\" is not named like a migration"),
            )
            .hint("rename it to V<number>__<words>.sql, such as V7__add_index.sql, or remove it");
            return;
        }
        let Ok(migration) = Migration::unapplied(stem, text) else {
            self.problem(
                "misnamed",
                None,
                format!("the version of \"{path}\" is not a number"),
            )
            .hint(format!("use a whole number up to {}", i32::MAX));
            return;
        };
        let version = migration.version();
        if let Some(twin) = self.find(version) {
            let message = format!(
                "\"{}\" and \"{path}\" both have version {version}",
                twin.path
            );
            self.problem("duplicate", Some(version), message)
                .hint("give the one that is not applied yet the next free number");
        }
        if let Some(mode) = Header::parse(text)
            .get("transaction")
            .filter(|mode| *mode != "one")
        {
            let message = format!("\"{path}\" asks for \"transaction: {mode}\"");
            self.problem("unsupported", Some(version), message)
                .hint("this version runs every migration in one transaction: \"transaction: one\"");
        }
        if let Some(statement) = Script::parse(text).transaction_control() {
            let message = format!(
                "\"{path}\" controls its transaction itself: \"{statement}\" in line {}",
                statement.line
            );
            self.problem("own_transaction", Some(version), message)
                .hint("remove the statement: a migration and its history row commit together");
        }
        self.files.push(File { path, migration });
    }

    fn problem(&mut self, code: &'static str, version: Option<i32>, message: String) -> Hint<'_> {
        self.problems.push(Problem {
            code,
            version,
            message,
            hint: String::new(),
        });
        Hint(self.problems.last_mut())
    }

    fn sort(&mut self) {
        self.files.sort_by_key(File::version);
    }
}

/// Gives the problem that was just added its hint.
struct Hint<'a>(Option<&'a mut Problem>);

impl Hint<'_> {
    fn hint(self, hint: impl Into<String>) {
        if let Some(problem) = self.0 {
            problem.hint = hint.into();
        }
    }
}

/// `V<digits>__<word characters>` or `U…`: what refinery runs. It skips other files in silence.
fn follows_convention(stem: &str) -> bool {
    let Some((number, words)) = stem
        .strip_prefix(['V', 'U'])
        .and_then(|s| s.split_once("__"))
    else {
        return false;
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
        && !words.is_empty()
        && words.chars().all(is_word)
}

/// All files below a directory, as refinery finds them, in a stable order; hidden ones left out.
fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error: std::io::Error| {
        let message = format!(
            "cannot read the directory \"{}\": {error}",
            directory.display()
        );
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Error::undecided(message),
            _ => Error::usage(message),
        }
        .hint("name a directory of V<number>__<words>.sql files with --migrations")
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            found.extend(files_below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_refinery_would_skip_are_told_apart() {
        for good in ["V1__a", "U20__add_index_2", "V007__x"] {
            assert!(follows_convention(good), "{good}");
        }
        for bad in [
            "v1__a",
            "V1_a",
            "V__a",
            "V1__",
            "V1.5__a",
            "V2__add-index",
            "V1__a b",
            "1__a",
        ] {
            assert!(!follows_convention(bad), "{bad}");
        }
    }

    #[test]
    fn the_embedded_set_has_no_problem_and_no_hole() {
        let set = Set::embedded();
        assert!(set.problems.is_empty(), "{:?}", set.problems);
        let versions: Vec<i32> = set.files.iter().map(File::version).collect();
        let expected: Vec<i32> = (1..).take(versions.len()).collect();
        assert_eq!(versions, expected);
    }
}
