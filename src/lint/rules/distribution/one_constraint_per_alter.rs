//! Several constraints in one ALTER TABLE.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Warning,
    title: "an ALTER TABLE adds more than one constraint",
    why: "A distributed engine passes on only one constraint per ALTER TABLE; and when \
              one of several fails, the message tells little about which.",
    remedy: "write one ALTER TABLE per constraint",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let added = statement.facts.iter().filter_map(|fact| match fact {
        Fact::AddConstraint { constraint, .. } => Some(constraint),
        _ => None,
    });
    for constraint in added.skip(1) {
        found.add(
            &constraint.at,
            "this is not the first constraint of its ALTER TABLE",
        );
    }
}
