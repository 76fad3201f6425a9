//! The command line: clap types, without behaviour.

mod offline;
mod plan;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;

pub use offline::{DemoArgs, ExplainArgs, LintArgs, ListArgs, NoDatabase};
pub use plan::{PlanArgs, RehearseArgs};

/// Migrate and audit the credit database of an LLM gateway.
#[derive(Debug, Parser)]
#[command(
    name = "creditdb",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done and all holds · 1 findings · 2 wrong usage · \
                  3 could not decide · 4 refused, nothing changed · \
                  5 a migration failed and was rolled back · \
                  6 a step without a transaction was cut off: migrate completes it\n\n\
                  Example: creditdb demo"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// Database to work on: a URL or a libpq connection string. Without it, DATABASE_URL, then the
    /// PG* variables. Passwords belong into PGPASSWORD or ~/.pgpass.
    #[arg(long, global = true, value_name = "URL", help_heading = "Connection")]
    pub database_url: Option<String>,
    /// Format of the result on stdout.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    pub format: Format,
    /// Write the result to a file as well; may be repeated.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT=FILE",
        value_parser = format_and_file,
        help_heading = "Output"
    )]
    pub output: Vec<(Format, PathBuf)>,
    /// Say more on stderr about what is done.
    #[arg(long, short, global = true, help_heading = "Output")]
    pub verbose: bool,
}

/// Formats of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Annotations of GitHub Actions.
    Github,
    /// A script for psql, of plan only.
    Sql,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show all of it on a private throw-away server: migrate, fill, audit, damage, audit again
    Demo(DemoArgs),
    /// Apply pending migrations
    Migrate(MigrateArgs),
    /// Show applied, pending and diverged migrations; changes nothing
    Status(StatusArgs),
    /// Show what migrate would do: statements, locks, sizes, risk; changes nothing
    Plan(PlanArgs),
    /// Apply pending migrations to a scratch copy of the schema, and show the locks really held
    Rehearse(RehearseArgs),
    /// Compare the live schema with the one that the migrations make; changes nothing
    Drift(DriftArgs),
    /// Take over a database that was not made by us, after proving that its schema matches
    Adopt(AdoptArgs),
    /// Find dangers in migration files, without a database
    Lint(LintArgs),
    /// Audit the ledger: prove that no credit was lost, doubled or invented
    Verify(VerifyArgs),
    /// List the checks of the audit
    List(ListArgs),
    /// Explain a check: what it states, why, and the SQL behind it
    Explain(ExplainArgs),
    /// Fill a migrated, empty database with a consistent sample ledger
    Sample(SampleArgs),
}

/// Where migrations come from.
#[derive(Args, Clone, Debug)]
pub struct MigrationSource {
    /// Run the refinery migrations of a directory instead of the embedded ones.
    #[arg(long, value_name = "DIR")]
    pub migrations: Option<PathBuf>,
}

/// Arguments of `migrate`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: creditdb migrate --database-url postgres://gateway@db.example/credits"
)]
pub struct MigrateArgs {
    /// Which migrations.
    #[command(flatten)]
    pub source: MigrationSource,
    /// Stop after this version.
    #[arg(long, value_name = "N")]
    pub to: Option<i32>,
    /// How long to wait while another deployer holds the lock.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub wait: Duration,
    /// Apply only what this plan says, and only if the database is still the one it was made for.
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Realign the checksum of version N, whose file was edited in line endings, comments or white
    /// space only.
    #[arg(long, value_name = "N")]
    pub accept_edit: Option<i32>,
    /// Limits.
    #[command(flatten)]
    pub limits: Limits,
}

/// Limits of `migrate`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// How long a statement may wait for a lock: as long as it waits, others wait behind it.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = positive)]
    pub lock_timeout: Duration,
    /// For how long a transaction that did not get its locks is tried again, and batches pause.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub retry_for: Duration,
    /// How long a concurrent index build may take in all.
    #[arg(long, value_name = "DURATION", default_value = "4h", value_parser = positive)]
    pub build_limit: Duration,
    /// How long one batch of a batched file may take.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = positive)]
    pub batch_timeout: Duration,
    /// Batches pause while a standby is this far behind.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub max_lag: Duration,
}

/// Arguments of `status`.
#[derive(Args, Debug)]
#[command(after_help = "Example: creditdb status --check && echo up to date")]
pub struct StatusArgs {
    /// Which migrations.
    #[command(flatten)]
    pub source: MigrationSource,
    /// Exit with 1 when migrations are pending.
    #[arg(long)]
    pub check: bool,
}

