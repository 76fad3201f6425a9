//! Makes the locks of a statement visible that ends its transactions itself, such as a concurrent
//! index build: locks that are held for a moment only would be missed by looking now and then.
//!
//! A second session locks the tables first, so that the statement has to wait for it, and what is
//! waited for stands in `pg_locks`. Then the next gate is put up, a weaker one on what was seen,
//! and the first is opened; so the statement goes from gate to gate. A gate never waits itself.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postgres::Client;

use super::observe::{self, Locks};
use crate::db::Target;
use crate::error::Result;
use crate::migrations::locks::Level;
use crate::report::PlannedStatement;

/// A statement goes through three or four; what goes through this many is going round in circles.
const MOST_GATES: usize = 40;

const PAUSE: Duration = Duration::from_micros(500);

/// What was seen of a statement from outside.
pub(super) struct Watch {
    target: Target,
    watcher: Client,
    gate: Option<Client>,
    level: &'static str,
}

impl Watch {
    /// Connects, and puts up the first gate.
    ///
    /// # Errors
    /// What the server says.
    pub fn prepare(target: &Target, plan: &PlannedStatement) -> Result<Self> {
        let mut watch = Self {
            target: target.clone(),
            watcher: target.connect()?,
            gate: None,
            level: against(plan),
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
            let waits = self.look(pid, &mut seen)?;
            if done {
                return Ok(seen);
            }
            if waits {
                // The new one first, so that nothing slips through between the two.
                let next = if gates < MOST_GATES {
                    Some(self.put_up(&seen)?)
                } else {
                    None
                };
                // What it waits for by now could not be locked by the new one any more.
                self.look(pid, &mut seen)?;
                self.gate = next;
                gates += 1;
            } else {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Adds what the session holds and asks for; tells whether it waits.
    fn look(&mut self, pid: i32, seen: &mut Locks) -> Result<bool> {
        let (locks, waits) = observe::locks(&mut self.watcher, Some(pid))?;
        for (relation, levels) in locks {
            seen.entry(relation).or_default().extend(levels);
        }
        Ok(waits)
    }

    /// Locks each table, as far as that is possible at once: like a reader where the statement was
    /// seen already, else so that it must wait. The snapshot is what concurrent builds wait for in
    /// the end.
    fn put_up(&self, seen: &Locks) -> Result<Client> {
        let mut gate = self.target.connect()?;
        // Weaker locks come before the one that counts, such as those of looking up a name.
        let counts = |levels: &BTreeSet<Level>| levels.last() >= Some(&Level::ShareUpdateExclusive);
        let seen = seen.iter().filter(|(_, levels)| counts(levels));
        let seen: Vec<String> = seen.map(|(oid, _)| oid.to_string()).collect();
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
                                 ELSE '{}' END AS level
                       FROM pg_catalog.pg_class AS c
                       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                      WHERE c.relkind IN ('r', 'p')
                        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                 LOOP
                     BEGIN
                         EXECUTE format('LOCK TABLE ONLY %s IN %s MODE NOWAIT',
                                        found.name, found.level);
                     EXCEPTION WHEN OTHERS THEN
                         NULL; -- locked or dropped meanwhile
                     END;
                 END LOOP;
             END $$",
            self.level
        ))?;
        gate.batch_execute("SELECT 1")?;
        Ok(gate)
    }
}

/// A level that keeps waiting what the plan expects, and of which two gates can hold one each. If
/// the plan is wrong, the statement may slip through, and is then not seen with what was planned.
fn against(plan: &PlannedStatement) -> &'static str {
    let shares = |mode: &str| mode == Level::Share.words();
    if plan.locks.iter().any(|lock| shares(lock.mode)) {
        Level::RowExclusive.words()
    } else {
        Level::Share.words()
    }
}
