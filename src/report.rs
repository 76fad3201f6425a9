//! What a run found: plain data without I/O. Formats map it; nothing here knows a format.

mod commands;
mod drift;
mod lint;
mod plan;
mod severity;

use jiff::Timestamp;
use rust_decimal::Decimal;

pub use commands::Commands;
pub use drift::{
    Adoption, AdoptionState, Candidate, Drift, Nature, SchemaChange, SchemaDifference,
};
pub use lint::{AllowedFinding, Lint, LintFinding, LintRule, LintedFile, Place};
pub use plan::{
    FileFailure, Fingerprint, ObservedLock, Plan, PlannedFile, PlannedHistory, PlannedLock,
    PlannedStatement, Rehearsal, RehearsedFile, RehearsedStatement, Risk,
};
pub use severity::Severity;

/// The result of one command.
#[derive(Clone, Debug)]
pub enum Report {
    /// Of `status`.
    Status(Status),
    /// Of `migrate`.
    Deployment(Deployment),
    /// Of `plan`.
    Plan(Plan),
    /// Of `rehearse`.
    Rehearsal(Rehearsal),
    /// Of `drift`.
    Drift(Drift),
    /// Of `adopt`.
    Adoption(Adoption),
    /// Of `verify`.
    Audit(Audit),
    /// Of `list`.
    Catalogue(Vec<CheckSummary>),
    /// Of `explain`.
    Explanation(Explanation),
    /// Of `lint`.
    Lint(Lint),
    /// Of `lint --rules`.
    LintRules(Vec<LintRule>),
    /// Of `lint --explain`.
    LintRule(LintRule),
    /// Of `sample`.
    Sample(Sample),
    /// Of `demo`.
    Tour(Vec<TourStep>),
    /// Of a step that changes something and finds nothing.
    Nothing,
}

/// One step of the demo.
#[derive(Clone, Debug)]
pub struct TourStep {
    /// The command, or what happens.
    pub title: String,
    /// Remarks, a line each.
    pub notes: Vec<String>,
    /// What the step found.
    pub report: Report,
}

impl TourStep {
    /// A step without remarks.
    pub fn new(title: &str, report: Report) -> Self {
        Self {
            title: title.to_owned(),
            notes: Vec::new(),
            report,
        }
    }
}

/// Progress of long work, and remarks made on the way; never part of the result.
///
/// A piece of work may have parts: what begins last ends first. Other threads may report, too.
pub trait Progress: Sync {
    /// A piece of work begins that has so many steps; 0 when nobody knows.
    fn begin(&self, what: &str, steps: u64);
    /// So many further steps are done.
    fn advance(&self, steps: u64);
    /// So many steps of so many are done.
    fn at(&self, done: u64, steps: u64);
    /// The piece of work that began last has ended.
    fn end(&self);
    /// One line for the person who watches.
    fn remark(&self, line: &str);
}

/// Where a database stands between its history and the migration files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusState {
    /// All files are applied.
    Current,
    /// Files wait to be applied.
    Pending,
    /// `migrate` would refuse.
    Refused,
    /// A file without a transaction was cut off; `migrate` completes it.
    HalfDone,
    /// There is no history, but tables that the files would make exist already.
    Unmanaged,
}

/// Where one migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// In the history, same text.
    Applied,
    /// Not in the history.
    Pending,
    /// In the history with another checksum.
    Edited,
    /// In the history, without a file.
    Missing,
    /// In the history, with a version above every file.
    Newer,
}

/// One line of the status.
#[derive(Clone, Debug)]
pub struct MigrationStatus {
    /// Version number.
    pub version: i32,
    /// Name without version and ending.
    pub name: String,
    /// Where it stands.
    pub state: MigrationState,
    /// RFC 3339 time of the deployer's clock, as the history has it.
    pub applied_on: Option<String>,
}

/// A reason why `migrate` refuses, with the next command to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable word for programs, such as `edited`.
    pub code: &'static str,
    /// Migration version, where one is concerned.
    pub version: Option<i32>,
    /// Lower case, factual, objects quoted.
    pub message: String,
    /// The next step.
    pub hint: String,
}

/// Of `status`.
#[derive(Clone, Debug)]
pub struct Status {
    /// Sum of all that follows.
    pub state: StatusState,
    /// Newest row of `schema_version`, where that table exists.
    pub schema_version: Option<String>,
    /// History and files together, by version.
    pub migrations: Vec<MigrationStatus>,
    /// Why `migrate` would refuse.
    pub problems: Vec<Problem>,
    /// What was begun and is not complete; no reason to refuse.
    pub unfinished: Vec<Problem>,
    /// What comes next.
    pub commands: Commands,
}

/// Of `migrate`.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// What this run applied, in order.
    pub applied: Vec<AppliedMigration>,
    /// Newest version in the history afterwards, as far as it is known.
    pub version: Option<i32>,
    /// Newest row of `schema_version` afterwards, where that table exists.
    pub schema_version: Option<String>,
    /// Files that are still pending (because of `--to`, or of a failure).
    pub pending: usize,
    /// The file that ended the run.
    pub failure: Option<FileFailure>,
}

