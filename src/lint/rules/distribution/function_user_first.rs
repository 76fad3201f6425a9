//! Functions that work for one user. Trigger functions, and functions that name no per-user
//! table, are left out.

use squawk_syntax::ast::AstNode;

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a function that uses per-user tables does not take p_user_id uuid first",
    why: "The first argument says on which machine the call runs; a function that serves \
              several users, or finds the user out by itself, would have to reach all of \
              them.",
    remedy: "take p_user_id uuid as the first parameter and serve one user per call",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let Fact::CreateFunction(function) = fact else {
            continue;
        };
        let by_trigger = function.returns.ends_with("trigger");
        let user_first = function
            .parameters
            .first()
            .is_some_and(|(name, ty, _)| name == "p_user_id" && ty == "uuid");
        let uses = statement.schema.names_per_user(statement.node.syntax())
            || statement
                .body
                .as_ref()
                .is_some_and(|b| statement.schema.names_per_user(&b.root()));
        if uses && !by_trigger && !user_first {
            let message = format!(
                "\"{}\" does not say first whose rows it uses",
                function.name
            );
            found.add(&function.at, message);
        }
    }
}
