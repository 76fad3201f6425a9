//! Which database a state belongs to, and whether the server still computes as it did.

use postgres::Transaction;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The timeline of a server that writes is in the name of the file that it writes to; one that
/// replays says up to where it has.
const IDENTITY: &str = "SELECT (SELECT system_identifier::text FROM pg_control_system()),
        current_database()::text,
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        CASE WHEN pg_is_in_recovery()
             THEN (SELECT greatest(c.timeline_id, r.min_recovery_end_timeline)
                     FROM pg_control_checkpoint() AS c, pg_control_recovery() AS r)
             ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer END";

/// One value of each type whose hashes the sums are made of.
const PROBE: &str = "SELECT hashint8extended(hash_record_extended(
        ROW(42::bigint, '00000000-0000-4000-8000-000000000001'::uuid, 'text'::text, NULL::text,
            3.25::numeric(20,8), '{\"a\": [1, null]}'::jsonb, 7::integer, true,
            '2026-01-01 00:00:00+00'::timestamptz), $1), $1)";

/// Which database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// Drawn by initdb; a standby has that of its primary.
    pub system_identifier: String,
    /// Of the database.
    pub name: String,
    /// Another one when the database was made anew under its name.
    pub oid: u32,
    /// Rises with each failover and each recovery from a backup.
    pub timeline: i32,
}

impl Identity {
    /// Of the database that the snapshot is of.
    pub fn read(snapshot: &mut Transaction<'_>) -> Result<Self> {
        let row = snapshot.query_one(IDENTITY, &[])?;
        Ok(Self {
            system_identifier: row.get(0),
            name: row.get(1),
            oid: row.get(2),
            timeline: row.get(3),
        })
    }

    /// Why what was known of its rows need not be true of the rows that it has now, in words.
    pub fn other_history(&self, now: &Self) -> Option<String> {
        if self.oid != now.oid {
            return Some("the database was made anew".to_owned());
        }
        let (then, now) = (self.timeline, now.timeline);
        (then != now).then(|| {
            format!(
                "the server was on timeline {then} and is on {now}: it failed over or was restored"
            )
        })
    }

    /// What makes another database of it, in words.
    pub fn difference(&self, now: &Self) -> Option<String> {
        if self.system_identifier != now.system_identifier {
            let (then, now) = (&self.system_identifier, &now.system_identifier);
            return Some(format!(
                "it is of the server with system identifier {then}, this one has {now}"
            ));
        }
        let other = self.name != now.name;
        other.then(|| {
            format!(
                "it is of database \"{}\", this one is \"{}\"",
                self.name, now.name
            )
        })
    }
}

/// A number that is the same as long as the server hashes as it did.
pub(super) fn probe(snapshot: &mut Transaction<'_>, key: i64) -> Result<i64> {
    Ok(snapshot.query_one(PROBE, &[&key])?.get(0))
}
