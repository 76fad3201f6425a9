//! Constraints and indexes whose name the server invents. NOT NULL is left out.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;
use crate::syntax::facts::{Constraint, Kind};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Warning,
    title: "a constraint or an index has no name",
    why: "Names are the words of our reports, and the server invents different ones on \
              different machines and versions; a later file cannot drop what it cannot name.",
    remedy: "write CONSTRAINT name in front of it, or name the index",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let constraints: &[Constraint] = match fact {
            Fact::CreateTable { constraints, .. } | Fact::AddColumn { constraints, .. } => {
                constraints
            }
            Fact::AddConstraint { constraint, .. } => std::slice::from_ref(constraint),
            Fact::CreateIndex(index) if index.name.is_none() => {
                found.add(&statement.first_line(), "this index has no name");
                continue;
            }
            _ => continue,
        };
        let unnamed = |c: &&Constraint| c.name.is_none() && !matches!(c.kind, Kind::NotNull);
        for constraint in constraints.iter().filter(unnamed) {
            let message = format!("this {} has no name", constraint.kind.words());
            found.add(&constraint.at, message);
        }
    }
}
