//! Running the statements of a file under observation, as its header asks.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, SimpleQueryMessage};

use super::compare::Sight;
use super::gate::Watch;
use super::observe::{self, Locks, Relations};
use crate::db::Target;
use crate::error::{Error, Result, ServerError};
use crate::header::Mode;
use crate::migrations::set::File;
use crate::report::{PlannedFile, PlannedStatement, RehearsedStatement};

/// A batch that changes rows for ever would never end; no sample has work for so many.
const MOST_RUNS: u64 = 1_000;

/// Up to 14 counters reach other sessions late. Within this time after a session's last report they
/// are all still in the session itself, where they can be read.
const REPORT_INTERVAL: Duration = Duration::from_millis(400);

/// How a file went.
pub(super) struct Course {
    pub statements: Vec<RehearsedStatement>,
    /// Of the first statement that failed, which is the one after those above.
    pub failure: Option<ServerError>,
}

/// Where statements run.
pub(super) struct Stage<'a> {
    pub target: &'a Target,
    pub client: Client,
    pub major: u32,
    /// The relations as they were after the last statement.
    known: Relations,
}

impl<'a> Stage<'a> {
    /// Connects, and looks around.
    ///
    /// # Errors
    /// What the server says.
    pub fn new(target: &'a Target, major: u32) -> Result<Self> {
        let mut client = target.connect()?;
        let known = observe::relations(&mut client, None)?;
        Ok(Self {
            target,
            client,
            major,
            known,
        })
    }

    /// Runs a file, and writes its history row.
    ///
    /// # Errors
    /// Trouble with the observation; that of the file itself is told in the course.
    pub fn file(
        &mut self,
        file: &File,
        plan: &PlannedFile,
        mode: Mode,
        row: &str,
    ) -> Result<Course> {
        self.client.batch_execute("RESET ROLE; RESET ALL")?;
        let mut course = Course {
            statements: Vec::new(),
            failure: None,
        };
        let outcome = match mode {
            Mode::One => self.transaction(plan, row, &mut course),
            Mode::None => self.statements(plan, row, &mut course),
            Mode::Batched => self.batches(plan, row, &mut course),
        };
        match outcome {
            Ok(()) => Ok(course),
            Err(Stop::Statement(error)) => {
                course.failure = Some(ServerError::read(&error));
                Ok(course)
            }
            Err(Stop::Observation(error)) => {
                Err(error.during(format!("rehearsing \"{}\"", file.path)))
            }
        }
    }

    fn transaction(&mut self, plan: &PlannedFile, row: &str, course: &mut Course) -> Run {
        let mut transaction = self.client.transaction()?;
        // What the transaction makes itself, nobody else can see.
        let mut own = BTreeSet::new();
        for statement in &plan.statements {
            let (sight, elapsed, _) = within(&mut transaction, &mut self.known, statement)?;
            let told = told(statement, &sight, &own, &self.known, elapsed, 1);
            course.statements.push(told);
            let made = |oid: &&u32| !sight.before.contains_key(oid);
            own.extend(sight.after.keys().filter(made).copied());
        }
        transaction.batch_execute(row)?;
        transaction.commit().map_err(Stop::Statement)
    }

    fn batches(&mut self, plan: &PlannedFile, row: &str, course: &mut Course) -> Run {
        for statement in &plan.statements {
            let started = Instant::now();
            let mut transaction = self.client.transaction()?;
            let (sight, _, mut changed) = within(&mut transaction, &mut self.known, statement)?;
            transaction.commit().map_err(Stop::Statement)?;
            let mut runs = 1;
            while changed > 0 && runs < MOST_RUNS {
                let mut transaction = self.client.transaction()?;
                changed = run(&mut transaction, statement).map_err(Stop::Statement)?;
                transaction.commit().map_err(Stop::Statement)?;
                runs += 1;
            }
            let own = BTreeSet::new();
            let elapsed = started.elapsed();
            let mut told = told(statement, &sight, &own, &self.known, elapsed, runs);
            if changed > 0 {
                told.differences
                    .push(format!("after {runs} runs it still changes rows"));
            }
            course.statements.push(told);
        }
        self.client.batch_execute(row)?;
        Ok(())
    }

    fn statements(&mut self, plan: &PlannedFile, row: &str, course: &mut Course) -> Run {
        // Reads of earlier files belong to another session.
        if observe::has_exact_counters(self.major) {
            observe::report_reads(&mut self.client)?;
        }
        self.client = self.target.connect()?;
        let pid: i32 = self
            .client
            .query_one("SELECT pg_catalog.pg_backend_pid()", &[])?
            .get(0);
        for statement in &plan.statements {
            let (sight, elapsed) = self.alone(pid, statement)?;
            let own = BTreeSet::new();
            let told = told(statement, &sight, &own, &self.known, elapsed, 1);
            course.statements.push(told);
        }
        self.client.batch_execute(row)?;
        Ok(())
    }

