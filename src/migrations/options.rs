//! What a caller may choose about a run of `migrate`, and how it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::plan::SavedPlan;
use super::precheck::Precheck;

/// How to apply.
#[derive(Clone, Debug)]
pub struct Options {
    /// The last version to apply; the newest without it.
    pub to: Option<i32>,
    /// How long to wait while another deployer holds the lock.
    pub wait: Duration,
    /// How long a statement may wait for a lock: as long as it waits, whoever comes after it for
    /// the same table waits behind it.
    pub lock_timeout: Duration,
    /// For how long a transaction that did not get its locks is tried again.
    pub retry_for: Duration,
    /// How long a concurrent index build may take in all, waiting included.
    pub build_limit: Duration,
    /// How long one repetition of a batched statement may take.
    pub batch_timeout: Duration,
    /// Batches pause while a standby has not replayed what was written so long ago.
    pub max_lag: Duration,
    /// Realign the checksum of this version, when its file was edited without a real change.
    pub accept_edit: Option<i32>,
    /// Evaluates the checks that the files name.
    pub precheck: Precheck,
    /// The plan that must still hold.
    pub plan: Option<SavedPlan>,
    /// Set from outside to end the run at the next safe place.
    pub stop: Stop,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            to: None,
            wait: Duration::from_secs(5 * 60),
            lock_timeout: Duration::from_secs(2),
            retry_for: Duration::from_secs(5 * 60),
            build_limit: Duration::from_secs(4 * 60 * 60),
            batch_timeout: Duration::from_secs(30),
            max_lag: Duration::from_secs(10),
            accept_edit: None,
            precheck: Precheck::default(),
            plan: None,
            stop: Stop::default(),
        }
    }
}

/// A wish to stop, such as Ctrl-C.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether somebody wants the run to end.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps, but not beyond the wish to stop.
    pub(super) fn sleep(&self, time: Duration) {
        const SLICE: Duration = Duration::from_millis(50);
        let started = Instant::now();
        while !self.is_set() && started.elapsed() < time {
            thread::sleep(SLICE.min(time - started.elapsed().min(time)));
        }
    }
}

/// Growing pauses with jitter, so that what collided once does not collide again, up to a limit.
pub(super) struct Pauses {
    started: Instant,
    limit: Duration,
    next: Duration,
}

impl Pauses {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(30);

    pub fn new(limit: Duration) -> Self {
        Self {
            started: Instant::now(),
            limit,
            next: Self::FIRST,
        }
    }

    /// The next pause; none when the time is over. The last one ends with the limit, so that the
    /// last attempt is one like all others: with the same limit on its waiting.
    pub fn next(&mut self) -> Option<Duration> {
        let left = self.limit.checked_sub(self.started.elapsed())?;
        let pause = self.next.mul_f64(0.5 + fastrand::f64()).min(left);
        self.next = (self.next * 2).min(Self::LONGEST);
        Some(pause)
    }

    /// How long it has been.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut pauses = Pauses::new(Duration::from_secs(3600));
        let first = pauses.next().unwrap_or_default();
        let later: Duration = (0..9)
            .filter_map(|_| pauses.next())
            .max()
            .unwrap_or_default();
        assert!(
            first >= Pauses::FIRST / 2 && first < Pauses::FIRST * 2,
            "{first:?}"
        );
        assert!(later > first && later <= Pauses::LONGEST * 2, "{later:?}");
        assert!(
            Pauses::new(Duration::ZERO)
                .next()
                .is_none_or(|pause| pause.is_zero())
        );
    }

    #[test]
    fn sleep_ends_early_when_it_is_time_to_stop() {
        let stop = Stop::default();
        stop.flag().store(true, Ordering::Relaxed);
        let started = Instant::now();
        stop.sleep(Duration::from_secs(60));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
