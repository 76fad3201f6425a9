//! NOT VALID and VALIDATE in one transaction: the lock of the first lasts for the scan of the
//! second.

use crate::header::Mode;
use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Warning,
    title: "a constraint is validated in the transaction that added it",
    why: "ADD CONSTRAINT … NOT VALID takes its strong lock for a moment, VALIDATE reads \
              the table under a weak one; in one transaction the strong lock is kept while \
              the table is read.",
    remedy: "put VALIDATE CONSTRAINT into the next file",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    if statement.mode() != Mode::One {
        return;
    }
    for fact in statement.facts {
        let Fact::Validate {
            table,
            constraint,
            at,
        } = fact
        else {
            continue;
        };
        let schema = statement.schema;
        if schema.added_by(statement.file, table, constraint) && !schema.is_new(table) {
            let message =
                format!("the lock of adding \"{constraint}\" is held while \"{table}\" is read");
            found.add(at, message);
        }
    }
}
