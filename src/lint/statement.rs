//! A statement as a rule sees it: the facts, the schema before it, the file around it.

use std::ops::Range;

use squawk_linter::Rule as Squawk;
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

use super::bodies::{self, Body};
use super::file::{File, Parsed};
use super::schema::Schema;
use crate::header::Mode;
use crate::syntax::facts::Fact;

pub(super) struct Statement<'a> {
    pub file: &'a File<'a>,
    pub node: &'a ast::Stmt,
    /// All of it, from its first word to its semicolon.
    pub at: &'a Range<usize>,
    pub facts: &'a [Fact],
    /// Before the statement.
    pub schema: &'a Schema,
    /// The body of a function or a `DO` block.
    pub body: Option<Body>,
}

impl<'a> Statement<'a> {
    pub fn new(file: &'a File<'a>, parsed: &'a Parsed, schema: &'a Schema) -> Self {
        Self {
            file,
            node: &parsed.node,
            at: &parsed.at,
            facts: &parsed.facts,
            schema,
            body: bodies::of(&parsed.node, file.text),
        }
    }

    pub fn mode(&self) -> Mode {
        self.file.mode
    }

    /// Whether the parser stumbled in it: then nothing can be said about it.
    pub fn is_broken(&self) -> bool {
        let touches = |at: &Range<usize>| at.start <= self.at.end && self.at.start <= at.end;
        self.file.errors.iter().any(|(at, _)| touches(at))
    }

    /// Where squawk found one of these dangers in it.
    pub fn squawk(&self, codes: &[Squawk]) -> impl Iterator<Item = Range<usize>> {
        self.file
            .violations
            .iter()
            .filter(|violation| codes.contains(&violation.code))
            .map(|violation| Range::<usize>::from(violation.text_range))
            .filter(|at| self.at.start <= at.start && at.end <= self.at.end)
    }

    /// The first line of the statement: enough to mark when the whole of it is meant.
    pub fn first_line(&self) -> Range<usize> {
        let text = &self.file.text[self.at.clone()];
        let length = text.lines().next().unwrap_or_default().trim_end().len();
        self.at.start..self.at.start + length
    }

    /// The table that an ALTER TABLE or CREATE INDEX is about, when it has data and traffic.
    pub fn existing_table(&self) -> Option<&'a str> {
        let table = self.facts.iter().find_map(Fact::altered_table)?;
        (!self.schema.is_new(table)).then_some(table)
    }

    /// All syntax nodes of a kind, in the statement and in the body of a function, with their
    /// places in the file.
    pub fn nodes<N: AstNode>(&self) -> Vec<(N, Range<usize>)> {
        let own = |node: SyntaxNode| {
            let at = node.text_range().into();
            Some((N::cast(node)?, at))
        };
        let mut found: Vec<_> = self.node.syntax().descendants().filter_map(own).collect();
        if let Some(body) = &self.body {
            found.extend(body.nodes());
        }
        found
    }
}
