//! `creditdb migrate`.

use super::{Outcome, connect, status};
use crate::cli::{Global, MigrateArgs};
use crate::error::Result;
use crate::exit::Exit;
use crate::migrations::{self, Options, SavedPlan};
use crate::output::progress::Terminal;
use crate::report::Report;

pub(super) fn run(args: &MigrateArgs, global: &Global) -> Result<Outcome> {
    let set = status::set(&args.source)?;
    let target = connect::target(global)?;
    let options = Options {
        to: args.to,
        wait: args.wait,
        plan: args.plan.as_deref().map(SavedPlan::read).transpose()?,
    };
    let deployment = migrations::migrate(&target, &set, &options, &Terminal::default())?;
    Ok(Outcome {
        report: Report::Deployment(deployment),
        exit: Exit::Done,
    })
}
