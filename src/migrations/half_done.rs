//! Files without a transaction that were begun and are not recorded: what of them is done, what is
//! left, and whether somebody is still at it.

use postgres::Transaction;

use super::history::History;
use super::log::{Log, Progress};
use super::set::{File, Set};
use super::{lock, run};
use crate::error::Result;
use crate::header::Mode;
use crate::report::Problem;
use crate::syntax::Script;

/// Files of which statements were done in one way, and that ask for another by now: what is done
/// would be done again, or not often enough.
pub(super) fn changed_modes(set: &Set, history: &History, log: &Log) -> Vec<Problem> {
    let changed = |(version, progress): (i32, Progress)| {
        let file = set.find(version)?;
        let begun = begun_otherwise(file, &progress)?;
        let (path, done) = (&file.path, progress.finished.len());
        Some(Problem {
            code: "mode_changed",
            version: Some(version),
            message: format!(
                "\"{path}\" was cut off with {done} statements done as \"transaction: {}\", and \
                 asks for \"transaction: {}\" now",
                begun.word(),
                file.mode.word()
            ),
            hint: format!(
                "restore \"transaction: {}\", and put the change into a new migration",
                begun.word()
            ),
        })
    };
    log.half_done(history)
        .into_iter()
        .filter_map(changed)
        .collect()
}

/// How statements of a file were done, where that is not how it wants them done.
fn begun_otherwise(file: &File, progress: &Progress) -> Option<Mode> {
    progress.mode.filter(|begun| *begun != file.mode)
}

/// One problem for each such file, and whether a deployer is running, so that nothing is cut off.
///
/// # Errors
/// What the server says.
pub(super) fn problems(
    transaction: &mut Transaction<'_>,
    set: &Set,
    history: &History,
    log: &Log,
) -> Result<(Vec<Problem>, bool)> {
    let mut found = Vec::new();
    for (version, progress) in log.half_done(history) {
        // Of a file that is not here nothing can be completed, so it is no business of this set.
        let file = set.find(version);
        if let Some(file) = file.filter(|file| begun_otherwise(file, &progress).is_none()) {
            found.push((file, progress));
        }
    }
    if found.is_empty() {
        return Ok((Vec::new(), false));
    }
    let holder = lock::holder(transaction)?;
    let mut problems = Vec::new();
    for (file, progress) in found {
        problems.push(match &holder {
            Some(holder) => Problem {
                code: "in_progress",
                version: Some(file.version()),
                message: format!("\"{}\" is being applied by {holder}", file.path),
                hint: format!("wait for it: {}", set.command("status")),
            },
            None => Problem {
                code: "half_done",
                version: Some(file.version()),
                message: describe(transaction, file, &progress)?,
                hint: set.command("migrate") + " completes it",
            },
        });
    }
    Ok((problems, holder.is_some()))
}

fn describe(transaction: &mut Transaction<'_>, file: &File, progress: &Progress) -> Result<String> {
    let mut message = format!("\"{}\" was cut off", file.path);
    if file.mode == Mode::Batched {
        return Ok(message + " between two batches or in one; its rows say what is left to do");
    }
    let steps = Script::parse(file.sql()).steps().unwrap_or_default();
    let done = run::done(progress.finished.len(), &steps);
    message = format!("{message}: {done}");
    let open = progress
        .open
        .and_then(|number| usize::try_from(number - 1).ok());
    if let Some((range, step)) = open.and_then(|index| steps.get(index)) {
        let line = Script::parse(file.sql()).line(range);
        message = format!("{message}, the one in line {line} was begun");
        if let Some(left) = run::unfinished(transaction, step)? {
            message = format!("{message}; {left}");
        }
    }
    Ok(message)
}
