//! Small work that is shared out among the connections of an audit before their crew begins.

use std::iter;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use postgres::Transaction;

/// Has some things done, each by the next connection that has nothing to do; what was made of them,
/// in no order.
pub(super) fn share<T: Sync, R: Send>(
    hands: &mut [Transaction<'_>],
    things: &[T],
    what: impl Fn(&mut Transaction<'_>, &T) -> R + Sync,
) -> Vec<R> {
    let left = Mutex::new(things.iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = |hand: &mut Transaction<'_>| -> Vec<R> {
        iter::from_fn(&next)
            .map(|thing| what(hand, thing))
            .collect()
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
