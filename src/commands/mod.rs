//! The subcommands, one file each: read arguments, call, return an outcome.

mod adopt;
mod connect;
mod demo;
mod drift;
mod explain;
mod inputs;
mod lint;
mod list;
mod migrate;
mod plan;
mod rehearse;
mod sample;
mod secrets;
mod signals;
mod status;
mod verify;

pub use secrets::hide_password;

use std::io;
use std::path::Path;

use crate::cli::{Cli, Command, Format, Global};
use crate::error::{Error, Kind, Result};
use crate::exit::Exit;
use crate::output::{self, Destination};
use crate::report::Report;

/// What a command found, and the exit code that says so.
struct Outcome {
    report: Report,
    exit: Exit,
}

/// Runs the command and writes its report in every format that was asked for.
///
/// # Errors
/// What the command itself says, or a file of `--output` that cannot be written; as far as that can
/// be known beforehand, nothing is done then.
pub fn run(cli: Cli) -> anyhow::Result<Exit> {
    let global = &cli.global;
    plan::only_plan_speaks_sql(&cli.command, global)?;
    connect::refuse_where_unused(&cli.command, global)?;
    inputs::refuse_to_replace(&cli.command, global)?;
    let files = destinations(global)?;
    let mut ended = None;
    let outcome = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Migrate(args) => migrate::run(&args, global).map(|(outcome, error)| {
            ended = error;
            outcome
        }),
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
    let written = write(&outcome.report, &files, global);
    if let Some(error) = ended {
        return Err(error.into());
    }
    written?;
    Ok(outcome.exit)
}

/// A file for a report, as it was named, and what is known of it.
struct ReportFile<'a> {
    path: &'a Path,
    destination: Destination,
}

impl<'a> ReportFile<'a> {
    /// Looks whether it can be written; the old one is gone afterwards.
    fn prepare(path: &'a Path) -> Result<Self> {
        let destination = Destination::prepare(path);
        destination
            .map(|destination| Self { path, destination })
            .map_err(|error| cannot_write(Kind::Usage, path, &error))
    }

    fn write(&self, format: Format, report: &Report) -> Result<()> {
        let written = self.destination.write(writer(format), report);
        written.map_err(|error| cannot_write(Kind::Undecided, self.path, &error))
    }
}

fn cannot_write(kind: Kind, path: &Path, error: &io::Error) -> Error {
    Error::new(
        kind,
        format!("cannot write \"{}\": {error}", path.display()),
    )
    .hint("name a file in a folder that exists and that you may write")
}

fn destinations(global: &Global) -> Result<Vec<(Format, ReportFile<'_>)>> {
    let files = global.output.iter();
    files
        .map(|(format, path)| Ok((*format, ReportFile::prepare(path)?)))
        .collect()
}

/// A file that fails takes neither the others nor stdout with it: what was done is done.
fn write(report: &Report, files: &[(Format, ReportFile<'_>)], global: &Global) -> Result<()> {
    let written = files
        .iter()
        .map(|(format, file)| file.write(*format, report));
    let written: Vec<Result<()>> = written.collect();
    output::to_stdout(writer(global.format), report)
        .map_err(|error| Error::undecided(format!("cannot write to stdout: {error}")))?;
    written.into_iter().collect()
}

/// The writer of a format.
fn writer(format: Format) -> output::Writer {
    output::Writer {
        write: match format {
            Format::Text => output::text::write,
            Format::Json => output::json::write,
            Format::Github => output::github::write,
            Format::Sql => output::sql::write,
        },
        has_colours: format == Format::Text,
    }
}
