//! Connecting, as every command does it: to what the options of the command line name, and with
//! `--verbose` a remark on what that is.

use postgres::Client;

use crate::cli::{Command, Global};
use crate::db::Target;
use crate::error::{Error, Result, shell_word};
use crate::output::progress::Terminal;
use crate::report::Progress;

/// The database that the command line and the environment name.
pub(super) fn target(global: &Global) -> Result<Target> {
    let target = Target::resolve(global.database_url.as_deref())?;
    if global.verbose {
        let terminal = Terminal::default();
        terminal.remark(&format!("connecting to {}", target.describe()));
        for line in target.remarks() {
            terminal.remark(line);
        }
    }
    Ok(target)
}

/// A connection to that database.
pub(super) fn client(global: &Global) -> Result<Client> {
    target(global)?.connect()
}

/// A command that connects to nothing of the caller's refuses the option that says to what. The
/// variables stay unread, as they are there for other commands.
///
/// # Errors
/// Wrong usage.
pub(super) fn refuse_where_unused(command: &Command, global: &Global) -> Result<()> {
    let (name, option, why) = match command {
        Command::Demo(args) => (
            "demo",
            &args.no_database,
            "it runs on a private throw-away server, and touches no other",
        ),
        Command::Lint(args) => (
            "lint",
            &args.no_database,
            "it judges files, and connects to no server",
        ),
        Command::List(args) => (
            "list",
            &args.no_database,
            "it lists the checks, and connects to no server",
        ),
        Command::Explain(args) => (
            "explain",
            &args.no_database,
            "it explains a check, and connects to no server",
        ),
        _ => return Ok(()),
    };
    if option.database_url.is_none() && global.database_url.is_none() {
        return Ok(());
    }
    let message = format!("{name} does not work on the database of --database-url");
    let (name, other) = match command {
        Command::Lint(_) => (name.to_owned(), "plan"),
        Command::Explain(args) => (format!("{name} {}", shell_word(&args.id)), "verify"),
        _ => (name.to_owned(), "verify"),
    };
    Err(Error::usage(message).detail(why).hint(format!(
        "creditdb {name}, or: creditdb {other} --database-url URL"
    )))
}
