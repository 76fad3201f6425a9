//! `creditdb migrate`.

use postgres::Client;

use super::{Outcome, connect, signals, status};
use crate::cli::{Global, MigrateArgs};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::invariants::{self, Catalogue};
use crate::migrations::{self, Auditor, Broken, Options, Precheck, SavedPlan};
use crate::output::progress::Terminal;
use crate::report::{CheckStatus, Report};

/// The error is of the file that ended the run; what came before it is done.
pub(super) fn run(args: &MigrateArgs, global: &Global) -> Result<(Outcome, Option<Error>)> {
    let target = connect::target(global)?;
    let options = Options {
        to: args.to,
        wait: args.wait,
        plan: args.plan.as_deref().map(SavedPlan::read).transpose()?,
        lock_timeout: args.limits.lock_timeout,
        retry_for: args.limits.retry_for,
        build_limit: args.limits.build_limit,
        batch_timeout: args.limits.batch_timeout,
        max_lag: args.limits.max_lag,
        accept_edit: args.accept_edit,
        precheck: precheck(),
        stop: signals::stop()?,
    };
    let (deployment, error) = migrations::attempt(
        &target,
        || status::set(&args.source),
        &options,
        &Terminal::default(),
    )?;
    let outcome = Outcome {
        report: Report::Deployment(deployment),
        exit: Exit::Done,
    };
    Ok((outcome, error))
}

/// The audit, for the checks that migrations name.
pub(super) fn precheck() -> Precheck {
    Precheck::by(Audit)
}

/// The checks of `verify`.
struct Audit;

impl Auditor for Audit {
    fn know(&self, ids: &[String]) -> Result<()> {
        Catalogue::load(None)?.select(ids, &[], false).map(drop)
    }

    fn broken(&self, client: &mut Client, ids: &[String]) -> Result<Vec<Broken>> {
        broken(client, ids)
    }
}

/// The checks that do not hold, with some of the rows.
fn broken(client: &mut Client, ids: &[String]) -> Result<Vec<Broken>> {
    const SHOWN: u32 = 5;
    let catalogue = Catalogue::load(None)?;
    let selection = catalogue.select(ids, &[], false)?;
    let options = invariants::Options {
        evidence: SHOWN,
        ..invariants::Options::default()
    };
    let audit = invariants::audit(
        invariants::Connections::one(client),
        &selection,
        &options,
        None,
        &Terminal::default(),
    )?;
    for check in &audit.checks {
        if let CheckStatus::Error(reason) = &check.status {
            let check = &check.check.id;
            let message = format!("cannot tell whether \"{check}\" holds, as the migrations need");
            return Err(Error::undecided(message)
                .detail(reason)
                .hint(format!("creditdb verify {check}")));
        }
    }
    let found = audit
        .checks
        .into_iter()
        .filter(|check| check.violations > 0);
    Ok(found
        .map(|check| Broken {
            id: check.check.id,
            title: check.check.title,
            violations: check.violations,
            subjects: check.evidence.into_iter().map(|e| e.subject).collect(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::output::sql::LOCK_TIMEOUT;

    /// The help tells the first, and a script for psql has to wait like `migrate`.
    #[test]
    fn the_limits_of_the_command_line_are_those_of_the_library_and_of_scripts() {
        let cli = Cli::try_parse_from(["creditdb", "migrate"]).unwrap();
        let Command::Migrate(args) = cli.command else {
            panic!("not migrate: {:?}", cli.command);
        };
        let (limits, default) = (args.limits, Options::default());
        assert_eq!(args.wait, default.wait);
        assert_eq!(limits.lock_timeout, default.lock_timeout);
        assert_eq!(limits.retry_for, default.retry_for);
        assert_eq!(limits.build_limit, default.build_limit);
        assert_eq!(limits.batch_timeout, default.batch_timeout);
        assert_eq!(limits.max_lag, default.max_lag);
        let of_scripts = humantime::parse_duration(LOCK_TIMEOUT).unwrap();
        assert_eq!(of_scripts, default.lock_timeout);
    }
}
