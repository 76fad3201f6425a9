//! Arguments of the commands that look at pending migrations.

use std::path::PathBuf;

use clap::Args;

use super::MigrationSource;

/// Arguments of `plan`.
#[derive(Args, Debug)]
#[command(
    after_help = "Needs SELECT only, and works on a standby. --format sql writes a script for \
                  psql -v ON_ERROR_STOP=1 -f. The checks that the files name as their precheck are \
                  evaluated, as far as they apply before earlier files have run. Privileges that \
                  this role lacks for migrate are remarked, as another may run it.\n\n\
                  Exit codes: 0 planned, or nothing to do · 3 could not decide · 4 migrate would \
                  refuse, whoever runs it · 6 a file is half done\n\n\
                  Example: creditdb plan --out plan.json && creditdb migrate --plan plan.json"
)]
pub struct PlanArgs {
    /// Which migrations.
    #[command(flatten)]
    pub source: MigrationSource,
    /// Plan up to this version.
    #[arg(long, value_name = "N")]
    pub to: Option<i32>,
    /// Write the plan, with a fingerprint of what it was made from, for migrate --plan.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `rehearse`.
#[derive(Args, Debug)]
#[command(
    after_help = "The live database is only read: its schema by pg_dump, and rows on demand. The \
                  scratch database is on a private throw-away server, or on the one of \
                  --scratch-url; it is dropped at the end, also after Ctrl-C or SIGTERM.\n\n\
                  Exit codes: 0 rehearsed · 1 a file failed · 3 no scratch database, no pg_dump, \
                  stopped · 4 migrate would refuse\n\n\
                  Example: creditdb rehearse --rows 1000"
)]
pub struct RehearseArgs {
    /// Which migrations.
    #[command(flatten)]
    pub source: MigrationSource,
    /// Rehearse up to this version.
    #[arg(long, value_name = "N")]
    pub to: Option<i32>,
    /// Copy up to N sampled rows of each table, 100000 at most; they keep to the foreign keys.
    // The keys of what was sampled stand in the query for the rows that refer to them.
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=100_000))]
    pub rows: u64,
    /// Server for the scratch database. A password belongs into ~/.pgpass or into this variable.
    #[arg(
        long,
        value_name = "URL",
        env = "CREDITDB_SCRATCH_URL",
        hide_env_values = true
    )]
    pub scratch_url: Option<String>,
}
