//! An index on a table in use, built the way that blocks its writers.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "an index on an existing table is built without CONCURRENTLY",
    why: "CREATE INDEX holds a SHARE lock on its table until the transaction ends: every \
              insert, update and delete waits for the whole build, and the gateway with \
              them.",
    remedy: "put CREATE INDEX CONCURRENTLY into a file of its own with \"transaction: none\"",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let Fact::CreateIndex(index) = fact else {
            continue;
        };
        let table = &index.table;
        if !index.concurrently && !statement.schema.is_new(table) {
            let message = format!("this index build blocks all writes to \"{table}\"");
            found.add(&statement.first_line(), message);
        }
    }
}
