//! IF NOT EXISTS that takes a broken index for a good one.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a concurrent index build has IF NOT EXISTS",
    why: "A build that was cut off leaves an invalid index under the name. IF NOT EXISTS \
              finds the name, builds nothing and reports success; the invalid index is never \
              used, and a unique one guards nothing.",
    remedy: "leave it out: migrate finds an invalid index of an interrupted build, drops it \
              and builds again",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let Fact::CreateIndex(index) = fact else {
            continue;
        };
        if index.concurrently && index.if_not_exists {
            let message =
                "an invalid index that an interrupted build left behind counts as existing";
            found.add(&statement.first_line(), message);
        }
    }
}
