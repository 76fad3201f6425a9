//! How much a statement is felt: what its locks keep waiting, for how long.

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

/// How long the work on a table takes, roughly.
pub(super) fn seconds(relation: &Relation, lock: &TableLock) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let (bytes, rows) = (relation.bytes as f64, relation.rows as f64);
    // What goes away is not written again.
    if lock.rewrites && !lock.loses_rows {
        (bytes / REWRITE_BYTES_PER_SECOND).max(rows / REWRITE_ROWS_PER_SECOND)
    } else if lock.scan == Scan::Yes {
        (bytes / READ_BYTES_PER_SECOND).max(rows / READ_ROWS_PER_SECOND)
    } else {
        0.0
    }
}

/// The risk of one lock, with its reason where there is one.
pub(super) fn of(relation: &Relation, lock: &TableLock, sql: &str) -> (Risk, Option<String>) {
    let name = &relation.name;
    let rows = relation.rows;
    if lock.loses_rows && rows > 0 {
        return (
            Risk::Danger,
            Some(format!("the {rows} rows of \"{name}\" go away")),
        );
    }
    let Some(waiting) = waiting(lock) else {
        return row_locks(relation, lock, sql);
    };
    let seconds = seconds(relation, lock);
    let work = if lock.rewrites {
        "rewritten"
    } else {
        "read in full"
    };
    let size = size(relation);
    let guess = if relation.never_analyzed {
        ", a guess: never analysed"
    } else {
        ""
    };
    if seconds >= UNNOTICED_SECONDS {
        let risk = if seconds >= TOO_LONG_SECONDS {
            Risk::Danger
        } else {
            Risk::Notice
        };
        let reason = format!(
            "\"{name}\" ({size}{guess}) is {work} while {waiting} wait: about {seconds:.1} s"
        );
        return (risk, Some(reason));
    }
    if rows >= BUSY_ROWS {
        let reason = format!(
            "{waiting} of \"{name}\" ({size}{guess}) wait for a moment, and while this waits for \
             its lock"
        );
        return (Risk::Notice, Some(reason));
    }
    (Risk::None, None)
}

/// A lock that is still held while a later statement of its transaction works.
pub(super) fn held(relation: &Relation, lock: &TableLock, work: f64) -> Option<(Risk, String)> {
    let waiting = waiting(lock)?;
    if relation.rows == 0 || work < UNNOTICED_SECONDS {
        return None;
    }
    let risk = if work >= TOO_LONG_SECONDS {
        Risk::Danger
    } else {
        Risk::Notice
    };
    let name = &relation.name;
    Some((
        risk,
        format!("{waiting} of \"{name}\", locked before, wait meanwhile: about {work:.1} s"),
    ))
}

fn waiting(lock: &TableLock) -> Option<&'static str> {
    if lock.level.blocks_reads() {
        Some("reads and writes")
    } else if lock.level.blocks_writes() {
        Some("writes")
    } else {
        None
    }
}

/// UPDATE and DELETE lock the rows that they change until the end of the transaction.
fn row_locks(relation: &Relation, lock: &TableLock, sql: &str) -> (Risk, Option<String>) {
    let word = sql
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_lowercase();
    let changes = ["update", "delete", "merge", "with"].contains(&word.as_str());
    let is_target = lock.level == super::Level::RowExclusive && !lock.depends;
    if !changes || !is_target || relation.rows < BUSY_ROWS {
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
        let sql = "ALTER TABLE t ADD COLUMN r float8 DEFAULT random()";
        assert_eq!(of(&table(10), &rewrite, sql).0, Risk::None);
        assert_eq!(of(&table(100_000), &rewrite, sql).0, Risk::Notice);
        assert_eq!(of(&table(10_000_000), &rewrite, sql).0, Risk::Danger);
    }

    #[test]
    fn a_scan_that_nobody_waits_for_is_no_risk() {
        let validate = lock(Level::ShareUpdateExclusive, false, Scan::Yes);
        let sql = "ALTER TABLE t VALIDATE CONSTRAINT c";
        assert_eq!(of(&table(10_000_000), &validate, sql), (Risk::None, None));
        let build = lock(Level::Share, false, Scan::Yes);
        assert_eq!(
            of(&table(10_000_000), &build, "CREATE INDEX").0,
            Risk::Danger
        );
    }

    #[test]
    fn a_lock_for_a_moment_counts_on_a_busy_table_only() {
        let brief = lock(Level::AccessExclusive, false, Scan::No);
        assert_eq!(of(&table(100), &brief, "").0, Risk::None);
        assert_eq!(of(&table(10_000_000), &brief, "").0, Risk::Notice);
    }

    #[test]
    fn rows_that_go_away_are_a_danger_unless_there_are_none() {
        let mut drop = lock(Level::AccessExclusive, false, Scan::No);
        drop.loses_rows = true;
        assert_eq!(of(&table(1), &drop, "").0, Risk::Danger);
        assert_eq!(of(&table(0), &drop, "").0, Risk::None);
    }
}
