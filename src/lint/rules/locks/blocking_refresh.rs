//! A materialized view in use, filled anew the way that blocks its readers.

use squawk_syntax::ast::{AstNode, Stmt, ViewRef};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::{named, without_public};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "an existing materialized view is refreshed without CONCURRENTLY",
    why: "REFRESH MATERIALIZED VIEW holds an ACCESS EXCLUSIVE lock on the view until its whole \
              query has run: nobody reads it meanwhile.",
    remedy: "use REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index of the view",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let Stmt::Refresh(refresh) = statement.node else {
        return;
    };
    let names = named::<ViewRef>(refresh.syntax());
    let Some(view) = names.first().map(|name| without_public(name)) else {
        return;
    };
    if refresh.concurrently_token().is_none() && !statement.schema.is_new(view) {
        let message = format!("nobody reads \"{view}\" while its query runs");
        found.add(&statement.first_line(), message);
    }
}
