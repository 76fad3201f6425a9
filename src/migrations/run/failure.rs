//! What is said about a file that did not come to its end, after asking the server again where that
//! is in doubt.

use std::thread;
use std::time::{Duration, Instant};

use super::{Deployer, GaveUp, limit};
use crate::db::session;
use crate::error::{Error, Kind, Result};
use crate::migrations::history::History;
use crate::migrations::lock;
use crate::migrations::session::Failure;
use crate::migrations::set::File;
use crate::migrations::snippet;
use crate::syntax::Script;
use crate::syntax::step::Step;

/// How long a session that was lost at COMMIT may take to end. The server ends it after half of
/// that, when the COMMIT never arrived.
const LAST_WORDS: Duration = session::SILENCE.saturating_mul(2);

const PAUSE: Duration = Duration::from_millis(50);

/// Our own failure inside of refinery's.
pub(super) fn of(error: &refinery::Error) -> Option<Failure> {
    match error.kind() {
        refinery::error::Kind::Connection(_, source) => source.downcast_ref().cloned(),
        _ => None,
    }
}

/// refinery itself would not go on: no statement was sent.
pub(super) fn of_refinery(file: &File, error: &refinery::Error) -> Error {
    Error::undecided(format!("\"{}\": {}", file.path, crate::error::chain(error)))
}

/// A transaction that failed, or of which nobody answered whether it did.
pub(super) fn rolled_back(deployer: &Deployer<'_>, file: &File, failure: &Failure) -> Error {
    let failed = |kind| {
        let error = describe(Error::new(kind, primary(file, failure)), file, failure);
        let error = with_limit(error, deployer, file, failure);
        if !needs_no_transaction(file, failure) {
            return error;
        }
        error.hint(format!(
            "put \"-- transaction: none\" into the first line of \"{}\": each statement then runs \
             by itself",
            file.path
        ))
    };
    match history(deployer, failure.is_unanswered()) {
        Ok(history) if history.find(file.version()).is_some() => Error::undecided(format!(
            "the connection was lost after \"{}\" was committed",
            file.path
        ))
        .detail(format!("{}; later migrations were not tried", at(&history)))
        .hint(format!("run {} again", deployer.set.command("migrate"))),
        Ok(history) => failed(Kind::RolledBack)
            .detail(format!("the migration was rolled back; {}", at(&history))),
        Err(unreachable) if failure.is_unanswered() => {
            failed(Kind::Undecided)
                .detail("the connection was lost at COMMIT: the migration is either applied and recorded, or neither")
                .detail(format!("asking again failed: {unreachable}"))
                .hint(deployer.set.command("status") + " tells, once the server answers")
        }
        Err(_) => failed(Kind::RolledBack)
            .detail("the migration was rolled back; the database is at the version before it"),
    }
}

/// The locks were not to be had, however often it was tried.
pub(super) fn locked(deployer: &Deployer<'_>, file: &File, gave_up: &GaveUp) -> Error {
    let after = humantime::format_duration(super::to_tenths(gave_up.after));
    let primary = format!("\"{}\" did not get its locks in {after}", file.path);
    let mut error = describe(Error::refused(primary), file, &gave_up.failure);
    if let Some(blocker) = &gave_up.blocker {
        error = error.detail(format!("blocked by {blocker}"));
    }
    error.hint(match &gave_up.blocker {
        Some(blocker) if blocker.backend.pid != 0 => format!(
            "run it again when the blocker has ended, or end it: SELECT pg_terminate_backend({})",
            blocker.backend.pid
        ),
        _ => format!(
            "run it again at a quieter time, or with a longer --retry-for than {}",
            humantime::format_duration(deployer.options.retry_for)
        ),
    })
}

