//! Bodies of functions, procedures and `DO` blocks, as far as the parser reads them: PL/pgSQL and
//! SQL in quotes. A body of the form `BEGIN ATOMIC` is part of its statement.

use std::ops::Range;

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{AstNode, Stmt};
use squawk_syntax::plpgsql::Plpgsql;
use squawk_syntax::sql_body::SqlBody;

/// A parsed body.
pub(super) enum Body {
    Plpgsql(Plpgsql),
    Sql(SqlBody),
}

/// The bodies of a statement: one at most.
pub(super) fn of(statement: &Stmt) -> Vec<Body> {
    let (plpgsql, sql) = match statement {
        Stmt::CreateFunction(function) => (function.plpgsql(), function.sql_body()),
        Stmt::CreateProcedure(procedure) => (procedure.plpgsql(), procedure.sql_body()),
        Stmt::Do(block) => (block.plpgsql(), None),
        _ => (None, None),
    };
    let bodies = [plpgsql.map(Body::Plpgsql), sql.map(Body::Sql)];
    bodies.into_iter().flatten().collect()
}

impl Body {
    pub fn root(&self) -> SyntaxNode {
        match self {
            Self::Plpgsql(body) => body.syntax(),
            Self::Sql(body) => body.syntax(),
        }
    }

    /// All syntax nodes of a kind, with their places in the file.
    pub fn nodes<N: AstNode>(&self) -> Vec<(N, Range<usize>)> {
        let place = |node: SyntaxNode| {
            let range = node.text_range();
            let at = match self {
                Self::Plpgsql(body) => body.source_range(range),
                Self::Sql(body) => body.source_range(range),
            };
            Some((N::cast(node)?, at.into()))
        };
        self.root().descendants().filter_map(place).collect()
    }

    /// The first place where the parser stumbled.
    pub fn error(&self) -> Option<Range<usize>> {
        let errors = match self {
            Self::Plpgsql(body) => body.errors(),
            Self::Sql(body) => body.errors(),
        };
        errors.first().map(|error| error.range().into())
    }
}
