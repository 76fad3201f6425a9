//! Whether others write while an audit gets ready. Where its connections take every core of the
//! server, whoever writes would wait for one, so the audit goes on with one connection less.
//!
//! The write-ahead log tells: an audit writes nothing, and its position is of this moment, unlike
//! what a snapshot shows. Where it cannot be asked for, nobody is taken to write.

use postgres::Transaction;

use crate::error::Result;

/// What the server's own housekeeping may write meanwhile, in bytes; a request takes more.
const HOUSEKEEPING: i64 = 1024;

/// The position of the write-ahead log, in bytes; NULL on a standby, where nobody writes.
const POSITION: &str = "SELECT CASE WHEN NOT pg_is_in_recovery()
    THEN pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint END";

/// Where the write-ahead log was, as far as it is known.
pub(super) struct Neighbours {
    position: Option<i64>,
}

impl Neighbours {
    /// Looks for the first time.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn look(snapshot: &mut Transaction<'_>) -> Result<Self> {
        // The right to ask can be taken from everybody; that must not be the end of the snapshot.
        let mut savepoint = snapshot.transaction()?;
        let asked = savepoint.query_one(POSITION, &[]);
        let position = match asked {
            Ok(row) => {
                savepoint.commit()?;
                row.get(0)
            }
            Err(_) => {
                savepoint.rollback()?;
                None
            }
        };
        Ok(Self { position })
    }

    /// Whether somebody has written since.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn write(&self, snapshot: &mut Transaction<'_>) -> Result<bool> {
        let now = Self::look(snapshot)?.position;
        let written = self.position.zip(now).map(|(before, now)| now - before);
        Ok(written.is_some_and(|bytes| bytes > HOUSEKEEPING))
    }
}
