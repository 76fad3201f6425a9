//! How much a statement is felt: what its locks keep waiting, for how long.

use std::{fmt, iter};

use crate::migrations::locks::{Relation, Scan, TableLock};
use crate::report::Risk;

/// A server reads this much of a table in a second when it is not in memory: a cloud volume's
/// usual throughput, not that of a local disk.
const READ_BYTES_PER_SECOND: f64 = 200e6;

/// A rewrite reads, writes the new table, its WAL and its indexes: about a fifth of reading alone.
const REWRITE_BYTES_PER_SECOND: f64 = 40e6;

/// Narrow rows cost time each, too: a check, a key or a default is evaluated for every one.
const READ_ROWS_PER_SECOND: f64 = 2e6;

/// Writing a row anew, with its index entries, costs about ten times as much as reading it.
const REWRITE_ROWS_PER_SECOND: f64 = 200e3;

/// Waiting that a user of the gateway does not notice beside a request to a model.
const UNNOTICED_SECONDS: f64 = 0.1;

/// Beyond this, requests pile up: connection pools of gateways are small, and time-outs near.
const TOO_LONG_SECONDS: f64 = 1.0;

/// A lock that is held for a moment still queues behind the oldest transaction, and all others
/// behind it. With fewer rows than this a table is hardly busy enough for that to be seen.
const BUSY_ROWS: u64 = 10_000;

/// So many row locks and dead rows in one transaction are felt by those who need the same rows.
const MANY_ROWS: u64 = 1_000_000;

/// How long something takes.
#[derive(Clone, Copy, Default)]
pub(super) struct Estimate {
    seconds: f64,
    /// Whether it may be less: rows or the planner decide how much there is to do.
    at_most: bool,
}

impl Estimate {
    fn risk(self) -> Risk {
        if self.seconds >= TOO_LONG_SECONDS {
            Risk::Danger
        } else {
            Risk::Notice
        }
    }
}

impl iter::Sum for Estimate {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            seconds: sum.seconds + one.seconds,
            at_most: sum.at_most || one.at_most && one.seconds > 0.0,
        })
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = if self.at_most { "up to" } else { "about" };
        write!(f, "{about} {:.1} s", self.seconds)
    }
}

/// How long the work on a table takes, roughly.
pub(super) fn work(relation: &Relation, lock: &TableLock) -> Estimate {
    #[allow(clippy::cast_precision_loss)]
    let (bytes, rows) = (relation.bytes as f64, relation.rows as f64);
    let read = (bytes / READ_BYTES_PER_SECOND).max(rows / READ_ROWS_PER_SECOND);
    let write = bytes / REWRITE_BYTES_PER_SECOND;
    // An index has no indexes of its own.
    let write = match relation.kind {
        'i' => write.max(rows / READ_ROWS_PER_SECOND),
        _ => write.max(rows / REWRITE_ROWS_PER_SECOND),
    };
    let (seconds, at_most) = match lock.scan {
        // What goes away is not written again.
        _ if lock.loses_rows => (0.0, false),
        _ if lock.rewrites => (write, false),
        _ if lock.changes_rows => (write, true),
        Scan::Yes => (read, false),
        // A key that is looked up for some rows is no reading of all.
        Scan::Open if !lock.depends => (read, true),
        Scan::Open | Scan::No => (0.0, false),
    };
    Estimate { seconds, at_most }
}

/// The risk of one lock, with its reason where there is one.
pub(super) fn of(relation: &Relation, lock: &TableLock) -> (Risk, Option<String>) {
    let name = &relation.name;
    let rows = relation.rows;
    let whose = whose(relation);
    if lock.loses_rows && rows > 0 {
        return (
            Risk::Danger,
            Some(format!("the {rows} rows of \"{name}\" go away")),
        );
    }
    let Some(waiting) = waiting(relation, lock) else {
        return row_locks(relation, lock);
    };
    let estimate = work(relation, lock);
    let work = match (lock.rewrites, estimate.at_most) {
        (true, _) => "is rewritten",
        (false, false) => "is read in full",
        (false, true) => "may be read in full",
    };
    let size = size(relation);
    let guess = if relation.never_analyzed {
        ", a guess: never analysed"
    } else {
        ""
    };
    if estimate.seconds >= UNNOTICED_SECONDS {
        let reason = format!("\"{name}\" ({size}{guess}) {work} while {waiting} wait: {estimate}");
        return (estimate.risk(), Some(reason));
    }
    if rows >= BUSY_ROWS {
        let reason = format!(
            "{waiting} of {whose} ({size}{guess}) wait for a moment, and while this waits for \
             its lock"
        );
        return (Risk::Notice, Some(reason));
    }
    (Risk::None, None)
}

/// What the work on several relations takes together, as each of them waits for all of it: the
/// partitions of a table, for example, none of which need be large.
pub(super) fn together<'a>(
    locks: impl Iterator<Item = (&'a Relation, &'a TableLock)> + Clone,
) -> Option<(Risk, String)> {
    let works = locks.clone().map(|(relation, lock)| work(relation, lock));
    if works.clone().filter(|work| work.seconds > 0.0).count() < 2 {
        return None;
    }
    let all: Estimate = works.sum();
    let mut waiting = locks
        .filter(|(relation, _)| relation.rows > 0)
        .filter_map(|(relation, lock)| waiting(relation, lock));
    // The stronger comes first in the alphabet.
    let waiting = waiting.by_ref().min()?;
    let reason = format!("all of it together, while {waiting} wait: {all}");
    (all.seconds >= UNNOTICED_SECONDS).then(|| (all.risk(), reason))
}

