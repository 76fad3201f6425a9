//! Small work that is shared out among the connections of an audit before their crew begins.

use std::panic::resume_unwind;
use std::thread;

use postgres::Transaction;

/// Gives each connection a part of some things, and waits for all; what they make of their parts.
pub(super) fn share<T: Sync, R: Send>(
    hands: &mut [Transaction<'_>],
    things: &[T],
    what: impl Fn(&mut Transaction<'_>, &[&T]) -> R + Sync,
) -> Vec<R> {
    let (number, what) = (hands.len(), &what);
    thread::scope(|scope| {
        let begin = |(first, hand)| {
            // In turns, so that what is alike, and stands side by side, is not one's alone.
            let part: Vec<&T> = things.iter().skip(first).step_by(number).collect();
            scope.spawn(move || what(hand, &part))
        };
        let begun: Vec<_> = hands.iter_mut().enumerate().map(begin).collect();
        let ended = begun.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}
