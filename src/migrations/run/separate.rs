//! `transaction: none`: each statement by itself, one per round trip, because several in one
//! message would be a transaction again. The log knows which ones are finished.
//!
//! A statement that can be undone runs in a transaction together with the record of it. The others
//! (concurrent builds and their kin) can end without anybody to record it, so before they run, and
//! after they failed, the catalogue is asked what is there.

use std::ops::Range;

use super::concurrent::{self, Left, Look};
use super::{Deployer, Numbered, Trouble, failure, same_statement};
use crate::error::{Error, Result};
use crate::migrations::log::Event;
use crate::migrations::session::Failure;
use crate::migrations::set::File;
use crate::migrations::waits;
use crate::migrations::watch::Task;
use crate::syntax::Script;
use crate::syntax::step::Step;

pub(super) fn run(deployer: &mut Deployer<'_>, file: &File) -> Result<()> {
    let steps = Script::parse(file.sql()).steps().unwrap_or_default();
    deployer.progress.begin(file.migration.name(), 0);
    let result = run_steps(deployer, file, &steps);
    deployer.progress.end();
    let finished = result.map_err(|(stuck, finished)| {
        let done = done(finished, &steps);
        explain(deployer, file, stuck, finished, &done)
    });
    finished.and_then(|()| deployer.record(file))
}

/// How many statements are done, in words. Settings are none of them: each session makes them anew,
/// so they are never done.
pub(in crate::migrations) fn done(finished: usize, steps: &[(Range<usize>, Step)]) -> String {
    let is_setting = |step: &Step| matches!(step, Step::Setting);
    let total = steps.iter().filter(|(_, step)| !is_setting(step)).count();
    format!("{finished} of {total} statements are done")
}

/// Why a statement did not come to its end.
enum Stuck {
    Trouble(Trouble),
    /// It failed, and something of it is in the catalogue.
    Left(Failure, String),
    /// The wish to stop came before a statement.
    Stopped,
}

/// Runs what is not finished; with an error comes the number of statements that are.
fn run_steps(
    deployer: &mut Deployer<'_>,
    file: &File,
    steps: &[(Range<usize>, Step)],
) -> std::result::Result<(), (Stuck, usize)> {
    let before = deployer.log.progress(file.version());
    let mut finished = before.finished.len();
    // An index that another statement came after may be a constraint by now, or gone on purpose.
    let settled = (before.finished.keys())
        .filter_map(|number| usize::try_from(number - 1).ok())
        .filter(|index| !matches!(steps.get(*index), None | Some((_, Step::Build(_)))))
        .max();
    for (index, (range, step)) in steps.iter().enumerate() {
        let statement = Numbered::new(index, range.clone(), file.sql());
        if let Some(digest) = before.finished.get(&statement.number) {
            same_statement(file, &statement, digest)
                .map_err(|error| (Stuck::Trouble(Trouble::Other(error)), finished))?;
            if Some(index) < settled || !is_lost(deployer, step) {
                continue;
            }
            finished -= 1;
        }
        if deployer.options.stop.is_set() {
            return Err((Stuck::Stopped, finished));
        }
        let resumed = before.open == Some(statement.number);
        let result = match step {
            Step::Setting => setting(deployer, file, &statement),
            Step::Atomic => atomic(deployer, file, &statement).map_err(Stuck::Trouble),
            step => concurrent(deployer, file, (&statement, step), resumed),
        };
        result.map_err(|stuck| (stuck, finished))?;
        finished += usize::from(!matches!(step, Step::Setting));
    }
    Ok(())
}

/// Whether an index that is recorded as built is not there any more, or invalid. What looking says
/// besides is said again when the statement runs.
fn is_lost(deployer: &mut Deployer<'_>, step: &Step) -> bool {
    matches!(step, Step::Build(_))
        && !matches!(
            concurrent::look(&mut deployer.client, step, true),
            Ok(Look::Done)
        )
}

/// Lasts for the session only, so it is never finished.
fn setting(
    deployer: &mut Deployer<'_>,
    file: &File,
    statement: &Numbered,
) -> std::result::Result<(), Stuck> {
    let sql = &file.sql()[statement.range.clone()];
    let mut result = deployer.client.batch_execute(sql);
    if result.is_ok() && waits::may_change(sql) {
        let limit = deployer.options.lock_timeout;
        result = deployer.client.batch_execute(&waits::put_back(limit));
    }
    result.map_err(|error| {
        let failure = Failure::new(&error, Some(statement.range.clone()), false);
        Stuck::Trouble(Trouble::Failed(failure))
    })
}

/// The statement and the record of it commit together.
fn atomic(
    deployer: &mut Deployer<'_>,
    file: &File,
    statement: &Numbered,
) -> std::result::Result<(), Trouble> {
    deployer.patiently(file, |deployer| {
        let Deployer { client, log, .. } = deployer;
        let work = || {
            let failed = |error: &postgres::Error| Failure::new(error, None, false);
            let mut transaction = client.transaction().map_err(|e| failed(&e))?;
            transaction
                .batch_execute(&file.sql()[statement.range.clone()])
                .map_err(|e| Failure::new(&e, Some(statement.range.clone()), false))?;
            let place = (file.version(), statement.number);
            log.statement(
                &mut transaction,
                Event::Finished,
                place,
                &statement.digest,
                None,
            )
            .map_err(|e| failed(&e))?;
            transaction
                .commit()
                .map_err(|e| Failure::new(&e, None, true))
        };
        deployer
            .watch
            .during(Task::Transaction, work)
            .map_err(Trouble::Failed)
    })
}

fn concurrent(
    deployer: &mut Deployer<'_>,
    file: &File,
    (statement, step): (&Numbered, &Step),
    resumed: bool,
) -> std::result::Result<(), Stuck> {
    concurrent::run(deployer, file, statement, step, resumed).map_err(|left| match left {
        Left::Nothing(failure) => Stuck::Trouble(Trouble::Failed(failure)),
        Left::Something(failure, words) => Stuck::Left(failure, words),
        Left::Refused(error) => Stuck::Trouble(Trouble::Other(error)),
    })
}

/// Rolled back when nothing of the file is there, cut off when something is.
fn explain(
    deployer: &Deployer<'_>,
    file: &File,
    stuck: Stuck,
    finished: usize,
    done: &str,
) -> Error {
    match stuck {
        Stuck::Left(found, left) => {
            failure::cut_off(deployer, file, &found, &format!("{done}; {left}"))
        }
        Stuck::Stopped if finished == 0 => failure::stopped_before(deployer, file),
        Stuck::Stopped => Error::cut_off(format!("stopped in \"{}\"", file.path))
            .detail(done)
            .hint(deployer.set.command("migrate") + " completes it"),
        Stuck::Trouble(Trouble::Failed(found)) if finished == 0 && !found.error.connection_lost => {
            failure::undone(deployer, file, &found)
        }
        Stuck::Trouble(Trouble::Failed(found)) => failure::cut_off(deployer, file, &found, done),
        Stuck::Trouble(Trouble::Locked(gave_up)) if finished == 0 => {
            failure::locked(deployer, file, &gave_up).detail("nothing of it was changed")
        }
        Stuck::Trouble(Trouble::Locked(gave_up)) => {
            failure::cut_off(deployer, file, &gave_up.failure, done)
        }
        Stuck::Trouble(Trouble::Other(error)) => error,
    }
}
