//! `drift` on real servers.

use crate::support::program::creditdb;
use crate::support::server::Database;

#[test]
fn a_migrated_database_has_none() {
    let database = Database::migrated();
    let run = creditdb(["drift"]).on(&database.url).succeeds();
    assert!(
        run.stdout.starts_with("CLEAN  no differences at version"),
        "{}",
        run.stdout
    );
}
