//! Puts what was seen of a statement beside what the plan says about it.

use std::collections::{BTreeMap, BTreeSet};

use super::observe::{Locks, Reads, Relations};
use crate::catalogue::RECORDS;
use crate::migrations::locks::Level;
use crate::report::{ObservedLock, PlannedLock, PlannedStatement};

/// What was seen of one statement.
#[derive(Default)]
pub(super) struct Sight {
    /// The relations that it locked, as they were before.
    pub before: Relations,
    /// The same afterwards, with those that it made.
    pub after: Relations,
    /// What the session held before.
    pub held: Locks,
    /// What it held afterwards, or meanwhile.
    pub holds: Locks,
    pub reads_before: Reads,
    /// None where the counters could not be trusted.
    pub reads_after: Option<Reads>,
    /// Whether also those locks are sure to be seen that no gate makes visible: on indexes, and
    /// those that writers do not wait for.
    pub sees_all: bool,
}

/// What a statement did to one relation.
struct Observed<'a> {
    name: &'a str,
    is_table: bool,
    new: Option<Level>,
    rewritten: bool,
    /// None where it cannot be told.
    scanned: Option<bool>,
}

/// The history and the log: no part of the schema that the files make.
fn is_beside_the_migrations(name: &str) -> bool {
    let bare = name.rsplit('.').next().unwrap_or(name);
    RECORDS.contains(&bare)
}

impl Sight {
    /// What was locked, and where the plan says otherwise. Only relations count that others could
    /// use, so not the session's own; `known` are all that there are.
    pub fn compare(
        &self,
        plan: &PlannedStatement,
        own: &BTreeSet<u32>,
        known: &Relations,
    ) -> (Vec<ObservedLock>, Vec<String>) {
        let mut locks = Vec::new();
        let mut differences = Vec::new();
        let mut planned: BTreeMap<&str, &PlannedLock> = plan
            .locks
            .iter()
            .map(|lock| (&lock.relation[..], lock))
            .collect();
        for oid in self.before.keys().filter(|oid| !own.contains(oid)) {
            let Some(observed) = self.observed(*oid) else {
                continue;
            };
            let wanted = planned.remove(observed.name);
            // On a database without a history the plan cannot know the tables that we make first.
            if wanted.is_none() && is_beside_the_migrations(observed.name) {
                continue;
            }
            if let Some(level) = observed.new
                && (observed.is_table || wanted.is_some())
            {
                locks.push(report(&observed, level));
            }
            let told = self.differs(*oid, &observed, wanted);
            // What the plan could not read may do more than it says.
            let excused = !plan.unread.is_empty();
            differences.extend(told.into_iter().filter(|_| !excused));
        }
        for (name, lock) in planned {
            match known.values().find(|seen| seen.name == name) {
                Some(_) if lock.depends => {}
                Some(seen) if !self.sees_all && (!seen.is_table() || is_weak(lock.mode)) => {}
                // A function of the statement may have decided not to.
                Some(_) if !plan.unread.is_empty() => {}
                Some(_) => {
                    differences.push(format!("\"{name}\": planned {}, held nothing", lock.mode));
                }
                None => {
                    let mode = lock.mode;
                    differences.push(format!("\"{name}\": planned {mode}, it is not there"));
                }
            }
        }
        (locks, differences)
    }

    fn observed(&self, oid: u32) -> Option<Observed<'_>> {
        let before = self.before.get(&oid)?;
        let none = Default::default();
        let held = self.held.get(&oid).unwrap_or(&none);
        let holds = self.holds.get(&oid).unwrap_or(&none);
        let after = self.after.get(&oid);
        let count = |reads: &Reads| reads.get(&oid).copied().unwrap_or_default();
        let scanned = self
            .reads_after
            .as_ref()
            .map(|after| count(after) > count(&self.reads_before));
        Some(Observed {
            name: &before.name,
            is_table: before.is_table(),
            new: holds.difference(held).max().copied(),
            rewritten: matches!(before.kind, 'r' | 'm' | 'i')
                && after.is_some_and(|after| after.storage != before.storage),
            // What is gone cannot be asked any more.
            scanned: scanned.filter(|_| after.is_some()),
        })
    }

    fn differs(&self, oid: u32, seen: &Observed<'_>, plan: Option<&PlannedLock>) -> Vec<String> {
        let name = seen.name;
        let Some(plan) = plan else {
            let mut told = Vec::new();
            if let (Some(level), true) = (seen.new, seen.is_table) {
                told.push(format!("\"{name}\": not planned, held {}", level.words()));
            }
            return told;
        };
        let mut told = Vec::new();
        let was_held = self
            .held
            .get(&oid)
            .is_some_and(|held| held.iter().any(|level| level.words() == plan.mode));
        let new = seen.new.map(Level::words);
        let fits = match new {
            // Locks of a moment on indexes, which no gate makes visible, are seen by chance.
            _ if !seen.is_table && !self.sees_all => true,
            None if !self.sees_all && is_weak(plan.mode) => true,
            Some(level) if level == plan.mode => true,
            // Held since an earlier statement, and so not new.
            None => was_held || plan.depends,
            Some(_) if plan.depends && seen.new.is_some_and(|level| weaker(level, plan.mode)) => {
                true
            }
            Some(_) => was_held && seen.new.is_some_and(|level| level.words() != plan.mode),
        };
        if !fits {
            let held = new.map_or("held nothing".to_owned(), |level| format!("held {level}"));
            told.push(format!("\"{name}\": planned {}, {held}", plan.mode));
        }
        if plan.rewrites != seen.rewritten {
            let (planned, was) = match plan.rewrites {
                true => ("a rewrite", "it kept its storage"),
                false => ("no rewrite", "it was rewritten"),
            };
            told.push(format!("\"{name}\": planned {planned}, {was}"));
        }
        match (plan.scans, seen.scanned) {
            (Some(true), Some(false)) => {
                told.push(format!(
                    "\"{name}\": planned to be read in full, it was not"
                ));
            }
            (Some(false), Some(true)) => {
                told.push(format!(
                    "\"{name}\": planned not to be read in full, it was"
                ));
            }
            _ => {}
        }
        told
    }
}

/// Whether a level is one of those that rows are read and written with.
fn is_weak(mode: &str) -> bool {
    let weak = |level: &&Level| **level < Level::ShareUpdateExclusive;
    Level::ALL
        .iter()
        .filter(weak)
        .any(|level| level.words() == mode)
}

/// Whether a level stands before another in the order of strength.
fn weaker(level: Level, than: &str) -> bool {
    Level::ALL.iter().position(|l| l.words() == than) > Level::ALL.iter().position(|l| *l == level)
}

fn report(observed: &Observed<'_>, level: Level) -> ObservedLock {
    ObservedLock {
        relation: observed.name.to_owned(),
        mode: level.words(),
        blocks_reads: level.blocks_reads(),
        blocks_writes: level.blocks_writes(),
        rewritten: observed.rewritten,
        scanned: observed.scanned.unwrap_or_default(),
    }
}
