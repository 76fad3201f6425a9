//! Suppressions that do not say why, or cannot be read. They allow nothing.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::suppress::Suppression;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a suppression has no reason",
    why: "Without the reason nobody can tell later whether it still holds, and nobody \
              dares to remove it.",
    remedy: "write -- creditdb: allow RULE: the reason",
    check: Check::Suppressions(check),
};

fn check(suppressions: &[Suppression], found: &mut Collector<'_>) {
    for suppression in suppressions {
        if !suppression.readable || suppression.rules.is_empty() {
            found.add(
                &suppression.at,
                "this is not of the form \"allow RULE: the reason\"",
            );
        } else if suppression.reason.is_empty() {
            found.add(
                &suppression.at,
                "this suppression gives no reason and allows nothing",
            );
        }
    }
}
