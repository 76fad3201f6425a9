//! Suppressions: `-- creditdb: allow RULE[, RULE…]: reason`, continued by `--   more words`.
//!
//! In the comment block at the very top it holds for the file; in the comment block that touches a
//! statement, for that statement; anywhere else for nothing, which a rule reports.

use std::ops::Range;

use squawk_syntax::{Parse, SourceFile, SyntaxKind};

use super::file::File;
use super::rule::{Check, Found};
use super::rules;
use crate::header::DIRECTIVE;
use crate::report::{AllowedFinding, Lint, LintFinding};

/// A suppression as it stands in a file.
#[derive(Clone, Debug)]
pub(super) struct Suppression {
    /// The comment, without its continuation.
    pub at: Range<usize>,
    /// Rule ids, each with whether it allowed anything.
    pub rules: Vec<(String, bool)>,
    /// Empty when there is none; then it allows nothing.
    pub reason: String,
    pub scope: Scope,
    /// Whether it has the form above, reason apart.
    pub readable: bool,
}

/// What a suppression holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    File,
    /// The index of the statement.
    Statement(usize),
    /// It stands where it means nothing.
    Nothing,
}

impl Suppression {
    /// Whether it is able to allow anything.
    pub fn works(&self) -> bool {
        self.readable && !self.reason.is_empty() && self.scope != Scope::Nothing
    }

    fn covers(&self, statement: Option<usize>) -> bool {
        match self.scope {
            Scope::File => true,
            Scope::Statement(index) => statement == Some(index),
            Scope::Nothing => false,
        }
    }
}

/// Reads the suppressions of a file; `starts` are the places of its statements.
pub(super) fn read(text: &str, parse: &Parse<SourceFile>, starts: &[usize]) -> Vec<Suppression> {
    let tree = parse.syntax_node();
    let comments = tree
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| token.kind() == SyntaxKind::COMMENT);
    let mut found = Vec::new();
    for token in comments {
        let Some(words) = token
            .text()
            .strip_prefix("--")
            .and_then(|comment| comment.strip_prefix(DIRECTIVE))
        else {
            continue;
        };
        let at: Range<usize> = token.text_range().into();
        let words = format!("{} {}", words.trim(), continuation(&text[at.end..]));
        let parts = words
            .trim()
            .strip_prefix("allow ")
            .map(|rest| rest.split_once(':').unwrap_or((rest, "")));
        let (ids, reason) = parts.unwrap_or_default();
        let rules = ids.split(',').map(|id| (id.trim().to_owned(), false));
        found.push(Suppression {
            rules: rules.filter(|(id, _)| !id.is_empty()).collect(),
            reason: reason.trim().to_owned(),
            scope: scope(text, &at, starts),
            readable: parts.is_some(),
            at,
        });
    }
    found
}

/// The words of the continuation lines that follow a comment.
fn continuation(rest: &str) -> String {
    rest.lines()
        .skip(1)
        .map_while(|line| line.trim_start().strip_prefix("--   "))
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
}

fn scope(text: &str, at: &Range<usize>, starts: &[usize]) -> Scope {
    let is_comment = |line: &str| line.trim_start().starts_with("--");
    if text[..at.end].lines().all(is_comment) {
        return Scope::File;
    }
    let mut offset = at.end + text[at.end..].find('\n').map_or(0, |end| end + 1);
    for line in text[offset..].split_inclusive('\n') {
        if line.trim().is_empty() {
            break;
        }
        if !is_comment(line) {
            let first = offset + line.len() - line.trim_start().len();
            let index = starts.iter().position(|start| *start == first);
            return index.map_or(Scope::Nothing, Scope::Statement);
        }
        offset += line.len();
    }
    Scope::Nothing
}

/// Divides what was found into findings and allowed ones, and adds what is wrong with the
/// suppressions themselves, which nothing can allow.
pub(super) fn sort(
    file: &File<'_>,
    found: Vec<Found>,
    finding: impl Fn(&Found) -> LintFinding,
    report: &mut Lint,
) {
    let mut suppressions = file.suppressions.clone();
    let mut findings = Vec::new();
    for found in found {
        match allow(&mut suppressions, &found) {
            Some(reason) => report.allowed.push(AllowedFinding {
                finding: finding(&found),
                reason,
            }),
            None => findings.push(finding(&found)),
        }
    }
    let mut about_them = Vec::new();
    for entry in rules::RULES {
        if let Check::Suppressions(check) = entry.rule.check {
            check(&suppressions, &mut entry.collector(None, &mut about_them));
        }
    }
    findings.extend(about_them.iter().map(finding));
    findings.sort_by_key(|finding| (finding.span.start, finding.span.end));
    report.findings.extend(findings);
}

fn allow(suppressions: &mut [Suppression], found: &Found) -> Option<String> {
    for suppression in suppressions.iter_mut().filter(|s| s.works()) {
        if !suppression.covers(found.statement) {
            continue;
        }
        if let Some((_, used)) = suppression
            .rules
            .iter_mut()
            .find(|(id, _)| id == found.entry.id)
        {
            *used = true;
            return Some(suppression.reason.clone());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use squawk_syntax::ast::AstNode;

    use super::*;

    fn scopes(text: &str) -> Vec<Scope> {
        let parse = SourceFile::parse(text);
        let starts: Vec<usize> = parse
            .tree()
            .stmts()
            .map(|s| s.syntax().text_range().start().into())
            .collect();
        read(text, &parse, &starts)
            .iter()
            .map(|s| s.scope)
            .collect()
    }

    #[test]
    fn the_place_says_what_it_holds_for() {
        let allow = "-- creditdb: allow a: b\n";
        let text = format!("{allow}-- why: x\n{allow}\nSELECT 1;\n-- c\n{allow}-- d\n  SELECT 2;");
        assert_eq!(
            scopes(&text),
            [Scope::File, Scope::File, Scope::Statement(1)]
        );
        let text = format!("SELECT 1;\n{allow}\nSELECT\n{allow}2;\n{allow}");
        assert_eq!(scopes(&text), [Scope::Nothing; 3]);
    }

    #[test]
    fn a_comment_inside_of_a_string_is_none() {
        assert!(scopes("SELECT $$\n-- creditdb: allow a: b\n$$;").is_empty());
    }

    #[test]
    fn reads_rules_and_reason_with_their_continuation() {
        let text = "-- creditdb: allow a, b: one\n--   two: three\nSELECT 1;";
        let found = read(text, &SourceFile::parse(text), &[]);
        let ids: Vec<_> = found[0].rules.iter().map(|(id, _)| &id[..]).collect();
        assert_eq!(
            (ids, &found[0].reason[..]),
            (vec!["a", "b"], "one two: three")
        );
    }
}
