//! What a rule is, and how it says what it found.

use std::ops::Range;

use super::file::File;
use super::statement::Statement;
use super::suppress::Suppression;
use crate::report::{LintRule, Severity};

/// A rule, as its file declares it.
pub(super) struct Rule {
    pub severity: Severity,
    /// What it finds, as a statement.
    pub title: &'static str,
    /// What goes wrong in real life.
    pub why: &'static str,
    /// What to do instead.
    pub remedy: &'static str,
    pub check: Check,
}

/// What a rule looks at.
pub(super) enum Check {
    /// Each statement, with the schema before it.
    Statement(fn(&Statement<'_>, &mut Collector<'_>)),
    /// A file as a whole.
    File(fn(&File<'_>, &mut Collector<'_>)),
    /// The suppressions of a file, after they were used.
    Suppressions(fn(&[Suppression], &mut Collector<'_>)),
}

/// A rule with the names that its place gives it.
pub(super) struct Entry {
    pub area: &'static str,
    pub id: &'static str,
    pub rule: &'static Rule,
}

impl Entry {
    /// A collector of what this rule finds, in a statement or in a file as a whole.
    pub fn collector<'a>(
        &'static self,
        statement: Option<usize>,
        found: &'a mut Vec<Found>,
    ) -> Collector<'a> {
        Collector {
            entry: self,
            statement,
            found,
        }
    }

    pub fn summary(&self) -> LintRule {
        LintRule {
            id: self.id,
            area: self.area,
            severity: self.rule.severity,
            title: self.rule.title,
            why: self.rule.why,
            remedy: self.rule.remedy,
        }
    }
}

/// One violation, before suppressions are considered.
pub(super) struct Found {
    pub entry: &'static Entry,
    /// Index of the statement that it is in.
    pub statement: Option<usize>,
    pub at: Range<usize>,
    pub message: String,
}

/// Takes what one rule finds.
pub(super) struct Collector<'a> {
    entry: &'static Entry,
    statement: Option<usize>,
    found: &'a mut Vec<Found>,
}

impl Collector<'_> {
    /// A violation at a place, in words: lower case, factual, objects quoted.
    pub fn add(&mut self, at: &Range<usize>, message: impl Into<String>) {
        self.found.push(Found {
            entry: self.entry,
            statement: self.statement,
            at: at.clone(),
            message: message.into(),
        });
    }
}