/// A migration that this run applied.
#[derive(Clone, Debug)]
pub struct AppliedMigration {
    /// Version number.
    pub version: i32,
    /// Name without version and ending.
    pub name: String,
    /// From BEGIN to the acknowledged COMMIT.
    pub elapsed_ms: u64,
}

/// What an audit says in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every check that applies was evaluated, and none of severity error or warning is violated.
    Clean,
    /// Every check that applies was evaluated; some of severity error or warning are violated.
    Findings,
    /// Some check could not be evaluated, or none applies: nothing may be concluded.
    Incomplete,
}

/// How one check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckStatus {
    /// Evaluated, no violation.
    Holds,
    /// Proven by objects of the database (their names); not read.
    Guarded(Vec<String>),
    /// Evaluated, with violations.
    Violated,
    /// Does not apply to this schema version (the reason).
    Skipped(String),
    /// Could not be evaluated (the reason).
    Error(String),
}

/// One violation.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The key of the row, in words.
    pub subject: String,
    /// What should be there.
    pub expected: Option<String>,
    /// What is there.
    pub actual: Option<String>,
    /// Credits; actual minus expected where both are amounts.
    pub difference: Option<Decimal>,
    /// Word of a likely cause.
    pub cause: Option<String>,
    /// What led to the cause, or other facts.
    pub detail: Option<String>,
}

/// The result of one check.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// The check itself.
    pub check: CheckSummary,
    /// How it ended.
    pub status: CheckStatus,
    /// Number of all violations, also of those without evidence here.
    pub violations: u64,
    /// Rows that are too young to be judged; they are neither violations nor clean.
    pub pending: u64,
    /// Credits: sum of the absolute differences of all violations.
    pub at_risk: Decimal,
    /// The first violations, by subject.
    pub evidence: Vec<Evidence>,
}

/// What a check is, for lists and findings.
#[derive(Clone, Debug)]
pub struct CheckSummary {
    /// File name of the check.
    pub id: String,
    /// Folder of the check.
    pub area: String,
    /// How bad a violation is.
    pub severity: Severity,
    /// `row`, `query` or `native`.
    pub kind: &'static str,
    /// The invariant, as a statement.
    pub title: String,
    /// What to do about a violation.
    pub remedy: String,
    /// First schema version that it applies to.
    pub since: String,
}

/// Of `explain`: all that is known about a check.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Name, severity, title, remedy.
    pub check: CheckSummary,
    /// First schema version that it does not apply to any more.
    pub until: Option<String>,
    /// `user`, `global` or `totals`.
    pub scope: &'static str,
    /// Names of what proves it in the database; empty where nothing does.
    pub guarded_by: Vec<String>,
    /// Why nothing guards it, where that is so.
    pub unguarded_because: Option<String>,
    /// The failure in real life.
    pub why: String,
    /// A statement that a person can paste into psql.
    pub sql: String,
}

/// The database that was audited.
#[derive(Clone, Debug)]
pub struct AuditedDatabase {
    /// Its name.
    pub name: String,
    /// Version of the server.
    pub server_version: String,
    /// Newest row of `schema_version`.
    pub schema_version: String,
    /// Whether the server is a standby.
    pub standby: bool,
}

/// What an audit did with the state of the one before, and left for the next.
#[derive(Clone, Debug)]
pub struct AuditState {
    /// The file.
    pub file: String,
    /// `full` or `incremental`.
    pub mode: &'static str,
    /// Why everything was read.
    pub reason: Option<String>,
    /// Of an incremental audit: the moment that it begins at.
    pub since: Option<Timestamp>,
    /// The moment of the last full audit whose state is in the file.
    pub full_at: Option<Timestamp>,
    /// Up to which id the rows of each table are sealed, as the file says now.
    pub sealed: Vec<(String, i64)>,
    /// Tables of which open transactions kept the newest ids from being sealed.
    pub held_up: Vec<String>,
    /// Why the file stayed as it was; none when it was to be replaced.
    pub kept: Option<String>,
}

/// Of `verify`.
#[derive(Clone, Debug)]
pub struct Audit {
    /// One word.
    pub verdict: Verdict,
    /// What was audited.
    pub database: AuditedDatabase,
    /// When the snapshot was taken, by the server's clock.
    pub taken_at: Timestamp,
    /// The server's own words for the snapshot (`pg_current_snapshot()`).
    pub snapshot_id: String,
    /// What was done with the state of the audit before; none without `--state`.
    pub state: Option<AuditState>,
    /// The folder with checks of the caller's own, where one was named.
    pub folder: Option<String>,
    /// All checks that were asked for, by area and id.
    pub checks: Vec<CheckResult>,
    /// Wall time.
    pub elapsed_ms: u64,
}

/// Of `sample`.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Users with a balance row.
    pub users: u64,
    /// Rows of `llm_usage_log`.
    pub requests: u64,
    /// Rows of `credit_transactions`.
    pub entries: u64,
    /// Seed and end make the same sample again.
    pub seed: u32,
    /// When the ledger ends.
    pub until: Timestamp,
    /// Wall time.
    pub elapsed_ms: u64,
}
