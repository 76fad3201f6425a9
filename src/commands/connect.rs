//! Connecting, as every command does it: the settings of the command line, and with `--verbose`
//! a remark on where it goes.

use postgres::Client;

use crate::cli::Global;
use crate::db::Target;
use crate::error::Result;
use crate::output::progress::Terminal;
use crate::report::Progress;

/// The database that the command line and the environment name.
pub(super) fn target(global: &Global) -> Result<Target> {
    Target::resolve(global.database_url.as_deref())
}

/// A connection to that database.
pub(super) fn client(global: &Global) -> Result<Client> {
    let target = target(global)?;
    if global.verbose {
        Terminal::default().remark(&format!("connecting to {}", target.describe()));
    }
    target.connect()
}