/// A file without a transaction of its own ended early, and something of it is there.
pub(super) fn cut_off(
    deployer: &Deployer<'_>,
    file: &File,
    failure: &Failure,
    left: &str,
) -> Error {
    // The answer to the last COMMIT may be all that is missing.
    if let Ok(history) = history(deployer, failure.is_unanswered())
        && history.find(file.version()).is_some()
    {
        return rolled_back(deployer, file, failure);
    }
    let mut error = describe(Error::cut_off(primary(file, failure)), file, failure).detail(left);
    let mut command = deployer.set.command("migrate");
    if let Some(limit) = limit::reached(deployer, file, failure) {
        error = error.detail(limit.words);
        command = limit.command;
    }
    error.hint(format!(
        "{} shows what is left; {command} completes it",
        deployer.set.command("status")
    ))
}

/// A file without a transaction failed, and nothing of it is left.
pub(super) fn undone(deployer: &Deployer<'_>, file: &File, failure: &Failure) -> Error {
    let error = describe(Error::rolled_back(primary(file, failure)), file, failure);
    let error = with_limit(error, deployer, file, failure);
    match history(deployer, failure.is_unanswered()) {
        Ok(history) => error.detail(format!("nothing of it is left; {}", at(&history))),
        Err(_) => error.detail("nothing of it is left; the database is at the version before it"),
    }
}

/// The wish to stop came between two files.
pub(super) fn stopped_before(deployer: &Deployer<'_>, file: &File) -> Error {
    let error = Error::refused(format!("stopped before \"{}\"", file.path));
    let error = match history(deployer, false) {
        Ok(history) => error.detail(format!("{}; nothing was left half done", at(&history))),
        Err(_) => error.detail("nothing was left half done"),
    };
    error.hint(deployer.set.command("migrate") + " goes on from there")
}

/// Adds the limit that a statement reached, where it was one.
fn with_limit(error: Error, deployer: &Deployer<'_>, file: &File, failure: &Failure) -> Error {
    match limit::reached(deployer, file, failure) {
        Some(limit) => error.detail(limit.words).hint(limit.command),
        None => error,
    }
}

/// Adds the place in the file and what the server said.
pub(super) fn describe(mut error: Error, file: &File, failure: &Failure) -> Error {
    if let Some(statement) = &failure.statement {
        let position = failure.error.position;
        error = error
            .at_line(Script::parse(file.sql()).line(statement))
            .detail(snippet::render(&file.path, file.sql(), statement, position));
    }
    error.with_server_words(&failure.error)
}

fn primary(file: &File, failure: &Failure) -> String {
    format!("\"{}\" failed: {}", file.path, failure.error.message)
}

/// Whether a statement failed because it stood in a transaction, and the header can say otherwise.
fn needs_no_transaction(file: &File, failure: &Failure) -> bool {
    // active_sql_transaction, which SET TRANSACTION in a wrong place gets as well.
    let is_refused = failure.error.sqlstate.as_deref() == Some("25001");
    let Some(range) = failure.statement.clone().filter(|_| is_refused) else {
        return false;
    };
    let steps = Script::parse(&file.sql()[range]).steps();
    let runs_alone = |step: &Step| !matches!(step, Step::Atomic | Step::Setting | Step::Refused(_));
    steps.is_some_and(|steps| steps.iter().any(|(_, step)| runs_alone(step)))
}

/// Read with a new connection: the old one may be gone, and with it the answer to COMMIT
/// (`unanswered`). Then the server may not have seen the COMMIT yet, or be at it still: the history
/// has the last word only when the old session has ended.
fn history(deployer: &Deployer<'_>, unanswered: bool) -> Result<History> {
    let mut client = deployer.target.connect()?;
    let started = Instant::now();
    while unanswered && lock::is_held_by(&mut client, deployer.pid)? {
        if started.elapsed() >= LAST_WORDS {
            let pid = deployer.pid;
            let message = format!("the session that was lost has not ended (pid {pid})");
            return Err(Error::undecided(message));
        }
        thread::sleep(PAUSE);
    }
    History::read(&mut client, deployer.set.history_schema)
}

fn at(history: &History) -> String {
    let applied = |version| format!("the database is at version {version}");
    history
        .newest()
        .map_or("no migration is applied".to_owned(), applied)
}
