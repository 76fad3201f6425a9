//! Whether others write while an audit runs, and how it makes room for them.
//!
//! A process that reads without a pause keeps its core until the scheduler takes it away, which is
//! some milliseconds: as long as a gateway waits for a whole request. So while others write, an
//! audit reads for a quarter of a millisecond at a time and rests for twice as long, and where its
//! connections would take every core of the server, it goes on with one less.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Transaction};

use crate::db::session;

/// Asked on a connection of its own, because the transactions of an audit see one moment only.
/// Every transaction that writes takes a number; an audit takes none, nor does vacuum. NULL on a
/// standby, where nobody writes.
const NEXT: &str = "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery()
    THEN pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text END";

/// How often to ask.
const INTERVAL: Duration = Duration::from_millis(100);

/// Whoever has written so recently is likely to write again.
const RECENTLY: Duration = Duration::from_secs(1);

/// How long to rest after a piece of work.
const REST: Duration = Duration::from_micros(500);

/// Those who may write while an audit runs.
pub(super) struct Neighbours {
    /// `None` when nobody looks.
    lookout: Option<Mutex<Lookout>>,
    /// The connections of the audit take every core, so that one of them has to make room.
    are_crowded: bool,
}

struct Lookout {
    client: Client,
    /// The number of the next transaction that writes; `None` when it cannot be known.
    next: Option<i64>,
    asked: Instant,
    written: Option<Instant>,
}

impl Neighbours {
    /// Begins to look, on a connection that does nothing else. Without one, nobody is taken to
    /// write.
    pub fn new(client: Option<Client>, are_crowded: bool) -> Self {
        let begin = |mut client: Client| {
            let next = ask(&mut client);
            Mutex::new(Lookout {
                client,
                next,
                asked: Instant::now(),
                written: None,
            })
        };
        Self {
            lookout: client.map(begin),
            are_crowded,
        }
    }

    /// Whether somebody has written of late.
    pub fn are_writing(&self) -> bool {
        self.look(INTERVAL)
    }

    /// Leaves a core to those who write: one of several connections has to go, and no other after
    /// it.
    pub fn make_room(&mut self, hands: &mut Vec<Transaction<'_>>) {
        if self.are_crowded && hands.len() > 1 && self.look(Duration::ZERO) {
            hands.pop();
            self.are_crowded = false;
        }
    }

    /// Whether a connection has to step back while others write.
    pub fn want_room(&self) -> bool {
        self.are_crowded && self.are_writing()
    }

    /// Lets others have their turn.
    pub fn rest() {
        thread::sleep(REST);
    }

    /// Asks, unless that was done a moment ago.
    fn look(&self, interval: Duration) -> bool {
        let Some(lookout) = &self.lookout else {
            return false;
        };
        let mut lookout = lookout.lock().unwrap_or_else(PoisonError::into_inner);
        if lookout.asked.elapsed() >= interval {
            let next = ask(&mut lookout.client);
            let now = Instant::now();
            lookout.asked = now;
            if next.is_none() {
                // The connection was lost, or nobody may ask: who has written may still do so.
                lookout.written = lookout.written.map(|_| now);
            } else {
                if lookout.next.is_some_and(|before| next > Some(before)) {
                    lookout.written = Some(now);
                }
                lookout.next = next;
            }
        }
        lookout.written.is_some_and(|at| at.elapsed() < RECENTLY)
    }
}

/// The number of the next transaction that writes. By the simple protocol, which leaves nothing
/// behind on a connection that a pooler hands to others.
fn ask(client: &mut Client) -> Option<i64> {
    session::rows(client, NEXT)
        .ok()?
        .first()?
        .get(0)?
        .parse()
        .ok()
}
