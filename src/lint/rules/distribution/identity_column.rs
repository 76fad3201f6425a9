//! Ids that cannot be reshaped later. serial counts: its sequence has no name of ours.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "an id comes from an identity column or serial",
    why: "On a distributed engine each node draws ids from a range of its own; that is \
              set per sequence, and an identity column does not let it be set.",
    remedy: "CREATE SEQUENCE with a name, DEFAULT nextval(…), and ALTER SEQUENCE … OWNED BY \
              the column",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let message = "the sequence behind this column has no name of ours and cannot be reshaped";
    for fact in statement.facts {
        match fact {
            Fact::CreateTable { columns, .. } => {
                for column in columns.iter().filter(|column| column.identity) {
                    found.add(&column.at, message);
                }
            }
            Fact::AddColumn { column, .. } if column.identity => found.add(&column.at, message),
            Fact::AddIdentity { at } => found.add(at, message),
            _ => {}
        }
    }
}
