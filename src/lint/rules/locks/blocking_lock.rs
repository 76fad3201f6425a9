//! Readers of a table in use, locked out by LOCK TABLE.

use squawk_syntax::ast::{AstNode, LockMode, RelationName, Stmt};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::{named, without_public};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "an existing table is locked against its readers",
    why: "LOCK TABLE takes ACCESS EXCLUSIVE where it names no mode: nobody reads or writes the \
              table until the transaction ends.",
    remedy: "lock IN EXCLUSIVE MODE, which lets readers go on, and only where the statements that \
              follow need it",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let Stmt::Lock(lock) = statement.node else {
        return;
    };
    let mode = lock
        .lock_mode_clause()
        .and_then(|clause| clause.lock_mode());
    if !matches!(mode, None | Some(LockMode::AccessExclusive(_))) {
        return;
    }
    for table in named::<RelationName>(lock.syntax()) {
        let table = without_public(&table);
        if !statement.schema.is_new(table) {
            let message = format!("nobody reads \"{table}\" until the transaction ends");
            found.add(&statement.first_line(), message);
        }
    }
}
