//! A key added in a way that builds its index under a lock.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Constraint;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a key of an existing table is added without an index that was built before",
    why: "ADD PRIMARY KEY, UNIQUE or EXCLUDE builds an index while it holds an ACCESS \
              EXCLUSIVE lock: nobody reads or writes the table until it is complete.",
    remedy: "CREATE UNIQUE INDEX CONCURRENTLY in a file of its own, then ADD CONSTRAINT … \
              PRIMARY KEY or UNIQUE USING INDEX in the next one",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let (table, constraints): (_, &[Constraint]) = match fact {
            Fact::AddConstraint { table, constraint } => (table, std::slice::from_ref(constraint)),
            Fact::AddColumn {
                table, constraints, ..
            } => (table, constraints),
            _ => continue,
        };
        let blocks = |c: &&Constraint| c.kind.is_key() && !c.using_index;
        for key in constraints.iter().filter(blocks) {
            if !statement.schema.is_new(table) {
                let what = key.kind.words();
                let message =
                    format!("this {what} builds an index while nobody can use \"{table}\"");
                found.add(&key.at, message);
            }
        }
    }
}
