//! Whether others write while an audit gets ready. Where its connections take every core of the
//! server, whoever writes would wait for one, so the audit goes on with one connection less.
//!
//! The write-ahead log tells: an audit writes nothing, and its position is of this moment, unlike
//! what a snapshot shows. Where it cannot be asked for, nobody is taken to write.

use postgres::{GenericClient, Transaction};

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
    /// Nobody who would have to be looked for.
    pub const NONE: Self = Self { position: None };

    /// Looks for the first time.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn look(client: &mut impl GenericClient) -> Result<Self> {
        // The right to ask can be taken from everybody; that must not be the end of a snapshot.
        let mut savepoint = client.transaction()?;
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

    /// Sends one of several connections away, once, when somebody has written since.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn make_room(&mut self, hands: &mut Vec<Transaction<'_>>) -> Result<()> {
        let (Some(before), 2..) = (self.position, hands.len()) else {
            return Ok(());
        };
        let now = Self::look(&mut hands[0])?.position;
        if now.is_some_and(|now| now - before > HOUSEKEEPING) {
            hands.pop();
            self.position = None;
        }
        Ok(())
    }
}
