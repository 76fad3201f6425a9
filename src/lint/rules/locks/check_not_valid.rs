//! A check or not-null constraint that reads a whole table under the strongest lock.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;
use crate::syntax::facts::Kind;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a check of an existing table is added without NOT VALID",
    why: "ADD CONSTRAINT reads every row while it holds an ACCESS EXCLUSIVE lock: nobody \
              reads or writes the table until the last row is checked.",
    remedy: "add it NOT VALID, and VALIDATE CONSTRAINT in a later file",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let Fact::AddConstraint { table, constraint } = fact else {
            continue;
        };
        let reads_rows = matches!(constraint.kind, Kind::Check(_) | Kind::NotNull);
        if reads_rows && constraint.valid && !statement.schema.is_new(table) {
            let message = format!("this reads all rows while nobody can use \"{table}\"");
            found.add(&constraint.at, message);
        }
    }
}
