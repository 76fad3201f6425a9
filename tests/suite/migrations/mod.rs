//! `migrate` and `status` on real servers, with real faults.

mod adopt;
mod batched;
mod concurrency;
mod cut_off;
mod drift;
mod drift_sql;
mod edits;
mod expected;
mod faults;
mod foreign_sets;
mod ground;
mod half_done;
mod limits;
mod lock_table;
mod locks;
mod plan;
mod plan_refusals;
mod plan_risks;
mod plan_script;
mod poolers;
mod preflight;
mod refusals;
mod rehearse;
mod rehearse_rows;
mod separate;
mod sql_errors;
mod status;
mod torture;
mod trust;

use crate::support::folder::Folder;
use crate::support::program::{Program, creditdb};
use crate::support::server::Database;

/// `creditdb migrate --migrations FOLDER` on a database.
fn migrate(folder: &Folder, database: &Database) -> Program {
    creditdb(["migrate", "--migrations", folder.arg()]).on(&database.url)
}

/// The applied versions in the history, in order.
fn history(database: &Database) -> Vec<i32> {
    let query = "SELECT version FROM refinery_schema_history ORDER BY version";
    database
        .connect()
        .query(query, &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// Whether a table exists.
fn exists(database: &Database, table: &str) -> bool {
    let query = "SELECT to_regclass($1) IS NOT NULL";
    database
        .connect()
        .query_one(query, &[&table])
        .unwrap()
        .get(0)
}

/// A database with schema 1.0.0, which the fixtures of `drift` and `adopt` are about.
fn schema_1_0_0() -> Database {
    let database = Database::empty();
    let run = creditdb(["migrate", "--to", "5"]).on(&database.url);
    run.succeeds();
    database
}
