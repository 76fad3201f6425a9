//! Makes the locks of a statement visible that ends its transactions itself, such as a concurrent
//! index build: locks that are held for a moment only would be missed by looking now and then.
//!
//! A second session locks the tables first, so that the statement has to wait for it, and what is
//! waited for stands in `pg_locks`. Then the next gate is put up, a weaker one on what was seen,
//! and the first is opened; so the statement goes from gate to gate. A gate never waits itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postgres::Client;

use super::observe::{self, Locks};
use crate::db::Target;
use crate::error::Result;

/// A statement goes through three or four; what goes through this many is going round in circles.
const MOST_GATES: usize = 40;

const PAUSE: Duration = Duration::from_micros(500);

/// What was seen of a statement from outside.
pub(super) struct Watch {
    target: Target,
    watcher: Client,
    gate: Option<Client>,
}

impl Watch {
    /// Connects, and puts up the first gate.
    ///
    /// # Errors
    /// What the server says.
    pub fn prepare(target: &Target) -> Result<Self> {
        let mut watch = Self {
            target: target.clone(),
            watcher: target.connect()?,
            gate: None,
        };
        watch.gate = Some(watch.put_up(&Locks::new())?);
        Ok(watch)
    }

    /// Watches a session until the statement has ended.
    ///
    /// # Errors
    /// What the server says.
    pub fn run(mut self, pid: i32, ended: &AtomicBool) -> Result<Locks> {
        let mut seen = Locks::new();
        let mut gates = 1;
        loop {
            let done = ended.load(Ordering::SeqCst);
            let (locks, waits) = observe::locks(&mut self.watcher, Some(pid))?;
            for (relation, levels) in locks {
                seen.entry(relation).or_default().extend(levels);
            }
            if done {
                return Ok(seen);
            }
            if waits {
                // The new one first, so that nothing slips through between the two.
                let next = if gates < MOST_GATES { Some(self.put_up(&seen)?) } else { None };
                self.gate = next;
                gates += 1;
            } else {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Locks each table, as far as that is possible at once: against everything that changes a
    /// schema where the statement was not seen yet, like a reader where it was. The snapshot is
    /// what concurrent builds wait for in the end.
    fn put_up(&self, seen: &Locks) -> Result<Client> {
        let mut gate = self.target.connect()?;
        let seen: Vec<String> = seen.keys().map(ToString::to_string).collect();
        let seen = seen.join(",");
        gate.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")?;
        gate.batch_execute(&format!(
            "DO $$
             DECLARE
                 found record;
             BEGIN
                 FOR found IN
                     SELECT c.oid::regclass AS name,
                            CASE WHEN c.oid = ANY ('{{{seen}}}'::oid[]) THEN 'ACCESS SHARE'
                                 ELSE 'SHARE UPDATE EXCLUSIVE' END AS level
                       FROM pg_catalog.pg_class AS c
                       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                      WHERE c.relkind IN ('r', 'p')
                        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                 LOOP
                     BEGIN
                         EXECUTE format('LOCK TABLE ONLY %s IN %s MODE NOWAIT', found.name, found.level);
                     EXCEPTION WHEN OTHERS THEN
                         NULL; -- locked or dropped meanwhile
                     END;
                 END LOOP;
             END $$"
        ))?;
        gate.batch_execute("SELECT 1")?;
        Ok(gate)
    }
}
