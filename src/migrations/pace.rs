//! Batches go no faster than the standbys can follow and the other sessions can bear.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use postgres::Client;

use super::options::{Options, Pauses, Stop};
use crate::error::Result;
use crate::report::Progress;

/// Sessions that wait for a lock for longer than a second: so many are a queue, and not the day's
/// usual traffic.
const QUEUE: i64 = 3;

/// How often the server is asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// Where we are, how far the slowest standby is behind, and how many sessions queue.
const QUESTION: &str = "
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
            ELSE (pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8 END,
       (SELECT min(replay_lsn - '0/0'::pg_lsn)::int8 FROM pg_catalog.pg_stat_replication
         WHERE state IN ('streaming', 'catchup') AND application_name NOT LIKE 'pg_basebackup%'),
       (SELECT count(*) FROM pg_catalog.pg_locks
         WHERE NOT granted AND pid <> pg_catalog.pg_backend_pid()
           AND waitstart < pg_catalog.clock_timestamp() - interval '1 s')";

/// Keeps the pace of a run of batches.
pub(super) struct Pace {
    max_lag: Duration,
    limit: Duration,
    stop: Stop,
    asked: Option<Instant>,
    /// When the log was written up to where: a standby that has not replayed a place lags by the
    /// time since. The server's own `replay_lag` stands still when replay does.
    marks: VecDeque<(Instant, i64)>,
}

impl Pace {
    pub fn new(options: &Options) -> Self {
        Self {
            max_lag: options.max_lag,
            limit: options.retry_for,
            stop: options.stop.clone(),
            asked: None,
            marks: VecDeque::new(),
        }
    }

    /// Returns when it is a good time for the next batch; with words when it was not for too long.
    ///
    /// # Errors
    /// What the server says.
    pub fn keep(&mut self, client: &mut Client, progress: &dyn Progress) -> Result<Option<String>> {
        if self.asked.is_some_and(|at| at.elapsed() < INTERVAL) {
            return Ok(None);
        }
        let mut pauses = Pauses::new(self.limit);
        let mut told = false;
        loop {
            let obstacle = self.obstacle(client)?;
            self.asked = Some(Instant::now());
            let Some(obstacle) = obstacle else {
                if told {
                    progress.remark("going on");
                }
                return Ok(None);
            };
            if !told {
                progress.remark(&format!("pausing: {obstacle}"));
                told = true;
            }
            match pauses.next() {
                Some(pause) if !self.stop.is_set() => self.stop.sleep(pause.min(INTERVAL * 2)),
                // The caller looks at the wish to stop by itself.
                _ if self.stop.is_set() => return Ok(None),
                _ => return Ok(Some(obstacle)),
            }
        }
    }

    fn obstacle(&mut self, client: &mut Client) -> Result<Option<String>> {
        let row = client.query_one(QUESTION, &[])?;
        if let Some(written) = row.get::<_, Option<i64>>(0) {
            self.marks.push_back((Instant::now(), written));
        }
        // Hidden from roles without pg_monitor: then nobody can tell.
        if let Some(replayed) = row.get::<_, Option<i64>>(1) {
            while self.marks.front().is_some_and(|(_, at)| *at <= replayed) {
                self.marks.pop_front();
            }
            let lag = self
                .marks
                .front()
                .map(|(at, _)| at.elapsed())
                .unwrap_or_default();
            if lag > self.max_lag {
                let lag = humantime::format_duration(Duration::from_secs(lag.as_secs()));
                return Ok(Some(format!("a standby is {lag} behind")));
            }
        } else {
            self.marks.clear();
        }
        let waiting: i64 = row.get(2);
        Ok((waiting >= QUEUE).then(|| format!("{waiting} sessions wait for locks")))
    }
}
