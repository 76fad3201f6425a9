//! `creditdb verify`.

use super::{Outcome, connect};
use crate::cli::{Global, VerifyArgs};
use crate::error::Result;
use crate::exit::Exit;
use crate::invariants::{self, Catalogue, Options};
use crate::output::progress::Terminal;
use crate::report::{Report, Verdict};

pub(super) fn run(args: &VerifyArgs, global: &Global) -> Result<Outcome> {
    let catalogue = Catalogue::load(args.catalogue.checks.as_deref())?;
    let selection = catalogue.select(&args.ids, &args.area)?;
    let options = Options {
        evidence: args.evidence,
        distrust: args.distrust,
    };
    let mut client = connect::client(global)?;
    let audit = invariants::audit(&mut client, &selection, &options, &Terminal::default())?;
    let exit = match audit.verdict {
        Verdict::Clean => Exit::Done,
        Verdict::Findings => Exit::Findings,
        Verdict::Incomplete => Exit::Undecided,
    };
    Ok(Outcome {
        report: Report::Audit(audit),
        exit,
    })
}
