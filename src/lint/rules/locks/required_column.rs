//! A new column that no row and no running program can fill.

use squawk_linter::Rule as Squawk;

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a NOT NULL column without a default is added to an existing table",
    why: "It fails as soon as the table has one row; and programs of the release before, \
              which do not know the column, can insert no more.",
    remedy: "add it with a constant default, or nullable: fill it in batches, then require \
              it",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let Some(table) = statement.existing_table() else {
        return;
    };
    for at in statement.squawk(&[Squawk::AddingRequiredField]) {
        found.add(
            &at,
            format!("the rows of \"{table}\" have no value for this column"),
        );
    }
}
