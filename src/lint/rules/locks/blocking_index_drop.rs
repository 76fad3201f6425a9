//! An index of a table in use, dropped under the strongest lock.

use squawk_linter::Rule as Squawk;

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Warning,
    title: "an index of an existing table is dropped without CONCURRENTLY",
    why: "DROP INDEX takes an ACCESS EXCLUSIVE lock on the table: while it waits for one \
              slow query, every other query queues behind it, reads included.",
    remedy: "put DROP INDEX CONCURRENTLY into a file of its own with \"transaction: none\"",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let schema = statement.schema;
    let is_new = |name: &String| {
        schema.is_new(name) || schema.index_table(name).is_some_and(|t| schema.is_new(t))
    };
    let unused = |fact: &Fact| matches!(fact, Fact::Drop(_, names) if names.iter().all(is_new));
    if statement.facts.iter().any(unused) {
        return;
    }
    for _ in statement.squawk(&[Squawk::RequireConcurrentIndexDeletion]) {
        let message = "this blocks reads and writes of the table while it waits for its lock";
        found.add(&statement.first_line(), message);
    }
}
