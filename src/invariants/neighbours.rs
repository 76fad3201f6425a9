//! Whether others write while an audit gets ready. Where its connections take every core of the
//! server, whoever writes would wait for one, so the audit goes on with one connection less.
//!
//! The write-ahead log tells: an audit writes nothing, anybody may ask for its position, and the
//! answer is of this moment, unlike that of a snapshot.

use postgres::Transaction;

use crate::error::Result;

/// What the server's own housekeeping may write meanwhile, in bytes; a request takes more.
const HOUSEKEEPING: i64 = 1024;

/// The position of the write-ahead log, in bytes; NULL on a standby, where nobody writes.
const POSITION: &str = "SELECT CASE WHEN NOT pg_is_in_recovery()
    THEN pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint END";

/// Where the write-ahead log was.
pub(super) struct Neighbours {
    position: Option<i64>,
}

impl Neighbours {
    /// Looks for the first time.
    ///
    /// # Errors
    /// What the server says.
    pub fn look(snapshot: &mut Transaction<'_>) -> Result<Self> {
        let position = snapshot.query_one(POSITION, &[])?.get(0);
        Ok(Self { position })
    }

    /// Whether somebody has written since.
    ///
    /// # Errors
    /// What the server says.
    pub fn write(&self, snapshot: &mut Transaction<'_>) -> Result<bool> {
        let now = Self::look(snapshot)?.position;
        let written = self.position.zip(now).map(|(before, now)| now - before);
        Ok(written.is_some_and(|bytes| bytes > HOUSEKEEPING))
    }
}
