//! Applying what is pending: from connecting to the last history row.

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use postgres::Client;

use super::history::{History, Place};
use super::options::Options;
use super::plan;
use super::run::Deployer;
use super::session::history_table_sql;
use super::set::{File, Set};
use super::standing::{Standing, inspect};
use super::watch::Watch;
use super::{edits, lock, precheck, preflight};
use crate::db::{Listener, Target, session};
use crate::error::{Error, Kind, Result, notice};
use crate::report::{Deployment, FileFailure, Progress};

/// Applies the pending migrations of a set, each as its header asks. `read` is how the set comes
/// about: its files are read while the server begins a session.
///
/// # Errors
/// Those of `read`. Refused, with nothing changed, when the history and the files do not fit
/// together, when another deployer holds the lock for too long, when there is nothing like version
/// `to`, or when the locks of a migration are not to be had; rolled back when a migration failed:
/// the database is then whole, at the version before it; cut off when a file without a transaction
/// ended early.
pub fn migrate<S: Borrow<Set>>(
    target: &Target,
    read: impl FnOnce() -> Result<S>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Deployment> {
    let (deployment, error) = attempt(target, read, options, progress)?;
    error.map_or(Ok(deployment), Err)
}

/// The same; where a file ended the run, with what came before it.
///
/// # Errors
/// Those of [`migrate`] that come before the first file.
pub fn attempt<S: Borrow<Set>>(
    target: &Target,
    read: impl FnOnce() -> Result<S>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<(Deployment, Option<Error>)> {
    let (listener, heard) = listen();
    let connecting = target.connect_meanwhile(&listener);
    let set = read()?;
    let set = set.borrow();
    let mut client = connecting.wait()?;
    // Most runs find nothing to do. They take no lock, and ask nothing that is not needed for that.
    let standing = inspect(&mut client, set).map_err(|error| preflight::explain(target, error))?;
    let is_current = standing.status.problems.is_empty() && standing.pending.is_empty();
    if is_current && options.accept_edit.is_none() && options.plan.is_none() {
        check_to(options.to, set, &standing.history)?;
        return Ok((unchanged(&standing), None));
    }
    preflight::session(target, &mut client)?;
    lock::acquire(&mut client, options, progress)?;
    // Whatever the set and the history say, they say it under the lock.
    let mut standing = inspect(&mut client, set)?;
    if let Some(version) = options.accept_edit {
        edits::accept(&mut client, set, &mut standing, version, progress)?;
        standing = inspect(&mut client, set)?;
    }
    refuse(set, &standing)?;
    let saved = options.plan.as_ref();
    // A plan up to a version is no word about later files.
    let to = options.to.or(saved.and_then(plan::SavedPlan::to));
    plan::check(&mut client, set, &standing, saved, to)?;
    let to = check_to(to, set, &standing.history)?;
    let work = plan::work(set, &standing, to);
    if work.is_empty() {
        return Ok((unchanged(&standing), None));
    }
    preflight::work(target, &mut client, &work, &standing.history)?;
    precheck::pass(&options.precheck, &mut client, set, &work)?;
    // What was said until here is not about a file.
    heard.try_iter().for_each(drop);
    let session = (client, heard);
    run(target, set, options, progress, (session, standing), &work)
}

/// What the server says unasked, and where it can be read.
fn listen() -> (Listener, Receiver<String>) {
    let (tell, heard) = mpsc::channel();
    let listener: Listener = Arc::new(move |said| {
        if let Some(line) = notice(said) {
            // At the end of a run nobody reads any more.
            let _ = tell.send(line);
        }
    });
    (listener, heard)
}

/// Applies the files one after the other, with somebody who watches.
fn run(
    target: &Target,
    set: &Set,
    options: &Options,
    progress: &dyn Progress,
    ((mut client, heard), mut standing): ((Client, Receiver<String>), Standing),
    work: &[&File],
) -> Result<(Deployment, Option<Error>)> {
    // IF NOT EXISTS asks for CREATE on the schema even where the table exists.
    if standing.history.rows.is_empty() {
        client.batch_execute(&history_table_sql(&standing.history.table))?;
    }
    standing.log.create(&mut client)?;
    // Where they were missing, somebody else may have been quicker to take their names.
    Place::find(&mut client, set.history_schema)?;
    let pid = client
        .query_one("SELECT pg_catalog.pg_backend_pid()", &[])?
        .get(0);
    let checks_connection = preflight::checks_connection(&mut client)?;
    thread::scope(|scope| {
        let watch = Watch::start(scope, target, pid, options.stop.clone(), progress);
        let mut deployer = Deployer {
            target,
            client,
            pid,
            heard,
            set,
            all: set
                .files
                .iter()
                .map(|file| file.migration.clone())
                .collect(),
            applied: set
                .files
                .iter()
                .filter(|file| standing.history.find(file.version()).is_some())
                .map(|file| file.migration.clone())
                .collect(),
            table: standing.history.table.clone(),
            log: std::mem::take(&mut standing.log),
            options,
            watch,
            progress,
            checks_connection,
        };
        progress.begin("migrating", work.len() as u64);
        let mut deployment = unchanged(&standing);
        let mut ended = None;
        for file in work {
            // Again, because rows have been written since the run began.
            let applied = precheck::pass(&options.precheck, &mut deployer.client, set, &[*file])
                .and_then(|()| deployer.apply(file));
            match applied {
                Ok(applied) => {
                    deployment.version = deployment.version.max(Some(applied.version));
                    deployment.pending -= 1;
                    deployment.applied.push(applied);
                    progress.advance(1);
                }
                Err(error) => {
                    deployment.failure = Some(failure(file, &error));
                    ended = Some(error);
                    break;
                }
            }
        }
        progress.end();
        match (session::schema_version(&mut deployer.client), &ended) {
            (Ok(version), _) => deployment.schema_version = version,
            (Err(error), None) => return Err(error),
            (Err(_), Some(_)) => {}
        }
        // The answer to a COMMIT may be all that is missing.
        if ended
            .as_ref()
            .is_some_and(|error| error.kind() == Kind::Undecided)
        {
            deployment.version = None;
        }
        Ok((deployment, ended))
    })
}

/// Where the database stands before the first file.
fn unchanged(standing: &Standing) -> Deployment {
    Deployment {
        applied: Vec::new(),
        version: standing.history.newest(),
        schema_version: standing.status.schema_version.clone(),
        pending: standing.pending.len(),
        failure: None,
    }
}

fn failure(file: &File, error: &Error) -> FileFailure {
    FileFailure {
        path: file.path.clone(),
        line: error.line().unwrap_or(1),
        message: error.primary().to_owned(),
        sqlstate: error.sqlstate().map(str::to_owned),
    }
}

/// All reasons at once, each with its next step.
fn refuse(set: &Set, standing: &Standing) -> Result<()> {
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
    Err(error.hint(set.command("status") + " shows the whole history"))
}

/// refinery ignores a target above the newest file, and "succeeds" at one below the history.
pub(super) fn check_to(to: Option<i32>, set: &Set, history: &History) -> Result<Option<i32>> {
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
