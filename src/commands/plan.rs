//! `creditdb plan`.

use super::{Outcome, ReportFile, connect, migrate, status};
use crate::cli::{Command, Format, Global, PlanArgs};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::migrations;
use crate::report::{Report, StatusState};

pub(super) fn run(args: &PlanArgs, global: &Global) -> Result<Outcome> {
    let file = args.out.as_deref().map(ReportFile::prepare).transpose()?;
    let set = status::set(&args.source)?;
    let target = connect::target(global)?;
    let plan = migrations::plan(&target, &set, args.to, &migrate::precheck())?;
    let exit = match plan.state {
        StatusState::Current | StatusState::Pending => Exit::Done,
        StatusState::HalfDone => Exit::CutOff,
        // What `migrate` would answer; a plan that nobody can follow is not written.
        StatusState::Refused | StatusState::Unmanaged => Exit::Refused,
    };
    let report = Report::Plan(plan);
    if let (Some(file), Exit::Done) = (&file, exit) {
        file.write(Format::Json, &report)?;
    }
    Ok(Outcome { report, exit })
}

/// No other report can be said as a script.
pub(super) fn only_plan_speaks_sql(command: &Command, global: &Global) -> Result<()> {
    let formats = global.output.iter().map(|(format, _)| *format);
    let mut asked = formats.chain([global.format]);
    if matches!(command, Command::Plan(_)) || asked.all(|format| format != Format::Sql) {
        return Ok(());
    }
    Err(Error::usage("the format \"sql\" is for plan only")
        .detail("formats of this command: text, json, github")
        .hint("creditdb plan --format sql"))
}
