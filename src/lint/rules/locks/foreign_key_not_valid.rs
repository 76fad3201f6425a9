//! A foreign key that reads a whole table under a lock on two.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;
use crate::syntax::facts::{Constraint, Kind};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a foreign key of an existing table is added without NOT VALID",
    why: "The rows that are there are checked while both tables are locked against \
              writes (SHARE ROW EXCLUSIVE).",
    remedy: "add it NOT VALID, and VALIDATE CONSTRAINT in a later file, which locks out \
              nobody",
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
        for constraint in constraints {
            let Kind::ForeignKey(to) = &constraint.kind else {
                continue;
            };
            if constraint.valid && !statement.schema.is_new(table) {
                let message = format!(
                    "this blocks writes to \"{table}\" and \"{}\" while all rows are checked",
                    to.table
                );
                found.add(&constraint.at, message);
            }
        }
    }
}
