//! Statements that the server refuses inside of a transaction.

use crate::header::Mode;
use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::step::needs_no_transaction;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a statement cannot run in the transaction that the header asks for",
    why: "The server refuses it with SQLSTATE 25001 and the migration fails.",
    remedy: "put it into a file of its own with \"transaction: none\"",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    if statement.mode() != Mode::None && needs_no_transaction(statement.node) {
        let message = "the server does not run this in a transaction, and the header asks for one";
        found.add(&statement.first_line(), message);
    }
}
