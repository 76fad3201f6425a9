//! Statements that the server refuses inside of a transaction.

use squawk_syntax::ast::{AlterTableAction, AstNode, DetachConcurrently, ReindexTarget, Stmt};

use crate::header::Mode;
use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a statement cannot run in the transaction that the header asks for",
    why: "The server refuses it with SQLSTATE 25001 and the migration fails.",
    remedy: "put it into a file of its own with \"transaction: none\"",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    if statement.mode() != Mode::None && is_refused(statement.node) {
        let message = "the server does not run this in a transaction, and the header asks for one";
        found.add(&statement.first_line(), message);
    }
}

fn is_refused(statement: &Stmt) -> bool {
    match statement {
        Stmt::CreateIndex(create) => create.concurrently_token().is_some(),
        Stmt::DropIndex(drop) => drop.concurrently_token().is_some(),
        Stmt::Reindex(reindex) => {
            let whole = matches!(
                reindex.reindex_target(),
                Some(
                    ReindexTarget::ReindexTargetDatabase(_)
                        | ReindexTarget::ReindexTargetSystem(_)
                        | ReindexTarget::ReindexTargetSchema(_)
                )
            );
            whole || reindex.is_concurrently()
        }
        Stmt::AlterTable(alter) => alter.actions().any(|action| match action {
            AlterTableAction::DetachPartition(detach) => detach
                .syntax()
                .children()
                .any(|child| DetachConcurrently::can_cast(child.kind())),
            _ => false,
        }),
        Stmt::Vacuum(_)
        | Stmt::CreateDatabase(_)
        | Stmt::DropDatabase(_)
        | Stmt::CreateTablespace(_)
        | Stmt::DropTablespace(_)
        | Stmt::AlterSystem(_) => true,
        _ => false,
    }
}
