//! Constraints inside of ADD COLUMN. NOT NULL and DEFAULT are none.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Warning,
    title: "a constraint stands inside of ADD COLUMN",
    why: "It cannot be NOT VALID there, so the table is read under the lock of ADD \
              COLUMN, and a distributed engine refuses it.",
    remedy: "add the column, then the constraint in an ALTER TABLE of its own",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let Fact::AddColumn {
            column,
            constraints,
            ..
        } = fact
        else {
            continue;
        };
        for constraint in constraints {
            let what = constraint.kind.words();
            let message = format!("this {what} is part of adding \"{}\"", column.name);
            found.add(&constraint.at, message);
        }
    }
}
