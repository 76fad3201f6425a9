//! What one statement does to tables, put together piece by piece.

use super::level::Level;
use super::world::{Id, World};

/// Whether a table is read from its first row to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    No,
    Yes,
    /// The planner decides, or it is not told.
    Open,
}

/// What a statement does to one relation.
#[derive(Clone, Debug)]
pub(crate) struct TableLock {
    pub relation: Id,
    pub level: Level,
    /// Whether the lock depends on the rows, so that a run may do without.
    pub depends: bool,
    /// Whether it gets new storage.
    pub rewrites: bool,
    pub scan: Scan,
    /// Whether its rows go away.
    pub loses_rows: bool,
    /// Whether rows that are there are written anew: by UPDATE, DELETE or MERGE.
    pub changes_rows: bool,
}

/// What a statement does.
#[derive(Default)]
pub(crate) struct Effects {
    pub locks: Vec<TableLock>,
    /// What could not be read, in words; empty when everything was.
    pub unread: Vec<String>,
    /// What a person should know besides.
    pub remarks: Vec<String>,
}

impl Effects {
    fn entry(&mut self, relation: Id, level: Level, depends: bool) -> &mut TableLock {
        let at = match self.locks.iter().position(|l| l.relation == relation) {
            Some(at) => at,
            None => {
                self.locks.push(TableLock {
                    relation,
                    level,
                    depends,
                    rewrites: false,
                    scan: Scan::No,
                    loses_rows: false,
                    changes_rows: false,
                });
                self.locks.len() - 1
            }
        };
        let lock = &mut self.locks[at];
        if level > lock.level {
            // The weaker one was certain: the stronger one stays in doubt only if it is itself.
            lock.level = level;
            lock.depends = depends;
        } else if level == lock.level {
            lock.depends &= depends;
        }
        lock
    }

    pub fn lock(&mut self, relation: Id, level: Level) {
        self.entry(relation, level, false);
    }

    /// A lock that is taken only when there are rows that ask for it.
    pub fn may_lock(&mut self, relation: Id, level: Level) {
        self.entry(relation, level, true);
    }

    pub fn lock_all(&mut self, relations: &[Id], level: Level) {
        for relation in relations {
            self.lock(*relation, level);
        }
    }

    /// New storage, for those that have any; all rows are read for it.
    pub fn rewrite(&mut self, world: &World, relation: Id, level: Level) {
        let lock = self.entry(relation, level, false);
        if world.relations[relation].has_storage() {
            lock.rewrites = true;
            lock.scan = Scan::Open;
        }
    }

    /// An index that is built anew, which says nothing about how its table is read.
    pub fn rebuild(&mut self, index: Id, level: Level) {
        self.entry(index, level, false).rewrites = true;
    }

    pub fn scan(&mut self, world: &World, relation: Id, level: Level) {
        let lock = self.entry(relation, level, false);
        if world.relations[relation].has_storage() && lock.scan == Scan::No {
            lock.scan = Scan::Yes;
        }
    }

    /// A scan that the planner or the rows decide about.
    pub fn may_scan(&mut self, world: &World, relation: Id, level: Level) {
        let lock = self.entry(relation, level, false);
        if world.relations[relation].has_storage() && lock.scan == Scan::No {
            lock.scan = Scan::Open;
        }
    }

    pub fn lose_rows(&mut self, relation: Id) {
        if let Some(lock) = self.locks.iter_mut().find(|l| l.relation == relation) {
            lock.loses_rows = true;
        }
    }

    pub fn change_rows(&mut self, relation: Id) {
        if let Some(lock) = self.locks.iter_mut().find(|l| l.relation == relation) {
            lock.changes_rows = true;
        }
    }

    /// What CASCADE takes along is looked up for relations only.
    pub fn unread_cascade(&mut self) {
        self.unread("what depends on it is dropped with it and is not looked up");
    }

    pub fn unread(&mut self, what: impl Into<String>) {
        self.unread.push(what.into());
    }
}
