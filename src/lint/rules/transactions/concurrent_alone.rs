//! A concurrent index build that shares its file.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Warning,
    title: "a concurrent index build is not alone in its file",
    why: "Without a transaction a failure keeps what the statements before it did; on a \
              distributed engine a concurrent build is possible only by itself.",
    remedy: "give each concurrent build a file of its own",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let concurrent = |fact: &Fact| matches!(fact, Fact::CreateIndex(index) if index.concurrently);
    let others = statement.file.statements.len() - 1;
    if statement.facts.iter().any(concurrent) && others > 0 {
        let message = format!("beside this build the file has {others} more to do");
        found.add(&statement.first_line(), message);
    }
}
