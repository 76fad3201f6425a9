//! Static findings on migration files, without a database.
//!
//! A rule is a file in `rules/<area>/`; its name is its id, and the build script lists it. Files
//! are read in the order of their versions into a [`schema::Schema`], so that a rule knows what
//! exists before a statement and what is new. Where squawk's linter detects a danger, the rule
//! takes its word and adds what squawk cannot know: earlier files, the transaction mode, our own
//! terms.
//!
//! What is not seen: SQL that a function puts together at run time. Schema changes inside of `DO`
//! blocks and bodies that cannot be read are not judged, but reported as such.

mod bodies;
mod file;
mod rule;
mod rules;
mod schema;
mod statement;
mod suppress;

use crate::report::{Lint, LintFinding, LintRule, LintedFile, Place};
use file::File;
use rule::{Check, Found};
use schema::Schema;
use statement::Statement;

/// A migration file to read.
#[derive(Clone, Debug)]
pub struct Source {
    /// As messages name it.
    pub path: String,
    /// Its text.
    pub text: String,
    /// From its name; none when it is not named like a migration.
    pub version: Option<i32>,
    /// Whether it is part of the existing schema: then it is read, but not judged, and the tables
    /// that it makes have data and traffic.
    pub existing: bool,
}

/// Reads files in their order and judges those that are not part of the existing schema.
pub fn lint(sources: &[Source]) -> Lint {
    let mut report = Lint {
        files: Vec::new(),
        findings: Vec::new(),
        allowed: Vec::new(),
    };
    let mut schema = Schema::default();
    let mut versions = Vec::new();
    for source in sources {
        let twin = versions
            .iter()
            .find(|(version, _)| source.version.is_some() && *version == source.version)
            .map(|(_, path): &(_, &str)| *path);
        versions.push((source.version, &source.path[..]));
        let file = File::parse(source, twin);
        if source.existing {
            file.apply(&mut schema);
            continue;
        }
        let found = judge(&file, &mut schema);
        let index = report.files.len();
        report.files.push(LintedFile {
            path: source.path.clone(),
            text: source.text.clone(),
        });
        suppress::sort(
            &file,
            found,
            |found| finding(&file, index, found),
            &mut report,
        );
    }
    report
}

/// The rules, by area and id.
pub fn rules() -> Vec<LintRule> {
    rules::RULES.iter().map(rule::Entry::summary).collect()
}

fn judge(file: &File<'_>, schema: &mut Schema) -> Vec<Found> {
    let mut found = Vec::new();
    for entry in rules::RULES {
        if let Check::File(check) = entry.rule.check {
            check(file, &mut entry.collector(None, &mut found));
        }
    }
    for (index, parsed) in file.statements.iter().enumerate() {
        let statement = Statement::new(file, parsed, schema);
        if !statement.is_broken() {
            for entry in rules::RULES {
                if let Check::Statement(check) = entry.rule.check {
                    check(&statement, &mut entry.collector(Some(index), &mut found));
                }
            }
        }
        schema.apply(&parsed.facts, file);
    }
    found
}

fn finding(file: &File<'_>, index: usize, found: &Found) -> LintFinding {
    LintFinding {
        file: index,
        span: found.at.clone(),
        start: place(file.text, found.at.start),
        end: place(file.text, found.at.end),
        rule: found.entry.id,
        severity: found.entry.rule.severity,
        message: found.message.clone(),
        remedy: found.entry.rule.remedy,
    }
}

fn place(text: &str, offset: usize) -> Place {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
