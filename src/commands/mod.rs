//! The subcommands, one file each: read arguments, call, return an outcome.

mod adopt;
mod connect;
mod demo;
mod drift;
mod explain;
mod lint;
mod list;
mod migrate;
mod plan;
mod rehearse;
mod sample;
mod secrets;
mod status;
mod verify;

pub use secrets::hide_password;

use crate::cli::{Cli, Command, Format, Global};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::output;
use crate::report::Report;

/// What a command found, and the exit code that says so.
struct Outcome {
    report: Report,
    exit: Exit,
}

/// Runs the command and writes its report in every format that was asked for.
///
/// # Errors
/// What the command itself says, or a file of `--output` that cannot be written.
pub fn run(cli: Cli) -> anyhow::Result<Exit> {
    let global = &cli.global;
    plan::only_plan_speaks_sql(&cli.command, global)?;
    let outcome = match cli.command {
        Command::Demo(args) => demo::run(&args, global),
        Command::Migrate(args) => migrate::run(&args, global),
        Command::Status(args) => status::run(&args, global),
        Command::Plan(args) => plan::run(&args, global),
        Command::Rehearse(args) => rehearse::run(&args, global),
        Command::Drift(args) => drift::run(&args, global),
        Command::Adopt(args) => adopt::run(&args, global),
        Command::Lint(args) => lint::run(&args),
        Command::Verify(args) => verify::run(&args, global),
        Command::List(args) => list::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Sample(args) => sample::run(&args, global),
    }?;
    write(&outcome.report, global)?;
    Ok(outcome.exit)
}

fn write(report: &Report, global: &Global) -> Result<()> {
    for (format, path) in &global.output {
        output::to_file(writer(*format), report, path).map_err(|error| {
            Error::undecided(format!("cannot write \"{}\": {error}", path.display()))
                .hint("name a file in a folder that exists and that you may write")
        })?;
    }
    output::to_stdout(writer(global.format), report)
        .map_err(|error| Error::undecided(format!("cannot write to stdout: {error}")))
}

/// The writer of a format.
fn writer(format: Format) -> output::Writer {
    match format {
        Format::Text => output::text::write,
        Format::Json => output::json::write,
        Format::Github => output::github::write,
        Format::Sql => output::sql::write,
    }
}
