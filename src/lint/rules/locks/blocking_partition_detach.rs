//! A partition taken off under the strongest lock.

use squawk_linter::Rule as Squawk;

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a partition of an existing table is detached without CONCURRENTLY",
    why: "DETACH PARTITION takes an ACCESS EXCLUSIVE lock on the whole partitioned \
              table: while it waits for one slow query, everything behind it waits.",
    remedy: "use DETACH PARTITION … CONCURRENTLY in a file of its own with \"transaction: \
              none\"",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let Some(table) = statement.existing_table() else {
        return;
    };
    for at in statement.squawk(&[Squawk::RequireConcurrentPartitionDetach]) {
        let message = format!("this blocks reads and writes of \"{table}\" and all its partitions");
        found.add(&at, message);
    }
}
