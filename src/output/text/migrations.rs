//! `status` and `migrate` as text.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::error::{plain, plain_lines};
use crate::report::{Deployment, MigrationState, MigrationStatus, Problem, Status, StatusState};

pub(super) fn status(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let (colour, verdict) = match status.state {
        StatusState::Current => (AnsiColor::Green, "current"),
        StatusState::Pending => (AnsiColor::Yellow, "pending"),
        StatusState::HalfDone => (AnsiColor::Red, "half done"),
        StatusState::Refused => (AnsiColor::Red, "refused"),
        StatusState::Unmanaged => (AnsiColor::Red, "unmanaged"),
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let version = plain(status.schema_version.as_deref().unwrap_or("none"));
    writeln!(out, "{style}{verdict}{style:#}, schema version {version}")?;
    if !status.migrations.is_empty() {
        writeln!(out)?;
    }
    for migration in &status.migrations {
        line(migration, out)?;
    }
    for problem in status.problems.iter().chain(&status.unfinished) {
        self::problem(problem, out)?;
    }
    if status.state == StatusState::Pending {
        writeln!(out, "\nnext: {}", plain(&status.commands.of("migrate")))?;
    }
    Ok(())
}

fn line(migration: &MigrationStatus, out: &mut dyn Write) -> io::Result<()> {
    let (colour, state) = match migration.state {
        MigrationState::Applied => (AnsiColor::Green, "applied"),
        MigrationState::Pending => (AnsiColor::Yellow, "pending"),
        MigrationState::Edited => (AnsiColor::Red, "edited"),
        MigrationState::Missing => (AnsiColor::Red, "missing"),
        MigrationState::Newer => (AnsiColor::Red, "newer"),
    };
    let style = Style::new().fg_color(Some(colour.into()));
    let name = format!("V{}__{}", migration.version, plain(&migration.name));
    match &migration.applied_on {
        Some(at) => {
            let at = plain(at);
            writeln!(out, "  {style}{state:<8}{style:#} {name:<40}  {at}")
        }
        None => writeln!(out, "  {style}{state:<8}{style:#} {name}"),
    }
}

pub(super) fn problem(problem: &Problem, out: &mut dyn Write) -> io::Result<()> {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    writeln!(
        out,
        "\n{red}problem:{red:#} {}",
        plain_lines(&problem.message)
    )?;
    writeln!(out, "  hint: {}", plain_lines(&problem.hint))
}

/// What stops nobody, or only whoever asks.
pub(super) fn remark(remark: &Problem, out: &mut dyn Write) -> io::Result<()> {
    let yellow = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    writeln!(
        out,
        "\n{yellow}remark:{yellow:#} {}",
        plain_lines(&remark.message)
    )?;
    writeln!(out, "  hint: {}", plain_lines(&remark.hint))
}

pub(super) fn deployment(deployment: &Deployment, out: &mut dyn Write) -> io::Result<()> {
    let colour = match deployment.failure {
        Some(_) => AnsiColor::Red,
        None => AnsiColor::Green,
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    for migration in &deployment.applied {
        let name = format!("V{}__{}", migration.version, migration.name);
        writeln!(out, "  applied {name:<40} {:>6} ms", migration.elapsed_ms)?;
    }
    let summary = match deployment.applied.len() {
        0 if deployment.failure.is_some() => "no migration applied".to_owned(),
        0 => "nothing to do".to_owned(),
        1 => "1 migration applied".to_owned(),
        n => format!("{n} migrations applied"),
    };
    write!(out, "{style}{summary}{style:#}")?;
    if let Some(version) = deployment.version {
        write!(out, ", at version {version}")?;
    }
    if let Some(version) = &deployment.schema_version {
        write!(out, ", schema version {version}")?;
    }
    if deployment.pending > 0 {
        write!(out, ", {} still pending", deployment.pending)?;
    }
    writeln!(out)?;
    match &deployment.failure {
        Some(failure) => super::plan::failure(failure, out),
        None => Ok(()),
    }
}
