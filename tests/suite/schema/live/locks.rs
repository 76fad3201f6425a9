//! Watches from a connection of its own for how long creditdb holds ACCESS EXCLUSIVE locks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

/// How often it looks. A lock that is held for a shorter time may go unseen.
const INTERVAL: Duration = Duration::from_millis(2);

/// Transactions of creditdb that hold an ACCESS EXCLUSIVE lock of one of our tables.
const HELD: &str = "
SELECT c.relname::text, l.virtualtransaction
  FROM pg_locks AS l
  JOIN pg_stat_activity AS a ON a.pid = l.pid AND a.application_name = 'creditdb'
  JOIN pg_class AS c ON c.oid = l.relation AND c.relkind = 'r'
   AND c.relnamespace = 'public'::regnamespace
 WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.granted
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub looks: u64,
    /// The longest time for which a lock of a table was held, by table. From the look before the
    /// first that saw it to the first that did not, so never less than it was.
    pub longest: BTreeMap<String, Duration>,
}

/// Looks until it is told to stop.
pub fn watch(client: &mut Client, stop: &AtomicBool) -> Seen {
    let held = client.prepare(HELD).unwrap();
    let mut seen = Seen::default();
    let mut open: BTreeMap<(String, String), Instant> = BTreeMap::new();
    let mut before = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let rows = client.query(&held, &[]).unwrap();
        let answered = Instant::now();
        let now: Vec<_> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        open.retain(|lock, since| {
            let longest = seen.longest.entry(lock.0.clone()).or_default();
            *longest = answered.duration_since(*since).max(*longest);
            now.contains(lock)
        });
        for lock in now {
            open.entry(lock).or_insert(before);
        }
        before = asked;
        seen.looks += 1;
        thread::sleep(INTERVAL);
    }
    seen
}
