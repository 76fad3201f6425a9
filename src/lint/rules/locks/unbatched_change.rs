//! A change of many rows of a per-user table in one go. Catalogue tables are small and left
//! out.

use squawk_syntax::ast::{AstNode, RelationName, Stmt};

use crate::header::Mode;
use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::{named, without_public};

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
    let node = match statement.node {
        Stmt::Update(update) => update.syntax(),
        Stmt::Delete(delete) => delete.syntax(),
        _ => return,
    };
    let names = named::<RelationName>(node);
    let Some(table) = names.first().map(|name| without_public(name)) else {
        return;
    };
    let schema = statement.schema;
    if statement.mode() != Mode::Batched && schema.is_per_user(table) && !schema.is_new(table) {
        let message =
            format!("all rows of \"{table}\" that this changes stay locked until it ends");
        found.add(&statement.first_line(), message);
    }
}
