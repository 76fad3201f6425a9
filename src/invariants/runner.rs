//! Runs an audit: takes the snapshot, plans, has the crew evaluate the checks, and sums up.

use std::time::{Duration, Instant};

use postgres::{Client, Transaction};

use super::board::Board;
use super::catalogue::Check;
use super::contract::SchemaVersion;
use super::crew::Crew;
use super::outcome::verdict;
use super::{canary, equations, plan, relations};
use crate::db::session;
use crate::db::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::report::{Audit, AuditedDatabase, Progress};

/// Of what is only worth knowing, the newest rows are enough, this many: they were new once in every
/// audit, and the ledger grows without end.
const RECENT: &str = "SET LOCAL creditdb.recent = '100000';";

/// Of a table that is distrusted, all rows; as a number, far from the ends of its range.
const ALL: &str = "SET LOCAL creditdb.recent = '4611686018427387904';";

/// Without indexes a scan reads the rows that are stored, not those that an index finds.
const READ_THE_HEAP: &str = "SET LOCAL enable_indexscan = off;
    SET LOCAL enable_indexonlyscan = off;
    SET LOCAL enable_bitmapscan = off;";

/// How to run an audit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How many violations of each check to keep as evidence; all are counted.
    pub evidence: u32,
    /// Believe no constraint and no index.
    pub distrust: bool,
    /// When to stop, from the beginning of the audit; what is not evaluated by then says so.
    pub deadline: Option<Duration>,
    /// How many rows the scans may read in a second, all connections together.
    pub rows_per_second: Option<u64>,
}

/// Evaluates the checks of a selection in one snapshot.
///
/// `helpers` are further connections to the same database, which evaluate in the same snapshot; a
/// helper that cannot join is done without. A check that cannot be evaluated becomes a result of
/// its own and makes the verdict incomplete; the others are evaluated all the same.
///
/// # Errors
/// When there is nothing to audit (no schema version), or no snapshot to be had.
pub fn audit(
    client: &mut Client,
    helpers: &mut [Client],
    selection: &[&Check],
    options: &Options,
    progress: &dyn Progress,
) -> Result<Audit> {
    let started = Instant::now();
    let tables = plan::tables(selection);
    let mut snapshot = Snapshot::take(client, &tables)?;
    let exported = match helpers {
        [] => None,
        _ => Some(snapshot.export(&tables)?),
    };
    let (database, version) = describe(&mut snapshot.transaction)?;
    let transaction = &mut snapshot.transaction;
    let mut plan = plan::plan(transaction, selection, version, options.distrust)?;
    let setup = if options.distrust {
        format!("{READ_THE_HEAP} {ALL}")
    } else {
        RECENT.to_owned()
    };
    transaction.batch_execute(&setup)?;
    canary::sing(transaction, &mut plan)?;
    let key = equations::key(transaction)?;
    let moved = relations::moved(&tables, &plan.relations);
    let board = Board::new(&plan, options.evidence, Some(key));
    progress.begin("pages", 0);
    Crew::new(&board, moved, options, started, progress, 1 + helpers.len()).run(
        transaction,
        exported.as_ref(),
        helpers,
        &setup,
    );
    progress.end();
    let checks = board.results();
    Ok(Audit {
        verdict: verdict(&checks),
        database,
        taken_at: snapshot.taken_at,
        snapshot_id: snapshot.id,
        checks,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// What is being audited. A database without a schema version is not ours, or not migrated yet.
fn describe(snapshot: &mut Transaction<'_>) -> Result<(AuditedDatabase, SchemaVersion)> {
    let row = snapshot.query_one(
        "SELECT current_database()::text, current_setting('server_version'), pg_is_in_recovery()",
        &[],
    )?;
    let name: String = row.get(0);
    let Some(schema_version) = session::schema_version(snapshot)? else {
        return Err(
            Error::undecided(format!("database \"{name}\" has no schema version"))
                .detail("table \"public.schema_version\" does not exist or is empty")
                .hint("creditdb status, then creditdb migrate"),
        );
    };
    let version = SchemaVersion::parse(&schema_version).ok_or_else(|| {
        let message = format!("schema version \"{schema_version}\" of database \"{name}\" is not");
        Error::undecided(format!("{message} a version such as 1.0.0"))
            .detail("it is the newest row of \"public.schema_version\"")
            .hint("creditdb status")
    })?;
    let database = AuditedDatabase {
        name,
        server_version: row.get(1),
        schema_version,
        standby: row.get(2),
    };
    Ok((database, version))
}
