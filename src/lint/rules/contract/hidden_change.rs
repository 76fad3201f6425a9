//! Changes of the schema that no rule can see. SQL that a function puts together at run time is not
//! looked for: it changes nothing while the migration runs.

use squawk_syntax::SyntaxKind;
use squawk_syntax::ast::{AstNode, PlpgsqlDynExecuteStmt, PlpgsqlExecSqlStmt, Stmt};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Warning,
    title: "a DO block changes the schema, or takes a table out of use",
    why: "The rules look at statements. A change inside of a DO block, or put together \
              at run time, escapes all of them, and plan and drift as well.",
    remedy: "write the statements out; where that is impossible, say what the block does: \
              -- creditdb: allow hidden-change: the reason",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    if !matches!(statement.node, Stmt::Do(_)) {
        return;
    }
    for (_, at) in statement.nodes::<PlpgsqlDynExecuteStmt>() {
        found.add(&at, "no rule can see what is executed here");
    }
    for (inner, at) in statement.nodes::<PlpgsqlExecSqlStmt>() {
        let first = inner.syntax().first_token().map(|token| token.kind());
        let changes = [
            SyntaxKind::CREATE_KW,
            SyntaxKind::ALTER_KW,
            SyntaxKind::DROP_KW,
            SyntaxKind::TRUNCATE_KW,
            SyntaxKind::LOCK_KW,
            SyntaxKind::REFRESH_KW,
            SyntaxKind::REINDEX_KW,
            SyntaxKind::CLUSTER_KW,
        ];
        if first.is_some_and(|word| changes.contains(&word)) {
            found.add(&at, "no rule judges this change");
        }
    }
}
