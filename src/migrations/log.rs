//! What refinery's history cannot say: an append-only table beside it with who did what, when and
//! how far. It is what makes a file without a transaction resumable, and a harmless edit provable.
//!
//! It is never the answer to "is this version applied": that is the history, and the history
//! alone. A version that has entries here and no row there was cut off.

use std::collections::BTreeMap;

use postgres::{GenericClient, SimpleQueryRow};

use super::history::{History, Place};
use crate::catalogue::LOG as TABLE;
use crate::db::session;
use crate::error::{Error, Result};
use crate::header::Mode;

/// Qualified and quoted name of the log beside a history.
pub(super) fn table(history: &History) -> String {
    format!("{}.{TABLE}", history.schema)
}

/// The log of one database, as it was read; new events are written, not kept.
#[derive(Default)]
pub(super) struct Log {
    /// Qualified and quoted name.
    pub table: String,
    exists: bool,
    entries: Vec<Entry>,
}

struct Entry {
    version: i32,
    event: Event,
    statement: Option<i32>,
    digest: Option<String>,
    counts_rows: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A statement is about to run that no transaction protects.
    Started,
    /// It came to its end.
    Finished,
    /// It failed, and nothing is left of it.
    Failed,
    /// All of a file is applied; in the transaction of its history row.
    Applied,
    /// The checksum of an edited file was realigned.
    Accepted,
}

impl Event {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Started, "started"),
        (Self::Finished, "finished"),
        (Self::Failed, "failed"),
        (Self::Applied, "applied"),
        (Self::Accepted, "checksum_accepted"),
    ];

    fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(event, _)| *event == self)
            .map_or("", |(_, word)| word)
    }

    fn of(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == word)?;
        Some(found.0)
    }
}

/// How far a file without a transaction came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Digest of each finished statement, by its number (from 1).
    pub finished: BTreeMap<i32, String>,
    /// A statement that was started, and of which nobody knows how it ended.
    pub open: Option<i32>,
    /// How the finished ones were run, where there are any.
    pub mode: Option<Mode>,
}

impl Log {
    /// Reads the log beside a history.
    ///
    /// # Errors
    /// A missing privilege.
    pub fn read(client: &mut impl GenericClient, place: &Place) -> Result<Self> {
        let rows = session::rows(client, &Self::rows_query(place))
            .map_err(|e| Error::from(e).during("reading the log of the migrations"))?;
        Ok(Self::of(place, &rows))
    }

    /// Reads all of the log beside a history, in any order, as the history is read; none where
    /// there is no log, which is an empty one.
    pub fn rows_query(place: &Place) -> String {
        if place.has_log {
            return format!(
                "SELECT version, event, statement, digest, id, rows_changed FROM {}.{TABLE}",
                place.schema
            );
        }
        "SELECT WHERE false".to_owned()
    }

    /// Makes sense of what [`Self::rows_query`] returned.
    pub fn of(place: &Place, rows: &[SimpleQueryRow]) -> Self {
        let mut rows: Vec<&SimpleQueryRow> = rows.iter().collect();
        rows.sort_by_cached_key(|row| row.get(4).and_then(|id| id.parse::<i64>().ok()));
        Self {
            table: format!("{}.{TABLE}", place.schema),
            exists: place.has_log,
            entries: rows.into_iter().filter_map(entry).collect(),
        }
    }

    /// Makes the table where there is none yet. Only under the lock of the deployer: IF NOT EXISTS
    /// does not protect from a concurrent creator.
    ///
    /// # Errors
    /// A missing privilege.
    pub fn create(&mut self, client: &mut impl GenericClient) -> Result<()> {
        if !self.exists {
            let sql = include_str!("log.sql").replace("$TABLE", &self.table);
            client.batch_execute(&sql)?;
            self.exists = true;
        }
        Ok(())
    }

    /// How far the run of a version came that has no history row.
    pub fn progress(&self, version: i32) -> Progress {
        let mut progress = Progress::default();
        for entry in self.entries.iter().filter(|entry| entry.version == version) {
            match (entry.event, entry.statement) {
                (Event::Started, Some(number)) => progress.open = Some(number),
                (Event::Failed, Some(_)) => progress.open = None,
                (Event::Finished, Some(number)) => {
                    let digest = entry.digest.clone().unwrap_or_default();
                    progress.finished.insert(number, digest);
                    // Only repeated statements are counted.
                    progress.mode = Some(match entry.counts_rows {
                        true => Mode::Batched,
                        false => Mode::None,
                    });
                    progress.open = None;
                }
                // Whoever removed the history row wants all of it to run again.
                (Event::Applied, _) => progress = Progress::default(),
                _ => {}
            }
        }
        progress
    }

