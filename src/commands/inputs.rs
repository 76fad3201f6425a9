//! What a command reads, compared with what it is to write: a report takes the place of the file
//! that was there, which no command must have done to its own input, or to another report.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cli::{Command, Global, MigrationSource};
use crate::db::connection;
use crate::error::{Error, Result};
use crate::files;

/// A path on the command line, and the option that it belongs to.
type Named<'a> = (&'static str, &'a Path);

/// Refuses a file to write that is read or written as well, however the two are spelled.
///
/// # Errors
/// Wrong usage, with both options.
pub(super) fn refuse_to_replace(command: &Command, global: &Global) -> Result<()> {
    let outputs = global
        .output
        .iter()
        .map(|(_, path)| ("--output", path.as_path()));
    let mut outputs: Vec<Named<'_>> = outputs.collect();
    if let Command::Plan(args) = command {
        outputs.extend(args.out.as_deref().map(|path| ("--out", path)));
    }
    if outputs.is_empty() {
        return Ok(());
    }
    for (nth, (by, output)) in outputs.iter().enumerate() {
        if let Some((_, earlier)) = outputs[..nth].iter().find(|(_, it)| is_same(it, output)) {
            let (earlier, output) = (earlier.display(), output.display());
            return Err(
                Error::usage(format!("{by} would replace \"{output}\", which is written"))
                    .detail(format!("\"{earlier}\" is the same file; nothing was done"))
                    .hint(format!("name another file with {by}")),
            );
        }
    }
    for (option, input, is_named) in inputs(command, global) {
        let Some((by, output)) = outputs.iter().find(|(_, output)| is_same(output, &input)) else {
            continue;
        };
        let shown = input.display();
        let how = if is_named {
            format!("{option} names it as \"{shown}\"")
        } else {
            format!("it is \"{shown}\", which belongs to {option}")
        };
        let output = output.display();
        return Err(
            Error::usage(format!("{by} would replace \"{output}\", which is read"))
                .detail(format!("{how}; nothing was done"))
                .hint(format!("name another file with {by}")),
        );
    }
    Ok(())
}

/// Each file that the command reads: the option, the path, and whether it is there itself or found
/// below a folder.
fn inputs(command: &Command, global: &Global) -> Vec<(&'static str, PathBuf, bool)> {
    let mut found = Vec::new();
    let mut file = |option, path: Option<&PathBuf>| {
        found.extend(path.map(|path| (option, path.clone(), true)));
    };
    // A folder that cannot be listed is the command's affair.
    let mut listed: Vec<(&'static str, Vec<PathBuf>)> = Vec::new();
    let source = |source: &'_ MigrationSource| source.migrations.clone();
    let migrations = match command {
        Command::Migrate(args) => {
            file("--plan", args.plan.as_ref());
            source(&args.source)
        }
        Command::Status(args) => source(&args.source),
        Command::Plan(args) => source(&args.source),
        Command::Rehearse(args) => source(&args.source),
        Command::Drift(args) => source(&args.source),
        Command::Adopt(args) => source(&args.source),
        Command::Lint(args) => {
            for path in &args.files {
                file("FILE", Some(path));
                // Its siblings are the schema that it is judged by.
                let siblings = files::within(files::folder_of(path));
                listed.push(("FILE", siblings.unwrap_or_default()));
            }
            source(&args.source)
        }
        _ => None,
    };
    let mut list = |option, folder: Option<&Path>| {
        let files = folder.map(|folder| files::below(folder).unwrap_or_default());
        listed.extend(files.map(|files| (option, files)));
    };
    list("--migrations", migrations.as_deref());
    let checks = match command {
        Command::Verify(args) => {
            file("--state", args.state.as_ref());
            args.catalogue.checks.as_deref()
        }
        Command::List(args) => args.catalogue.checks.as_deref(),
        Command::Explain(args) => args.catalogue.checks.as_deref(),
        _ => None,
    };
    list("--checks", checks);
    for (option, files) in listed {
        let sql = files.into_iter().filter(|path| looks_like_sql(path));
        found.extend(sql.map(|path| (option, path, false)));
    }
    let connection = of_connections(command, global).into_iter();
    found.extend(connection.map(|(option, path)| (option, path, true)));
    found
}

/// What is read before there is a connection.
fn of_connections(command: &Command, global: &Global) -> Vec<(&'static str, PathBuf)> {
    let live = global.database_url.as_deref();
    match command {
        Command::Demo(_) | Command::Lint(_) | Command::List(_) | Command::Explain(_) => Vec::new(),
        Command::Rehearse(args) => {
            let mut found = connection::files(live);
            found.extend(connection::files(args.scratch_url.as_deref()));
            found
        }
        _ => connection::files(live),
    }
}

fn looks_like_sql(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("sql"))
}

/// Whether two paths lead to one file, or to the same place for one that is still to be made.
/// Devices and pipes are not replaced, and a terminal is both read and written.
fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => {
            one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino())
        }
        (Err(_), Err(_)) => files::place(one).is_ok_and(|it| files::place(other) == Ok(it)),
        _ => false,
    }
}
