//! `creditdb drift`.

use super::{Outcome, connect, status};
use crate::cli::{DriftArgs, Global};
use crate::error::Result;
use crate::exit::Exit;
use crate::migrations::{self, DriftOptions};
use crate::output::progress::Terminal;
use crate::report::Report;

pub(super) fn run(args: &DriftArgs, global: &Global) -> Result<Outcome> {
    let set = status::set(&args.source)?;
    let options = DriftOptions {
        strict: args.strict,
        ignore: args.ignore.clone(),
    };
    let mut client = connect::client(global)?;
    let drift = migrations::drift(&mut client, &set, &options, &Terminal::default())?;
    let exit = match drift.count() {
        0 => Exit::Done,
        _ => Exit::Findings,
    };
    Ok(Outcome {
        report: Report::Drift(drift),
        exit,
    })
}
