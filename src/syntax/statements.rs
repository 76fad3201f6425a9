//! Splits SQL text into statements with a real parser: dollar quotes, nested comments and
//! `BEGIN ATOMIC` bodies contain semicolons that end nothing.

use std::ops::Range;
use std::{fmt, iter};

use squawk_syntax::ast::{AstNode, Rollback, Stmt};
use squawk_syntax::{Parse, SourceFile};

use super::batch::{self, Batch};
use super::facts::{self, Fact};
use super::step::{self, Step};

/// The statements of a text.
pub(crate) struct Script<'a> {
    text: &'a str,
    parse: Parse<SourceFile>,
}

/// A statement that a person should look at.
pub(crate) struct Located {
    /// 1-based.
    pub line: usize,
    words: String,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl<'a> Script<'a> {
    pub fn parse(text: &'a str) -> Self {
        Self {
            text,
            parse: SourceFile::parse(text),
        }
    }

    /// The byte ranges of the statements, in order. When the parser does not understand the text
    /// (a syntax error, or a syntax newer than the parser) the whole of it is one statement, and
    /// the server's own parser has the word.
    pub fn statements(&self) -> Vec<Range<usize>> {
        if !self.parse.errors().is_empty() {
            return iter::once(0..self.text.len()).collect();
        }
        self.nodes()
            .filter(|s| !matches!(s, Stmt::EmptyStmt(_)))
            .map(|s| range(&s))
            .collect()
    }

    /// Each statement with its byte range and how it can be run; none when the parser does not
    /// understand the text, because a statement must not be torn apart.
    pub fn steps(&self) -> Option<Vec<(Range<usize>, Step)>> {
        self.each(step::of)
    }

    /// Each statement with its byte range and how it counts the rows that it changes; none when
    /// the parser does not understand the text.
    pub fn batches(&self) -> Option<Vec<(Range<usize>, Batch)>> {
        self.each(batch::of)
    }

    /// Where it changes who the session is.
    pub fn changes_of_user(&self) -> Vec<Range<usize>> {
        let changes = self.nodes().filter(step::changes_user);
        changes.map(|node| range(&node)).collect()
    }

    /// The table that the first statement changes rows of, as written.
    pub fn changed_table(&self) -> Option<String> {
        let name = match self.nodes().next()? {
            Stmt::Insert(insert) => insert.relation_name_ref()?.syntax().text().to_string(),
            Stmt::Update(update) => update.relation_name()?.syntax().text().to_string(),
            Stmt::Delete(delete) => delete.relation_name()?.syntax().text().to_string(),
            Stmt::Merge(merge) => merge.table_relation_name()?.syntax().text().to_string(),
            _ => return None,
        };
        Some(name.trim().to_owned())
    }

    /// What the statements do, in order.
    pub fn facts(&self) -> Vec<Fact> {
        self.nodes().flat_map(|node| facts::of(&node)).collect()
    }

    /// Whether a statement changes whose privileges count: SET ROLE, SET SESSION AUTHORIZATION.
    pub fn changes_role(&self) -> bool {
        self.nodes()
            .any(|node| matches!(node, Stmt::SetRole(_) | Stmt::SetSessionAuth(_)))
    }

    /// The roles that DO blocks make: as text, because whoever makes one only where it is missing
    /// has to write it that way.
    pub fn roles_made(&self) -> Vec<String> {
        self.nodes()
            .filter(|node| matches!(node, Stmt::Do(_)))
            .flat_map(|node| {
                let text = node.syntax().text().to_string();
                let names = text.split("CREATE ROLE ").skip(1).filter_map(|rest| {
                    let ends = |c: char| !c.is_alphanumeric() && c != '_';
                    rest.split(ends).next().map(str::to_owned)
                });
                names.collect::<Vec<_>>()
            })
            .filter(|name| !name.is_empty())
            .collect()
    }

    fn each<T>(&self, tell: fn(&Stmt) -> T) -> Option<Vec<(Range<usize>, T)>> {
        let understood = self.parse.errors().is_empty();
        understood.then(|| {
            self.nodes()
                .filter(|s| !matches!(s, Stmt::EmptyStmt(_)))
                .map(|s| (range(&s), tell(&s)))
                .collect()
        })
    }

    /// 1-based line in which a range begins.
    pub fn line(&self, range: &Range<usize>) -> usize {
        line_of(self.text, range.start)
    }

    /// Where the parser stumbled first: 1-based line, and its words.
    pub fn first_error(&self) -> Option<Located> {
        let errors = self.parse.errors();
        let first = errors.first()?;
        Some(Located {
            line: line_of(self.text, first.range().start().into()),
            words: first.message().to_owned(),
        })
    }

    /// The first statement that begins or ends a transaction.
    pub fn transaction_control(&self) -> Option<Located> {
        let at = range(&self.nodes().find(controls_transaction)?);
        let words = self.text[at.clone()].trim_end_matches(';').to_owned();
        Some(Located {
            line: line_of(self.text, at.start),
            words,
        })
    }

    /// The names of the tables that it creates, as written; those with IF NOT EXISTS left out,
    /// because they put up with a table that exists.
    pub fn created_tables(&self) -> Vec<String> {
        self.nodes()
            .filter_map(|statement| match statement {
                Stmt::CreateTable(t) if t.if_not_exists().is_none() => t.table_name(),
                _ => None,
            })
            .map(|name| name.syntax().text().to_string().trim().to_owned())
            .collect()
    }

    /// The statements as syntax, in order; those that are empty included.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Stmt> {
        self.parse.tree().stmts().collect::<Vec<_>>().into_iter()
    }
}

