//! Rows that change hands. Bodies of functions are looked at, too.

use squawk_syntax::ast::{AstNode, ColumnTarget, SetClause};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::words;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "user_id is updated",
    why: "Entries are chained per user: a row that changes its user breaks two chains. \
              On a distributed engine it would have to move to another machine, which is \
              refused.",
    remedy: "write a new row for the other user",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for (target, at) in statement.nodes::<ColumnTarget>() {
        let in_set = target
            .syntax()
            .ancestors()
            .any(|node| SetClause::can_cast(node.kind()));
        if in_set && words(target.syntax()) == "user_id" {
            found.add(&at, "the row would change its user");
        }
    }
}
