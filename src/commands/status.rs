//! `creditdb status`.

use super::{Outcome, connect};
use crate::cli::{Global, MigrationSource, StatusArgs};
use crate::error::Result;
use crate::exit::Exit;
use crate::migrations::{self, Set};
use crate::report::{Report, StatusState};

pub(super) fn run(args: &StatusArgs, global: &Global) -> Result<Outcome> {
    let set = set(&args.source)?;
    let status = migrations::status(&mut connect::client(global)?, &set)?;
    let exit = match status.state {
        StatusState::Current => Exit::Done,
        StatusState::Pending if args.check => Exit::Findings,
        StatusState::Pending => Exit::Done,
        StatusState::HalfDone => Exit::CutOff,
        // What `migrate` would answer.
        StatusState::Refused | StatusState::Unmanaged => Exit::Refused,
    };
    Ok(Outcome {
        report: Report::Status(status),
        exit,
    })
}

/// The migrations that the arguments ask for.
pub(super) fn set(source: &MigrationSource) -> Result<Set> {
    source
        .migrations
        .as_deref()
        .map_or_else(|| Ok(Set::embedded()), Set::directory)
}
