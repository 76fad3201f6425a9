//! The header that every migration has, with the locks that it takes.

use crate::header::MIGRATION_KEYS;
use crate::lint::file::File;
use crate::lint::rule::{Check, Collector, Rule};
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "the header with why, locks, transaction and undo is missing or wrong",
    why: "Who deploys at night reads the header, not the SQL: which locks, how long, in \
              one transaction or not, how to go back.",
    remedy: "begin the file with -- why:, -- locks:, -- transaction: (one, none or batched) \
              and -- undo:, in this order",
    check: Check::File(check),
};

fn check(file: &File<'_>, found: &mut Collector<'_>) {
    let header = &file.header;
    if MIGRATION_KEYS
        .iter()
        .all(|key| header.get(key.name).is_none())
    {
        found.add(&file.line(1), "the file has no header");
        return;
    }
    for problem in header.problems(MIGRATION_KEYS) {
        found.add(&file.line(problem.line), problem.message);
    }
    if let Some(mode) = header.get("transaction")
        && !["one", "none", "batched"].contains(&mode)
    {
        let message = format!("transaction is \"{mode}\", not one, none or batched");
        found.add(&file.line(header.line("transaction")), message);
    }
}
