//! What `lint` found.

use std::ops::Range;

use super::Severity;

/// Of `lint`.
#[derive(Clone, Debug)]
pub struct Lint {
    /// The files that were judged, in order.
    pub files: Vec<LintedFile>,
    /// By file, then by place.
    pub findings: Vec<LintFinding>,
    /// Findings that the files allow, with a reason.
    pub allowed: Vec<AllowedFinding>,
}

/// A file that was judged.
#[derive(Clone, Debug)]
pub struct LintedFile {
    /// As messages name it.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// One violation of a rule.
#[derive(Clone, Debug)]
pub struct LintFinding {
    /// Index of the file.
    pub file: usize,
    /// Bytes of the file.
    pub span: Range<usize>,
    /// Where it begins.
    pub start: Place,
    /// Where it ends (the first character that is not part of it).
    pub end: Place,
    /// File name of the rule.
    pub rule: &'static str,
    /// Severity of the rule.
    pub severity: Severity,
    /// Lower case, factual, objects quoted.
    pub message: String,
    /// What to do instead.
    pub remedy: &'static str,
}

/// A place in a text: line and column from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// A finding that a file allows.
#[derive(Clone, Debug)]
pub struct AllowedFinding {
    /// The finding.
    pub finding: LintFinding,
    /// The reason that the file gives.
    pub reason: String,
}

/// What a rule of `lint` is, for `--rules` and `--explain`.
#[derive(Clone, Debug)]
pub struct LintRule {
    /// Its file name.
    pub id: &'static str,
    /// Its folder.
    pub area: &'static str,
    /// Severity of its findings.
    pub severity: Severity,
    /// What it finds, as a statement.
    pub title: &'static str,
    /// What goes wrong in real life.
    pub why: &'static str,
    /// What to do instead.
    pub remedy: &'static str,
}