    /// A statement outside of a transaction, watched from two other sessions.
    fn alone(
        &mut self,
        pid: i32,
        plan: &PlannedStatement,
    ) -> std::result::Result<(Sight, Duration), Stop> {
        let exact = observe::has_exact_counters(self.major);
        let reads = |client: &mut Client| {
            if exact {
                observe::all_reads(client)
            } else {
                observe::own_reads(client)
            }
        };
        let reads_before = reads(&mut self.client)?;
        let watch = Watch::prepare(self.target, plan)?;
        let ended = AtomicBool::new(false);
        let client = &mut self.client;
        let (outcome, elapsed, holds) = thread::scope(|scope| {
            let running = scope.spawn(|| {
                let _end = End(&ended);
                let started = Instant::now();
                let outcome = client.batch_execute(&plan.sql);
                (outcome, started.elapsed())
            });
            // Dropped on an error as well, so that the statement is not kept waiting for ever.
            let holds = watch.run(pid, &ended);
            let (outcome, elapsed) = running.join().unwrap_or_else(|panic| resume_unwind(panic));
            (outcome, elapsed, holds)
        });
        outcome.map_err(Stop::Statement)?;
        let reads_after = reads(&mut self.client)?;
        let is_whole = exact
            || elapsed < REPORT_INTERVAL
                && reads_before
                    .iter()
                    .all(|(oid, n)| reads_after.get(oid).is_none_or(|m| m >= n));
        let holds = holds?;
        let before = among(&self.known, &holds);
        self.known = observe::relations(&mut self.client, None)?;
        let sight = Sight {
            before,
            after: among(&self.known, &holds),
            holds,
            reads_before,
            reads_after: is_whole.then_some(reads_after),
            ..Sight::default()
        };
        Ok((sight, elapsed))
    }
}

/// Sets the mark when it is dropped: also by a panic, or nobody would ever end the watch.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Why a file did not come to its end.
enum Stop {
    /// A statement of the file, or its COMMIT, failed.
    Statement(postgres::Error),
    /// The observation did.
    Observation(Error),
}

type Run = std::result::Result<(), Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Observation(error)
    }
}

impl From<postgres::Error> for Stop {
    fn from(error: postgres::Error) -> Self {
        Self::Observation(error.into())
    }
}

/// A statement within a transaction: the session itself can be asked afterwards.
fn within(
    transaction: &mut postgres::Transaction<'_>,
    known: &mut Relations,
    plan: &PlannedStatement,
) -> std::result::Result<(Sight, Duration, u64), Stop> {
    let (held, _) = observe::locks(transaction, None)?;
    let reads_before = observe::own_reads(transaction)?;
    let started = Instant::now();
    let changed = run(transaction, plan).map_err(Stop::Statement)?;
    let elapsed = started.elapsed();
    let (holds, _) = observe::locks(transaction, None)?;
    let before = among(known, &holds);
    refresh(transaction, known, &holds, &plan.sql)?;
    let sight = Sight {
        before,
        after: among(known, &holds),
        held,
        holds,
        reads_before,
        reads_after: Some(observe::own_reads(transaction)?),
        sees_all: true,
    };
    Ok((sight, elapsed, changed))
}

/// Those that a session holds locks on.
fn among(known: &Relations, holds: &Locks) -> Relations {
    let held = |oid: &u32| Some((*oid, known.get(oid)?.clone()));
    holds.keys().filter_map(held).collect()
}

/// Only what was locked can have changed, but for the name of a schema.
fn refresh(
    transaction: &mut postgres::Transaction<'_>,
    known: &mut Relations,
    holds: &Locks,
    sql: &str,
) -> Result<()> {
    if sql.to_lowercase().contains("schema") {
        *known = observe::relations(transaction, None)?;
        return Ok(());
    }
    let oids: Vec<u32> = holds.keys().copied().collect();
    let now = observe::relations(transaction, Some(&oids))?;
    known.retain(|oid, _| !holds.contains_key(oid));
    known.extend(now);
    Ok(())
}

/// The number of rows that it changed, as the engine counts them.
fn run(
    transaction: &mut postgres::Transaction<'_>,
    plan: &PlannedStatement,
) -> std::result::Result<u64, postgres::Error> {
    let mut changed = 0;
    for message in transaction.simple_query(&plan.sql)? {
        match message {
            SimpleQueryMessage::CommandComplete(rows) if !plan.counts_by_value => changed = rows,
            SimpleQueryMessage::Row(row) if plan.counts_by_value => {
                let value = row.try_get(0).ok().flatten();
                changed = value
                    .and_then(|value| value.parse().ok())
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    Ok(changed)
}

fn told(
    plan: &PlannedStatement,
    sight: &Sight,
    own: &BTreeSet<u32>,
    known: &Relations,
    elapsed: Duration,
    runs: u64,
) -> RehearsedStatement {
    let (locks, differences) = sight.compare(plan, own, known);
    RehearsedStatement {
        sql: plan.sql.clone(),
        line: plan.line,
        elapsed_ms: elapsed.as_secs_f64() * 1000.0,
        runs,
        locks,
        differences,
        unread: plan.unread.clone(),
    }
}
