//! Statements that the server refuses to run in a transaction: what of them is there is asked of
//! the catalogue, before, after, and when they failed.

mod look;

pub(in super::super) use look::{Look, look, unfinished};

use std::time::Duration;

use look::others;

use super::{Deployer, Numbered};
use crate::db::session::{self, quote_literal};
use crate::error::Error;
use crate::migrations::log::Event;
use crate::migrations::session::Failure;
use crate::migrations::set::File;
use crate::migrations::watch::Task;
use crate::syntax::step::Step;

/// How long removing the remains of a failed build may take; it waits for old transactions, too.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(60);

/// What is left of a statement that did not come to its end.
pub(super) enum Left {
    Nothing(Failure),
    /// In words for a person.
    Something(Failure, String),
    /// It was not begun, because what is there is not what should be.
    Refused(Error),
}

impl From<Error> for Left {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Runs one statement, unless the catalogue shows that it is done.
pub(super) fn run(
    deployer: &mut Deployer<'_>,
    file: &File,
    statement: &Numbered,
    step: &Step,
    resumed: bool,
) -> Result<(), Left> {
    let place = (file.version(), statement.number);
    let record = |deployer: &mut Deployer<'_>, event| {
        let Deployer { client, log, .. } = deployer;
        log.statement(client, event, place, &statement.digest, None)
            .map_err(|error| Failure::new(&error, None, false))
    };
    let sql = match look(&mut deployer.client, step, resumed)? {
        Look::Done => return record(deployer, Event::Finished).map_err(Left::Nothing),
        Look::Run(remains) => {
            // Before anything of it can exist, so that whatever exists is known to be ours.
            record(deployer, Event::Started).map_err(Left::Nothing)?;
            for index in &remains {
                deployer
                    .progress
                    .remark(&format!("dropping what an earlier run left: {index}"));
                let limit = deployer.options.build_limit;
                drop_index(deployer, index, limit)
                    .map_err(|failure| Left::Something(failure, format!("{index} is invalid")))?;
            }
            file.sql()[statement.range.clone()].to_owned()
        }
        Look::Instead(sql) => sql,
    };
    let limit = deployer.options.build_limit;
    if let Err(error) = outside(deployer, &sql, limit) {
        let failure = Failure::new(&error, Some(statement.range.clone()), false);
        return Err(left(deployer, step, failure, &record));
    }
    // The server says "done" for a build that another session's change made useless, too.
    if let Some(words) = unfinished(&mut deployer.client, step).map_err(Left::Refused)? {
        let error = crate::error::ServerError {
            message: format!("the statement ended, but {words}"),
            ..Default::default()
        };
        let failure = Failure {
            error: Box::new(error),
            statement: Some(statement.range.clone()),
            at_commit: false,
        };
        return Err(Left::Something(failure, words));
    }
    for index in others(&mut deployer.client, step)? {
        deployer.progress.remark(&format!(
            "{index} was invalid before and still is: DROP INDEX CONCURRENTLY {index}"
        ));
    }
    record(deployer, Event::Finished).map_err(|failure| {
        let words = "its last statement is done, but not recorded".to_owned();
        Left::Something(failure, words)
    })
}

/// After a failure: removes an invalid index, which would only slow down the writers, unless it
/// was a time limit or a wish to stop that ended the build.
fn left(
    deployer: &mut Deployer<'_>,
    step: &Step,
    failure: Failure,
    record: &dyn Fn(&mut Deployer<'_>, Event) -> Result<(), Failure>,
) -> Left {
    if failure.error.connection_lost {
        let status = deployer.set.command("status");
        let words = format!("the connection is gone; {status} tells what is there");
        return Left::Something(failure, words);
    }
    if !failure.is_cancelled()
        && let Ok(Look::Run(remains)) = look(&mut deployer.client, step, true)
    {
        for index in &remains {
            // Whether it worked is asked below.
            let _ = drop_index(deployer, index, CLEAN_UP_LIMIT);
        }
    }
    match unfinished(&mut deployer.client, step) {
        Ok(None) if record(deployer, Event::Failed).is_ok() => Left::Nothing(failure),
        Ok(None) => Left::Something(failure, "nothing of it is left".to_owned()),
        Ok(Some(words)) => Left::Something(failure, words),
        Err(error) => Left::Something(failure, format!("asking what is left failed: {error}")),
    }
}

fn drop_index(deployer: &mut Deployer<'_>, index: &str, limit: Duration) -> Result<(), Failure> {
    outside(
        deployer,
        &format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"),
        limit,
    )
    .map_err(|error| Failure::new(&error, None, false))
}

/// Runs a statement outside of any transaction. A concurrent build takes no lock that others queue
/// behind, and it has to wait for older transactions, so only its total time is limited. Afterwards
/// the limits are those from before, which the file may have set.
fn outside(deployer: &mut Deployer<'_>, sql: &str, limit: Duration) -> Result<(), postgres::Error> {
    let limit = limit.as_millis().to_string();
    let limits = [
        ("lock_timeout", "0"),
        ("statement_timeout", &limit),
        // Servers have it since PostgreSQL 17.
        ("transaction_timeout", "0"),
    ];
    let Deployer { client, watch, .. } = deployer;
    let current = limits.map(|(name, _)| format!("current_setting('{name}', true)"));
    let before = session::rows(client, &format!("SELECT {}", current.join(", ")))?;
    let (mut lift, mut restore) = (String::new(), String::new());
    for (at, (name, value)) in limits.into_iter().enumerate() {
        if let Some(before) = before.first().and_then(|row| row.get(at)) {
            lift += &format!("SET {name} = {value};");
            restore += &format!("SET {name} = {};", quote_literal(before));
        }
    }
    client.batch_execute(&lift)?;
    let result = watch.during(Task::Build, || client.batch_execute(sql));
    result.and(client.batch_execute(&restore))
}
