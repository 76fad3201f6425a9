//! The connections that evaluate an audit together: a queue of work, and who takes from it.
//!
//! All of them see one snapshot. Whatever a connection does not finish (because it was lost, or
//! because the deadline came) becomes a result that says so: nothing is evaluated twice to hide it,
//! and nothing is left out.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Transaction;

use super::board::{Board, Job};
use super::hands::{self, SIGN_OF_LIFE};
use super::neighbours::Neighbours;
use super::pieces::Pace;
use super::relations;
use super::runner::Options;
use crate::error::{Error, Result};
use crate::report::Progress;

/// The server cuts a statement off this long after the deadline: never before it, by rounding or
/// by a clock that runs a little ahead of ours, or the next job would begin in what is left.
const AFTER_DEADLINE: Duration = Duration::from_millis(10);

/// SQLSTATE of a statement that was cancelled, by a time limit among others.
const QUERY_CANCELED: &str = "57014";

/// What is left to do, and who is doing it.
struct Queue {
    jobs: VecDeque<Job>,
    /// Jobs that have been taken and not finished: they may bring further ones.
    running: usize,
    /// Connections that take jobs.
    hands: usize,
    /// Pages done.
    done: u64,
    /// Pages in all, as far as is known yet.
    pages: u64,
    /// Rows that ranges have read, for throttling.
    rows: u64,
}

/// A job in hand, until it is dropped: also by a panic, for which the others must not wait.
struct InHand<'a, 'b>(&'b Crew<'a>);

impl Drop for InHand<'_, '_> {
    fn drop(&mut self) {
        self.0.queue().running -= 1;
        self.0.changed.notify_all();
    }
}

/// What the connections share.
pub(super) struct Crew<'a> {
    board: &'a Board<'a>,
    /// Of [`relations::moved`].
    moved: String,
    options: &'a Options,
    neighbours: &'a Neighbours,
    progress: &'a dyn Progress,
    started: Instant,
    queue: Mutex<Queue>,
    changed: Condvar,
}

enum Turn {
    Work(Job),
    Wait,
    End,
}

impl<'a> Crew<'a> {
    /// Gets ready to do what is on the board.
    pub fn new(
        board: &'a Board<'a>,
        moved: String,
        options: &'a Options,
        neighbours: &'a Neighbours,
        started: Instant,
        progress: &'a dyn Progress,
        hands: usize,
    ) -> Self {
        let jobs = board.first_jobs(hands, options.rows_per_second);
        let queue = Queue {
            pages: jobs.iter().map(|job| board.pages_of(job)).sum(),
            jobs: jobs.into(),
            running: 0,
            hands,
            done: 0,
            rows: 0,
        };
        Self {
            board,
            moved,
            options,
            neighbours,
            progress,
            started,
            queue: Mutex::new(queue),
            changed: Condvar::new(),
        }
    }

