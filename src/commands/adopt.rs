//! `creditdb adopt`.

use super::{Outcome, connect, status};
use crate::cli::{AdoptArgs, Global};
use crate::error::Result;
use crate::exit::Exit;
use crate::migrations::{self, AdoptOptions};
use crate::output::progress::Terminal;
use crate::report::{AdoptionState, Report};

pub(super) fn run(args: &AdoptArgs, global: &Global) -> Result<Outcome> {
    let set = status::set(&args.source)?;
    let options = AdoptOptions {
        version: args.version,
        wait: args.wait,
    };
    let target = connect::target(global)?;
    let adoption = migrations::adopt(&target, &set, &options, &Terminal::default())?;
    let exit = match adoption.state {
        AdoptionState::Adopted | AdoptionState::Managed => Exit::Done,
        AdoptionState::Refused => Exit::Refused,
    };
    Ok(Outcome {
        report: Report::Adoption(adoption),
        exit,
    })
}
