//! A migration file, parsed: header, statements, suppressions, what squawk says.

use std::ops::Range;

use squawk_linter::{Linter, Violation};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{Parse, SourceFile};

use super::Source;
use super::schema::Schema;
use super::suppress::{self, Suppression};
use crate::header::{Header, Mode};
use crate::syntax::facts::{self, Fact};

pub(super) struct File<'a> {
    pub source: &'a Source,
    pub text: &'a str,
    /// Another file with the same version.
    pub twin: Option<&'a str>,
    pub header: Header<'a>,
    pub mode: Mode,
    pub statements: Vec<Parsed>,
    pub suppressions: Vec<Suppression>,
    /// Where the parser stumbled, with its words.
    pub errors: Vec<(Range<usize>, String)>,
    pub violations: Vec<Violation>,
}

/// A statement and what it does.
pub(super) struct Parsed {
    pub node: ast::Stmt,
    pub at: Range<usize>,
    pub facts: Vec<Fact>,
}

impl<'a> File<'a> {
    pub fn parse(source: &'a Source, twin: Option<&'a str>) -> Self {
        let text = &source.text[..];
        let parse = SourceFile::parse(text);
        let header = Header::parse(text);
        // A word that is not known is a matter of the header.
        let mode = Mode::of(&header).unwrap_or_default();
        let errors = parse
            .errors()
            .iter()
            .map(|error| (error.range().into(), error.message().to_owned()))
            .collect();
        let statements: Vec<Parsed> = parse
            .tree()
            .stmts()
            .filter(|node| !matches!(node, ast::Stmt::EmptyStmt(_)))
            .map(|node| Parsed {
                at: node.syntax().text_range().into(),
                facts: facts::of(&node)
                    .into_iter()
                    .map(Fact::without_public)
                    .collect(),
                node,
            })
            .collect();
        let starts: Vec<usize> = statements.iter().map(|s| s.at.start).collect();
        Self {
            source,
            text,
            twin,
            header,
            mode,
            suppressions: suppress::read(text, &parse, &starts),
            statements,
            errors,
            violations: violations(text, &parse, mode),
        }
    }

    /// Adds what the file does to a schema.
    pub fn apply(&self, schema: &mut Schema) {
        for statement in &self.statements {
            schema.apply(&statement.facts, self);
        }
    }

    /// A place that a caret can stand below: where it is empty, the word or character that follows.
    pub fn visible(&self, at: &Range<usize>) -> Range<usize> {
        let rest = &self.text[at.start..];
        let word: usize = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .map(char::len_utf8)
            .sum();
        let wide = word.max(rest.chars().next().map_or(0, char::len_utf8));
        if at.is_empty() {
            at.start..at.start + wide
        } else {
            at.clone()
        }
    }

    /// The byte range of a line (from 1), without its end.
    pub fn line(&self, line: usize) -> Range<usize> {
        let mut start = 0;
        for (index, text) in self.text.split_inclusive('\n').enumerate() {
            if index + 1 == line {
                return start..start + text.trim_end().len();
            }
            start += text.len();
        }
        start..start
    }
}

fn violations(text: &str, parse: &Parse<SourceFile>, mode: Mode) -> Vec<Violation> {
    let mut linter = Linter::with_default_rules();
    linter.settings.assume_in_transaction = mode == Mode::One;
    // squawk has comments of its own that silence it without a reason; they must not work here.
    // The length stays, and with it every place.
    let without_ignores = text.replace("squawk-", "squawk_");
    if without_ignores == text {
        linter.lint(parse, text)
    } else {
        linter.lint(&SourceFile::parse(&without_ignores), &without_ignores)
    }
}
