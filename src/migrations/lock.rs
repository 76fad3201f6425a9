//! One deployer at a time.
//!
//! A session-level advisory lock that is tried, not waited for: a session inside
//! `pg_advisory_lock()` is a running statement with a snapshot, and every concurrent index build
//! of the lock's holder would wait for it, for ever.

use std::time::{Duration, Instant};

use postgres::{Client, GenericClient};

use super::options::Options;
use crate::error::{Error, Result};
use crate::report::Progress;

/// Any number will do as long as every version of the program uses the same: "creditdb" in ASCII.
/// Advisory locks belong to one database, so deployers of two databases do not meet.
pub(super) const KEY: i64 = i64::from_be_bytes(*b"creditdb");

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Takes the lock, or gives up when the time is over. It ends with the session.
///
/// # Errors
/// Refused, naming the holder, when the time is over.
pub(super) fn acquire(
    client: &mut Client,
    options: &Options,
    progress: &dyn Progress,
) -> Result<()> {
    let wait = options.wait;
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut told = false;
    loop {
        if client
            .query_one("SELECT pg_catalog.pg_try_advisory_lock($1)", &[&KEY])?
            .get(0)
        {
            return Ok(());
        }
        let holder = holder(client)?;
        if options.stop.is_set() {
            return Err(
                Error::refused("stopped while another deployer held the migration lock")
                    .detail("nothing was changed"),
            );
        }
        if started.elapsed() >= wait {
            let waited = humantime::format_duration(wait);
            return Err(Error::refused("another deployer holds the migration lock")
                .detail(format!("holder: {}", holder.unwrap_or_else(|| "just ended".to_owned())))
                .detail(format!("waited {waited}; nothing was changed"))
                .hint("run it again with a longer --wait, or end the holder: SELECT pg_terminate_backend(PID)"));
        }
        if let (false, Some(holder)) = (told, holder) {
            progress.remark(&format!("waiting for another deployer: {holder}"));
            told = true;
        }
        // Jitter keeps ten deployers that began together from asking together.
        let left = wait.saturating_sub(started.elapsed());
        options
            .stop
            .sleep(pause.mul_f64(0.5 + fastrand::f64()).min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether the session of this process holds the lock. A session lets go of it when it ends: what
/// it was about to commit is then committed, or never will be.
pub(super) fn is_held_by(client: &mut Client, pid: i32) -> Result<bool> {
    let held = client.query_one(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks
          WHERE pid = $1 AND locktype = 'advisory' AND granted AND objsubid = 1
            AND (classid::bigint << 32 | objid::bigint) = $2)",
        &[&pid, &KEY],
    )?;
    Ok(held.get(0))
}

/// Who holds the lock, in words; nobody when it was released meanwhile. What the server hides
/// from our role is left out.
pub(super) fn holder(client: &mut impl GenericClient) -> Result<Option<String>> {
    let row = client.query_opt(
        "SELECT format('pid %s, user %s, application \"%s\"', a.pid, a.usename, a.application_name)
                || coalesce(', from ' || a.client_addr, '')
                || coalesce(', connected ' || date_trunc('second', a.backend_start), '')
           FROM pg_catalog.pg_locks l
           JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
          WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
            AND (l.classid::bigint << 32 | l.objid::bigint) = $1",
        &[&KEY],
    )?;
    Ok(row.map(|row| row.get(0)))
}
