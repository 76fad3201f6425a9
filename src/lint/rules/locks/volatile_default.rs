//! A new column whose value must be computed for each row that is there. Which defaults are
//! constant is known by squawk; it takes functions that it does not know for volatile.

use squawk_linter::Rule as Squawk;
use squawk_syntax::ast::{GeneratedAs, GeneratedConstraint, GeneratedKind};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a column with a volatile default, or a generated one, is added to an existing \
              table",
    why: "A constant default is stored once; a volatile one is computed per row, so the \
              table is rewritten under an ACCESS EXCLUSIVE lock.",
    remedy: "add the column without a default, SET DEFAULT for new rows, and fill the old \
              ones in batches (\"transaction: batched\")",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let Some(table) = statement.existing_table() else {
        return;
    };
    let message = format!("each row of \"{table}\" gets its own value, so the table is rewritten");
    let generated = statement.nodes::<GeneratedConstraint>();
    for at in statement.squawk(&[Squawk::AddingFieldWithDefault]) {
        let mut here = generated.iter().filter(|(_, place)| *place == at);
        if !here.any(|(column, _)| is_virtual(column)) {
            found.add(&at, &message[..]);
        }
    }
    for fact in statement.facts {
        match fact {
            Fact::AddColumn { column, .. } if column.ty.contains("serial") => {
                found.add(&column.at, &message[..]);
            }
            _ => {}
        }
    }
}

/// A virtual column is computed when it is read. PostgreSQL 18 takes one for virtual that does not
/// say STORED.
fn is_virtual(column: &GeneratedConstraint) -> bool {
    match column.generated_as() {
        Some(GeneratedAs::GeneratedStored(generated)) => {
            !matches!(generated.generated_kind(), Some(GeneratedKind::Stored(_)))
        }
        _ => false,
    }
}