    /// Works on all connections until everything has a result.
    pub fn run(&self, hands: &mut [Transaction<'_>]) {
        thread::scope(|scope| {
            for (number, snapshot) in hands.iter_mut().enumerate() {
                // Whoever began to write later, or writes seldom, was not seen before.
                let is_spare = number == 1;
                scope.spawn(move || self.work(snapshot, is_spare));
            }
        });
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes jobs until there are none, and none can come; a spare connection takes none while its
    /// core is wanted by somebody who writes, as long as there is another.
    fn work(&self, snapshot: &mut Transaction<'_>, is_spare: bool) {
        loop {
            let lost = match self.next(is_spare) {
                Turn::End => return,
                Turn::Wait => snapshot.batch_execute("").err().map(Error::from),
                Turn::Work(job) => self.perform(snapshot, job),
            };
            if let Some(error) = lost {
                return self.leave(&error);
            }
        }
    }

    fn next(&self, is_spare: bool) -> Turn {
        let steps_back = is_spare && self.neighbours.want_room();
        let mut queue = self.queue();
        if self.is_late() && !queue.jobs.is_empty() {
            let limit = self.options.deadline.unwrap_or_default();
            let limit = humantime::format_duration(limit);
            self.drop_all(
                &mut queue,
                &format!("not evaluated: the deadline of {limit} was over"),
            );
        }
        let takes_jobs = !steps_back || queue.hands == 1;
        if let Some(job) = takes_jobs.then(|| queue.jobs.pop_front()).flatten() {
            queue.running += 1;
            return Turn::Work(job);
        }
        if queue.jobs.is_empty() && queue.running == 0 {
            self.changed.notify_all();
            return Turn::End;
        }
        drop(
            self.changed
                .wait_timeout(queue, SIGN_OF_LIFE)
                .unwrap_or_else(PoisonError::into_inner),
        );
        Turn::Wait
    }

    /// Does one job, and hands on what follows from it. An error is returned when the connection is
    /// lost.
    fn perform(&self, snapshot: &mut Transaction<'_>, job: Job) -> Option<Error> {
        let _in_hand = InHand(self);
        let done = self
            .throttle(snapshot, &job)
            .and_then(|()| self.in_savepoint(snapshot, &job));
        let lost = matches!(&done, Err(error) if error.connection_lost());
        // By the server, or by ourselves, between two statements.
        let cut_off = matches!(&done, Err(error)
            if self.is_late() && matches!(error.sqlstate(), None | Some(QUERY_CANCELED)));
        let rows = done.as_ref().map_or(0, |done| done.rows);
        let (more, error) = self.board.finish(&job, done, lost || cut_off);
        let mut queue = self.queue();
        queue.rows += rows;
        queue.done += self.board.pages_of(&job);
        queue.pages += more.iter().map(|job| self.board.pages_of(job)).sum::<u64>();
        queue.jobs.extend(more);
        self.progress.at(queue.done, queue.pages);
        drop(queue);
        error.filter(|_| lost)
    }

    /// A failure inside of a savepoint leaves the snapshot usable.
    fn in_savepoint(
        &self,
        snapshot: &mut Transaction<'_>,
        job: &Job,
    ) -> Result<super::board::Done> {
        let until = self.options.until(self.started);
        let cut_off = until.and_then(|until| until.checked_add(AFTER_DEADLINE));
        let mut savepoint = hands::savepoint(snapshot, cut_off)?;
        let pace = Pace {
            neighbours: self.neighbours,
            until,
        };
        let done = self.board.perform(&mut savepoint, job, pace)?;
        relations::confirm(&mut savepoint, &self.moved)?;
        savepoint.commit()?;
        Ok(done)
    }

    /// Waits while more rows were read than the rate allows.
    fn throttle(&self, snapshot: &mut Transaction<'_>, job: &Job) -> Result<()> {
        let Some(rate) = self.options.rows_per_second else {
            return Ok(());
        };
        let reads_rows = matches!(job, Job::Range { .. } | Job::Content { .. });
        while reads_rows && !self.is_late() {
            let due = Duration::from_secs_f64(self.queue().rows as f64 / rate.max(1) as f64);
            let early = due.saturating_sub(self.started.elapsed());
            if early.is_zero() {
                break;
            }
            thread::sleep(early.min(SIGN_OF_LIFE));
            snapshot.batch_execute("")?;
        }
        Ok(())
    }

    fn is_late(&self) -> bool {
        let deadline = self.options.deadline;
        deadline.is_some_and(|deadline| self.started.elapsed() >= deadline)
    }

    /// A connection takes no more jobs. When it was the last one, nobody does what is left.
    fn leave(&self, lost: &Error) {
        let mut queue = self.queue();
        queue.hands -= 1;
        if queue.hands == 0 {
            let reason = format!("not evaluated: the connection was lost: {lost}");
            self.drop_all(&mut queue, &reason);
        }
        self.changed.notify_all();
    }

    /// Gives everything that is left a result that says why there is none.
    fn drop_all(&self, queue: &mut Queue, reason: &str) {
        while let Some(job) = queue.jobs.pop_front() {
            let (more, _) = self.board.finish(&job, Err(Error::undecided(reason)), true);
            queue.jobs.extend(more);
        }
    }
}
