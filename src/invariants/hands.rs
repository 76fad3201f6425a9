//! Small work that is shared out among the connections of an audit before their crew begins.

use std::iter;
use std::panic::resume_unwind;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Transaction;

use crate::error::Result;

/// A connection without work speaks this often, so that the server does not take it for dead.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// A savepoint, so that what fails in it leaves the snapshot usable; the server ends a statement
/// that is not through by `until`.
pub(super) fn savepoint<'a>(
    hand: &'a mut Transaction<'_>,
    until: Option<Instant>,
) -> Result<Transaction<'a>> {
    let mut savepoint = hand.transaction()?;
    if let Some(until) = until {
        let left = until.saturating_duration_since(Instant::now());
        // None at all would be no limit.
        let left = left.as_millis().clamp(1, i32::MAX as u128);
        savepoint.batch_execute(&format!("SET LOCAL statement_timeout = {left}"))?;
    }
    Ok(savepoint)
}

/// Has some things done, each by the next connection that has nothing to do; what was made of them,
/// in no order.
pub(super) fn share<T: Sync, R: Send>(
    hands: &mut [Transaction<'_>],
    things: &[T],
    what: impl Fn(&mut Transaction<'_>, &T) -> R + Sync,
) -> Vec<R> {
    let left = Mutex::new(things.iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let busy = Busy {
        number: Mutex::new(hands.len()),
        changed: Condvar::new(),
    };
    let work = |hand: &mut Transaction<'_>| -> Vec<R> {
        let mine = Me(&busy);
        let done = iter::from_fn(&next)
            .map(|thing| what(hand, thing))
            .collect();
        drop(mine);
        while busy.are_others() {
            // A connection that is lost is found so by its next work.
            let _ = hand.batch_execute("");
        }
        done
    };
    thread::scope(|scope| {
        let begin = |hand| scope.spawn(|| work(hand));
        let begun: Vec<_> = hands.iter_mut().map(begin).collect();
        let ended = begun.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .flat_map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// How many connections have something to do.
struct Busy {
    number: Mutex<usize>,
    changed: Condvar,
}

/// One of them, until it is dropped: also by a panic, for which nobody must wait.
struct Me<'a>(&'a Busy);

impl Busy {
    /// Waits for the others, for as long as a connection can be silent; whether there are any left.
    fn are_others(&self) -> bool {
        let number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self
            .changed
            .wait_timeout_while(number, SIGN_OF_LIFE, |number| *number > 0);
        wait.is_ok_and(|(number, _)| *number > 0)
    }
}

impl Drop for Me<'_> {
    fn drop(&mut self) {
        *self.0.number.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_all();
    }
}
