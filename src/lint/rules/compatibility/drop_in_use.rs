//! An object that running programs may use, taken away.

use squawk_linter::Rule as Squawk;

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "an existing table, column, view, function, type, sequence or schema is dropped",
    why: "Migrations run before the new release and beside the old one, whose queries \
              still use the object and fail; the data is gone for good.",
    remedy: "drop it in a release after the last one that uses it, and say so: -- creditdb: \
              allow drop-in-use: unused since 1.4.0",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let schema = statement.schema;
    let is_new = |fact: &Fact| match fact {
        Fact::Drop(space, names) => names.iter().all(|name| schema.is_new_in(*space, name)),
        Fact::DropColumn { table, .. } => schema.is_new(table),
        _ => false,
    };
    if statement.facts.iter().any(is_new) {
        return;
    }
    let codes = [
        Squawk::BanDropColumn,
        Squawk::BanDropTable,
        Squawk::BanDropView,
        Squawk::BanDropFunction,
        Squawk::BanDropType,
        Squawk::BanDropDomain,
        Squawk::BanDropSequence,
        Squawk::BanDropSchema,
    ];
    for at in statement.squawk(&codes) {
        found.add(
            &at,
            "running programs may still use it, and it cannot be brought back",
        );
    }
}
