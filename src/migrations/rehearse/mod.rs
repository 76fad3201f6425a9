//! Applies the pending files to a scratch copy of the live schema and watches: the locks that are
//! really held, the tables that are really rewritten and read, the time. The live database is only
//! read, by `pg_dump` and in one read-only transaction.

mod compare;
mod gate;
mod observe;
mod run;
mod sample;
mod scratch;

use postgres::Client;

use super::apply::check_to;
use super::locks::World;
use super::options::Stop;
use super::plan::{describe, work};
use super::session::history_table_sql;
use super::set::{File, Set};
use super::standing::{Standing, inspect_within};
use crate::catalogue::HISTORY;
use crate::db::dump::{Dumper, Omit};
use crate::db::{Target, session};
use crate::error::{Error, Result};
use crate::report::{FileFailure, PlannedFile, Progress, Rehearsal, RehearsedFile, StatusState};
use run::Stage;
use scratch::Scratch;

/// What to rehearse, and where.
#[derive(Clone, Debug, Default)]
pub struct RehearsalOptions {
    /// The last version to rehearse; the newest without it.
    pub to: Option<i32>,
    /// Sampled rows per table.
    pub rows: u64,
    /// The server for the scratch database; a throw-away one without it.
    pub scratch_url: Option<String>,
    /// Set when the user wants it to end: then the scratch database goes at once.
    pub stop: Stop,
}

/// Rehearses the pending files. `url` is what `live` was made from, for `pg_dump`.
///
/// # Errors
/// Refused when `migrate` would refuse; cut off when a file is half done; undecided when the scratch
/// database cannot be made.
pub fn rehearse(
    live: &Target,
    url: Option<&str>,
    set: &Set,
    options: &RehearsalOptions,
    progress: &dyn Progress,
) -> Result<Rehearsal> {
    match on_scratch(live, url, set, options, progress) {
        Ok(rehearsal) if rehearsal.failure.is_none() => Ok(rehearsal),
        // What failed then failed because its database was gone.
        _ if options.stop.is_set() => Err(Error::undecided(
            "the rehearsal was stopped, and its scratch database dropped",
        )),
        outcome => outcome,
    }
}

fn on_scratch(
    live: &Target,
    url: Option<&str>,
    set: &Set,
    options: &RehearsalOptions,
    progress: &dyn Progress,
) -> Result<Rehearsal> {
    let mut client = live.connect()?;
    let live_major = scratch::major(&mut client)?;
    let dumper = Dumper::for_server(live_major)?;
    let scratch = Scratch::create(options.scratch_url.as_deref(), live_major, &options.stop)?;
    let without_owners = scratch.without_owners(&mut client)?;
    scratch.configure(&mut client)?;
    progress.remark("reading the live schema");
    let omit = Omit {
        roles: without_owners.is_some(),
    };
    let schema = dumper.schema(url, omit)?;

    let mut target = scratch.target.connect()?;
    restore(&mut target, &schema.before_rows)?;

    let mut transaction = session::read_only(&mut client)?;
    let standing = inspect_within(&mut transaction, set)?;
    refuse(set, &standing)?;
    check_to(options.to, set, &standing.history)?;
    let mut world = World::load(&mut transaction)?;
    let files = work(set, &standing, options.to);
    let tables = sample::tables(&mut transaction, &world)?;
    let pending: Vec<&str> = files.iter().map(|file| file.sql()).collect();
    let edges = sample::edges(&world, &tables, &pending);
    progress.remark("copying rows");
    let mut full = Vec::new();
    for table in tables.iter().filter(|t| is_record(&t.plain)) {
        sample::copy_all(&mut transaction, &mut target, table)?;
        full.push(table.plain.clone());
    }
    if options.rows > 0 {
        sample::copy(
            &mut transaction,
            &mut target,
            &tables,
            &edges,
            options.rows,
            &full,
        )?;
    }
    let last = sample::last_steps(&mut transaction)?;
    transaction.commit()?;
    restore(&mut target, &schema.after_rows)?;
    target
        .batch_execute(&last)
        .map_err(|e| Error::from(e).during("setting sequences, filling materialized views"))?;
    if observe::has_exact_counters(scratch.major) {
        observe::report_reads(&mut target)?;
    }
    drop(target);

    let table = &standing.history.table;
    let planned: Vec<PlannedFile> = files
        .iter()
        .map(|file| describe(&mut world, file, table))
        .collect();
    let mut rehearsal = Rehearsal {
        server: scratch.server.clone(),
        remarks: remarks(live_major, &scratch, without_owners),
        rows: options.rows,
        files: Vec::new(),
        failure: None,
    };
    perform(&scratch, &files, &planned, table, &mut rehearsal, progress)?;
    Ok(rehearsal)
}

