//! The program: parses arguments, runs the command, prints an error, returns the exit code.

use std::io::Write;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::Parser;
use creditdb::cli::Cli;
use creditdb::commands;
use creditdb::error::{Error, Kind, plain_lines};
use creditdb::exit::Exit;

fn main() -> ExitCode {
    // Before anything is parsed: a message about wrong arguments would repeat them.
    let outcome = commands::hide_password()
        .map_err(Into::into)
        .and_then(|()| commands::run(Cli::parse()));
    let exit = outcome.unwrap_or_else(|error| {
        print(&error);
        exit_of(&error)
    });
    ExitCode::from(exit.code())
}

/// What the caller learns from an error; whatever is not ours left the question undecided.
fn exit_of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<Error>().map(Error::kind) {
        Some(Kind::Usage) => Exit::Usage,
        Some(Kind::Refused) => Exit::Refused,
        Some(Kind::RolledBack) => Exit::RolledBack,
        Some(Kind::CutOff) => Exit::CutOff,
        Some(Kind::Undecided) | None => Exit::Undecided,
    }
}

/// Primary line, details, hint. A closed stderr is no reason to fail differently.
fn print(error: &anyhow::Error) {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    let bold = Style::new().bold();
    let mut out = anstream::stderr().lock();
    let primary = plain_lines(&format!("{error:#}"));
    let _ = writeln!(out, "{red}error:{red:#} {primary}");
    if let Some(error) = error.downcast_ref::<Error>() {
        for detail in error.details() {
            let _ = writeln!(out, "{detail}");
        }
        if let Some(state) = error.sqlstate() {
            let _ = writeln!(out, "{bold}sqlstate:{bold:#} {state}");
        }
        if let Some(hint) = error.next_step() {
            let _ = writeln!(out, "{bold}hint:{bold:#} {}", plain_lines(hint));
        }
    }
}
