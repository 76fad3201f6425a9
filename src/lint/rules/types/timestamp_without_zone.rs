//! Times that depend on who reads them.

use squawk_linter::Rule as Squawk;

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Warning,
    title: "a time is stored without its zone",
    why: "timestamp drops the offset that it was given: sessions with different time \
              zones write different moments for the same text, twice a year even the same \
              session.",
    remedy: "use timestamptz",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for at in statement.squawk(&[Squawk::PreferTimestampTz]) {
        found.add(&at, "which moment this means depends on the session");
    }
}