    /// Versions that were begun and have no history row.
    pub fn half_done(&self, history: &History) -> Vec<(i32, Progress)> {
        let mut versions: Vec<i32> = self.entries.iter().map(|entry| entry.version).collect();
        versions.sort_unstable();
        versions.dedup();
        versions
            .into_iter()
            .filter(|version| history.find(*version).is_none())
            .map(|version| (version, self.progress(version)))
            .filter(|(_, progress)| *progress != Progress::default())
            .collect()
    }

    /// The digest of the text that a version was applied with.
    pub fn applied_digest(&self, version: i32) -> Option<&str> {
        self.entries
            .iter()
            .rev()
            .find(|entry| entry.version == version && entry.event == Event::Applied)
            .and_then(|entry| entry.digest.as_deref())
    }

    /// The statement that records an event of a whole file, for a transaction of others. All of it
    /// is made by us, so nothing needs to be quoted.
    pub fn applied_sql(&self, version: i32, digest: &str) -> String {
        format!(
            "INSERT INTO {} (version, event, digest, program) VALUES ({version}, '{}', '{digest}', '{PROGRAM}')",
            self.table,
            Event::Applied.word(),
        )
    }

    /// Records an event of a statement. A file may have set a role, which need not be allowed to
    /// write here; until the end of the transaction it is the one that the session began with.
    ///
    /// # Errors
    /// What the server says.
    pub fn statement(
        &self,
        client: &mut impl GenericClient,
        event: Event,
        (version, number): (i32, i32),
        digest: &str,
        rows: Option<i64>,
    ) -> std::result::Result<(), postgres::Error> {
        let sql = format!(
            "INSERT INTO {} (version, event, statement, digest, rows_changed, program)
             VALUES ($1, $2, $3, $4, $5, $6)",
            self.table
        );
        let event = event.word();
        let mut transaction = client.transaction()?;
        transaction.batch_execute("SET LOCAL role TO DEFAULT")?;
        transaction.execute(&sql, &[&version, &event, &number, &digest, &rows, &PROGRAM])?;
        transaction.commit()
    }

    /// Records that a checksum was realigned, with what it was.
    ///
    /// # Errors
    /// What the server says.
    pub fn accepted(
        &self,
        client: &mut impl GenericClient,
        version: i32,
        (old, new): (&str, &str),
    ) -> Result<()> {
        let sql = format!(
            "INSERT INTO {} (version, event, old_checksum, new_checksum, program)
             VALUES ($1, $2, $3, $4, $5)",
            self.table
        );
        let event = Event::Accepted.word();
        client.execute(&sql, &[&version, &event, &old, &new, &PROGRAM])?;
        Ok(())
    }
}

/// Which program wrote an entry.
const PROGRAM: &str = concat!("creditdb ", env!("CARGO_PKG_VERSION"));

fn entry(row: &SimpleQueryRow) -> Option<Entry> {
    Some(Entry {
        version: row.get(0)?.parse().ok()?,
        // A word of a newer program says nothing to this one.
        event: Event::of(row.get(1)?)?,
        statement: row.get(2).and_then(|number| number.parse().ok()),
        digest: row.get(3).map(str::to_owned),
        counts_rows: row.get(5).is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(events: &[(Event, Option<i32>)]) -> Log {
        let entries = events.iter().map(|(event, statement)| Entry {
            version: 7,
            event: *event,
            statement: *statement,
            digest: Some("d".to_owned()),
            counts_rows: false,
        });
        Log {
            table: String::new(),
            exists: true,
            entries: entries.collect(),
        }
    }

    #[test]
    fn progress_is_what_finished_and_what_is_open() {
        let started = log(&[
            (Event::Started, Some(1)),
            (Event::Finished, Some(1)),
            (Event::Started, Some(2)),
        ]);
        let progress = started.progress(7);
        assert_eq!(progress.finished.len(), 1);
        assert_eq!(progress.open, Some(2));
        let failed = log(&[(Event::Started, Some(1)), (Event::Failed, Some(1))]);
        assert_eq!(failed.progress(7), Progress::default());
    }

    #[test]
    fn what_came_before_an_application_does_not_count() {
        let done = log(&[
            (Event::Started, Some(1)),
            (Event::Finished, Some(1)),
            (Event::Applied, None),
        ]);
        assert_eq!(done.progress(7), Progress::default());
        assert_eq!(done.applied_digest(7), Some("d"));
        assert_eq!(done.applied_digest(8), None);
    }
}
