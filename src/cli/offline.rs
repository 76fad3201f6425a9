//! Arguments of the commands that work on no database of the caller's.

use std::path::PathBuf;

use clap::Args;

use super::{CatalogueArgs, MigrationSource, SampleSize};

/// In the place of the option of every command, to keep it out of the help: it is refused. Nobody
/// shall believe that such a command looked at a database.
#[derive(Args, Clone, Debug)]
pub struct NoDatabase {
    /// What was given all the same.
    #[arg(long, value_name = "URL", hide = true)]
    pub database_url: Option<String>,
}

/// Arguments of `demo`.
#[derive(Args, Debug)]
#[command(after_help = "Example: creditdb demo --users 50 --requests 2000")]
pub struct DemoArgs {
    /// None to work on.
    #[command(flatten)]
    pub no_database: NoDatabase,
    /// Size, seed and end of the sample.
    #[command(flatten)]
    pub size: SampleSize,
}

/// Arguments of `lint`.
#[derive(Args, Debug)]
#[command(
    after_help = "Files of lower versions beside a FILE are read as the existing schema; with a \
                  directory, --from says where the pending files begin. A finding is allowed by a \
                  comment before the statement, or at the top for the file:\n  \
                  -- creditdb: allow RULE: the reason\n\n\
                  Exit codes: 0 nothing found · 1 errors or warnings · 2 wrong usage: nothing to \
                  judge, or a file that is not UTF-8 · 3 a file that cannot be read\n\n\
                  Example: creditdb lint migrations/V6__add_last_entry_seq.sql --format github"
)]
pub struct LintArgs {
    /// None to work on.
    #[command(flatten)]
    pub no_database: NoDatabase,
    /// Files to judge; all migrations by default.
    #[arg(value_name = "FILE", conflicts_with = "migrations")]
    pub files: Vec<PathBuf>,
    /// Which migrations.
    #[command(flatten)]
    pub source: MigrationSource,
    /// Judge the files from this version on; earlier ones make the existing schema.
    #[arg(long, value_name = "N")]
    pub from: Option<i32>,
    /// List the rules.
    #[arg(long, conflicts_with_all = ["files", "migrations", "from", "explain"])]
    pub rules: bool,
    /// Explain a rule: what it finds, why, and what to do instead.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["files", "migrations", "from"])]
    pub explain: Option<String>,
}

/// Arguments of `list`.
#[derive(Args, Debug)]
#[command(after_help = "Example: creditdb list --format json")]
pub struct ListArgs {
    /// None to work on.
    #[command(flatten)]
    pub no_database: NoDatabase,
    /// Which checks there are.
    #[command(flatten)]
    pub catalogue: CatalogueArgs,
}

/// Arguments of `explain`.
#[derive(Args, Debug)]
#[command(after_help = "Example: creditdb explain chain-continuity")]
pub struct ExplainArgs {
    /// None to work on.
    #[command(flatten)]
    pub no_database: NoDatabase,
    /// The check.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Which checks there are.
    #[command(flatten)]
    pub catalogue: CatalogueArgs,
}
