//! A name that running programs use, changed under them. Constraints, indexes and triggers are
//! left out: no query names them.

use squawk_linter::Rule as Squawk;
use squawk_syntax::ast::{AstNode, SchemaRef, SetSchema, Stmt};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::{Space, all_names, named, without_public};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "an existing object is renamed, or moved to another schema",
    why: "Migrations run before the new release and beside the old one, whose queries \
              still use the old name and fail.",
    remedy: "add the new name beside the old one (a column that both releases write, a \
              view, a second function) and drop the old one a release later",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let mut codes = vec![Squawk::RenamingColumn, Squawk::RenamingTable];
    match statement.node {
        Stmt::AlterTable(_) if statement.existing_table().is_none() => return,
        Stmt::AlterTable(_)
        | Stmt::AlterIndex(_)
        | Stmt::AlterTrigger(_)
        | Stmt::AlterPolicy(_) => {}
        other => {
            let space = match other {
                Stmt::AlterFunction(_) | Stmt::AlterProcedure(_) | Stmt::AlterRoutine(_) => {
                    Space::Routines
                }
                Stmt::AlterSchema(_) => Space::Schemas,
                _ => Space::Relations,
            };
            let names = match space {
                Space::Schemas => named::<SchemaRef>(other.syntax()),
                _ => all_names(other.syntax()),
            };
            let is_new = |name: &String| {
                let name = without_public(name);
                statement.schema.is_new_in(space, name)
            };
            if names.first().is_some_and(is_new) {
                return;
            }
            codes.push(Squawk::RenamingObject);
        }
    }
    for at in statement.squawk(&codes) {
        found.add(&at, "queries of running programs still use the old name");
    }
    // Nobody names these in a query.
    if matches!(
        statement.node,
        Stmt::AlterExtension(_) | Stmt::AlterStatistics(_)
    ) {
        return;
    }
    let parts = statement.node.syntax().descendants();
    for set in parts.filter_map(SetSchema::cast) {
        let at = set.syntax().text_range().into();
        found.add(
            &at,
            "queries of running programs still look for it in the old schema",
        );
    }
}
