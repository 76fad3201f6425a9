//! Bodies that the parser does not understand. That is no mistake of the file: the parser for
//! PL/pgSQL is young. It is said because silence would look like approval.

use crate::lint::bodies::Body;
use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Info,
    title: "the body of a function or DO block could not be read",
    why: "The rules that look into bodies (volatile-set, user-id-update, function-user-first, \
          hidden-change) say nothing about what they cannot read.",
    remedy: "review the body by hand, with those rules in mind",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    if let Some(at) = statement.body.as_ref().and_then(Body::error) {
        let message = "the parser does not understand this body, so no rule judges it";
        found.add(&statement.file.visible(&at), message);
    }
}
