//! Running one migration file, in the way its header asks for. Each mode is a file.

mod batched;
mod concurrent;
mod failure;
mod limit;
mod one;
mod separate;

pub(super) use concurrent::unfinished;
pub(super) use separate::done;

use std::ops::Range;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use postgres::Client;
use refinery::{Migration, Runner, Target as Until};

use super::blocker::Blocker;
use super::log::Log;
use super::options::{Options, Pauses};
use super::session::{Failure, Session};
use super::set::{File, Set};
use super::watch::{Task, Watch};
use crate::db::{Target, session};
use crate::error::{Error, Result};
use crate::header::Mode;
use crate::report::{AppliedMigration, Progress};
use crate::syntax::words::digest;

/// All that applying needs, while the lock of the deployer is held.
pub(super) struct Deployer<'a> {
    pub target: &'a Target,
    pub client: Client,
    /// The server process behind it.
    pub pid: i32,
    /// What the server said unasked, in words.
    pub heard: Receiver<String>,
    pub set: &'a Set,
    /// The files as refinery wants them.
    pub all: Vec<Migration>,
    /// Those of them that are applied, by version.
    pub applied: Vec<Migration>,
    /// Qualified and quoted name of the history table.
    pub table: String,
    pub log: Log,
    pub options: &'a Options,
    pub watch: Watch<'a>,
    pub progress: &'a dyn Progress,
    /// Whether the server can notice that its client is gone while a statement runs.
    pub checks_connection: bool,
}

impl Deployer<'_> {
    /// Applies one file.
    ///
    /// # Errors
    /// Rolled back: nothing of it is left. Refused: it did not get its locks. Cut off: it has no
    /// transaction, and the log says how far it came.
    pub fn apply(&mut self, file: &File) -> Result<AppliedMigration> {
        let started = Instant::now();
        if self.options.stop.is_set() {
            return Err(failure::stopped_before(self, file));
        }
        if file.mode != Mode::One {
            self.client.batch_execute(&self.settings())?;
        }
        let done = match file.mode {
            Mode::One => one::run(self, file),
            Mode::None => separate::run(self, file),
            Mode::Batched => batched::run(self, file),
        };
        for line in self.heard.try_iter() {
            self.progress.remark(&format!("\"{}\": {line}", file.path));
        }
        done?;
        Ok(AppliedMigration {
            version: file.version(),
            name: file.migration.name().to_owned(),
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// A session like a new one, with our limits: a SET of the migration before must not reach this
    /// one. RESET ALL leaves role and user alone. With quote_all_identifiers the server would store
    /// the settings of functions in another spelling.
    fn settings(&self) -> String {
        let mut sql = format!(
            "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL;
             SET lock_timeout = {};
             SET idle_in_transaction_session_timeout = {};
             {};
             SET quote_all_identifiers = off;
             SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3",
            self.options.lock_timeout.as_millis(),
            session::SILENCE.as_millis(),
            session::STAY,
        );
        if self.checks_connection {
            // When we are killed, whatever the server runs for us ends within seconds.
            sql.push_str("; SET client_connection_check_interval = 2000");
        }
        sql
    }

    /// Lets refinery apply or only record one file. With everything before it applied, "grouped,
    /// up to this version" is exactly one migration in one transaction; refinery's default is one
    /// transaction for the text and another for the history row.
    fn refinery(&mut self, file: &File, until: Until) -> std::result::Result<(), refinery::Error> {
        let mut runner = Runner::new(&self.all).set_grouped(true).set_target(until);
        runner.set_migration_table_name(&self.table);
        let settings = self.settings();
        let mut session = Session {
            client: &mut self.client,
            applied: &self.applied,
            settings,
            lock_timeout: self.options.lock_timeout,
            runs_text: matches!(until, Until::Version(_)),
            also: self.log.applied_sql(file.version(), &digest(file.sql())),
        };
        self.watch
            .during(Task::Transaction, || runner.run(&mut session))?;
        self.applied.push(file.migration.clone());
        self.applied.sort();
        Ok(())
    }

    /// Records a file whose statements are all done, and that it is applied, in one transaction.
    fn record(&mut self, file: &File) -> Result<()> {
        self.refinery(file, Until::FakeVersion(file.version()))
            .map_err(|error| match failure::of(&error) {
                Some(found) => failure::cut_off(self, file, &found, "recording it failed"),
                None => failure::of_refinery(file, &error),
            })
    }

    /// Runs something as often as it fails for want of a lock, with growing pauses, until the time
    /// is over. Each attempt must be a whole transaction.
    fn patiently<T>(
        &mut self,
        file: &File,
        mut attempt: impl FnMut(&mut Self) -> std::result::Result<T, Trouble>,
    ) -> std::result::Result<T, Trouble> {
        let mut pauses = Pauses::new(self.options.retry_for);
        loop {
            let failure = match attempt(self) {
                Err(Trouble::Failed(failure)) if failure.is_about_locks() => failure,
                other => return other,
            };
            let blocker = self.watch.blocker();
            let mut told = format!("\"{}\": {failure}", file.path);
            if let Some(blocker) = &blocker {
                told = format!("{told}; blocked by {blocker}");
            }
            let Some(pause) = pauses.next().filter(|_| !self.options.stop.is_set()) else {
                self.progress.remark(&told);
                return Err(Trouble::Locked(Box::new(GaveUp {
                    failure,
                    blocker,
                    after: pauses.elapsed(),
                })));
            };
            let shown = humantime::format_duration(to_tenths(pause));
            self.progress
                .remark(&format!("{told}; trying again in {shown}"));
            self.options.stop.sleep(pause);
        }
    }
}

/// Why something was not done.
enum Trouble {
    /// A statement failed, or COMMIT.
    Failed(Failure),
    /// The locks were not to be had, and the time for trying again is over.
    Locked(Box<GaveUp>),
    /// Anything else, in words already.
    Other(Error),
}

struct GaveUp {
    failure: Failure,
    blocker: Option<Blocker>,
    after: Duration,
}

/// As exact as anybody needs to read it, and never zero for what took its time.
fn to_tenths(time: Duration) -> Duration {
    let step = if time < Duration::from_secs(1) {
        1
    } else {
        100
    };
    Duration::from_millis(u64::try_from(time.as_millis() / step * step).unwrap_or(u64::MAX))
}

/// A statement of a file without a transaction of its own: number (from 1), place and digest.
struct Numbered {
    number: i32,
    range: Range<usize>,
    digest: String,
}

impl Numbered {
    fn new(index: usize, range: Range<usize>, text: &str) -> Self {
        Self {
            number: i32::try_from(index + 1).unwrap_or(i32::MAX),
            digest: digest(&text[range.clone()]),
            range,
        }
    }
}

/// Makes sure that what was finished is what the file says now.
fn same_statement(file: &File, statement: &Numbered, finished: &str) -> Result<()> {
    if finished == statement.digest {
        return Ok(());
    }
    let number = statement.number;
    Err(Error::refused(format!(
        "statement {number} of \"{}\" was finished with another text",
        file.path
    ))
    .detail(
        "an earlier run was cut off after it, and the file was edited since; nothing was changed",
    )
    .hint(format!(
        "restore the text of statement {number}, and put the change into a new migration"
    )))
}
