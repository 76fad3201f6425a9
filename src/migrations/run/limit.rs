//! Which limit ended a statement that took too long, and the command that gives it more time. The
//! limits of options are ours; `statement_timeout` and `transaction_timeout` are left as the role
//! or the database has them, because whoever set them may have meant migrations, too.

use std::time::Duration;

use super::Deployer;
use crate::db::session;
use crate::error::Result;
use crate::header::Mode;
use crate::migrations::session::Failure;
use crate::migrations::set::File;
use crate::syntax::Script;
use crate::syntax::step::Step;

/// A limit that was reached.
pub(super) struct Limit {
    /// What it is, and where it comes from.
    pub words: String,
    /// What to do instead.
    pub command: String,
}

/// The limit behind a failure; none where it was something else, or where nobody can tell.
pub(super) fn reached(deployer: &Deployer<'_>, file: &File, failure: &Failure) -> Option<Limit> {
    // The words of a server that ends the session may get lost.
    let (error, statement) = (&failure.error, &failure.statement);
    let without_words = error.connection_lost && error.sqlstate.is_none() && statement.is_some();
    if error.sqlstate.as_deref() == Some("25P04") || without_words {
        return of_session(deployer, "transaction_timeout").ok().flatten();
    }
    let is_wanted = deployer.options.stop.is_set() || failure.error.message.ends_with(BY_USER);
    if !failure.is_cancelled() || is_wanted {
        return None;
    }
    let statement = failure.statement.clone().map(|range| &file.sql()[range]);
    match (file.mode, statement) {
        (Mode::Batched, Some(_)) => {
            let limit = deployer.options.batch_timeout;
            Some(option(deployer, "batch-timeout", limit))
        }
        (Mode::None, Some(statement)) if runs_alone(statement) => Some(option(
            deployer,
            "build-limit",
            deployer.options.build_limit,
        )),
        _ if sets_it(file) => Some(Limit {
            words: format!("\"{}\" sets {SETTING} itself", file.path),
            command: format!("{}, with more time in \"{}\"", migrate(deployer), file.path),
        }),
        _ => of_session(deployer, SETTING).ok().flatten(),
    }
}

const SETTING: &str = "statement_timeout";

/// How the server ends its words when a person has cancelled the statement, in English: in another
/// language, a limit is told where there is one.
const BY_USER: &str = "due to user request";

fn option(deployer: &Deployer<'_>, name: &str, limit: Duration) -> Limit {
    let shown = humantime::format_duration;
    Limit {
        words: format!("--{name} is {}", shown(limit)),
        command: format!("{} --{name} '{}'", migrate(deployer), shown(limit * 2)),
    }
}

fn migrate(deployer: &Deployer<'_>) -> String {
    deployer.set.command("migrate")
}

/// Whether the limit of builds is about a statement.
fn runs_alone(statement: &str) -> bool {
    let steps = Script::parse(statement).steps().unwrap_or_default();
    let alone = |step: &Step| !matches!(step, Step::Atomic | Step::Setting);
    steps.iter().any(|(_, step)| alone(step))
}

fn sets_it(file: &File) -> bool {
    let text = file.sql();
    let is_set = |statement: &str| {
        let statement = statement.to_lowercase();
        statement.starts_with("set ") && statement.contains(SETTING)
    };
    let mut statements = Script::parse(text).statements().into_iter();
    statements.any(|range| is_set(&text[range]))
}

/// What a new session has, as the one that failed had it.
fn of_session(deployer: &Deployer<'_>, setting: &str) -> Result<Option<Limit>> {
    let mut client = deployer.target.connect()?;
    let query = format!(
        "SELECT current_setting(name), source, current_user, current_database()
           FROM pg_catalog.pg_settings WHERE name = '{setting}' AND setting <> '0'"
    );
    let rows = session::rows(&mut client, &query)?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let text = |at: usize| row.get(at).unwrap_or_default();
    let (limit, role, database) = (text(0), text(2), text(3));
    let place = match text(1) {
        "user" => format!("for role \"{role}\""),
        "database" => format!("for database \"{database}\""),
        "database user" => format!("for role \"{role}\" in database \"{database}\""),
        "global" => "for all roles".to_owned(),
        "client" => "by the options of the connection".to_owned(),
        _ => "for the server".to_owned(),
    };
    Ok(Some(Limit {
        words: format!("{setting} is {limit}, set {place}"),
        command: match text(1) {
            "client" => format!("{}, with more time in -c {setting}", migrate(deployer)),
            _ => format!("PGOPTIONS='-c {setting}=0' {}", migrate(deployer)),
        },
    }))
}