/// Tables that say which version the database has; files may read them.
fn is_record(name: &str) -> bool {
    let bare = name.rsplit_once('.').map_or(name, |(_, bare)| bare);
    matches!(bare, HISTORY | "schema_version")
}

fn refuse(set: &Set, standing: &Standing) -> Result<()> {
    if matches!(
        standing.status.state,
        StatusState::Current | StatusState::Pending
    ) {
        return Ok(());
    }
    let status = &standing.status;
    if status.state == StatusState::HalfDone {
        let error = Error::cut_off("a file is half done, so there is nothing to rehearse yet");
        return Err(status
            .unfinished
            .iter()
            .fold(error, |error, p| error.detail(format!("- {}", p.message)))
            .hint(set.command("migrate") + " completes it"));
    }
    let problems = status.problems.iter();
    let error = Error::refused("migrate would refuse, so there is nothing to rehearse");
    Err(problems
        .fold(error, |error, p| {
            error.detail(format!("- {}\n  hint: {}", p.message, p.hint))
        })
        .hint(set.command("status") + " shows the whole history"))
}

fn restore(client: &mut Client, sql: &str) -> Result<()> {
    client
        .batch_execute(sql)
        .and_then(|()| client.batch_execute("RESET ALL"))
        .map_err(|e| Error::from(e).during("making the schema on the scratch server"))
}

fn remarks(live_major: u32, scratch: &Scratch, without_owners: Option<String>) -> Vec<String> {
    let mut remarks = Vec::new();
    if scratch.major != live_major {
        let major = scratch.major;
        remarks.push(format!(
            "the live server has PostgreSQL {live_major}, this one {major}: locks may differ"
        ));
    }
    if let Some(reason) = without_owners {
        remarks.push(format!("owners and grants are left out: {reason}"));
    } else if scratch.is_own {
        remarks.push(
            "roles are made without their attributes and memberships; the files run as a superuser"
                .to_owned(),
        );
    }
    remarks
}

fn perform(
    scratch: &Scratch,
    files: &[&File],
    planned: &[PlannedFile],
    table: &str,
    rehearsal: &mut Rehearsal,
    progress: &dyn Progress,
) -> Result<()> {
    let mut client = scratch.target.connect()?;
    client.batch_execute(&history_table_sql(table))?;
    drop(client);
    let mut stage = Stage::new(&scratch.target, scratch.major)?;
    progress.begin("rehearsing", files.len() as u64);
    for (file, plan) in files.iter().zip(planned) {
        let course = stage.file(file, plan, file.mode, &plan.record)?;
        progress.advance(1);
        if let Some(error) = course.failure {
            let at = plan.statements.get(course.statements.len());
            rehearsal.failure = Some(FileFailure {
                path: plan.path.clone(),
                line: at.map_or(1, |statement| statement.line),
                message: error.message,
                sqlstate: error.sqlstate,
            });
        }
        rehearsal.files.push(RehearsedFile {
            path: plan.path.clone(),
            version: plan.version,
            name: plan.name.clone(),
            transaction: plan.transaction,
            elapsed_ms: course
                .statements
                .iter()
                .fold(0.0, |sum, s| sum + s.elapsed_ms),
            statements: course.statements,
        });
        if rehearsal.failure.is_some() {
            break;
        }
    }
    progress.end();
    Ok(())
}
