//! A check or not-null constraint that reads a whole table under the strongest lock.

use squawk_syntax::ast::{AlterDomain, AlterDomainAction, AstNode, DomainRef, Stmt};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::{Fact, Kind, named, without_public};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a check of an existing table or domain is added without NOT VALID",
    why: "ADD CONSTRAINT reads every row while it holds an ACCESS EXCLUSIVE lock: nobody \
              reads or writes the table until the last row is checked.",
    remedy: "add it NOT VALID, and VALIDATE CONSTRAINT in a later file",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    if let Stmt::AlterDomain(alter) = statement.node {
        of_domain(statement, alter, found);
    }
    for fact in statement.facts {
        let Fact::AddConstraint { table, constraint } = fact else {
            continue;
        };
        let reads_rows = matches!(constraint.kind, Kind::Check(_) | Kind::NotNull);
        if reads_rows && constraint.valid && !statement.schema.is_new(table) {
            let message = format!("this reads all rows while nobody can use \"{table}\"");
            found.add(&constraint.at, message);
        }
    }
}

/// It reads all tables with a column of that type.
fn of_domain(statement: &Statement<'_>, alter: &AlterDomain, found: &mut Collector<'_>) {
    let is_valid = match alter.action() {
        Some(AlterDomainAction::AddConstraint(add)) => {
            add.constraint().is_none_or(|c| !c.is_not_valid())
        }
        // There is no NOT VALID for it.
        Some(AlterDomainAction::SetNotNull(_)) => true,
        _ => return,
    };
    let names = named::<DomainRef>(alter.syntax());
    let Some(domain) = names.first().map(|name| without_public(name)) else {
        return;
    };
    if is_valid && !statement.schema.is_new(domain) {
        let message = format!("this reads all tables with a \"{domain}\" while nobody writes them");
        found.add(&statement.first_line(), message);
    }
}
