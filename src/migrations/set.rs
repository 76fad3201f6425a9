//! A set of migration files: the embedded one, or a directory of any team that uses refinery.

use std::path::Path;

use refinery::Migration;

use crate::error::{Error, Result, shell_word};
use crate::files;
use crate::header::{Header, Mode, misplaced_mode};
use crate::report::{Commands, Problem};
use crate::syntax::Script;
use crate::syntax::batch::Batch;
use crate::syntax::step::{OTHER_USER, Step};

include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// Migration files, by version, with what is wrong with them as a set.
pub struct Set {
    pub(super) files: Vec<File>,
    pub(super) problems: Vec<Problem>,
    /// Schema of the history table; for foreign sets the search path decides, as in refinery.
    pub(super) history_schema: Option<&'static str>,
    /// What the set is called in messages.
    pub(super) origin: String,
    /// How commands about it are typed.
    pub(super) commands: Commands,
}

/// One migration file.
pub(super) struct File {
    /// As messages name it.
    pub path: String,
    pub migration: Migration,
    /// How its header wants it to be run.
    pub mode: Mode,
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

    /// What in its text speaks against running it. A question about pending files: an applied one
    /// is frozen, so that nobody could correct it.
    pub fn problems(&self) -> Vec<Problem> {
        let (path, text) = (&self.path, self.sql());
        let mut problems = Vec::new();
        let mut add = |code, message, hint| {
            problems.push(Problem {
                code,
                version: Some(self.version()),
                message,
                hint,
            });
        };
        let header = Header::parse(text);
        if Mode::of(&header).is_none() {
            let asked = header.get("transaction").unwrap_or_default();
            add(
                "unsupported",
                format!("\"{path}\" asks for \"transaction: {asked}\""),
                format!("write one of: {}", Mode::WORDS.join(", ")),
            );
        }
        let script = Script::parse(text);
        let comments = &text[..script.statements().first().map_or(0, |range| range.start)];
        if let Some((mode, below)) = misplaced_mode(comments).filter(|(it, _)| *it != self.mode) {
            let (asked, line) = (mode.word(), below + 1);
            add(
                "unsupported",
                format!(
                    "\"{path}\" asks for \"transaction: {asked}\" in line {line}, outside of its header"
                ),
                format!(
                    "write \"-- transaction: {asked}\" into the first lines, before other comments \
                     and blank lines"
                ),
            );
        }
        if let Some(statement) = script.transaction_control() {
            add(
                "own_transaction",
                format!(
                    "\"{path}\" controls its transaction itself: \"{statement}\" in line {}",
                    statement.line
                ),
                "remove the statement: a migration and its history row commit together".to_owned(),
            );
        }
        for (message, hint) in unfit(&script, self.mode, path) {
            add("unsupported", message, hint);
        }
        problems
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
        set.commands = Commands::about(&shell_word(&directory.display().to_string()));
        for path in files::below(directory)? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let shown = path.display().to_string();
            if name.ends_with(".rs") && name.contains("__") {
                let message = format!("\"{shown}\" is a migration in Rust");
                let hint = "run it with the program that it is part of, or rewrite it as SQL";
                set.problem("misnamed", None, message, hint);
            } else if name.to_ascii_lowercase().ends_with(".sql") {
                // Under another ending, such as ".SQL", refinery does not look at it.
                let text = files::read(&path)?;
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
            commands: Commands::default(),
        }
    }

    /// Whether these are the migrations of the credit database.
    pub(super) fn is_embedded(&self) -> bool {
        self.history_schema.is_some()
    }

    /// A command about the same migrations, for a hint.
    pub(super) fn command(&self, name: &str) -> String {
        self.commands.of(name)
    }

    /// Path and text of each file, by version.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|file| (&file.path[..], file.sql()))
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
        if !files::follows_convention(stem) {
            let message = format!("\"{path}\" is not named like a migration");
            let hint =
                "rename it to V<number>__<words>.sql, such as V7__add_index.sql, or remove it";
            self.problem("misnamed", None, message, hint);
            return;
        }
        let Ok(migration) = Migration::unapplied(stem, text) else {
            let message = format!("the version of \"{path}\" is not a number");
            let hint = format!("use a whole number up to {}", i32::MAX);
            self.problem("misnamed", None, message, &hint);
            return;
        };
        let version = migration.version();
        if let Some(twin) = self.find(version) {
            let message = format!(
                "\"{}\" and \"{path}\" both have version {version}",
                twin.path
            );
            let hint = "give the one that is not applied yet the next free number";
            self.problem("duplicate", Some(version), message, hint);
        }
        let mode = Mode::of(&Header::parse(text)).unwrap_or_default();
        self.files.push(File {
            path,
            migration,
            mode,
        });
    }

    fn problem(&mut self, code: &'static str, version: Option<i32>, message: String, hint: &str) {
        self.problems.push(Problem {
            code,
            version,
            message,
            hint: hint.to_owned(),
        });
    }

    fn sort(&mut self) {
        self.files.sort_by_key(File::version);
    }
}

/// Why a file cannot be run as its header asks.
fn unfit(script: &Script<'_>, mode: Mode, path: &str) -> Vec<(String, String)> {
    let refused: Option<Vec<(usize, &str)>> = match mode {
        Mode::One => {
            let changes = script.changes_of_user().into_iter();
            Some(
                changes
                    .map(|range| (script.line(&range), OTHER_USER))
                    .collect(),
            )
        }
        Mode::None => script.steps().map(|steps| {
            let refused = steps.into_iter().filter_map(|(range, step)| match step {
                Step::Refused(why) => Some((script.line(&range), why)),
                _ => None,
            });
            refused.collect()
        }),
        Mode::Batched => script.batches().map(|batches| {
            let refused = batches
                .into_iter()
                .filter_map(|(range, batch)| match batch {
                    Batch::Refused(why) => Some((script.line(&range), why)),
                    _ => None,
                });
            refused.collect()
        }),
    };
    let Some(refused) = refused else {
        let place = script
            .first_error()
            .map(|error| format!("line {}: {error}", error.line));
        let place = place.unwrap_or_default();
        return vec![(
            format!("\"{path}\" cannot be taken apart into its statements: {place}"),
            "correct the statement; where the parser does not know it yet, use \"transaction: one\"".to_owned(),
        )];
    };
    let told = |(line, why): (usize, &str)| {
        let hint = match why {
            OTHER_USER => "write SET ROLE instead".to_owned(),
            _ => format!(
                "change the statement: the header asks for \"transaction: {}\"",
                mode.word()
            ),
        };
        (format!("\"{path}\", line {line}: {why}"), hint)
    };
    refused.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_set_has_no_problem_and_no_hole() {
        let set = Set::embedded();
        assert!(set.problems.is_empty(), "{:?}", set.problems);
        let versions: Vec<i32> = set.files.iter().map(File::version).collect();
        let expected: Vec<i32> = (1..).take(versions.len()).collect();
        assert_eq!(versions, expected);
    }
}
