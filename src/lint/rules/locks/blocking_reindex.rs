//! A rebuild of indexes that blocks the table.

use squawk_linter::Rule as Squawk;

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
    for _ in statement.squawk(&[Squawk::RequireConcurrentReindex]) {
        found.add(
            &statement.first_line(),
            "this blocks writes, and reads that use the index",
        );
    }
}