/// A lock that is still held while a later statement of its transaction works; how long nobody
/// knows where the statement could not be read.
pub(super) fn held(
    relation: &Relation,
    lock: &TableLock,
    work: Estimate,
    is_read: bool,
) -> Option<(Risk, String)> {
    let waiting = waiting(relation, lock)?;
    let meanwhile = format!(
        "{waiting} of {}, locked before, wait meanwhile",
        whose(relation)
    );
    if relation.rows == 0 {
        None
    } else if work.seconds >= UNNOTICED_SECONDS {
        Some((work.risk(), format!("{meanwhile}: {work}")))
    } else if !is_read {
        Some((Risk::Notice, meanwhile))
    } else {
        None
    }
}

/// Queries name a table, and wait for its indexes.
fn whose(relation: &Relation) -> String {
    let table = if relation.kind == 'i' {
        "the table of "
    } else {
        ""
    };
    format!("{table}\"{}\"", relation.name)
}

fn waiting(relation: &Relation, lock: &TableLock) -> Option<&'static str> {
    // Nobody but REFRESH writes to a materialized view.
    let has_writers = relation.kind != 'm';
    if lock.level.blocks_reads() {
        Some("reads and writes")
    } else if lock.level.blocks_writes() && has_writers {
        Some("writes")
    } else {
        None
    }
}

/// UPDATE and DELETE lock the rows that they change until the end of the transaction.
fn row_locks(relation: &Relation, lock: &TableLock) -> (Risk, Option<String>) {
    if !lock.changes_rows || relation.rows < BUSY_ROWS {
        return (Risk::None, None);
    }
    let risk = if relation.rows >= MANY_ROWS {
        Risk::Danger
    } else {
        Risk::Notice
    };
    let (name, size) = (&relation.name, size(relation));
    let reason = format!("rows of \"{name}\" ({size}) stay locked until the transaction ends");
    (risk, Some(reason))
}

fn size(relation: &Relation) -> String {
    #[allow(clippy::cast_precision_loss)]
    let megabytes = relation.bytes as f64 / 1e6;
    format!("{} rows, {megabytes:.1} MB", relation.rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::locks::Level;

    fn lock(level: Level, rewrites: bool, scan: Scan) -> TableLock {
        TableLock {
            relation: 0,
            level,
            depends: false,
            rewrites,
            scan,
            loses_rows: false,
            changes_rows: false,
        }
    }

    fn table(rows: u64) -> Relation {
        Relation {
            name: "t".to_owned(),
            kind: 'r',
            rows,
            bytes: rows * 100,
            ..Relation::default()
        }
    }

    #[test]
    fn the_same_rewrite_is_nothing_on_10_rows_and_a_danger_on_10_million() {
        let rewrite = lock(Level::AccessExclusive, true, Scan::Open);
        assert_eq!(of(&table(10), &rewrite).0, Risk::None);
        assert_eq!(of(&table(100_000), &rewrite).0, Risk::Notice);
        assert_eq!(of(&table(10_000_000), &rewrite).0, Risk::Danger);
    }

    #[test]
    fn a_scan_that_nobody_waits_for_is_no_risk() {
        let validate = lock(Level::ShareUpdateExclusive, false, Scan::Yes);
        assert_eq!(of(&table(10_000_000), &validate), (Risk::None, None));
        let build = lock(Level::Share, false, Scan::Yes);
        assert_eq!(of(&table(10_000_000), &build).0, Risk::Danger);
    }

    #[test]
    fn a_scan_that_the_server_may_do_without_counts_in_full() {
        let attach = lock(Level::AccessExclusive, false, Scan::Open);
        let (risk, reason) = of(&table(10_000_000), &attach);
        assert_eq!(risk, Risk::Danger);
        let reason = reason.unwrap_or_default();
        assert!(reason.contains("may be read in full"), "{reason}");
        assert!(reason.ends_with(": up to 5.0 s"), "{reason}");
        // Nobody but another REFRESH waits for REFRESH … CONCURRENTLY.
        let refresh = lock(Level::Exclusive, false, Scan::Open);
        let mut view = table(10_000_000);
        view.kind = 'm';
        assert_eq!(of(&view, &refresh), (Risk::None, None));
    }

    #[test]
    fn a_lock_for_a_moment_counts_on_a_busy_table_only() {
        let brief = lock(Level::AccessExclusive, false, Scan::No);
        assert_eq!(of(&table(100), &brief).0, Risk::None);
        assert_eq!(of(&table(10_000_000), &brief).0, Risk::Notice);
    }

    #[test]
    fn rows_that_go_away_are_a_danger_unless_there_are_none() {
        let mut drop = lock(Level::AccessExclusive, false, Scan::No);
        drop.loses_rows = true;
        assert_eq!(of(&table(1), &drop).0, Risk::Danger);
        assert_eq!(of(&table(0), &drop).0, Risk::None);
    }
}
