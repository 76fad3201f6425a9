//! Transaction control in a file. Savepoints are fine.

use squawk_syntax::ast::{self, Stmt};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::controls_transaction;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "the file begins or ends a transaction itself",
    why: "A migration and its history row commit together. A COMMIT in the file ends \
              that transaction: what follows runs without one, and a failure leaves the \
              database half way.",
    remedy: "remove it; use \"transaction: none\" where statements must commit one by one",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let message = "migrate opens and ends the transaction, together with the history row";
    if controls_transaction(statement.node) {
        found.add(&statement.first_line(), message);
    }
    if matches!(statement.node, Stmt::Do(_)) {
        for (_, at) in statement.nodes::<ast::PlpgsqlCommitStmt>() {
            found.add(&at, message);
        }
        for (_, at) in statement.nodes::<ast::PlpgsqlRollbackStmt>() {
            found.add(&at, message);
        }
    }
}
