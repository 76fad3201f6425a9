//! Looking at a session from inside: which locks it holds, which relations there are and with which
//! storage, how often each was read.

use std::collections::{BTreeMap, BTreeSet};

use postgres::GenericClient;

use crate::error::Result;
use crate::migrations::locks::Level;

/// A relation of a schema that is not the server's own.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// As the plan calls it.
    pub name: String,
    pub kind: char,
    pub storage: u32,
}

impl Seen {
    /// Whether it is something that statements read and write by its name.
    pub fn is_table(&self) -> bool {
        matches!(self.kind, 'r' | 'p' | 'm' | 'v' | 'f')
    }
}

/// By oid.
pub(super) type Relations = BTreeMap<u32, Seen>;

/// Levels by oid.
pub(super) type Locks = BTreeMap<u32, BTreeSet<Level>>;

/// How often each table and its indexes were read, by oid; those that were not are left out.
pub(super) type Reads = BTreeMap<u32, i64>;

/// Those of some oids; all of them without.
pub(super) fn relations(
    client: &mut impl GenericClient,
    oids: Option<&[u32]>,
) -> Result<Relations> {
    let rows = client.query(
        "SELECT c.oid,
                CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname,
                c.relkind::text, c.relfilenode
           FROM pg_catalog.pg_class AS c
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
          WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND ($1::oid[] IS NULL OR c.oid = ANY ($1))",
        &[&oids],
    )?;
    let seen = |row: &postgres::Row| {
        let kind: String = row.get(2);
        let seen = Seen {
            name: row.get(1),
            kind: kind.chars().next().unwrap_or('?'),
            storage: row.get(3),
        };
        (row.get(0), seen)
    };
    Ok(rows.iter().map(seen).collect())
}

/// The relation locks of a session in this database; of the one that asks without a pid. Locks that
/// are waited for count as well: they are what the statement asked for.
pub(super) fn locks(client: &mut impl GenericClient, pid: Option<i32>) -> Result<(Locks, bool)> {
    let rows = client.query(
        "SELECT CASE WHEN l.locktype = 'relation' THEN l.relation END, l.mode, l.granted
           FROM pg_catalog.pg_locks AS l
          WHERE l.pid = coalesce($1, pg_catalog.pg_backend_pid())
            AND (NOT l.granted OR l.locktype = 'relation' AND l.database = (
                     SELECT d.oid FROM pg_catalog.pg_database AS d
                      WHERE d.datname = pg_catalog.current_database()))",
        &[&pid],
    )?;
    let mut locks = Locks::new();
    let mut waits = false;
    for row in rows {
        waits |= !row.get::<_, bool>(2);
        let level = Level::of_pg_locks(row.get(1));
        if let (Some(relation), Some(level)) = (row.get::<_, Option<u32>>(0), level) {
            locks.entry(relation).or_default().insert(level);
        }
    }
    Ok((locks, waits))
}

/// Reads of this session that were not reported yet; in a transaction, all of it.
pub(super) fn own_reads(client: &mut impl GenericClient) -> Result<Reads> {
    reads(client, "pg_catalog.pg_stat_get_xact_numscans")
}

/// Whether other sessions see what one read as soon as it reports it.
pub(super) fn has_exact_counters(major: u32) -> bool {
    major >= 15
}

/// All reads that the server counted, of this session and of those that reported theirs. Where
/// counters are exact.
pub(super) fn all_reads(client: &mut impl GenericClient) -> Result<Reads> {
    // Of two questions, for what was reported and for what was not yet, a report between them would
    // make both answers miss it.
    report_reads(client)?;
    reads(client, "pg_catalog.pg_stat_get_numscans")
}

/// Reports what a session read before the server answers, and not some time later, at the latest
/// when it ends: perhaps in the middle of a statement that is watched. Outside of a transaction,
/// where counters are exact.
pub(super) fn report_reads(client: &mut impl GenericClient) -> Result<()> {
    Ok(client.batch_execute("SELECT pg_catalog.pg_stat_force_next_flush()")?)
}

fn reads(client: &mut impl GenericClient, function: &str) -> Result<Reads> {
    let query = format!(
        "SELECT coalesce(i.indrelid, c.oid), {function}(c.oid)
           FROM pg_catalog.pg_class AS c
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
           LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
          WHERE c.relkind IN ('r', 'm', 'i')
            AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND {function}(c.oid) > 0"
    );
    let mut reads = Reads::new();
    for row in client.query(&query, &[])? {
        *reads.entry(row.get(0)).or_default() += row.get::<_, i64>(1);
    }
    Ok(reads)
}
