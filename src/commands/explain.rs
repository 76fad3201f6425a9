//! `creditdb explain`.

use super::Outcome;
use crate::cli::ExplainArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::invariants::Catalogue;
use crate::report::Report;

pub(super) fn run(args: &ExplainArgs) -> Result<Outcome> {
    let catalogue = Catalogue::load(args.catalogue.checks.as_deref())?;
    let check = catalogue.find(&args.id)?;
    Ok(Outcome {
        report: Report::Explanation(check.explanation()),
        exit: Exit::Done,
    })
}
