//! SET NOT NULL that has to read the table, because nothing proves yet that no row is NULL.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "SET NOT NULL on an existing table without a validated check",
    why: "SET NOT NULL reads every row under an ACCESS EXCLUSIVE lock, unless a valid \
              constraint proves that no NULL is there.",
    remedy: "ADD CONSTRAINT … CHECK (column IS NOT NULL) NOT VALID, then VALIDATE it in a \
              later file; after that SET NOT NULL reads nothing, and the check can go",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let Fact::SetNotNull { table, column, at } = fact else {
            continue;
        };
        let schema = statement.schema;
        if !schema.is_new(table) && !schema.proves_not_null(table, column) {
            let message = format!(
                "no valid check proves that \"{column}\" has no NULL, so this reads all of \
                 \"{table}\" while nobody can use it"
            );
            found.add(at, message);
        }
    }
}
