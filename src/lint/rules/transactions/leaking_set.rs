//! Settings that outlive the migration. In a file without transactions, SET LOCAL is the
//! mistake.

use squawk_syntax::ast::{self, Stmt};

use crate::header::Mode;
use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::step::sets_session;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a setting outlives the migration, or has no effect",
    why: "SET survives the commit and holds for the migrations after it; a search_path \
              that was set this way made refinery lose its own history table.",
    remedy: "use SET LOCAL in a transaction, qualify names instead of setting search_path, \
              or RESET at the end of a file without one",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let scope = match statement.node {
        Stmt::Set(set) => set.set_scope(),
        Stmt::SetRole(set) => set.set_scope(),
        Stmt::SetSessionAuth(set) => set.set_scope(),
        other => {
            if sets_session(other) {
                found.add(&statement.first_line(), LEAKS);
            }
            return;
        }
    };
    let is_local = matches!(scope, Some(ast::SetScope::LocalScope(_)));
    match (statement.mode(), is_local) {
        (Mode::None, true) => {
            let message = "without a transaction SET LOCAL has no effect";
            found.add(&statement.first_line(), message);
        }
        // Each statement by itself: it has to be SET, and a RESET has to follow.
        (Mode::None, false) if is_reset_later(statement) => {}
        (_, false) => found.add(&statement.first_line(), LEAKS),
        (_, true) => {}
    }
}

const LEAKS: &str = "this setting holds for the migrations that follow, too";

fn is_reset_later(statement: &Statement<'_>) -> bool {
    let later = |parsed: &&crate::lint::file::Parsed| parsed.at.start > statement.at.start;
    let mut rest = statement.file.statements.iter().filter(later);
    rest.any(|parsed| {
        matches!(
            parsed.node,
            Stmt::Reset(_) | Stmt::ResetRole(_) | Stmt::ResetSessionAuth(_) | Stmt::Discard(_)
        )
    })
}
