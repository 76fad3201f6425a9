//! Connecting, as every command does it: to what the options of the command line name, and with
//! `--verbose` a remark on what that is.

use postgres::Client;

use crate::cli::Global;
use crate::db::Target;
use crate::error::Result;
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
