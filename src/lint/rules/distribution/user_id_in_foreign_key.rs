//! Foreign keys between per-user tables. References to catalogue tables are fine.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::schema::Schema;
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;
use crate::syntax::facts::{Constraint, Kind, Reference};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a foreign key between per-user tables does not contain user_id, or a catalogue \
              table refers to one",
    why: "A reference can be checked only on the machine that holds both rows: those of \
              one user are together, those of two users need not be.",
    remedy: "refer to (user_id, …) from (user_id, …)",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let (table, per_user, constraints): (_, _, &[Constraint]) = match fact {
            Fact::CreateTable {
                table,
                columns,
                constraints,
                ..
            } => (
                table,
                columns.iter().any(|c| c.name == "user_id"),
                constraints,
            ),
            Fact::AddConstraint { table, constraint } => {
                let per_user = statement.schema.is_per_user(table);
                (table, per_user, std::slice::from_ref(constraint))
            }
            Fact::AddColumn {
                table, constraints, ..
            } => (table, statement.schema.is_per_user(table), constraints),
            _ => continue,
        };
        for constraint in constraints {
            let Kind::ForeignKey(to) = &constraint.kind else {
                continue;
            };
            let to_user = statement.schema.is_per_user(&to.table) || to.table == *table && per_user;
            let message = match (per_user, to_user) {
                (true, true) if pairs(constraint, to, statement.schema) => continue,
                (true, true) => format!("this reference to \"{}\" lacks user_id", to.table),
                (false, true) if statement.schema.knows_columns(table) || is_create(fact) => {
                    format!("\"{table}\" has no user_id, but \"{}\" has", to.table)
                }
                _ => continue,
            };
            found.add(&constraint.at, message);
        }
    }
}

fn is_create(fact: &Fact) -> bool {
    matches!(fact, Fact::CreateTable { .. })
}

/// Whether user_id refers to user_id.
fn pairs(from: &Constraint, to: &Reference, schema: &Schema) -> bool {
    let columns = if to.columns.is_empty() {
        schema.primary_key(&to.table).unwrap_or_default()
    } else {
        &to.columns
    };
    let mut both = from.columns.iter().zip(columns);
    both.any(|(from, to)| from == "user_id" && to == "user_id")
}