/// Whether a statement begins or ends a transaction; savepoints do neither.
pub(crate) fn controls_transaction(statement: &Stmt) -> bool {
    match statement {
        Stmt::Begin(_) | Stmt::Commit(_) | Stmt::PrepareTransaction(_) => true,
        Stmt::Rollback(rollback) => !matches!(rollback, Rollback::RollbackToSavepoint(_)),
        _ => false,
    }
}

fn range(statement: &Stmt) -> Range<usize> {
    statement.syntax().text_range().into()
}

/// 1-based line of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        Script::parse(text)
            .statements()
            .into_iter()
            .map(|range| &text[range])
            .collect()
    }

    #[test]
    fn semicolons_inside_of_statements_end_nothing() {
        let function =
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN; RETURN 1; END $x$;";
        let atomic = "CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;";
        let text = format!("-- a;\n{function}\n/* ; /* ; */ ; */ {atomic} SELECT ';' ;\n;SELECT 2");
        assert_eq!(split(&text), [function, atomic, "SELECT ';' ;", "SELECT 2"]);
    }

    #[test]
    fn a_text_that_the_parser_does_not_know_stays_whole() {
        assert_eq!(split("SELEC 1; SELECT 2;").len(), 1);
    }

    #[test]
    fn finds_transaction_control_but_not_in_function_bodies() {
        let found = |text: &str| Script::parse(text).transaction_control().map(|s| s.line);
        assert_eq!(found("SELECT 1;\nCOMMIT;"), Some(2));
        assert_eq!(found("BEGIN; SELECT 1; END;"), Some(1));
        assert_eq!(found("DO $$ BEGIN NULL; END $$;"), None);
        assert_eq!(found("SAVEPOINT a; ROLLBACK TO a; RELEASE a;"), None);
    }

    #[test]
    fn names_created_tables() {
        let text = "CREATE TABLE public.a (i int); CREATE TABLE IF NOT EXISTS b (i int);
                    CREATE TABLE \"C d\" (i int);";
        assert_eq!(
            Script::parse(text).created_tables(),
            ["public.a", "\"C d\""]
        );
    }
}
