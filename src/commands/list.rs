//! `creditdb list`.

use super::Outcome;
use crate::cli::ListArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::invariants::{Catalogue, Check};
use crate::report::Report;

pub(super) fn run(args: &ListArgs) -> Result<Outcome> {
    let catalogue = Catalogue::load(args.catalogue.checks.as_deref())?;
    let checks = catalogue.checks().iter().map(Check::summary);
    Ok(Outcome {
        report: Report::Catalogue(checks.collect()),
        exit: Exit::Done,
    })
}
