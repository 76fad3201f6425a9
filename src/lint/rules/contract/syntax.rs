//! Text that the parser does not understand. It knows PostgreSQL 18; a syntax that is newer
//! needs a suppression for the file.

use crate::lint::file::File;
use crate::lint::rule::{Check, Collector, Rule};
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "the parser does not understand the file",
    why: "The server will most likely not understand it either, in the middle of a \
              deployment; and the other rules say nothing about a statement that nobody \
              understands.",
    remedy: "correct it; if the server is newer than the parser, allow this rule at the top \
              of the file",
    check: Check::File(check),
};

fn check(file: &File<'_>, found: &mut Collector<'_>) {
    // What follows the first error is mostly its echo.
    if let Some((at, words)) = file.errors.iter().min_by_key(|(at, _)| at.start) {
        let mut message = words.chars();
        let first = message.next().map(|c| c.to_ascii_lowercase());
        let message: String = first.into_iter().chain(message).collect();
        found.add(&visible(file.text, at.start, at.end), message);
    }
}

/// At least one character, because a caret needs something to stand below.
fn visible(text: &str, start: usize, end: usize) -> std::ops::Range<usize> {
    let wide = text[start..].chars().next().map_or(0, char::len_utf8);
    start..end.max(start + wide)
}
