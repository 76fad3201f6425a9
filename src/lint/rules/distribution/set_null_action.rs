//! Referential actions that would empty user_id.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;
use crate::syntax::facts::{Constraint, Kind};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a foreign key of a per-user table has a SET NULL or SET DEFAULT action",
    why: "The key contains user_id, which is never NULL and never updated, so the action \
              could only fail; distributed tables refuse it outright.",
    remedy: "leave the action out, or use NO ACTION, RESTRICT or CASCADE",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let (per_user, constraints): (_, &[Constraint]) = match fact {
            Fact::CreateTable {
                columns,
                constraints,
                ..
            } => (columns.iter().any(|c| c.name == "user_id"), constraints),
            Fact::AddConstraint { table, constraint } => {
                let per_user = statement.schema.is_per_user(table);
                (per_user, std::slice::from_ref(constraint))
            }
            Fact::AddColumn {
                table, constraints, ..
            } => (statement.schema.is_per_user(table), constraints),
            _ => continue,
        };
        for constraint in constraints.iter().filter(|_| per_user) {
            if let Kind::ForeignKey(to) = &constraint.kind
                && let Some(at) = &to.sets
            {
                found.add(
                    at,
                    "this action would have to change a key with user_id in it",
                );
            }
        }
    }
}
