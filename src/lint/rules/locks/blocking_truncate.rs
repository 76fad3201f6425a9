//! A table in use, emptied.

use squawk_syntax::ast::{AstNode, Stmt, TableRelationName};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::{named, without_public};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "an existing table is truncated",
    why: "TRUNCATE takes an ACCESS EXCLUSIVE lock on the table, on its children and, with \
              CASCADE, on all tables that refer to it; the rows are gone for good.",
    remedy: "delete the rows in a file with \"transaction: batched\"",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let Stmt::Truncate(truncate) = statement.node else {
        return;
    };
    for table in named::<TableRelationName>(truncate.syntax()) {
        let table = without_public(&table);
        if !statement.schema.is_new(table) {
            let message = format!("all rows of \"{table}\" go, and nobody can use it meanwhile");
            found.add(&statement.first_line(), message);
        }
    }
}
