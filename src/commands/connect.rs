//! Connecting as the options of every command ask for.

use postgres::Client;

use crate::cli::Global;
use crate::db::Target;
use crate::error::Result;

/// The database that the options name.
pub(super) fn target(global: &Global) -> Result<Target> {
    Target::resolve(global.database_url.as_deref())
}

/// A connection to it.
pub(super) fn client(global: &Global) -> Result<Client> {
    target(global)?.connect()
}