/// Arguments of `drift`.
#[derive(Args, Debug)]
#[command(
    after_help = "The expected schema is that of the newest version in the history, so pending \
                  files are not drift. For the embedded migrations it is a part of the program; \
                  with --migrations the files are replayed on a private throw-away server, which \
                  needs PostgreSQL's server programs (CREDITDB_PG_BIN, or those of the system). \
                  SELECT on the history table is enough.\n\n\
                  Exit codes: 0 no drift · 1 drift · 3 could not decide · 4 nothing is recorded \
                  · 6 a file is half done: migrate completes it\n\n\
                  Example: creditdb drift --ignore public.other_team_table --format json"
)]
pub struct DriftArgs {
    /// Which migrations.
    #[command(flatten)]
    pub source: MigrationSource,
    /// Leave out an extra object that belongs to somebody else, and its parts; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub ignore: Vec<String>,
    /// Count grants to roles that no migration names; without it, they are notes.
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `adopt`.
#[derive(Args, Debug)]
#[command(
    after_help = "The migrations are replayed on a private throw-away server, which needs \
                  PostgreSQL's server programs (CREDITDB_PG_BIN, or those of the system). The \
                  history is written only when no blocking difference remains; a refused database \
                  stays as it was. Data is not judged: run creditdb verify afterwards.\n\n\
                  Exit codes: 0 adopted, or managed already · 3 could not decide · 4 refused\n\n\
                  Example: creditdb adopt --detect \
                  --database-url postgres://owner@db.example/credits"
)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["version", "detect"]))]
pub struct AdoptArgs {
    /// Which migrations.
    #[command(flatten)]
    pub source: MigrationSource,
    /// The version that the database is at.
    #[arg(long, value_name = "N")]
    pub version: Option<i32>,
    /// Compare with every version, newest first, and take the first that matches.
    #[arg(long)]
    pub detect: bool,
    /// How long to wait while a deployer holds the lock.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub wait: Duration,
}

/// Where checks come from, besides the embedded ones.
#[derive(Args, Clone, Debug)]
pub struct CatalogueArgs {
    /// Add the checks of a directory: DIR/<area>/<id>.sql.
    #[arg(long, value_name = "DIR")]
    pub checks: Option<PathBuf>,
}

/// Arguments of `verify`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 clean · 1 findings of severity error or warning; info alone is \
    shown, and fails nothing · 3 a check could not be evaluated, so nothing is concluded\n\n\
    Examples: creditdb verify --area chain --format json\n          \
    creditdb verify --state /var/lib/creditdb/credits.state"
)]
pub struct VerifyArgs {
    /// Checks to run; all of them by default.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Run the checks of an area; may be repeated.
    #[arg(long, value_name = "AREA")]
    pub area: Vec<String>,
    /// Which checks there are.
    #[command(flatten)]
    pub catalogue: CatalogueArgs,
    /// How many violations of a check to show; the count is always true.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub evidence: u32,
    /// Believe no constraint and no index: read the tables themselves.
    #[arg(long)]
    pub distrust: bool,
    /// Connections that read at the same time [default: the server's cores, as far as known, at
    /// most 4, one less than all of them while others write, and fewer where connections are
    /// scarce].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// Stop after so long; what was not decided by then is named, and the exit code is 3.
    #[arg(long, value_name = "DURATION", value_parser = positive)]
    pub deadline: Option<Duration>,
    /// Make no room for others: while somebody writes, tables are else read in small pieces with
    /// rests between, which takes several times as long.
    #[arg(long)]
    pub full_speed: bool,
    /// Read no more rows in a second, for a server that is busy; single queries are not slowed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_rows_per_second: Option<u64>,
    /// Keep in a file what this audit has seen, so that the next one reads only what is new, and so
    /// that changes of what was seen are found. Its key is secret: mode 0600, outside the database.
    #[arg(long, value_name = "FILE", help_heading = "Incremental audits")]
    pub state: Option<PathBuf>,
    /// Read everything, and compare what the state has sealed.
    #[arg(long, requires = "state", help_heading = "Incremental audits")]
    pub full: bool,
}

/// Size, seed and end of a sample.
#[derive(Args, Clone, Copy, Debug)]
pub struct SampleSize {
    /// Number of users.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 200,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub users: u32,
    /// Number of requests in the usage log.
    #[arg(long, value_name = "M", default_value_t = 20_000)]
    pub requests: u32,
    /// The same seed makes the same sample.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u32,
    /// When the sample ends, in RFC 3339, or "now".
    #[arg(long, value_name = "TIME", default_value = "2026-01-01T00:00:00Z", value_parser = until)]
    pub until: Until,
}

/// The end of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The moment of the run, by the server's clock.
    Now,
    /// A fixed moment.
    At(Timestamp),
}

/// Arguments of `sample`.
#[derive(Args, Debug)]
#[command(after_help = "Example: creditdb sample --users 1000 --requests 100000 --seed 7")]
pub struct SampleArgs {
    /// Size, seed and end.
    #[command(flatten)]
    pub size: SampleSize,
}

fn until(text: &str) -> Result<Until, jiff::Error> {
    match text {
        "now" => Ok(Until::Now),
        _ => text.parse().map(Until::At),
    }
}

fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

/// To the server, 0 means "without a limit".
fn positive(text: &str) -> Result<Duration, String> {
    let duration = duration(text).map_err(|error| error.to_string())?;
    if duration.as_millis() == 0 {
        return Err("it must be 1ms or more: nothing runs without a limit".to_owned());
    }
    Ok(duration)
}

fn format_and_file(text: &str) -> Result<(Format, PathBuf), String> {
    let (format, file) = text
        .split_once('=')
        .ok_or("expected FORMAT=FILE, such as json=audit.json")?;
    let format = Format::from_str(format, false)
        .map_err(|_| format!("unknown format \"{format}\"; known are text, json, github, sql"))?;
    if file.is_empty() {
        return Err("the file name is empty".to_owned());
    }
    Ok((format, PathBuf::from(file)))
}
