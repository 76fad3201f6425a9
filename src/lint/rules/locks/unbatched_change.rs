//! A change of many rows of a per-user table in one go. Catalogue tables are small and left
//! out.

use std::iter;

use squawk_syntax::ast::{AstNode, Stmt};

use crate::header::Mode;
use crate::lint::bodies::Body;
use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::{all_names, rewritten, without_public};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Warning,
    title: "rows of an existing per-user table are changed in one statement",
    why: "All changed rows stay locked until the end, so the users whose rows they are \
              wait; the old versions cannot be cleaned up, and standbys fall behind.",
    remedy: "use a file with \"transaction: batched\" whose statement changes a bounded \
              number of rows",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    // What a view, a rule or a function would do is not done yet.
    let is_done = matches!(
        statement.node,
        Stmt::Insert(_)
            | Stmt::Update(_)
            | Stmt::Delete(_)
            | Stmt::Merge(_)
            | Stmt::Select(_)
            | Stmt::Do(_)
    );
    if !is_done || statement.mode() == Mode::Batched {
        return;
    }
    let body = statement.body.as_ref().map(Body::root);
    let parts = iter::once(statement.node.syntax().clone()).chain(body);
    let parts = parts.flat_map(|root| root.descendants());
    let tables = parts.filter_map(|part| all_names(&rewritten(&part)?).into_iter().next());
    let schema = statement.schema;
    for table in tables {
        let table = without_public(&table);
        if schema.is_per_user(table) && !schema.is_new(table) {
            let message =
                format!("all rows of \"{table}\" that this changes stay locked until it ends");
            found.add(&statement.first_line(), message);
        }
    }
}
