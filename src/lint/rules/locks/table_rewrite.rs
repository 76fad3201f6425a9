//! Commands that rewrite a whole table, whatever is in it.

use squawk_syntax::ast::{AlterTableAction as Action, Stmt};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "an existing table is rewritten",
    why: "VACUUM FULL, CLUSTER, SET LOGGED, SET UNLOGGED, SET TABLESPACE and SET ACCESS \
              METHOD copy the table under an ACCESS EXCLUSIVE lock.",
    remedy: "use plain VACUUM; move a table by filling a new one in batches",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let rewrites = match statement.node {
        Stmt::Vacuum(vacuum) => vacuum.is_full(),
        Stmt::Cluster(_) => true,
        Stmt::AlterTable(alter) => {
            let copies = |action: Action| {
                matches!(
                    action,
                    Action::SetLogged(_)
                        | Action::SetUnlogged(_)
                        | Action::SetTablespace(_)
                        | Action::SetAccessMethod(_)
                )
            };
            statement.existing_table().is_some() && alter.actions().any(copies)
        }
        _ => false,
    };
    if rewrites {
        found.add(
            &statement.first_line(),
            "nobody can use the table while it is copied",
        );
    }
}
