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
    // The parser passes over it; the server takes it for a part of the first word.
    if file.text.starts_with('\u{feff}') {
        found.add(
            &file.visible(&(0..0)),
            "the file begins with a byte order mark",
        );
    }
    // What follows the first error is mostly its echo.
    if let Some((at, words)) = file.errors.iter().min_by_key(|(at, _)| at.start) {
        let mut message = words.chars();
        let first = message.next().map(|c| c.to_ascii_lowercase());
        let message: String = first.into_iter().chain(message).collect();
        found.add(&file.visible(at), message);
    }
}
