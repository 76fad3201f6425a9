//! A rebuild of indexes that blocks the table.

use squawk_syntax::ast::{ReindexTarget, Stmt};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "REINDEX runs without CONCURRENTLY",
    why: "REINDEX blocks all writes to the table until the new index is complete, and all \
              reads that are planned meanwhile: the planner opens every index of a table.",
    remedy: "use REINDEX … CONCURRENTLY in a file of its own with \"transaction: none\"",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let Stmt::Reindex(reindex) = statement.node else {
        return;
    };
    // The server's own tables have no other way.
    let target = reindex.reindex_target();
    let is_system = matches!(target, Some(ReindexTarget::ReindexTargetSystem(_)));
    if !is_system && !reindex.is_concurrently() {
        found.add(
            &statement.first_line(),
            "this blocks writes, and reads that are planned meanwhile",
        );
    }
}
