//! Bodies of functions, procedures and `DO` blocks, as far as the parser reads them: PL/pgSQL and
//! SQL in quotes. A body of the form `BEGIN ATOMIC` is part of its statement.

use std::ops::Range;

use squawk_syntax::ast::{AstNode, Stmt};
use squawk_syntax::plpgsql::Plpgsql;
use squawk_syntax::sql_body::SqlBody;
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode, SyntaxToken};

/// A parsed body.
pub(super) struct Body {
    language: Language,
    /// Where the text that was parsed begins in the file.
    offset: usize,
}

enum Language {
    Plpgsql(Plpgsql),
    Sql(SqlBody),
}

/// The body of a statement; `text` is that of the file.
pub(super) fn of(statement: &Stmt, text: &str) -> Option<Body> {
    if let Some(body) = plpgsql(statement) {
        return Some(readable(statement, text, body));
    }
    let body = match statement {
        Stmt::CreateFunction(function) => function.sql_body(),
        Stmt::CreateProcedure(procedure) => procedure.sql_body(),
        _ => None,
    };
    Some(Body {
        language: Language::Sql(body?),
        offset: 0,
    })
}

fn plpgsql(statement: &Stmt) -> Option<Plpgsql> {
    match statement {
        Stmt::CreateFunction(function) => function.plpgsql(),
        Stmt::CreateProcedure(procedure) => procedure.plpgsql(),
        Stmt::Do(block) => block.plpgsql(),
        _ => None,
    }
}

/// The parser does not know `SELECT … INTO variable` (2.68). The server takes such an INTO out
/// before it parses the statement; so do we, with spaces in its place, and parse again.
fn readable(statement: &Stmt, text: &str, body: Plpgsql) -> Body {
    let at: Range<usize> = statement.syntax().text_range().into();
    let mut patched = text[at.clone()].to_owned();
    let intos = intos(&body);
    for into in &intos {
        let place = into.start - at.start..into.end - at.start;
        patched.replace_range(place.clone(), &" ".repeat(place.len()));
    }
    let again = || plpgsql(&SourceFile::parse(&patched).tree().stmts().next()?);
    match again() {
        Some(body) if !intos.is_empty() => Body {
            language: Language::Plpgsql(body),
            offset: at.start,
        },
        _ => Body {
            language: Language::Plpgsql(body),
            offset: 0,
        },
    }
}

/// The places of INTO and its targets in statements of SQL. FETCH has an INTO of its own.
fn intos(body: &Plpgsql) -> Vec<Range<usize>> {
    let tokens: Vec<SyntaxToken> = body
        .syntax()
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !token.kind().is_trivia())
        .collect();
    let mut found = Vec::new();
    let mut depth = 0;
    let mut in_fetch = false;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind() {
            SyntaxKind::L_PAREN => depth += 1,
            SyntaxKind::R_PAREN => depth -= 1,
            SyntaxKind::SEMICOLON => (depth, in_fetch) = (0, false),
            SyntaxKind::FETCH_KW => in_fetch = true,
            SyntaxKind::INTO_KW if depth == 0 && !in_fetch && !inserts(&tokens[..index]) => {
                let last = last_target(&tokens, index);
                let range = token.text_range().cover(tokens[last].text_range());
                found.push(body.source_range(range).into());
            }
            _ => {}
        }
    }
    found
}

fn inserts(before: &[SyntaxToken]) -> bool {
    let kind = before.last().map(SyntaxToken::kind);
    matches!(kind, Some(SyntaxKind::INSERT_KW | SyntaxKind::MERGE_KW))
}

/// The last token of `INTO [STRICT] a, b.c`.
fn last_target(tokens: &[SyntaxToken], into: usize) -> usize {
    let is = |index: usize, kind| tokens.get(index).is_some_and(|t| t.kind() == kind);
    let is_word = |index: usize| {
        let starts = |c: char| c.is_alphabetic() || c == '_' || c == '"';
        tokens
            .get(index)
            .is_some_and(|t| t.text().starts_with(starts))
    };
    let mut last = into;
    if tokens
        .get(into + 1)
        .is_some_and(|t| t.text().eq_ignore_ascii_case("strict"))
        && is_word(into + 2)
    {
        last += 1;
    }
    while is_word(last + 1) {
        last += 1;
        while is(last + 1, SyntaxKind::DOT) && is_word(last + 2) {
            last += 2;
        }
        if !is(last + 1, SyntaxKind::COMMA) {
            break;
        }
        last += 1;
    }
    last
}

impl Body {
    pub fn root(&self) -> SyntaxNode {
        match &self.language {
            Language::Plpgsql(body) => body.syntax(),
            Language::Sql(body) => body.syntax(),
        }
    }

    /// All syntax nodes of a kind, with their places in the file.
    pub fn nodes<N: AstNode>(&self) -> Vec<(N, Range<usize>)> {
        let place = |node: SyntaxNode| {
            let range = node.text_range();
            let at = match &self.language {
                Language::Plpgsql(body) => body.source_range(range),
                Language::Sql(body) => body.source_range(range),
            };
            Some((N::cast(node)?, self.in_file(at.into())))
        };
        self.root().descendants().filter_map(place).collect()
    }

    /// The first place where the parser stumbled.
    pub fn error(&self) -> Option<Range<usize>> {
        let errors = match &self.language {
            Language::Plpgsql(body) => body.errors(),
            Language::Sql(body) => body.errors(),
        };
        Some(self.in_file(errors.first()?.range().into()))
    }

    fn in_file(&self, at: Range<usize>) -> Range<usize> {
        at.start + self.offset..at.end + self.offset
    }
}

#[cfg(test)]
mod tests {
    use squawk_syntax::ast;

    use super::*;

    #[test]
    fn statements_with_into_are_read_and_keep_their_places() {
        let text = "SELECT 'é';\nDO $x$ DECLARE r int; c refcursor; BEGIN
            SELECT a INTO STRICT r FROM t;
            UPDATE t SET a = random() RETURNING a, b INTO r, c.d;
            INSERT INTO t VALUES (1) RETURNING a INTO r;
            EXECUTE 'x' INTO r USING 1;
            FETCH c INTO r;
            END $x$;";
        let parse = SourceFile::parse(text);
        let block = parse.tree().stmts().nth(1);
        let body = block.and_then(|block| of(&block, text));
        let body = body.as_ref();
        assert_eq!(body.and_then(Body::error), None);
        let calls = body.map(Body::nodes::<ast::CallExpr>).unwrap_or_default();
        let places: Vec<&str> = calls.iter().map(|(_, at)| &text[at.clone()]).collect();
        assert_eq!(places, ["random()"]);
    }
}
