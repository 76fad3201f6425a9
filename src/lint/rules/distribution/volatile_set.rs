//! Values that each machine would compute for itself. Bodies of functions are looked at, too;
//! of functions, the well-known volatile ones count and those that the files make without
//! IMMUTABLE or STABLE.

use squawk_syntax::ast::{AstNode, CallExpr, SetClause};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::words;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a volatile function is called in UPDATE SET or ON CONFLICT DO UPDATE SET",
    why: "Copies of a row would get different values, so a distributed engine refuses \
              the statement.",
    remedy: "use now() or EXCLUDED, or read the value into a variable first",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for (call, at) in statement.nodes::<CallExpr>() {
        let in_set = call
            .syntax()
            .ancestors()
            .any(|node| SetClause::can_cast(node.kind()));
        let text = words(call.syntax());
        let name = text.split('(').next().unwrap_or_default();
        let name = name.strip_prefix("public.").unwrap_or(name);
        if in_set && (VOLATILE.contains(&name) || statement.schema.is_volatile(name)) {
            found.add(&at, format!("\"{name}\" gives another value each time"));
        }
    }
}

/// Volatile functions of the server that people put there.
const VOLATILE: &[&str] = &[
    "clock_timestamp",
    "currval",
    "gen_random_bytes",
    "gen_random_uuid",
    "lastval",
    "nextval",
    "random",
    "random_normal",
    "setval",
    "timeofday",
    "uuid_generate_v1",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
];
