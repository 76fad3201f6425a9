//! Small work that is shared out among the connections of an audit before their crew begins.

use std::panic::resume_unwind;
use std::thread;

use postgres::Transaction;

/// Does something with each of some things; what comes of it, in the order of the things.
pub(super) fn share<T: Sync, R: Send>(
    hands: &mut [Transaction<'_>],
    things: &[T],
    what: impl Fn(&mut Transaction<'_>, &T) -> R + Sync,
) -> Vec<R> {
    let (number, what) = (hands.len(), &what);
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let begin = |(first, hand): (usize, _)| {
            let share = things.iter().enumerate().skip(first).step_by(number);
            scope.spawn(move || {
                let hand: &mut Transaction<'_> = hand;
                share
                    .map(|(at, thing)| (at, what(&mut *hand, thing)))
                    .collect::<Vec<_>>()
            })
        };
        let begun: Vec<_> = hands.iter_mut().enumerate().map(begin).collect();
        let ended = begun.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .flat_map(|share| share.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
