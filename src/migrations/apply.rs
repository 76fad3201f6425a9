//! Applying what is pending.

use std::time::{Duration, Instant};

use postgres::Client;
use refinery::{Migration, Runner, Target as Until};

use super::history::History;
use super::plan::{self, SavedPlan};
use super::session::{Failure, Session};
use super::set::{File, Set};
use super::standing::{Standing, inspect};
use super::{lock, snippet};
use crate::db::{Target, session};
use crate::error::{Error, Result};
use crate::report::{AppliedMigration, Deployment, Progress};

/// How to apply.
#[derive(Clone, Debug)]
pub struct Options {
    /// The last version to apply; the newest without it.
    pub to: Option<i32>,
    /// How long to wait while another deployer holds the lock.
    pub wait: Duration,
    /// The plan that must still hold.
    pub plan: Option<SavedPlan>,
}

/// Applies the pending migrations of a set, one transaction each.
///
/// # Errors
/// Refused, with nothing changed, when the history and the files do not fit together, when
/// another deployer holds the lock for too long, or when there is nothing like version `to`;
/// rolled back when a migration failed: the database is then whole, at the version before it.
pub fn migrate(
    target: &Target,
    set: &Set,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Deployment> {
    let mut client = target.connect()?;
    // A standby would refuse each statement with words that do not say what to do.
    if client
        .query_one("SELECT pg_catalog.pg_is_in_recovery()", &[])?
        .get(0)
    {
        return Err(
            Error::refused("this server is a standby: it takes no changes")
                .hint("connect to the primary"),
        );
    }
    lock::acquire(&mut client, options.wait, progress)?;
    // Whatever the set and the history say, they say it under the lock.
    let standing = inspect(&mut client, set)?;
    refuse(&standing)?;
    plan::check(&mut client, set, &standing, options.plan.as_ref(), options.to)?;
    let to = check_to(options.to, set, &standing.history)?;
    let work: Vec<&File> = set
        .files
        .iter()
        .filter(|file| standing.pending.contains(&file.version()))
        .filter(|file| to.is_none_or(|to| file.version() <= to))
        .collect();
    let applied = apply(
        target,
        &mut client,
        set,
        &standing.history.table,
        &work,
        progress,
    )?;
    let pending = standing.pending.len() - applied.len();
    let version = work
        .iter()
        .map(|f| f.version())
        .chain(standing.history.newest())
        .max();
    let schema_version = session::schema_version(&mut client)?;
    Ok(Deployment {
        applied,
        version,
        schema_version,
        pending,
    })
}

fn apply(
    target: &Target,
    client: &mut Client,
    set: &Set,
    table: &str,
    work: &[&File],
    progress: &dyn Progress,
) -> Result<Vec<AppliedMigration>> {
    let all: Vec<Migration> = set
        .files
        .iter()
        .map(|file| file.migration.clone())
        .collect();
    let mut applied = Vec::new();
    progress.begin("migrating", work.len() as u64);
    for file in work {
        let started = Instant::now();
        // A SET of the migration before must not reach this one. RESET ALL leaves the role alone.
        client.batch_execute("RESET ROLE; RESET ALL")?;
        // With everything before it applied, "grouped, up to this version" is exactly one
        // migration in one transaction. refinery's default is one transaction for the text and
        // another for the history row.
        let mut runner = Runner::new(&all)
            .set_grouped(true)
            .set_target(Until::Version(file.version()));
        runner.set_migration_table_name(table);
        if let Err(error) = runner.run(&mut Session(client)) {
            progress.end();
            return Err(failed(target, set, file, &error));
        }
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        applied.push(AppliedMigration {
            version: file.version(),
            name: file.migration.name().to_owned(),
            elapsed_ms,
        });
        progress.advance(1);
    }
    progress.end();
    Ok(applied)
}

/// All reasons at once, each with its next step.
fn refuse(standing: &Standing) -> Result<()> {
    let problems = &standing.status.problems;
    if problems.is_empty() {
        return Ok(());
    }
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    let mut error = Error::refused(format!("refused to migrate: {count}, nothing was changed"));
    for problem in problems {
        error = error.detail(format!("- {}\n  hint: {}", problem.message, problem.hint));
    }
    Err(error.hint("creditdb status shows the whole history"))
}

/// refinery ignores a target above the newest file, and "succeeds" at one below the history.
fn check_to(to: Option<i32>, set: &Set, history: &History) -> Result<Option<i32>> {
    let Some(wanted) = to else { return Ok(None) };
    if set.find(wanted).is_none() {
        let known: Vec<String> = set
            .files
            .iter()
            .map(|file| file.version().to_string())
            .collect();
        return Err(
            Error::usage(format!("there is no migration {wanted} in {}", set.origin))
                .detail(format!("known versions: {}", known.join(", "))),
        );
    }
    match history.newest() {
        Some(newest) if newest > wanted => Err(Error::refused(format!(
            "the database is at version {newest}, which is above --to {wanted}"
        ))
        .detail("migrations run forward only; nothing was changed")
        .hint("restore a backup of that version, or leave --to out")),
        _ => Ok(to),
    }
}

/// Says what happened to a migration, after asking the server again where that is in doubt.
fn failed(target: &Target, set: &Set, file: &File, error: &refinery::Error) -> Error {
    let failure = match error.kind() {
        refinery::error::Kind::Connection(_, source) => source.downcast_ref::<Failure>(),
        _ => None,
    };
    let Some(failure) = failure else {
        return Error::undecided(format!("\"{}\": {}", file.path, crate::error::chain(error)));
    };
    // Read with a new connection: the old one may be gone, and with it the answer to COMMIT.
    let now = target
        .connect()
        .and_then(|mut client| History::read(&mut client, set.history_schema));
    let at = |history: &History| {
        let applied = |version| format!("the database is at version {version}");
        history
            .newest()
            .map_or("no migration is applied".to_owned(), applied)
    };
    match now {
        Ok(history) if history.find(file.version()).is_some() => Error::undecided(format!(
            "the connection was lost after \"{}\" was committed",
            file.path
        ))
        .detail(format!("{}; later migrations were not tried", at(&history)))
        .hint("run creditdb migrate again"),
        Ok(history) => describe(Error::rolled_back(primary(file, failure)), file, failure)
            .detail(format!("the migration was rolled back; {}", at(&history))),
        Err(unreachable) if failure.at_commit && failure.error.connection_lost => {
            describe(Error::undecided(primary(file, failure)), file, failure)
                .detail("the connection was lost at COMMIT: the migration is either applied and recorded, or neither")
                .detail(format!("asking again failed: {unreachable}"))
                .hint("creditdb status tells, once the server answers")
        }
        Err(_) => describe(Error::rolled_back(primary(file, failure)), file, failure)
            .detail("the migration was rolled back; the database is at the version before it"),
    }
}

fn primary(file: &File, failure: &Failure) -> String {
    format!("\"{}\" failed: {}", file.path, failure.error.message)
}

fn describe(mut error: Error, file: &File, failure: &Failure) -> Error {
    if let Some(statement) = &failure.statement {
        let position = failure.error.position;
        error = error.detail(snippet::render(&file.path, file.sql(), statement, position));
    }
    error.with_server_words(&failure.error)
}
