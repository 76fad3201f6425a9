//! Names that refinery passes over in silence, and versions that two files claim.

use crate::lint::file::File;
use crate::lint::rule::{Check, Collector, Rule};
use crate::report::Severity;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "the file is not named like a migration, or shares its version with another",
    why: "refinery skips a misnamed file without a word; of two files with one version, \
              one is never applied.",
    remedy: "name it V<number>__<words>.sql, with a number above all others",
    check: Check::File(check),
};

fn check(file: &File<'_>, found: &mut Collector<'_>) {
    if file.source.version.is_none() {
        let message = format!("\"{}\" would never be run", file.source.path);
        found.add(&file.line(1), message);
    }
    if let Some(twin) = file.twin {
        found.add(&file.line(1), format!("\"{twin}\" has the same version"));
    }
}
