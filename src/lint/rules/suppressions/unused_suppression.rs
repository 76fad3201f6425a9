//! Suppressions that allow nothing: the danger is gone, the rule does not exist, or the comment
//! stands in the wrong place.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::rules::RULES;
use crate::lint::suppress::Scope;
use crate::lint::suppress::Suppression;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Warning,
    title: "a suppression allows nothing",
    why: "A suppression that stays behind hides the next danger of its kind.",
    remedy: "remove it, or put it directly above its statement (at the top of the file for \
              all of it)",
    check: Check::Suppressions(check),
};

fn check(suppressions: &[Suppression], found: &mut Collector<'_>) {
    for suppression in suppressions {
        for (id, used) in &suppression.rules {
            if !RULES.iter().any(|entry| entry.id == id) {
                found.add(&suppression.at, format!("there is no rule \"{id}\""));
            } else if suppression.scope == Scope::Nothing {
                found.add(&suppression.at, "no statement follows directly");
            } else if suppression.works() && !used {
                found.add(
                    &suppression.at,
                    format!("there is no \"{id}\" to allow here"),
                );
            }
        }
    }
}
