//! Names that the server cuts off.

use squawk_linter::Rule as Squawk;

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a name has more than 63 bytes",
    why: "The server cuts it off without an error: two long names can become one, and \
              nothing finds the object under the name that the file gives it.",
    remedy: "choose a name of up to 63 bytes",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for at in statement.squawk(&[Squawk::IdentifierTooLong]) {
        found.add(&at, "the server keeps the first 63 bytes of this name");
    }
}
