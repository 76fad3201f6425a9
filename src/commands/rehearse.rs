//! `creditdb rehearse`.

use super::{Outcome, connect, status};
use crate::cli::{Global, RehearseArgs};
use crate::error::Result;
use crate::exit::Exit;
use crate::migrations::{self, RehearsalOptions};
use crate::output::progress::Terminal;
use crate::report::Report;

pub(super) fn run(args: &RehearseArgs, global: &Global) -> Result<Outcome> {
    let set = status::set(&args.source)?;
    let live = connect::target(global)?;
    let url = global
        .database_url
        .clone()
        .or_else(|| std::env::var("DATABASE_URL").ok());
    let options = RehearsalOptions {
        to: args.to,
        rows: args.rows,
        scratch_url: args.scratch_url.clone(),
    };
    let progress = Terminal::default();
    let rehearsal = migrations::rehearse(&live, url.as_deref(), &set, &options, &progress)?;
    // A file that fails here would have failed there.
    let exit = if rehearsal.failure.is_some() {
        Exit::Findings
    } else {
        Exit::Done
    };
    Ok(Outcome {
        report: Report::Rehearsal(rehearsal),
        exit,
    })
}
